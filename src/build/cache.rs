//! Steps that were carried out before: what a step came to, by what went into it.
//!
//! ```text
//! FOLDER/lock             shared by builds, exclusive for whoever collects
//! FOLDER/steps/<key>      what came of a step: a layer's digests, or that it changed nothing; its time is that of its last use
//! FOLDER/layers/<digest>  the layer, compressed
//! FOLDER/mounts/<key>     see [`mounts`]
//! FOLDER/scratch/         files that have no name yet, and those of builds that died
//! ```
//! A key is the SHA-256 of everything that shapes the step's result; the value of a secret never is. Files appear whole under
//! their names, so that a process that dies leaves the old state or the new one.

pub mod collect;
pub mod mounts;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bundles::digest::Digest;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use crate::layer::Blob;

/// Steps and layers of earlier builds. While it is there, nothing of it is collected.
#[derive(Debug)]
pub struct Cache {
    steps: PathBuf,
    layers: PathBuf,
    mounts: PathBuf,
    scratch: PathBuf,
    /// Bytes of layers that may still be added.
    room: AtomicU64,
    _lock: Flock<File>,
}

/// What a step came to.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Outcome {
    /// Its layer; none where nothing changed.
    pub layer: Option<Blob>,
}

impl Cache {
    /// Opens a folder, and makes it if need be.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Self::locked(folder, FlockArg::LockShared)
    }

    /// The same for a build that may add so many bytes of layers, and has files without a name elsewhere on the same file system.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open_bounded(folder: &Path, scratch: &Path, room: u64) -> io::Result<Self> {
        let cache = Self::locked(folder, FlockArg::LockShared)?;
        Ok(Self { scratch: scratch.to_owned(), room: AtomicU64::new(room), ..cache })
    }

    fn locked(folder: &Path, how: FlockArg) -> io::Result<Self> {
        let inner = |name| folder.join(name);
        let (steps, layers, mounts, scratch) =
            (inner("steps"), inner("layers"), inner("mounts"), inner("scratch"));
        for one in [&steps, &layers, &mounts, &scratch] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(one)?;
        }
        let lock = File::options().create(true).append(true).open(inner("lock"))?;
        let lock = Flock::lock(lock, how).map_err(|(_, errno)| io::Error::from(errno))?;
        Ok(Self { steps, layers, mounts, scratch, room: AtomicU64::new(u64::MAX), _lock: lock })
    }

    /// A folder for files that have no name yet.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// What a step came to when it was carried out before, if its layer is still there.
    pub fn find(&self, key: &Key) -> Option<Outcome> {
        let path = self.steps.join(key.hex());
        let bytes = fs::read(&path).ok()?;
        let outcome: Outcome = serde_json::from_slice(&bytes).ok()?;
        if !outcome.layer.as_ref().is_none_or(|blob| self.has(blob)) {
            return None;
        }
        // Whoever collects goes by it; where it cannot be set, the step goes a little earlier.
        let _ = File::options().append(true).open(path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(outcome)
    }

    fn has(&self, blob: &Blob) -> bool {
        fs::metadata(self.layers.join(blob.digest.hex())).is_ok_and(|file| file.len() == blob.size)
    }

    /// Keeps what a step came to.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(&self, key: &Key, layer: Option<(NamedTempFile, Blob)>) -> io::Result<Outcome> {
        let mut outcome = Outcome { layer: None };
        if let Some((file, blob)) = layer {
            self.keep_layer(file, &blob)?;
            outcome.layer = Some(blob);
        }
        self.publish(&self.steps.join(key.hex()), &serde_json::to_vec(&outcome)?)?;
        Ok(outcome)
    }

    fn keep_layer(&self, file: NamedTempFile, blob: &Blob) -> io::Result<()> {
        let take = |room: u64| room.checked_sub(blob.size);
        if self.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
            return Err(io::Error::other(
                "the layers of this build have more bytes than it may have on the disk",
            ));
        }
        file.as_file().sync_all()?;
        file.persist(self.layers.join(blob.digest.hex()))?;
        File::open(&self.layers)?.sync_all()
    }

    /// Writes a whole file.
    fn publish(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = NamedTempFile::new_in(&self.scratch)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    }

    /// A layer that a step came to.
    ///
    /// # Errors
    /// When it is not there any more.
    pub fn layer(&self, blob: &Blob) -> io::Result<File> {
        File::open(self.layers.join(blob.digest.hex()))
    }
}

/// What identifies a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(Digest);

impl Key {
    /// Of parts, each told apart from the next.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(Digest::from_hasher(hasher))
    }

    /// The step that follows another one.
    #[must_use]
    pub fn then(&self, parts: &[&[u8]]) -> Self {
        let all: Vec<&[u8]> = std::iter::once(&self.0.bytes()[..]).chain(parts.iter().copied()).collect();
        Self::of(&all)
    }

    /// Its 64 hexadecimal digits.
    pub fn hex(&self) -> String {
        self.0.hex()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_as_long_as_their_layers_are_there() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Key::of(&[b"a", b"b"]);
        assert_ne!(key, Key::of(&[b"ab", b""]));
        assert_eq!(cache.find(&key), None);
        let mut file = NamedTempFile::new_in(cache.scratch()).unwrap();
        file.write_all(b"layer").unwrap();
        let digest = Digest::of(b"layer");
        let kept = cache.keep(&key, Some((file, Blob { diff_id: digest, digest, size: 5 }))).unwrap();
        assert_eq!(cache.find(&key), Some(kept));
        fs::write(folder.path().join("layers").join(digest.hex()), b"lay").unwrap();
        assert_eq!(cache.find(&key), None);
    }
}
