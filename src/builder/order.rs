//! What a context asks for: its `com.openfaas.docker.config` and `com.openfaas.secrets`, found in the archive without unpacking it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};

use build::plan::{PLATFORM, is_own_platform};
use serde::Deserialize;

use crate::sealed::{PrivateKey, SealedError};

const CONFIG: &str = "com.openfaas.docker.config";
const SECRETS: &str = "com.openfaas.secrets";
/// The directory of the archive that is the context of the build.
pub const CONTEXT: &str = "context";
/// Bytes of each of the two documents.
const DOCUMENT_MAX: u64 = 1 << 20;

/// Why a context cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// No archive.
    #[error("the body is no archive, or a part of one: {0}")]
    Archive(io::Error),
    /// A document that is not there.
    #[error("the archive has no {0}")]
    Missing(&'static str),
    /// A document that is there more than once, is no file, or too long.
    #[error("{0} is to be there once, as a file of at most {DOCUMENT_MAX} bytes")]
    Document(&'static str),
    /// No such document.
    #[error("{CONFIG} is malformed: {0}")]
    Config(serde_json::Error),
    /// No name for the image.
    #[error("{CONFIG} names no image")]
    NoImage,
    /// Another platform.
    #[error("platform {0} cannot be built here: only {PLATFORM} can")]
    Platform(String),
    /// A name that no ARG can have, or a value that no program can be given.
    #[error("{0:?} cannot be a build argument")]
    Argument(String),
    /// Its secrets.
    #[error(transparent)]
    Sealed(#[from] SealedError),
}

/// What is asked for.
#[derive(Debug, Default)]
pub struct Order {
    /// The image's name.
    pub image: String,
    /// Values of ARGs.
    pub args: BTreeMap<String, String>,
    /// It is built only.
    pub skip_push: bool,
    /// Secrets, by their names.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    #[serde(default)]
    image: Option<String>,
    #[serde(default)]
    build_args: Option<BTreeMap<String, String>>,
    #[serde(default)]
    platforms: Option<Vec<String>>,
    #[serde(default)]
    skip_push: Option<bool>,
}

/// Reads an archive, as far as it is none of the build's business; the name of the image comes along where only the rest is wrong.
pub fn read(file: &mut File, key: Option<&PrivateKey>) -> (String, Result<Order, OrderError>) {
    let (config, secrets) = match documents(file) {
        Ok(found) => found,
        Err(error) => return (String::new(), Err(error)),
    };
    let config: Config = match serde_json::from_slice(&config) {
        Ok(config) => config,
        Err(error) => return (String::new(), Err(OrderError::Config(error))),
    };
    let image = config.image.clone().unwrap_or_default();
    (image, order(config, secrets, key))
}

fn order(config: Config, secrets: Option<Vec<u8>>, key: Option<&PrivateKey>) -> Result<Order, OrderError> {
    let image = config.image.unwrap_or_default();
    if image.is_empty() || image.contains('\0') {
        return Err(OrderError::NoImage);
    }
    if let Some(other) = config.platforms.into_iter().flatten().find(|one| !is_own_platform(one)) {
        return Err(OrderError::Platform(other));
    }
    let args = config.build_args.unwrap_or_default();
    let is_wrong = |(name, value): &(&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    if let Some((name, _)) = args.iter().find(is_wrong) {
        return Err(OrderError::Argument(name.clone()));
    }
    let secrets = match (secrets, key) {
        (None, _) => BTreeMap::new(),
        (Some(_), None) => return Err(SealedError::NoKey.into()),
        (Some(sealed), Some(key)) => key.open(&sealed)?,
    };
    Ok(Order { image, args, skip_push: config.skip_push.unwrap_or_default(), secrets })
}

/// The two documents. An archive that breaks off is refused here, as far as that is seen without its files.
fn documents(file: &mut File) -> Result<(Vec<u8>, Option<Vec<u8>>), OrderError> {
    file.rewind().map_err(OrderError::Archive)?;
    let (mut config, mut secrets, mut has_context) = (None, None, false);
    let mut archive = tar::Archive::new(&*file);
    for entry in archive.entries_with_seek().map_err(OrderError::Archive)? {
        let mut entry = entry.map_err(OrderError::Archive)?;
        let path = entry.path_bytes().into_owned();
        let path = path.strip_prefix(b"./").unwrap_or(&path);
        let (name, found) = match path {
            _ if path == CONFIG.as_bytes() => (CONFIG, &mut config),
            _ if path == SECRETS.as_bytes() => (SECRETS, &mut secrets),
            _ => {
                has_context |= path.split(|byte| *byte == b'/').next() == Some(CONTEXT.as_bytes());
                continue;
            }
        };
        let is_file = entry.header().entry_type().is_file() && entry.size() <= DOCUMENT_MAX;
        if found.is_some() || !is_file {
            return Err(OrderError::Document(name));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(OrderError::Archive)?;
        *found = Some(bytes);
    }
    if !has_context {
        return Err(OrderError::Missing("folder context"));
    }
    Ok((config.ok_or(OrderError::Missing(CONFIG))?, secrets))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &str)]) -> File {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, content.as_bytes()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn documents_are_found_wherever_they_are() {
        let config = r#"{"image":"a/b:1","buildArgs":{"ADDITIONAL_PACKAGE":""},"platforms":["linux/amd64"],"skipPush":true,"other":1}"#;
        for prefix in ["", "./"] {
            let name = |name: &str| format!("{prefix}{name}");
            let paths = [name("context/Dockerfile"), name(CONFIG), name("context")];
            let mut file = archive(&[(&paths[0], "FROM scratch"), (&paths[1], config), (&paths[2], "")]);
            let (image, order) = read(&mut file, None);
            let order = order.unwrap();
            assert_eq!((&*image, &*order.image, order.skip_push), ("a/b:1", "a/b:1", true));
            assert_eq!(order.args, BTreeMap::from([("ADDITIONAL_PACKAGE".to_owned(), String::new())]));
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let of = |entries: &[(&str, &str)]| read(&mut archive(entries), None).1.unwrap_err().to_string();
        let with = |config: &str| of(&[("context/a", ""), (CONFIG, config)]);
        assert!(of(&[("context/a", "")]).contains("has no com.openfaas.docker.config"));
        assert!(of(&[(CONFIG, "{}")]).contains("has no folder context"));
        assert!(of(&[("context/a", ""), (CONFIG, "{}"), (CONFIG, "{}")]).contains("to be there once"));
        assert!(with("{").contains("malformed"));
        assert!(with(r#"{"image":null}"#).contains("names no image"));
        assert!(
            with(r#"{"image":"a","platforms":["linux/amd64","linux/arm64"]}"#)
                .contains("platform linux/arm64")
        );
        assert!(with(r#"{"image":"a","buildArgs":{"a=b":"c"}}"#).contains("a=b"));
        let sealed = of(&[("context/a", ""), (CONFIG, r#"{"image":"a"}"#), (SECRETS, "x")]);
        assert!(sealed.contains("no key for them"), "{sealed}");
        let mut broken = archive(&[("context/a", "x"), (CONFIG, r#"{"image":"a"}"#)]);
        broken.set_len(600).unwrap();
        assert!(read(&mut broken, None).1.is_err());
        let mut noise = tempfile::tempfile().unwrap();
        io::Write::write_all(&mut noise, &[7; 2048]).unwrap();
        assert!(matches!(read(&mut noise, None).1, Err(OrderError::Archive(_))));
    }
}
