//! Images into registries: blobs that are not there yet, in chunks that are resumed where they broke off, then the manifest.
//!
//! ```text
//! HEAD blob ── there ─────────────────────────────────────────────► done
//!    └─ POST uploads/?mount=…&from=… ── 201: another repository had it ─► done
//!          └─ 202: PATCH a chunk, and the next … PUT ?digest=… ─────────► done
//!               └─ broken off: GET says how much is there
//! ```

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;
use reqwest::header::{CONTENT_RANGE, CONTENT_TYPE, HeaderMap, LOCATION, RANGE};
use reqwest::{Method, Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::backoff::{retry, retry_while};
use super::session::{Ask, Session, Verb, Write};
use super::{Client, Credentials, Options, RegistryError};
use crate::digest::Digest;
use crate::reference::RegistryReference;

/// Bytes that are sent at once, unless a registry wants more.
const CHUNK: u64 = 16 << 20;
/// More than this is held in memory for no registry.
const CHUNK_MAX: u64 = 128 << 20;
/// The least that a registry takes at once (OCI distribution specification 1.1).
const CHUNK_MIN_HEADER: &str = "OCI-Chunk-Min-Length";

/// A blob that a pushed manifest names.
#[derive(Clone, Debug)]
pub struct PushBlob {
    /// Its digest.
    pub digest: Digest,
    /// How long it is.
    pub size: u64,
    /// The file that it is in.
    pub path: PathBuf,
    /// A repository of the same registry that most likely has it.
    pub mount_from: Option<String>,
}

/// An image to be pushed.
#[derive(Clone, Debug)]
pub struct PushImage {
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// Its media type.
    pub media_type: String,
    /// What it names: configuration and layers.
    pub blobs: Vec<PushBlob>,
}

/// How far the upload of a blob has come.
#[derive(Default)]
struct Upload {
    /// Where its next chunk goes; nothing before it has begun.
    url: Option<Url>,
    /// Bytes that the registry has.
    sent: u64,
    chunk: u64,
}

impl Client {
    /// Pushes an image under a reference; `progress` learns how many bytes of a blob are there, by its number. Blocks, on a
    /// thread that must not be one of a runtime's own.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn push(
        &self,
        reference: &RegistryReference,
        image: &PushImage,
        credentials: &Credentials,
        progress: &(dyn Fn(usize, u64) + Send + Sync),
    ) -> Result<(), RegistryError> {
        let sources = image.blobs.iter().filter_map(|blob| blob.mount_from.clone()).collect();
        let session = self.session(&reference.host, reference, credentials.clone())?.for_pushing(sources);
        self.run(async {
            let uploads = image.blobs.iter().enumerate().map(|(index, blob)| {
                let session = &session;
                async move {
                    let _permit = self.permit(&session.host).await;
                    upload(session, blob, &self.options, &|bytes| progress(index, bytes)).await
                }
            });
            try_join_all(uploads).await?;
            let name = match (&reference.tag, reference.digest) {
                (Some(tag), _) => tag.clone(),
                (None, Some(digest)) => digest.to_string(),
                (None, None) => Digest::of(&image.manifest).to_string(),
            };
            let url = session.url(&format!("manifests/{name}"))?;
            let put = Write {
                headers: vec![(CONTENT_TYPE, image.media_type.clone())],
                body: image.manifest.clone(),
                ..Write::new(Method::PUT, url)
            };
            let patience = patience(&self.options, image.manifest.len() as u64);
            retry(&self.options, || session.write(&put, patience)).await.map(drop)
        })
    }
}

/// Makes sure that the registry has a blob.
async fn upload(
    session: &Session,
    blob: &PushBlob,
    options: &Options,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), RegistryError> {
    let file = File::open(&blob.path).map_err(RegistryError::disk(&blob.path))?;
    let state = Mutex::new(Upload::default());
    let mut mark = 0;
    let advanced = || {
        let sent = state.try_lock().map_or(mark, |state| state.sent);
        let advanced = sent > mark;
        mark = mark.max(sent);
        advanced
    };
    retry_while(options, advanced, || async {
        let mut state = state.lock().await;
        attempt(session, blob, &file, &mut state, options, progress).await
    })
    .await
}

async fn attempt(
    session: &Session,
    blob: &PushBlob,
    file: &File,
    state: &mut Upload,
    options: &Options,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), RegistryError> {
    if has(session, blob).await? {
        progress(blob.size);
        return Ok(());
    }
    if let Some(url) = state.url.take() {
        resume(session, url, state, options).await?;
    }
    let mut url = match state.url.take() {
        Some(url) => url,
        None => match begin(session, blob, state, options).await? {
            Some(url) => url,
            None => {
                progress(blob.size);
                return Ok(());
            }
        },
    };
    while state.sent < blob.size {
        let len = state.chunk.min(blob.size - state.sent);
        let body = read(file, state.sent, len).map_err(RegistryError::disk(&blob.path))?;
        let range = format!("{}-{}", state.sent, state.sent + len - 1);
        let octets = "application/octet-stream".to_owned();
        let headers = vec![(CONTENT_TYPE, octets), (CONTENT_RANGE, range)];
        let patch = Write { headers, body, ..Write::new(Method::PATCH, url.clone()) };
        // Whatever comes of it, the registry is asked how much it has.
        state.url = Some(url);
        let response = session.write(&patch, patience(options, len)).await?;
        url = next(session, &patch.url, &response)?;
        state.sent += len;
        progress(state.sent);
    }
    let mut last = url.clone();
    last.query_pairs_mut().append_pair("digest", &blob.digest.to_string());
    state.url = Some(url);
    session.write(&Write::new(Method::PUT, last), patience(options, blob.size)).await.map(drop)
}

async fn has(session: &Session, blob: &PushBlob) -> Result<bool, RegistryError> {
    let path = format!("blobs/{}", blob.digest);
    match session.get(Ask { verb: Verb::Head, path: &path, ..Ask::default() }).await {
        Ok(_) => Ok(true),
        Err(RegistryError::NotFound { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Begins an upload; nothing where the registry had the blob in another repository.
async fn begin(
    session: &Session,
    blob: &PushBlob,
    state: &mut Upload,
    options: &Options,
) -> Result<Option<Url>, RegistryError> {
    let mut url = session.url("blobs/uploads/")?;
    if let Some(from) = &blob.mount_from {
        let digest = blob.digest.to_string();
        url.query_pairs_mut().append_pair("mount", &digest).append_pair("from", from);
    }
    let post = Write::new(Method::POST, url);
    let response = session.write(&post, patience(options, 0)).await?;
    if response.status() == StatusCode::CREATED {
        return Ok(None);
    }
    state.sent = 0;
    let least = response.headers().get(CHUNK_MIN_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    state.chunk = CHUNK.max(least.unwrap_or(0)).min(CHUNK_MAX);
    next(session, &post.url, &response).map(Some)
}

/// Asks how much of an upload the registry has. One that it does not know any more begins anew.
async fn resume(
    session: &Session,
    url: Url,
    state: &mut Upload,
    options: &Options,
) -> Result<(), RegistryError> {
    let ask = Write::new(Method::GET, url);
    match session.write(&ask, patience(options, 0)).await {
        Ok(response) => {
            state.sent = received(response.headers());
            state.url = Some(next(session, &ask.url, &response).unwrap_or(ask.url));
            Ok(())
        }
        Err(error) if error.retry().is_some() => {
            state.url = Some(ask.url);
            Err(error)
        }
        Err(_) => Ok(()),
    }
}

/// Bytes that a `Range: 0-N` tells of. A registry that has none says `0-0`, as one does that has a single byte.
fn received(headers: &HeaderMap) -> u64 {
    let range = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let range = range.map(|range| range.strip_prefix("bytes=").unwrap_or(range));
    let last = range.and_then(|range| range.strip_prefix("0-")).and_then(|last| last.parse::<u64>().ok());
    last.filter(|last| *last > 0).map_or(0, |last| last.saturating_add(1))
}

/// Where an upload goes on.
fn next(session: &Session, from: &Url, response: &Response) -> Result<Url, RegistryError> {
    let nonsense = || RegistryError::Protocol {
        host: session.host.clone(),
        what: "an upload that goes on nowhere".to_owned(),
    };
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let url = from.join(location.ok_or_else(nonsense)?).map_err(|_| nonsense())?;
    session.check(&url, from.scheme() == "http")?;
    Ok(url)
}

fn read(file: &File, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}

/// How long a request with so many bytes may take: the time of the slowest transfer, and that for an answer.
fn patience(options: &Options, bytes: u64) -> Duration {
    let seconds = bytes / options.rate_floor_bytes_per_s.max(1);
    2 * options.rate_window + Duration::from_secs(seconds)
}

/// An image of an OCI layout: what its manifest of this digest names.
///
/// # Errors
/// When the layout lacks it, or it is no manifest.
pub fn of_layout(
    folder: &Path,
    digest: Digest,
    mount_from: impl Fn(Digest) -> Option<String>,
) -> Result<PushImage, RegistryError> {
    let blobs = folder.join("blobs/sha256");
    let path = blobs.join(digest.hex());
    let manifest = std::fs::read(&path).map_err(RegistryError::disk(&path))?;
    let parsed: oci_spec::image::ImageManifest = serde_json::from_slice(&manifest)
        .map_err(|error| RegistryError::disk(&path)(io::Error::other(error)))?;
    let named = std::iter::once(parsed.config()).chain(parsed.layers());
    let blob = |named: &oci_spec::image::Descriptor| -> Result<PushBlob, RegistryError> {
        let digest = crate::source::documents::digest_of(named).map_err(crate::source::SourceError::from)?;
        let path = blobs.join(digest.hex());
        Ok(PushBlob { digest, size: named.size(), path, mount_from: mount_from(digest) })
    };
    let blobs = named.map(blob).collect::<Result<_, RegistryError>>()?;
    Ok(PushImage { manifest, media_type: "application/vnd.oci.image.manifest.v1+json".to_owned(), blobs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_has_is_in_its_range() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, text.parse().unwrap());
            received(&headers)
        };
        assert_eq!((of("0-0"), of("0-99"), of("bytes=0-99")), (0, 100, 100));
        assert_eq!((of("5-9"), of("x"), of("0-18446744073709551615")), (0, 0, u64::MAX));
        assert_eq!(received(&HeaderMap::new()), 0);
    }
}
