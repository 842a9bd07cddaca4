//! Where images come from: files beside the documents, and registries.

use std::path::{Path, PathBuf};

use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::registry::{BlobCache, Client, Options, RegistryError, RegistrySource};
pub use bundles::registry::{Keychain, PullEvent};
use bundles::source::{self, ImageSource, SourceError};

/// How registries are spoken to.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Hosts, with their ports if need be, that are spoken to in plain HTTP.
    pub insecure: Vec<String>,
    /// Files with certificates of authorities to trust, besides the usual ones.
    pub authorities: Vec<PathBuf>,
    /// Hosts, and those that are asked before them.
    pub mirrors: Vec<(String, String)>,
    /// Docker's config.json; by default that in its usual places.
    pub auth: Option<PathBuf>,
}

/// Registries, and what was downloaded from them.
#[derive(Clone, Debug)]
pub struct Registries {
    client: Client,
    keychain: Keychain,
    cache: BlobCache,
}

impl Registries {
    /// Keeps layers in the folder `layers`.
    ///
    /// # Errors
    /// When a file of certificates cannot be used, or the folder refuses.
    pub fn open(options: RegistryOptions, layers: &Path) -> Result<Self, RegistryError> {
        let RegistryOptions { insecure, authorities, mirrors, auth } = options;
        let client = Client::new(Options { insecure, authorities, mirrors, ..Options::default() })?;
        let keychain = Keychain::anonymous().with_file(auth);
        Ok(Self { client, keychain, cache: BlobCache::open(layers)? })
    }

    /// The credentials of this machine; pull secrets of an Image come before them.
    pub fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// Opens what a reference names; `progress` hears of downloads, local images need `scratch` and `limits`.
    ///
    /// # Errors
    /// When a local image is not there. A registry is asked later.
    pub fn source(
        &self,
        reference: &Reference,
        keychain: &Keychain,
        scratch: &Path,
        limits: &Limits,
        progress: impl Fn(PullEvent<'_>) + Send + Sync + 'static,
    ) -> Result<Box<dyn ImageSource>, SourceError> {
        Ok(match reference {
            Reference::Registry(reference) => {
                let (client, cache) = (self.client.clone(), self.cache.clone());
                Box::new(RegistrySource::new(client, reference.clone(), keychain.clone(), cache, progress))
            }
            local => source::open(local, scratch, limits)?,
        })
    }
}
