//! The client: pulls whole images; [`push`](super::push) has the way back.

use std::fs::File;
use std::future::Future;
use std::io::{Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::future::try_join_all;

use super::access::{self, Proofs};
use super::backoff::{retry, retry_while};
use super::blobs::{self, WantedBlob};
use super::cache::BlobCache;
use super::engine::Engine;
use super::http::Http;
use super::manifests::{self, FoundManifest};
use super::permits::{Permit, Permits};
use super::session::Session;
use super::{Credentials, Options, RegistryError};
use crate::layer::{Layer, LayerError};
use crate::limits::Limits;
use crate::reference::RegistryReference;
use crate::source::{ImageContent, ResolvedImage, SourceError};

/// Fewer bytes than this, or than a part of the blob, are no progress that makes a failure count for nothing.
const PROGRESS_MIN: u64 = 1 << 20;
const PROGRESS_STEPS: u64 = 256;

/// What happens during a pull.
#[derive(Clone, Copy, Debug)]
pub enum PullEvent<'a> {
    /// The manifest is known, and with it the layers.
    Layers(&'a [Layer]),
    /// So many bytes of the layer with this number are there.
    Progress {
        /// Its number, from 0.
        index: usize,
        /// Bytes that are there.
        bytes: u64,
    },
}

/// Speaks to registries for one tenant. Cheap to clone; all clones share connections and the bounds on parallel downloads.
#[derive(Clone, Debug)]
pub struct Client {
    http: Http,
    pub(super) options: Arc<Options>,
    permits: Permits,
    tenant: Arc<str>,
    engine: Arc<Engine>,
    proofs: Proofs,
}

/// An image whose layers are all on disk.
#[derive(Debug)]
pub struct PulledImage {
    image: ResolvedImage,
    layers: Vec<File>,
}

impl ImageContent for PulledImage {
    fn resolve(&mut self, _limits: &Limits) -> Result<ResolvedImage, SourceError> {
        Ok(self.image.clone())
    }

    fn open_layer(
        &mut self,
        _image: &ResolvedImage,
        index: usize,
    ) -> Result<Box<dyn Read + '_>, SourceError> {
        // A layer may be read more than once.
        let mut file = &self.layers[index];
        let failed = |error| SourceError::Layer { index, source: LayerError::Read(error) };
        file.rewind().map_err(failed)?;
        Ok(Box::new(file))
    }
}

impl Client {
    /// A client with these options.
    ///
    /// # Errors
    /// When a certificate file cannot be used, or threads are used up.
    pub fn new(options: Options) -> Result<Self, RegistryError> {
        let http = Http::new(&options)?;
        let permits = Permits::new(&options);
        let engine = Arc::new(Engine::start().map_err(RegistryError::Start)?);
        let (options, tenant, proofs) = (Arc::new(options), Arc::default(), Proofs::default());
        Ok(Self { http, options, permits, tenant, engine, proofs })
    }

    /// The same client on behalf of a tenant, whose downloads are bounded for themselves.
    #[must_use]
    pub fn of_tenant(&self, tenant: &str) -> Self {
        Self { tenant: tenant.into(), ..self.clone() }
    }

    /// On whose behalf it speaks; empty where nobody asked.
    pub(super) fn tenant(&self) -> &str {
        &self.tenant
    }

    /// Waits for requests about an image that was begun with then, on this thread, which must not be one of a runtime's own;
    /// its blocking ones are fine.
    ///
    /// # Errors
    /// Those of the requests, and that they took too long.
    pub(super) fn wait<T>(
        &self,
        reference: &RegistryReference,
        begun: Instant,
        requests: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let Some(deadline) = self.options.deadline else { return self.engine.wait(requests) };
        let end = tokio::time::Instant::from_std(begun) + deadline;
        let late = |_| RegistryError::TooLate { host: reference.host.clone(), deadline };
        self.engine.wait(async { tokio::time::timeout_at(end, requests).await.map_err(late)? })
    }

    /// What a reference means now: the manifest and nothing below it.
    ///
    /// # Errors
    /// See [`RegistryError`]; where mirrors fail, the error is that of the registry itself.
    pub async fn find(
        &self,
        reference: &RegistryReference,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<FoundManifest, RegistryError> {
        let mut last = None;
        for place in self.places(reference, credentials)? {
            match manifests::find(&place, reference, &self.options, limits).await {
                Ok(found) => return Ok(found),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nowhere(reference)))
    }

    /// The image of a manifest that was found: with its configuration, without layers.
    ///
    /// # Errors
    /// See [`RegistryError`]; where mirrors fail, the error is that of the registry itself.
    pub async fn image(
        &self,
        reference: &RegistryReference,
        found: &FoundManifest,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<ResolvedImage, RegistryError> {
        Ok(self.image_at(reference, found, credentials, limits).await?.0)
    }

    /// As [`Self::image`], with the place that its configuration came from.
    pub(super) async fn image_at(
        &self,
        reference: &RegistryReference,
        found: &FoundManifest,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<(ResolvedImage, Session), RegistryError> {
        let mut last = None;
        for place in self.places(reference, credentials)? {
            match manifests::image(&place, found, &self.options, limits).await {
                Ok(image) => return Ok((image, place)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nowhere(reference)))
    }

    /// What a reference means now: manifest and configuration, no layers.
    ///
    /// # Errors
    /// See [`RegistryError`]; where mirrors fail, the error is that of the registry itself.
    pub async fn resolve(
        &self,
        reference: &RegistryReference,
        credentials: &Credentials,
        limits: &Limits,
    ) -> Result<ResolvedImage, RegistryError> {
        let found = self.find(reference, credentials, limits).await?;
        self.image(reference, &found, credentials, limits).await
    }

    /// The layers of a resolved image, all on disk. What is in the cache is not downloaded again.
    ///
    /// # Errors
    /// See [`RegistryError`]; where mirrors fail, the error is that of the registry itself.
    pub async fn pull(
        &self,
        reference: &RegistryReference,
        image: ResolvedImage,
        credentials: &Credentials,
        cache: &BlobCache,
        limits: &Limits,
        progress: &(dyn Fn(PullEvent<'_>) + Send + Sync),
    ) -> Result<PulledImage, RegistryError> {
        if let Some(index) = image.layers.iter().position(|layer| layer.size > limits.layer_bytes) {
            let (size, max) = (image.layers[index].size, limits.layer_bytes);
            return Err(SourceError::Layer { index, source: LayerError::TooLarge { size, max } }.into());
        }
        progress(PullEvent::Layers(&image.layers));
        let mut last = None;
        for place in self.places(reference, credentials)? {
            match self.layers(&place, &image.layers, cache, progress).await {
                Ok(layers) => return Ok(PulledImage { image, layers }),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nowhere(reference)))
    }

    async fn layers(
        &self,
        place: &Session,
        layers: &[Layer],
        cache: &BlobCache,
        progress: &(dyn Fn(PullEvent<'_>) + Send + Sync),
    ) -> Result<Vec<File>, RegistryError> {
        let downloads = layers.iter().enumerate().map(|(index, layer)| {
            let wanted = WantedBlob::of(layer);
            async move {
                let report = move |bytes| progress(PullEvent::Progress { index, bytes });
                self.download(place, cache, wanted, &report).await
            }
        });
        let result = try_join_all(downloads).await;
        if matches!(result, Err(RegistryError::Disk { .. })) {
            // A full disk is not helped by halves of the other layers.
            for layer in layers {
                cache.remove_partial(layer.digest.unwrap_or(layer.diff_id), &place.host);
            }
        }
        result
    }

    /// The registry's mirrors, then the registry. Credentials are for the latter, not for whoever mirrors it.
    pub(super) fn places(
        &self,
        reference: &RegistryReference,
        credentials: &Credentials,
    ) -> Result<Vec<Session>, RegistryError> {
        let mirrors = self.options.mirrors.iter().filter(|(host, _)| *host == reference.host);
        let mirrors = mirrors.map(|(_, mirror)| (mirror, Credentials::Anonymous));
        let all = mirrors.chain([(&reference.host, credentials.clone())]);
        all.map(|(host, credentials)| self.session(host, reference, credentials)).collect()
    }

    /// Waits for requests, as [`Self::wait`] does, however long they take.
    pub(super) fn run<T>(&self, requests: impl Future<Output = T>) -> T {
        self.engine.wait(requests)
    }

    /// Leave for one transfer with a host.
    pub(super) async fn permit(&self, host: &str) -> Permit {
        self.permits.take(&self.tenant, host).await
    }

    pub(super) fn session(
        &self,
        host: &str,
        reference: &RegistryReference,
        credentials: Credentials,
    ) -> Result<Session, RegistryError> {
        let (http, proofs) = (self.http.clone(), self.proofs.clone());
        Session::new(http, host, &reference.repository, credentials, &self.options, proofs)
    }

    pub(super) async fn download(
        &self,
        session: &Session,
        cache: &BlobCache,
        wanted: WantedBlob,
        progress: &(dyn Fn(u64) + Send + Sync),
    ) -> Result<File, RegistryError> {
        if let Some(file) = retry(&self.options, || access::cached(session, cache, wanted)).await? {
            progress(wanted.size);
            return Ok(file);
        }
        // Before the turn, for which others wait: a tenant that has no permit left holds up nobody else's blob.
        let _permit = self.permit(&session.host).await;
        let _turn = cache.turn(wanted.digest, &session.host).await;
        let received = AtomicU64::new(0);
        let report = |bytes| {
            received.fetch_max(bytes, Ordering::Relaxed);
            progress(bytes);
        };
        // Only so much is progress that the attempts stay few.
        let step = PROGRESS_MIN.max(wanted.size / PROGRESS_STEPS);
        let mut mark = step;
        let advanced = || {
            let advanced = received.load(Ordering::Relaxed) >= mark;
            mark = received.load(Ordering::Relaxed) + step;
            advanced
        };
        retry_while(&self.options, advanced, || blobs::fetch(session, cache, wanted, &self.options, &report))
            .await
    }
}

/// There is always the registry itself among the places; this is for the compiler.
pub(super) fn nowhere(reference: &RegistryReference) -> RegistryError {
    RegistryError::NotFound { host: reference.host.clone(), what: reference.to_string() }
}
