//! Layers into files of the [cache](super::BlobCache): counted and hashed as they come, resumed where they broke off.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::access;
use super::cache::{BlobCache, is_free};
use super::session::{Ask, Session};
use super::{Options, RegistryError};
use crate::digest::Digest;
use crate::layer::Layer;

/// How often another process's download of the same blob is looked at.
const POLL: Duration = Duration::from_millis(100);

/// A blob on its way.
struct Partial {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    len: u64,
    /// Whether some of it is from an earlier attempt, whose bytes nobody has verified.
    resumed: bool,
}

impl Partial {
    /// Opens what is there, alone; `None` while another process downloads it.
    fn open(path: &Path) -> io::Result<Option<Self>> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        let same = || -> io::Result<bool> {
            use std::os::unix::fs::MetadataExt;
            Ok(fs::metadata(path).is_ok_and(|meta| file.metadata().is_ok_and(|own| own.ino() == meta.ino())))
        };
        if !is_free(&file) || !same()? {
            return Ok(None);
        }
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; 1 << 20];
        let mut len = 0;
        loop {
            let read = file.read(&mut buffer)?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
            len += read as u64;
        }
        Ok(Some(Self { path: path.to_owned(), file, hasher, len, resumed: len > 0 }))
    }

    fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.len, self.resumed) = (Sha256::new(), 0, false);
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.hasher.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    fn discard(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// A blob as its descriptor names it.
#[derive(Clone, Copy)]
pub(super) struct WantedBlob {
    pub(super) digest: Digest,
    pub(super) size: u64,
}

impl WantedBlob {
    /// The blob of a layer.
    pub(super) fn of(layer: &Layer) -> Self {
        Self { digest: layer.digest.unwrap_or(layer.diff_id), size: layer.size }
    }
}

/// One attempt to get a blob into the cache; `progress` learns how many bytes are there.
pub(super) async fn fetch(
    session: &Session,
    cache: &BlobCache,
    wanted: WantedBlob,
    options: &Options,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<File, RegistryError> {
    let path = cache.partial(wanted.digest, &session.host);
    let mut partial = loop {
        if let Some(file) = access::cached(session, cache, wanted).await? {
            progress(wanted.size);
            return Ok(file);
        }
        let opened = tokio::task::spawn_blocking({
            let path = path.clone();
            move || Partial::open(&path)
        });
        let opened = opened.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        match opened.map_err(RegistryError::disk(&path))? {
            Some(partial) => break partial,
            None => tokio::time::sleep(POLL).await,
        }
    };
    let result = complete(session, &mut partial, wanted, options, progress).await;
    if let Err(error) = result {
        // What broke off is resumed next time; what is wrong, or does not fit on the disk, is not kept.
        if error.retry().is_none() {
            partial.discard();
        }
        return Err(error);
    }
    let done = cache.path(wanted.digest);
    fs::rename(&path, &done).map_err(RegistryError::disk(&done))?;
    access::delivered(session, cache, wanted.digest)?;
    File::open(&done).map_err(RegistryError::disk(&done))
}

/// Downloads what is missing and compares the digest. Bytes of an earlier attempt that turn out wrong cost one restart.
async fn complete(
    session: &Session,
    partial: &mut Partial,
    wanted: WantedBlob,
    options: &Options,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), RegistryError> {
    loop {
        let resumed = partial.resumed;
        if partial.len > wanted.size {
            partial.restart().map_err(RegistryError::disk(&partial.path))?;
        }
        if partial.len == wanted.size && !access::is_granted(session, wanted.digest).await? {
            partial.restart().map_err(RegistryError::disk(&partial.path))?;
        }
        if partial.len < wanted.size || wanted.size == 0 {
            download(session, partial, wanted, options, progress).await?;
        }
        let found = Digest::from_hasher(partial.hasher.clone());
        if found == wanted.digest {
            return Ok(());
        }
        if !resumed {
            return Err(RegistryError::Digest { host: session.host.clone(), declared: wanted.digest, found });
        }
        partial.restart().map_err(RegistryError::disk(&partial.path))?;
    }
}

async fn download(
    session: &Session,
    partial: &mut Partial,
    wanted: WantedBlob,
    options: &Options,
    progress: &(dyn Fn(u64) + Send + Sync),
) -> Result<(), RegistryError> {
    let path = format!("blobs/{}", wanted.digest);
    let from = (partial.len > 0).then_some(partial.len);
    let response = session.get(Ask { path: &path, from, ..Ask::default() }).await?;
    if !continues(&response, partial.len) {
        partial.restart().map_err(RegistryError::disk(&partial.path))?;
    }
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Err(short(session, partial, wanted));
    }
    let mut body = response.bytes_stream();
    let mut window = (Instant::now(), 0);
    loop {
        let next = tokio::time::timeout(options.rate_window, body.next()).await;
        let Some(chunk) = next.map_err(|_| too_slow(session, options))? else { break };
        let chunk = chunk.map_err(|error| RegistryError::from_client(&session.host, error))?;
        if partial.len + chunk.len() as u64 > wanted.size {
            let (host, what) = (session.host.clone(), wanted.digest.to_string());
            return Err(RegistryError::TooLong { host, what, size: wanted.size });
        }
        partial.append(&chunk).map_err(RegistryError::disk(&partial.path))?;
        progress(partial.len);
        check_rate(&mut window, chunk.len() as u64, session, options)?;
    }
    if partial.len < wanted.size { Err(short(session, partial, wanted)) } else { Ok(()) }
}

/// Whether a body starts where the partial file ends: otherwise it is the whole blob again.
fn continues(response: &Response, len: u64) -> bool {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return len == 0;
    }
    let range = response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.is_some_and(|range| range.starts_with(&format!("bytes {len}-")))
}

fn short(session: &Session, partial: &Partial, wanted: WantedBlob) -> RegistryError {
    RegistryError::Short { host: session.host.clone(), received: partial.len, size: wanted.size }
}

fn too_slow(session: &Session, options: &Options) -> RegistryError {
    RegistryError::TooSlow { host: session.host.clone(), floor: options.rate_floor_bytes_per_s }
}

/// Counts the bytes of a window; one that ends with too few of them ends the transfer.
fn check_rate(
    window: &mut (Instant, u64),
    bytes: u64,
    session: &Session,
    options: &Options,
) -> Result<(), RegistryError> {
    window.1 += bytes;
    let elapsed = window.0.elapsed();
    if elapsed < options.rate_window {
        return Ok(());
    }
    let floor = options.rate_floor_bytes_per_s.saturating_mul(elapsed.as_secs().max(1));
    let enough = window.1 >= floor;
    *window = (Instant::now(), 0);
    if enough { Ok(()) } else { Err(too_slow(session, options)) }
}
