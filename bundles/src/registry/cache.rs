//! Downloaded layers on disk.
//!
//! ```text
//! CACHE/sha256/DIGITS     a complete blob; readers verify it once more, so it is not synced
//! CACHE/partial/DIGITS    what has come so far; flock while someone downloads it
//! ```

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::RegistryError;
use crate::digest::Digest;

/// Downloaded blobs, shared by all images and all processes on a volume.
#[derive(Clone, Debug)]
pub struct BlobCache {
    root: PathBuf,
    flights: Arc<Mutex<HashMap<Digest, Arc<tokio::sync::Mutex<()>>>>>,
}

impl BlobCache {
    /// The cache in this directory, which is made if it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(root: &Path) -> Result<Self, RegistryError> {
        for dir in ["sha256", "partial"].map(|name| root.join(name)) {
            fs::create_dir_all(&dir).map_err(RegistryError::disk(&dir))?;
        }
        Ok(Self { root: root.to_owned(), flights: Arc::default() })
    }

    pub(super) fn path(&self, digest: Digest) -> PathBuf {
        self.root.join("sha256").join(digest.hex())
    }

    pub(super) fn partial(&self, digest: Digest) -> PathBuf {
        self.root.join("partial").join(digest.hex())
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
    pub(super) fn remove_partial(&self, digest: Digest) {
        let path = self.partial(digest);
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
            let name = blob.path.file_name().and_then(|name| name.to_str());
            let digest = name.and_then(|name| Digest::from_hex(name).ok());
            let is_old = SystemTime::now().duration_since(blob.used).is_ok_and(|age| age >= grace);
            let is_unwanted = is_old && digest.is_none_or(|digest| !wanted.contains(&digest));
            if !is_unwanted && total <= max {
                continue;
            }
            let busy = File::open(&blob.path).is_ok_and(|file| !is_free(&file));
            if !busy && fs::remove_file(&blob.path).is_ok() {
                total -= blob.bytes;
            }
        }
        Ok(before - total)
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

    /// Only one task of this process downloads a blob, the others wait for it.
    pub(super) async fn turn(&self, digest: Digest) -> tokio::sync::OwnedMutexGuard<()> {
        let flight = {
            let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
            flights.retain(|_, flight| Arc::strong_count(flight) > 1);
            Arc::clone(flights.entry(digest).or_default())
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

/// Whether nobody has the file locked; if so, it is locked until it is closed.
pub(super) fn is_free(file: &File) -> bool {
    file.try_lock().is_ok()
}
