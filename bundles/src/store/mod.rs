//! Bundles on a shared volume, by content: what is there is complete, and never changes.
//!
//! ```text
//! STORE/lock                    flock: held for the moments in which names change
//! STORE/sha256/DIGITS/          a bundle; flock shared on the directory: in use; exclusive: being removed
//! STORE/tmp/RANDOM/             being written (flock exclusive) or left over from a crash (no lock)
//! ```
//!
//! A bundle is written under `tmp`, every file synced, then renamed to its name and the directory synced: a crash at
//! any point leaves the old state or the new one. After a failed sync nothing is tried again, the bundle is discarded.

mod collect;
mod error;
mod flight;
mod lock;
mod publish;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use collect::{Collected, GcPolicy};
pub use error::StoreError;
pub use flight::Flight;
pub use lock::{Lease, lease};
pub use verify::Damage;

use crate::bundle::{Bundle, CONFIG, RECORD, ROOTFS};
use crate::digest::Digest;
use crate::erofs::EROFS_FORMAT;
use error::io_error;
use flight::Flights;
use lock::Lock;

/// A store in a directory.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    flights: Flights,
}

/// A bundle that nobody removes as long as this lives, in whatever process.
#[derive(Debug)]
pub struct InUse {
    /// The bundle, complete and immutable.
    pub bundle: Bundle,
    _lock: Lock,
}

/// What a store has under one digest.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Digest of the image's manifest.
    pub digest: Digest,
    /// Bytes of its three files.
    pub bytes: u64,
    /// When it was published or used last.
    pub used: SystemTime,
    /// Whether some process uses it now.
    pub in_use: bool,
}

impl Store {
    /// Opens the store in `root` and makes its directories where they are missing.
    ///
    /// # Errors
    /// When the directories cannot be made.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let store = Self { root: root.to_owned(), flights: Flights::default() };
        for dir in [store.bundles(), store.temporary()] {
            fs::create_dir_all(&dir).map_err(io_error(&dir))?;
        }
        Ok(store)
    }

    /// Where large temporary files may go: the volume that the bundles are on.
    #[must_use]
    pub fn temporary(&self) -> PathBuf {
        self.root.join("tmp")
    }

    fn bundles(&self) -> PathBuf {
        self.root.join("sha256")
    }

    /// The directory of a bundle, whether it is there or not.
    #[must_use]
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.bundles().join(digest.hex())
    }

    /// The bundle of an image, if it is there in the current format. It stays as long as the value lives.
    ///
    /// # Errors
    /// When it is there but cannot be read.
    pub fn get(&self, digest: Digest) -> Result<Option<InUse>, StoreError> {
        let path = self.path(digest);
        let Some(lock) = Lock::shared_if_there(&path).map_err(io_error(&path))? else { return Ok(None) };
        let bundle = match Bundle::open(&path) {
            Ok(bundle) => bundle,
            // A record of an older layout is as good as none: the bundle will be written anew.
            Err(crate::bundle::BundleError::Damaged { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if bundle.record.format != EROFS_FORMAT {
            return Ok(None);
        }
        // The directory's time tells collections how long nobody wanted it; a read-only volume cannot say.
        let _ = lock.touch();
        Ok(Some(InUse { bundle, _lock: lock }))
    }

    /// Everything that is there, by digest.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        let dir = self.bundles();
        for entry in fs::read_dir(&dir).map_err(io_error(&dir))? {
            let entry = entry.map_err(io_error(&dir))?;
            let Some(digest) = entry.file_name().to_str().and_then(|name| Digest::from_hex(name).ok()) else {
                continue;
            };
            let path = entry.path();
            // It may be gone by now.
            let Ok(meta) = entry.metadata() else { continue };
            listed.push(Listed {
                digest,
                bytes: bytes_of(&path),
                used: meta.modified().unwrap_or(SystemTime::UNIX_EPOCH),
                in_use: Lock::is_held(&path),
            });
        }
        listed.sort_by_key(|bundle| bundle.digest);
        Ok(listed)
    }
}

fn bytes_of(dir: &Path) -> u64 {
    [CONFIG, RECORD, ROOTFS]
        .iter()
        .filter_map(|name| fs::metadata(dir.join(name)).ok())
        .map(|meta| meta.len())
        .sum()
}
