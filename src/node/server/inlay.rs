//! What a call's machine is given beside the request: the files and variables of secrets, and the request's variables.
//!
//! It goes to the machine after it was restored, so none of it is ever part of a snapshot; each call gets the secrets as
//! they are now.

use http::StatusCode;
use km_abi::records::{INLAY_MAX, Inlay, InlayFile};
use km_vmm::boot::strings::STRING_MAX;

use super::problem::{Component, Problem};
use crate::pool::program::REQUEST_ENV;
use api::image::{SecretKeyRef, Snapshot};
use api::{FailureReason, ImageSpec, Published};
use volume::secrets::Secrets;

/// Permissions of the files of secrets, as Kubernetes mounts them: the program may run as anybody.
const MODE: u32 = 0o644;
/// Bytes that the files of a function's secrets may have together; the rest of an inlay is for variables.
const SECRETS_MAX: usize = INLAY_MAX as usize - (1 << 20);
/// What clients are told to wait while a secret is missing.
const RETRY_SECS: u32 = 2;

/// Why the secrets of a function cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// One is not there.
    #[error(
        "there is no secret `{0}`: create it (for documents in a folder: secrets/{1}/{0}/KEY beside them)"
    )]
    Missing(String, String),
    /// One has not the key that a variable takes its value from.
    #[error("the secret `{0}` has no key `{1}`, which spec.env names: add it")]
    KeyMissing(String, String),
    /// No variable can have this value.
    #[error("the key `{1}` of the secret `{0}` cannot be a variable: {2}; mount the secret as a file")]
    NoVariable(String, String, &'static str),
    /// They are too much.
    #[error("the function's secrets have more than {SECRETS_MAX} bytes together")]
    TooLarge,
}

impl SecretError {
    /// Its kind.
    pub fn reason(&self) -> FailureReason {
        match self {
            Self::Missing(..) | Self::KeyMissing(..) => FailureReason::SecretMissing,
            Self::TooLarge => FailureReason::SecretTooLarge,
            Self::NoVariable(..) => FailureReason::SecretInvalid,
        }
    }

    /// The answer to a call.
    pub fn problem(&self) -> Problem {
        let reason = self.reason().into();
        let told = "the function's secrets cannot be had; its status has the details";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, Component::Bake, reason, told)
            .with_detail(self.to_string())
            .retry_after(RETRY_SECS)
    }
}

/// What a function's calls get of its secrets: files, and variables.
///
/// # Errors
/// See [`SecretError`].
pub fn of_secrets(secrets: &Secrets, published: &Published) -> Result<Inlay, SecretError> {
    let namespace = published.name.namespace();
    let find = |name: &str| {
        let known = secrets.get(namespace, name);
        known.ok_or_else(|| SecretError::Missing(name.to_owned(), namespace.to_owned()))
    };
    let mut inlay = Inlay::default();
    for mount in &published.spec.secrets {
        let known = find(&mount.name)?;
        let folder = mount.mount_path.trim_end_matches('/');
        for (key, value) in known.iter() {
            let path = format!("{folder}/{key}").into_bytes();
            inlay.files.push(InlayFile { path, mode: MODE, content: value.clone(), ..InlayFile::default() });
        }
    }
    for (variable, source) in published.spec.secret_variables() {
        let found = find(&source.name).and_then(|known| {
            let value = known.get(&source.key).cloned();
            value.ok_or_else(|| SecretError::KeyMissing(source.name.clone(), source.key.clone()))
        });
        match found {
            Ok(value) => inlay.env.push(entry(variable, &value, source)?),
            Err(_) if source.optional => {}
            Err(error) => return Err(error),
        }
    }
    let files = inlay.files.iter().map(|file| file.content.len());
    let bytes: usize = files.chain(inlay.env.iter().map(Vec::len)).sum();
    if bytes > SECRETS_MAX { Err(SecretError::TooLarge) } else { Ok(inlay) }
}

/// `NAME=value`, as execve(2) takes it.
fn entry(name: &str, value: &[u8], source: &SecretKeyRef) -> Result<Vec<u8>, SecretError> {
    let wrong = |why| SecretError::NoVariable(source.name.clone(), source.key.clone(), why);
    if value.contains(&0) {
        return Err(wrong("it contains a zero byte"));
    }
    let entry = [name.as_bytes(), b"=", value].concat();
    if entry.len() >= STRING_MAX { Err(wrong("it is longer than 128 KiB")) } else { Ok(entry) }
}

/// What is put into the machine of a call, encoded; nothing for most functions. `variables` are those of the request.
///
/// # Errors
/// The answer to the call when a secret is missing.
pub fn of_call(
    secrets: &Secrets,
    published: &Published,
    variables: impl FnOnce() -> Result<Vec<Vec<u8>>, Problem>,
) -> Result<Option<Vec<u8>>, Problem> {
    let mut inlay = of_secrets(secrets, published).map_err(|error| error.problem())?;
    if published.spec.protocol.traits().takes_variables {
        match published.spec.snapshot() {
            // It runs already: its environment cannot grow any more.
            Snapshot::Ready => {
                let mut content = variables()?.join(&b'\n');
                content.push(b'\n');
                inlay.files.push(InlayFile {
                    path: REQUEST_ENV.into(),
                    mode: MODE,
                    content,
                    ..InlayFile::default()
                });
            }
            Snapshot::Start | Snapshot::None => inlay.env.extend(variables()?),
        }
    }
    if inlay.is_empty() {
        return Ok(None);
    }
    let encoded = inlay.encode().map_err(|_| SecretError::TooLarge.problem())?;
    if encoded.len() as u64 > INLAY_MAX { Err(SecretError::TooLarge.problem()) } else { Ok(Some(encoded)) }
}

/// Whether a function's machines are given anything at all.
pub fn is_needed(spec: &ImageSpec) -> bool {
    spec.has_secrets() || spec.protocol.traits().takes_variables
}
