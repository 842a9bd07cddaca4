//! Where images come from: files beside the documents, and registries, which take images as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bundles::limits::Limits;
use bundles::reference::{Reference, RegistryReference};
pub use bundles::registry::push::{PushImage, of_layout};
use bundles::registry::{BlobCache, Client, Options, RegistryError, RegistrySource};
pub use bundles::registry::{Keychain, PullEvent};
use bundles::source::{self, ImageContent, SourceError};

/// How registries are spoken to.
#[derive(Clone, Debug, Default)]
pub struct RegistryOptions {
    /// Hosts, with their ports if need be, that are spoken to in plain HTTP.
    pub insecure: Vec<String>,
    /// Hosts that may be at addresses which are not public; without such a list, any may.
    pub private_hosts: Option<Vec<String>>,
    /// Files with certificates of authorities to trust, besides the usual ones.
    pub authorities: Vec<PathBuf>,
    /// Hosts, and those that are asked before them.
    pub mirrors: Vec<(String, String)>,
    /// Docker's config.json; by default that in its usual places.
    pub auth: Option<PathBuf>,
    /// Bytes per second below which a transfer is given up; by default what the client thinks right.
    pub floor_bytes_per_s: Option<u64>,
    /// How long one image may take; by default as long as it takes.
    pub deadline: Option<Duration>,
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
        let RegistryOptions {
            insecure,
            private_hosts,
            authorities,
            mirrors,
            auth,
            floor_bytes_per_s,
            deadline,
        } = options;
        let usual = Options::default();
        let rate_floor_bytes_per_s = floor_bytes_per_s.unwrap_or(usual.rate_floor_bytes_per_s);
        let options = Options {
            insecure,
            private_hosts,
            authorities,
            mirrors,
            rate_floor_bytes_per_s,
            deadline,
            ..usual
        };
        let client = Client::new(options)?;
        let keychain = Keychain::anonymous().with_file(auth);
        Ok(Self { client, keychain, cache: BlobCache::open(layers)? })
    }

    /// The credentials of this machine; pull secrets of an Image come before them.
    pub fn keychain(&self) -> &Keychain {
        &self.keychain
    }

    /// Pushes an image with the credentials of this machine. Blocks.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn push(&self, reference: &RegistryReference, image: &PushImage) -> Result<(), RegistryError> {
        self.client.push(reference, image, &self.keychain.find(reference)?, &|_, _| {})
    }

    /// Opens what a reference names, for a tenant; `progress` hears of downloads, local images need `scratch` and `limits`.
    ///
    /// # Errors
    /// When a local image is not there. A registry is asked later.
    pub fn source(
        &self,
        reference: &Reference,
        tenant: &str,
        keychain: &Keychain,
        scratch: &Path,
        limits: &Limits,
        progress: impl Fn(PullEvent<'_>) + Send + Sync + 'static,
    ) -> Result<Box<dyn ImageContent + Send>, SourceError> {
        Ok(match reference {
            Reference::Registry(reference) => {
                let (client, cache) = (self.client.of_tenant(tenant), self.cache.clone());
                Box::new(RegistrySource::new(client, reference.clone(), keychain.clone(), cache, progress))
            }
            local => source::open(local, scratch, limits)?,
        })
    }
}
