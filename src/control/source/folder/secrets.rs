//! Secrets of a folder: `secrets/<namespace>/<name>/<key>` beside the documents. What functions mount is copied to the
//! volume; credentials for registries are read when an image is fetched.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use api::FailureReason;
use bundles::reason::Reason;
use bundles::registry::{Keychain, RegistryError};
use volume::{FileStamp, Volume, secrets};

use super::documents::Scan;
use crate::reconcile::failure::Failure;

/// The folder of secrets beside the documents.
pub(super) const SECRETS: &str = "secrets";
/// The key of a secret with credentials for registries, as Kubernetes has it.
pub(super) const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// Keeps the volume's copies of a folder's secrets, writing only what changed.
#[derive(Debug, Default)]
pub struct Copier {
    known: HashMap<(String, String), Vec<FileStamp>>,
}

impl Copier {
    /// Brings the secrets that documents name onto the volume, and takes those away that none names any more or that
    /// are gone. `folder` is that of the documents.
    pub fn copy(&mut self, folder: &Path, scan: &Scan, volume: &Volume) {
        let mut wanted = HashMap::new();
        for (name, object) in scan.objects.iter().filter(|(_, object)| object.problem.is_none()) {
            for secret in object.secrets() {
                let key = (name.namespace().to_owned(), secret.to_owned());
                let source = folder.join(SECRETS).join(&key.0).join(&key.1);
                if let Some(stamp) = stamp(&source) {
                    wanted.insert(key, (source, stamp));
                }
            }
        }
        for (key, (source, stamp)) in &wanted {
            if self.known.get(key) != Some(stamp) {
                match write(source, volume, key) {
                    Ok(()) => drop(self.known.insert(key.clone(), stamp.clone())),
                    Err(error) => tracing::error!(%error, "cannot publish the secret {}", source.display()),
                }
            }
        }
        // A document with a mistake may name secrets that are still in use.
        let all_read = scan.objects.values().all(|object| object.problem.is_none());
        if scan.complete && all_read {
            self.known.retain(|key, _| wanted.contains_key(key));
            let keep =
                |namespace: &str, name: &str| wanted.contains_key(&(namespace.to_owned(), name.to_owned()));
            if let Err(error) = secrets::retain(volume, keep) {
                tracing::warn!(%error, "cannot remove secrets that nobody names");
            }
        }
    }
}

fn write(source: &Path, volume: &Volume, (namespace, name): &(String, String)) -> io::Result<()> {
    if secrets::write(volume, namespace, name, &secrets::read(source)?)? {
        tracing::info!(namespace, name, "secret published");
    }
    Ok(())
}

/// The stamps of the files of a secret; nothing where there is no such folder.
fn stamp(folder: &Path) -> Option<Vec<FileStamp>> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    // Through symlinks: mounted Secrets are made of them.
    let files = entries.filter_map(|entry| fs::metadata(entry.path()).ok()).filter(fs::Metadata::is_file);
    let mut stamp: Vec<FileStamp> = files.map(|data| FileStamp::of(&data)).collect();
    stamp.sort_unstable();
    Some(stamp)
}

/// Why a pull secret beside the documents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PullSecretError {
    /// It is not there, or cannot be read.
    #[error("cannot read the pull secret {path}")]
    Read {
        /// Where it should be.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It is no such secret.
    #[error(transparent)]
    Content(#[from] RegistryError),
}

impl PullSecretError {
    /// The failure of the Image that names it.
    pub fn failure(&self, image: &str) -> Failure {
        let reason = match self {
            Self::Read { .. } => Reason::CredentialsInvalid,
            Self::Content(error) => error.reason(),
        };
        let why = bundles::reason::chain(self);
        Failure::new(FailureReason::Image(reason), format!("{image}: {why}; {}", reason.fix()))
    }
}

/// The pull secrets of an Image, from `secrets/NAMESPACE/NAME/.dockerconfigjson` beside its document, before `base`.
///
/// # Errors
/// When one is missing or malformed.
pub fn keychain<'a>(
    folder: &Path,
    namespace: &str,
    names: impl Iterator<Item = &'a str>,
    base: &Keychain,
) -> Result<Keychain, PullSecretError> {
    let mut keychain = base.clone();
    for name in names {
        // Both were validated as names of Kubernetes objects: neither leaves the folder.
        let path = folder.join(SECRETS).join(namespace).join(name).join(DOCKER_CONFIG_KEY);
        let bytes = fs::read(&path)
            .map_err(|source| PullSecretError::Read { path: path.display().to_string(), source })?;
        keychain = keychain.with_secret(&bytes)?;
    }
    Ok(keychain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bundles::registry::Credentials;

    #[test]
    fn pull_secrets_lie_beside_the_document() {
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secrets/default/regcred");
        fs::create_dir_all(&secret).unwrap();
        // "dTpw" is "u:p".
        fs::write(secret.join(DOCKER_CONFIG_KEY), r#"{"auths": {"r.example": {"auth": "dTpw"}}}"#).unwrap();
        let base = Keychain::anonymous();
        let find = |names: &[&str]| keychain(folder.path(), "default", names.iter().copied(), &base);
        let found = find(&["regcred"]).unwrap().find(&"r.example/x".parse().unwrap()).unwrap();
        assert_eq!(found, Credentials::Basic { user: "u".to_owned(), password: "p".to_owned() });
        let error = find(&["missing"]).unwrap_err().to_string();
        assert!(error.contains("secrets/default/missing/.dockerconfigjson"), "{error}");
        fs::write(secret.join(DOCKER_CONFIG_KEY), "{").unwrap();
        assert!(matches!(find(&["regcred"]), Err(PullSecretError::Content(_))));
    }
}
