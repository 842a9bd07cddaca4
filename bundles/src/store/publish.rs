//! Putting bundles in, and taking them out, in one step each.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::io_error;
use super::lock::Lock;
use super::{InUse, Store, StoreError};
use crate::bundle::Bundle;
use crate::digest::Digest;

/// A directory under `tmp`; whatever of it is left when this is dropped is removed.
struct Draft {
    path: PathBuf,
    lock: Lock,
}

impl Drop for Draft {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

impl Store {
    /// Publishes the bundle that `write` puts into the directory it is given. If someone else published the same
    /// image meanwhile, his bundle is the one that stays.
    ///
    /// # Errors
    /// Those of `write`, and what the file system refuses; nothing is left behind then.
    pub fn publish<E: From<StoreError>>(
        &self,
        digest: Digest,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<InUse, E> {
        let draft = self.draft()?;
        write(&draft.path)?;
        draft.lock.sync().map_err(io_error(&draft.path)).map_err(E::from)?;
        match self.place(&draft, digest)? {
            Some(theirs) => Ok(theirs),
            None => Ok(self.keep(&draft, digest)?),
        }
    }

    /// The bundle that was just published; the lock of its draft becomes that of a user, without a gap.
    fn keep(&self, draft: &Draft, digest: Digest) -> Result<InUse, StoreError> {
        let path = self.path(digest);
        let lock = draft.lock.share().map_err(io_error(&path))?;
        Ok(InUse { bundle: Bundle::open(&path)?, _lock: lock })
    }

    /// Takes a bundle out that nobody uses.
    ///
    /// # Errors
    /// When it is not there, in use, or cannot be moved.
    pub fn remove(&self, digest: Digest) -> Result<(), StoreError> {
        let _store = self.lock()?;
        let path = self.path(digest);
        let lock = match Lock::try_exclusive(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(StoreError::Missing(digest)),
            lock => lock.map_err(io_error(&path))?.ok_or(StoreError::InUse(digest))?,
        };
        self.take_out(digest, lock)
    }

    pub(super) fn lock(&self) -> Result<Lock, StoreError> {
        let path = self.root.join("lock");
        Lock::exclusive(&path).map_err(io_error(&path))
    }

    /// Takes a bundle out whose lock, and the store's, are held.
    pub(super) fn take_out(&self, digest: Digest, lock: Lock) -> Result<(), StoreError> {
        let path = self.path(digest);
        // Renamed first: a bundle is there as a whole or not at all.
        let doomed = self.fresh_name();
        fs::rename(&path, &doomed).map_err(io_error(&path))?;
        let _draft = Draft { path: doomed, lock };
        sync_directory(&self.bundles())
    }

    fn draft(&self) -> Result<Draft, StoreError> {
        // With the store's lock held no collection takes the directory for a leftover before it is locked.
        let _store = self.lock()?;
        let path = self.fresh_name();
        fs::create_dir(&path).map_err(io_error(&path))?;
        match Lock::try_exclusive(&path).map_err(io_error(&path))? {
            Some(lock) => Ok(Draft { path, lock }),
            None => Err(io_error(&path)(io::ErrorKind::WouldBlock.into())),
        }
    }

    /// Renames what has a bundle's name but is none that can be read; says what it is called now.
    fn set_aside(&self, path: &Path) -> Result<Option<PathBuf>, StoreError> {
        let aside = self.fresh_name();
        match fs::rename(path, &aside) {
            Ok(()) => Ok(Some(aside)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_error(path)(error)),
        }
    }

    fn fresh_name(&self) -> PathBuf {
        use std::sync::atomic::{AtomicU64, Ordering};
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let process = std::process::id();
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.temporary().join(format!("{process}-{:x}-{count}", time.as_nanos()))
    }

    /// Gives the draft its name. If there is such a bundle already, that one is returned and the draft is dropped.
    fn place(&self, draft: &Draft, digest: Digest) -> Result<Option<InUse>, StoreError> {
        let path = self.path(digest);
        let _store = self.lock()?;
        if let Some(theirs) = self.get(digest)? {
            return Ok(Some(theirs));
        }
        // A bundle of another format is as good as none: a crash between the two renames loses nothing.
        let old = self.set_aside(&path)?;
        if let Err(error) = fs::rename(&draft.path, &path) {
            old.inspect(|old| drop(fs::rename(old, &path)));
            return Err(io_error(&path)(error));
        }
        if let Some(old) = old {
            let _ = fs::remove_dir_all(old);
        }
        sync_directory(&self.bundles()).inspect_err(|_| {
            // Nobody knows what the disk has: not published, then.
            let _ = fs::rename(&path, &draft.path);
        })?;
        Ok(None)
    }
}

fn sync_directory(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(io_error(path))
}
