//! A registry as an [`ImageContent`], for code that is not asynchronous: on a thread of its own or a blocking one.

use std::io::Read;
use std::time::Instant;

use super::access;
use super::{BlobCache, Client, Credentials, FoundManifest, Keychain, PullEvent, PulledImage, RegistryError};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::reference::RegistryReference;
use crate::source::{ImageContent, ResolvedImage, SourceError};

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
    /// When the work on it began: its deadline runs from here.
    begun: Instant,
    credentials: Option<Credentials>,
    found: Option<FoundManifest>,
    pulled: Option<PulledImage>,
}

impl RegistrySource {
    /// A source for this image. Nothing is asked of the registry yet.
    pub fn new(
        client: Client,
        reference: RegistryReference,
        keychain: Keychain,
        cache: BlobCache,
        progress: impl Fn(PullEvent<'_>) + Send + Sync + 'static,
    ) -> Self {
        let (limits, progress) = (Limits::default(), Box::new(progress));
        Self {
            client,
            reference,
            keychain,
            cache,
            limits,
            progress,
            begun: Instant::now(),
            credentials: None,
            found: None,
            pulled: None,
        }
    }

    /// The credentials, looked up once: helper programs may ask their user, or a server.
    fn credentials(&mut self) -> Result<Credentials, RegistryError> {
        match &self.credentials {
            Some(credentials) => Ok(credentials.clone()),
            None => Ok(self.credentials.insert(self.keychain.find(&self.reference)?).clone()),
        }
    }

    /// The manifest, asked for once: a tag that moves meanwhile changes nothing.
    fn found(&mut self, limits: &Limits) -> Result<FoundManifest, RegistryError> {
        if let Some(found) = &self.found {
            return Ok(found.clone());
        }
        let credentials = self.credentials()?;
        let found = self.client.find(&self.reference, &credentials, limits);
        let found = self.client.wait(&self.reference, self.begun, found)?;
        Ok(self.found.insert(found).clone())
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

impl ImageContent for RegistrySource {
    fn queue(&self) -> String {
        format!("{}\n{}", self.client.tenant(), self.reference.host)
    }

    fn identify(&mut self, limits: &Limits) -> Result<Digest, SourceError> {
        Ok(self.found(limits)?.digest)
    }

    fn resolve(&mut self, limits: &Limits) -> Result<ResolvedImage, SourceError> {
        self.limits = limits.clone();
        let (found, credentials) = (self.found(limits)?, self.credentials()?);
        let image = self.client.image_at(&self.reference, &found, &credentials, limits);
        let (image, place) = self.client.wait(&self.reference, self.begun, image)?;
        access::delivered(&place, &self.cache, image.config_digest)?;
        Ok(image)
    }

    fn prove(&mut self, limits: &Limits) -> Result<(), SourceError> {
        let (found, credentials) = (self.found(limits)?, self.credentials()?);
        let proof = self.client.prove(&self.reference, &found, &credentials, &self.cache, limits);
        Ok(self.client.wait(&self.reference, self.begun, proof)?)
    }

    fn open_layer(&mut self, image: &ResolvedImage, index: usize) -> Result<Box<dyn Read + '_>, SourceError> {
        if self.pulled.is_none() {
            let credentials = self.credentials()?;
            let (reference, image) = (&self.reference, image.clone());
            let pull =
                self.client.pull(reference, image, &credentials, &self.cache, &self.limits, &self.progress);
            self.pulled = Some(self.client.wait(reference, self.begun, pull)?);
        }
        match &mut self.pulled {
            Some(pulled) => pulled.open_layer(image, index),
            None => Err(SourceError::NotLocal),
        }
    }

    fn forget(&mut self, image: &ResolvedImage) -> bool {
        for layer in &image.layers {
            self.cache.remove(layer.digest.unwrap_or(layer.diff_id));
        }
        self.pulled.take().is_some()
    }
}
