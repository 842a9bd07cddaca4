//! flock(2) on directories and on the store's lock file.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::futimens;
use nix::sys::time::TimeSpec;

/// A bundle's directory is not removed as long as this lives, in whatever process.
#[derive(Debug)]
pub struct Lease {
    _lock: Lock,
}

/// Takes a lease on a bundle by its directory; nothing if that is not there. For processes that read bundles only.
///
/// # Errors
/// When the directory cannot be opened or locked.
pub fn lease(bundle: &Path) -> io::Result<Option<Lease>> {
    Ok(Lock::shared_if_there(bundle)?.map(|lock| Lease { _lock: lock }))
}

/// A lock that is held until dropped.
#[derive(Debug)]
pub(super) struct Lock(File);

impl Lock {
    /// Waits for the exclusive lock on a file, which is made if it is missing.
    pub(super) fn exclusive(path: &Path) -> io::Result<Self> {
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(Self(file))
    }

    /// The shared lock on a directory, `None` if that is not there.
    pub(super) fn shared_if_there(path: &Path) -> io::Result<Option<Self>> {
        loop {
            let file = match File::open(path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                file => file?,
            };
            file.lock_shared()?;
            // Whoever held the lock before may have removed the directory, and another may be in its place.
            match std::fs::metadata(path) {
                Ok(meta) if meta.ino() == file.metadata()?.ino() => return Ok(Some(Self(file))),
                _ => {}
            }
        }
    }

    /// The exclusive lock on a directory, `None` if someone else has one.
    pub(super) fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether someone has a lock on a directory.
    pub(super) fn is_held(path: &Path) -> bool {
        matches!(Self::try_exclusive(path), Ok(None))
    }

    /// The same lock as one that others may share.
    pub(super) fn share(&self) -> io::Result<Self> {
        // Both descriptors are of one open file, so flock(2) converts the lock that is held.
        let file = self.0.try_clone()?;
        file.lock_shared()?;
        Ok(Self(file))
    }

    /// Sets the directory's time to now.
    pub(super) fn touch(&self) -> io::Result<()> {
        Ok(futimens(&self.0, &TimeSpec::UTIME_NOW, &TimeSpec::UTIME_NOW)?)
    }

    /// Syncs the locked directory.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }
}
