//! From a reference to an image: the tag is asked for once, everything below it by digest.

use oci_spec::image::ImageManifest;
use reqwest::header::CONTENT_TYPE;

use super::backoff::retry;
use super::session::{Ask, Session};
use super::{Options, RegistryError};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::reference::RegistryReference;
use crate::source::documents::{self, Document, DocumentError, INDEX_TYPES, MANIFEST_TYPES};
use crate::source::{ResolvedImage, SourceError, verify};

/// The manifest of an image for this platform.
#[derive(Clone, Debug)]
pub struct FoundManifest {
    /// Its digest, never that of an index.
    pub digest: Digest,
    pub(super) manifest: Box<ImageManifest>,
}

/// Follows a reference, through indexes if need be, to the manifest for this platform.
pub(super) async fn find(
    session: &Session,
    reference: &RegistryReference,
    options: &Options,
    limits: &Limits,
) -> Result<FoundManifest, RegistryError> {
    let pinned = reference.digest.map(|digest| digest.to_string());
    let mut name = pinned.or_else(|| reference.tag.clone()).unwrap_or_else(|| "latest".to_owned());
    let mut expected = reference.digest;
    for _ in 0..=limits.index_depth {
        let (bytes, media_type) = retry(options, || manifest(session, &name, limits.document_bytes)).await?;
        let digest = Digest::of(&bytes);
        if let Some(declared) = expected.filter(|&expected| expected != digest) {
            return Err(RegistryError::Digest { host: session.host.clone(), declared, found: digest });
        }
        match documents::parse(&bytes, media_type.as_deref()).map_err(SourceError::from)? {
            Document::Index(index) => {
                let chosen = documents::choose(&index).map_err(SourceError::from)?;
                let digest = documents::digest_of(chosen).map_err(SourceError::from)?;
                name = digest.to_string();
                expected = Some(digest);
            }
            Document::Manifest(manifest) => {
                documents::check_manifest(&manifest, limits.layers).map_err(SourceError::from)?;
                return Ok(FoundManifest { digest, manifest });
            }
        }
    }
    Err(SourceError::from(DocumentError::IndexDepth(limits.index_depth)).into())
}

/// The image of a manifest: its configuration and what it says about the layers.
pub(super) async fn image(
    session: &Session,
    found: &FoundManifest,
    options: &Options,
    limits: &Limits,
) -> Result<ResolvedImage, RegistryError> {
    let manifest = &found.manifest;
    let config_digest = documents::digest_of(manifest.config()).map_err(SourceError::from)?;
    let bytes = retry(options, || blob(session, config_digest, limits.document_bytes)).await?;
    verify("the image's configuration", &bytes, config_digest, Some(manifest.config().size()))?;
    let config = documents::parse_config(&bytes).map_err(SourceError::from)?;
    let layers = documents::layers(manifest, &config).map_err(SourceError::from)?;
    Ok(ResolvedImage { manifest_digest: found.digest, config_digest, config, config_json: bytes, layers })
}

/// A manifest's bytes, and the media type by which it came if that is one of a manifest.
async fn manifest(
    session: &Session,
    name: &str,
    max: u64,
) -> Result<(Vec<u8>, Option<String>), RegistryError> {
    let accept = [MANIFEST_TYPES, INDEX_TYPES].concat().join(", ");
    let path = format!("manifests/{name}");
    let response = session.get(Ask { path: &path, accept: Some(&accept), ..Ask::default() }).await?;
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type =
        media_type.and_then(|value| value.split(';').next()).map(|value| value.trim().to_owned());
    // Simple servers say "application/json" or the like: then the document alone must say what it is.
    let media_type = media_type.filter(|value| value.starts_with("application/vnd."));
    let bytes = session.read(response, "a manifest", max).await?;
    Ok((bytes, media_type))
}

async fn blob(session: &Session, digest: Digest, max: u64) -> Result<Vec<u8>, RegistryError> {
    let path = format!("blobs/{digest}");
    let response = session.get(Ask { path: &path, ..Ask::default() }).await?;
    session.read(response, "the image's configuration", max).await
}
