//! Where images come from: files beside the documents, and registries.

use std::fs;
use std::io;
use std::path::Path;

use bundles::limits::Limits;
use bundles::reference::{Reference, RegistryReference};
use bundles::registry::{BlobCache, Client, Keychain, PullEvent, RegistryError, RegistrySource};
use bundles::source::{self, ImageSource, SourceError};
use bundles::store::Store;

use crate::api::FunctionName;
use crate::volume::Volume;

/// The key of a secret with credentials for registries, as Kubernetes has it.
const DOCKER_CONFIG_KEY: &str = ".dockerconfigjson";

/// How registries are spoken to, and what was downloaded from them.
#[derive(Clone, Debug)]
pub struct Registries {
    client: Client,
    keychain: Keychain,
    cache: BlobCache,
}

impl Registries {
    /// Speaks through `client`, with the credentials of this machine where an Image names none, and keeps layers on
    /// the volume.
    ///
    /// # Errors
    /// When the volume refuses.
    pub fn open(client: Client, keychain: Keychain, volume: &Volume) -> Result<Self, RegistryError> {
        Ok(Self { client, keychain, cache: BlobCache::open(&volume.layers())? })
    }

    /// The credentials of this machine; pull secrets of an Image come before them.
    pub fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// Opens what a reference names.
    ///
    /// # Errors
    /// When a local image is not there. A registry is asked later.
    pub fn source(
        &self,
        name: &FunctionName,
        reference: &Reference,
        keychain: &Keychain,
        store: &Store,
        limits: &Limits,
    ) -> Result<Box<dyn ImageSource>, SourceError> {
        match reference {
            Reference::Registry(reference) => Ok(Box::new(self.registry(name, reference, keychain))),
            local => source::open(local, &store.temporary(), limits),
        }
    }

    fn registry(
        &self,
        name: &FunctionName,
        reference: &RegistryReference,
        keychain: &Keychain,
    ) -> RegistrySource {
        let (name, image) = (name.clone(), reference.to_string());
        let progress = move |event: PullEvent<'_>| {
            if let PullEvent::Layers(layers) = event {
                let bytes: u64 = layers.iter().map(|layer| layer.size).sum();
                tracing::info!(function = %name, image, layers = layers.len(), bytes, "downloading");
            }
        };
        let (client, cache) = (self.client.clone(), self.cache.clone());
        RegistrySource::new(client, reference.clone(), keychain.clone(), cache, progress)
    }
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

/// The pull secrets of an Image, from `secrets/NAMESPACE/NAME/.dockerconfigjson` beside its document, before `base`.
///
/// # Errors
/// When one is missing or malformed.
pub fn pull_secrets<'a>(
    folder: &Path,
    namespace: &str,
    names: impl Iterator<Item = &'a str>,
    base: &Keychain,
) -> Result<Keychain, PullSecretError> {
    let mut keychain = base.clone();
    for name in names {
        // Both were validated as names of Kubernetes objects: neither leaves the folder.
        let path = folder.join("secrets").join(namespace).join(name).join(DOCKER_CONFIG_KEY);
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
        let find = |names: &[&str]| pull_secrets(folder.path(), "default", names.iter().copied(), &base);
        let found = find(&["regcred"]).unwrap().find(&"r.example/x".parse().unwrap()).unwrap();
        assert_eq!(found, Credentials::Basic { user: "u".to_owned(), password: "p".to_owned() });
        let error = find(&["missing"]).unwrap_err().to_string();
        assert!(error.contains("secrets/default/missing/.dockerconfigjson"), "{error}");
        fs::write(secret.join(DOCKER_CONFIG_KEY), "{").unwrap();
        assert!(matches!(find(&["regcred"]), Err(PullSecretError::Content(_))));
    }
}
