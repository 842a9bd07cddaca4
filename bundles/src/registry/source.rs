//! A registry as an [`ImageSource`], for code that is not asynchronous: on a thread of its own or a blocking one.

use std::io::{self, Read};

use tokio::runtime::{Builder, Runtime};

use super::{BlobCache, Client, Keychain, PullEvent, PulledImage, RegistryError};
use crate::limits::Limits;
use crate::reference::RegistryReference;
use crate::source::{Image, ImageSource, SourceError};

/// What is told about downloads.
type Progress = Box<dyn Fn(PullEvent<'_>) + Send + Sync>;

/// An image in a registry. Its layers are downloaded, all at once, when the first of them is opened.
pub struct RegistrySource {
    client: Client,
    reference: RegistryReference,
    keychain: Keychain,
    cache: BlobCache,
    limits: Limits,
    progress: Progress,
    runtime: Runtime,
    pulled: Option<PulledImage>,
}

impl RegistrySource {
    /// A source for this image. Nothing is asked of the registry yet.
    ///
    /// # Errors
    /// When threads or descriptors are used up.
    pub fn new(
        client: Client,
        reference: RegistryReference,
        keychain: Keychain,
        cache: BlobCache,
        progress: impl Fn(PullEvent<'_>) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (limits, progress) = (Limits::default(), Box::new(progress));
        Ok(Self { client, reference, keychain, cache, limits, progress, runtime, pulled: None })
    }

    /// Forgets the image's layers in the cache, when one of them turned out to be damaged there.
    pub fn forget(&self, image: &Image) {
        for layer in &image.layers {
            self.cache.remove(layer.digest.unwrap_or(layer.diff_id));
        }
    }
}

impl From<RegistryError> for SourceError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Source(error) => error,
            error => Self::Registry(Box::new(error)),
        }
    }
}

impl ImageSource for RegistrySource {
    fn resolve(&mut self, limits: &Limits) -> Result<Image, SourceError> {
        self.limits = limits.clone();
        let credentials = self.keychain.find(&self.reference)?;
        Ok(self.runtime.block_on(self.client.resolve(&self.reference, &credentials, limits))?)
    }

    fn open_layer(&mut self, image: &Image, index: usize) -> Result<Box<dyn Read + '_>, SourceError> {
        if self.pulled.is_none() {
            let credentials = self.keychain.find(&self.reference)?;
            let (reference, image) = (&self.reference, image.clone());
            let pull =
                self.client.pull(reference, image, &credentials, &self.cache, &self.limits, &self.progress);
            self.pulled = Some(self.runtime.block_on(pull)?);
        }
        match &mut self.pulled {
            Some(pulled) => pulled.open_layer(image, index),
            None => Err(SourceError::NotLocal),
        }
    }
}
