//! Downloaded layers on disk.
//!
//! ```text
//! CACHE/sha256/DIGITS          a complete blob; readers verify it once more, so it is not synced
//! CACHE/partial/DIGITS-HOST    what has come so far from one registry; flock while someone downloads it
//! CACHE/origins/DIGITS         the registries that delivered the blob (origins.rs)
//! ```

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::RegistryError;
use super::origins::{Origin, Origins, digest_of};
use crate::digest::Digest;

/// Digest of a blob and the registry that it comes from, for each download that is under way.
type Flights = Arc<Mutex<HashMap<(Digest, String), Arc<tokio::sync::Mutex<()>>>>>;

/// Digits of a registry's name in names of files.
const HOST_DIGITS: usize = 16;

/// Downloaded blobs, shared by all images and all processes on a volume.
#[derive(Clone, Debug)]
pub struct BlobCache {
    root: PathBuf,
    origins: Origins,
    flights: Flights,
}

impl BlobCache {
    /// The cache in this directory, which is made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, RegistryError> {
        for dir in ["sha256", "partial", "origins"].map(|name| root.join(name)) {
            fs::create_dir_all(&dir).map_err(RegistryError::disk(&dir))?;
        }
        let origins = Origins::new(root.join("origins"));
        Ok(Self { root: root.to_owned(), origins, flights: Arc::default() })
    }

    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        self.root.join("sha256").join(digest.hex())
    }

    /// What has come of a blob from one registry. What another one sent is never gone on with: its end would then be
    /// had without its start.
    pub(super) fn partial(&self, digest: Digest, host: &str) -> PathBuf {
        let host = Digest::of(host.as_bytes()).hex();
        let name = format!("{}-{}", digest.hex(), host.get(..HOST_DIGITS).unwrap_or_default());
        self.root.join("partial").join(name)
    }

    /// Whether it is enough that this registry grants access to the blob.
    pub(super) fn vouch(&self, digest: Digest, host: &str) -> bool {
        self.origins.vouch(digest, host)
    }

    /// Notes that a registry delivered a blob, whether that is in the cache or not.
    pub(super) fn note(&self, digest: Digest, origin: &Origin) -> Result<(), RegistryError> {
        self.origins.note(digest, origin).map_err(RegistryError::disk(self.root.join("origins")))
    }

    /// A complete blob of the right size.
    pub(super) fn get(&self, digest: Digest, size: u64) -> Option<File> {
        let file = File::open(self.path(digest)).ok()?;
        let right = file.metadata().is_ok_and(|meta| meta.len() == size);
        // Its time tells which blobs nobody has wanted for long.
        let _ = file.set_modified(SystemTime::now());
        right.then_some(file)
    }

    /// Forgets a blob that turned out to be damaged.
    pub fn remove(&self, digest: Digest) {
        let _ = fs::remove_file(self.path(digest));
    }

    /// Forgets what has come of a blob, unless someone is downloading it.
    pub(super) fn remove_partial(&self, digest: Digest, host: &str) {
        let path = self.partial(digest, host);
        if File::open(&path).is_ok_and(|file| is_free(&file)) {
            let _ = fs::remove_file(path);
        }
    }

    /// Removes blobs that are not `wanted` and were not asked for during the grace time, then those that were not asked
    /// for the longest until at most `max` bytes are left; says how many bytes that freed. What is being read stays
    /// readable, what is being downloaded stays.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn collect(&self, wanted: &HashSet<Digest>, grace: Duration, max: u64) -> io::Result<u64> {
        let mut blobs = self.list()?;
        blobs.sort();
        let mut total: u64 = blobs.iter().map(|blob| blob.bytes).sum();
        let before = total;
        for blob in blobs {
            if !is_unwanted(&blob.path, blob.used, wanted, grace) && total <= max {
                continue;
            }
            let busy = File::open(&blob.path).is_ok_and(|file| !is_free(&file));
            if !busy && fs::remove_file(&blob.path).is_ok() {
                total -= blob.bytes;
            }
        }
        self.collect_origins(wanted, grace)?;
        Ok(before - total)
    }

    /// Forgets where blobs came from that nobody wants and that are no longer there.
    fn collect_origins(&self, wanted: &HashSet<Digest>, grace: Duration) -> io::Result<()> {
        for path in self.origins.list()? {
            let Ok(meta) = fs::metadata(&path) else { continue };
            let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let is_cached = digest_of(&path).is_some_and(|digest| self.path(digest).exists());
            if is_unwanted(&path, used, wanted, grace) && !is_cached {
                let _ = fs::remove_file(path);
            }
        }
        Ok(())
    }

    fn list(&self) -> io::Result<Vec<CachedBlob>> {
        let mut blobs = Vec::new();
        for dir in ["sha256", "partial"] {
            for entry in fs::read_dir(self.root.join(dir))? {
                let entry = entry?;
                // It may be gone by now.
                let Ok(meta) = entry.metadata() else { continue };
                let used = meta.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                blobs.push(CachedBlob { used, bytes: meta.len(), path: entry.path() });
            }
        }
        Ok(blobs)
    }

    /// Only one task of this process downloads a blob from a registry, the others wait for it.
    pub(super) async fn turn(&self, digest: Digest, host: &str) -> tokio::sync::OwnedMutexGuard<()> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, flight| Arc::strong_count(flight) > 1);
            Arc::clone(flights.entry((digest, host.to_owned())).or_default())
        };
        flight.lock_owned().await
    }
}

/// A file of the cache; the longest unused one is the least.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct CachedBlob {
    used: SystemTime,
    bytes: u64,
    path: PathBuf,
}

fn is_unwanted(path: &Path, used: SystemTime, wanted: &HashSet<Digest>, grace: Duration) -> bool {
    let is_old = SystemTime::now().duration_since(used).is_ok_and(|age| age >= grace);
    is_old && digest_of(path).is_none_or(|digest| !wanted.contains(&digest))
}

/// Whether nobody has the file locked; if so, it is locked until it is closed.
pub(super) fn is_free(file: &File) -> bool {
    file.try_lock().is_ok()
}
