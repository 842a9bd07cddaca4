//! Who may have what is there already.
//!
//! The cache and the store have no owners: what one tenant downloaded lies there for all. Before it is handed out, the
//! registry that the reference names must grant these credentials the blob in this repository (a HEAD request), and its
//! word must be worth something ([origins](super::origins)). Otherwise the blob is downloaded as if it were not there,
//! which proves everything.
//!
//! What was proven is remembered for the life of the process. The manifest is asked for each time all the same, with the
//! same credentials: without access, it is there that things end.

use std::collections::HashSet;
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;

use super::backoff::retry;
use super::blobs::WantedBlob;
use super::client::nowhere;
use super::manifests;
use super::session::{Ask, Session, Verb};
use super::{BlobCache, Client, Credentials, FoundManifest, RegistryError};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::reference::RegistryReference;
use crate::source::SourceError;
use crate::source::documents::digest_of;

/// Beyond so many, proofs are forgotten and asked for again.
const PROOFS_MAX: usize = 1 << 16;

/// What registries have granted since this process started. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Proofs(Arc<Mutex<HashSet<Digest>>>);

impl Proofs {
    fn has(&self, proof: Digest) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&proof)
    }

    fn add(&self, proof: Digest) {
        let mut proofs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if proofs.len() >= PROOFS_MAX {
            proofs.clear();
        }
        proofs.insert(proof);
    }
}

/// The name of a proof: registry, repository, credentials and blob. Credentials are only in it as part of a digest.
fn proof(session: &Session, digest: Digest) -> Digest {
    let credentials = match &session.credentials {
        Credentials::Anonymous => vec!["anonymous"],
        Credentials::Basic { user, password } => vec!["basic", user, password],
        Credentials::IdentityToken(token) => vec!["token", token],
    };
    let digest = digest.to_string();
    let parts = [session.host.as_str(), &session.repository, &digest].into_iter().chain(credentials);
    // With its length in front, no part can be mistaken for two.
    let text: String = parts.map(|part| format!("{}:{part}", part.len())).collect();
    Digest::of(text.as_bytes())
}

/// Notes that this session got the blob itself, every byte of it verified.
pub(super) fn delivered(session: &Session, cache: &BlobCache, digest: Digest) -> Result<(), RegistryError> {
    cache.note(digest, &session.origin())?;
    session.proofs.add(proof(session, digest));
    Ok(())
}

/// Whether the registry grants this session the blob. One that refuses, or does not know HEAD requests, will say at the
/// download what is the matter.
///
/// # Errors
/// Those that may pass.
pub(super) async fn is_granted(session: &Session, digest: Digest) -> Result<bool, RegistryError> {
    let proof = proof(session, digest);
    if session.proofs.has(proof) {
        return Ok(true);
    }
    let path = format!("blobs/{digest}");
    match session.get(Ask { verb: Verb::Head, path: &path, ..Ask::default() }).await {
        Ok(_) => {
            session.proofs.add(proof);
            Ok(true)
        }
        Err(error) if error.retry().is_some() => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether this session may have the blob without getting it from its registry.
async fn is_proven(session: &Session, cache: &BlobCache, digest: Digest) -> Result<bool, RegistryError> {
    Ok(cache.vouch(digest, &session.host) && is_granted(session, digest).await?)
}

/// The blob from the cache, if it is there and this session may have it.
///
/// # Errors
/// Those of the registry that may pass.
pub(super) async fn cached(
    session: &Session,
    cache: &BlobCache,
    wanted: WantedBlob,
) -> Result<Option<File>, RegistryError> {
    let Some(file) = cache.get(wanted.digest, wanted.size) else { return Ok(None) };
    Ok(is_proven(session, cache, wanted.digest).await?.then_some(file))
}

impl Client {
    /// Makes sure that these credentials may have an image whose bundle is there already.
    ///
    /// # Errors
    /// See [`RegistryError`]; where mirrors fail, the error is that of the registry itself.
    pub(super) async fn prove(
        &self,
        reference: &RegistryReference,
        found: &FoundManifest,
        credentials: &Credentials,
        cache: &BlobCache,
        limits: &Limits,
    ) -> Result<(), RegistryError> {
        let mut last = None;
        for place in self.places(reference, credentials)? {
            match self.prove_at(&place, found, cache, limits).await {
                Ok(()) => return Ok(()),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| nowhere(reference)))
    }

    async fn prove_at(
        &self,
        place: &Session,
        found: &FoundManifest,
        cache: &BlobCache,
        limits: &Limits,
    ) -> Result<(), RegistryError> {
        let whole = proof(place, found.digest);
        if place.proofs.has(whole) {
            return Ok(());
        }
        let manifest = &found.manifest;
        let config = digest_of(manifest.config()).map_err(SourceError::from)?;
        if !retry(&self.options, || is_proven(place, cache, config)).await? {
            manifests::image(place, found, &self.options, limits).await?;
            delivered(place, cache, config)?;
        }
        try_join_all(manifest.layers().iter().map(async |layer| {
            let digest = digest_of(layer).map_err(SourceError::from)?;
            if !retry(&self.options, || is_proven(place, cache, digest)).await? {
                let wanted = WantedBlob { digest, size: layer.size() };
                self.download(place, cache, wanted, &|_| {}).await?;
            }
            Ok::<_, RegistryError>(())
        }))
        .await?;
        place.proofs.add(whole);
        Ok(())
    }
}
