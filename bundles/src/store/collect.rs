//! Garbage collection: bundles that nothing refers to and nobody uses, and what crashes left behind.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, SystemTime};

use super::error::io_error;
use super::lock::Lock;
use super::{Listed, Store, StoreError};
use crate::digest::Digest;

/// What a collection may take.
#[derive(Clone, Debug)]
pub struct GcPolicy {
    /// Bundles that nothing refers to stay so long after their last use.
    pub grace: Duration,
    /// Beyond so many bytes in the store, the grace time of the longest unused ones is void.
    pub high_water_bytes: Option<u64>,
}

/// What a collection did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Bundles that were removed.
    pub removed: Vec<Digest>,
    /// Bytes that they took.
    pub freed_bytes: u64,
    /// Bundles that nothing refers to but a process uses.
    pub in_use: usize,
    /// Bundles that nothing refers to but that were used within the grace time.
    pub in_grace: usize,
    /// Left-over temporary directories that were removed.
    pub leftovers: usize,
}

impl Store {
    /// Removes what is neither reachable nor in use nor within its grace time. `reachable` is asked twice: what it says
    /// once the locks are held counts, since whoever publishes holds a bundle's lock until a record names it.
    ///
    /// # Errors
    /// Those of `reachable`, and when the store cannot be read or something cannot be removed.
    pub fn collect<E: From<StoreError>>(
        &self,
        reachable: impl Fn() -> Result<HashSet<Digest>, E>,
        policy: &GcPolicy,
    ) -> Result<Collected, E> {
        let _store = self.lock()?;
        let mut collected = Collected { leftovers: self.remove_leftovers()?, ..Collected::default() };
        let candidates = self.candidates(&reachable()?, policy, &mut collected)?;
        if candidates.is_empty() {
            return Ok(collected);
        }
        let named_meanwhile = reachable()?;
        for (bundle, lock) in candidates {
            if !named_meanwhile.contains(&bundle.digest) {
                self.take_out(bundle.digest, lock)?;
                collected.freed_bytes += bundle.bytes;
                collected.removed.push(bundle.digest);
            }
        }
        Ok(collected)
    }

    /// What may go, each with its lock.
    fn candidates(
        &self,
        reachable: &HashSet<Digest>,
        policy: &GcPolicy,
        collected: &mut Collected,
    ) -> Result<Vec<(Listed, Lock)>, StoreError> {
        let mut bundles = self.list()?;
        let mut total: u64 = bundles.iter().map(|bundle| bundle.bytes).sum();
        bundles.sort_by_key(|bundle| bundle.used);
        let mut candidates = Vec::new();
        for bundle in bundles.into_iter().filter(|bundle| !reachable.contains(&bundle.digest)) {
            let full = policy.high_water_bytes.is_some_and(|high| total > high);
            if !full && !is_older(&bundle, policy.grace) {
                collected.in_grace += 1;
                continue;
            }
            let path = self.path(bundle.digest);
            match Lock::try_exclusive(&path).map_err(io_error(&path))? {
                Some(lock) => {
                    total -= bundle.bytes;
                    candidates.push((bundle, lock));
                }
                None => collected.in_use += 1,
            }
        }
        Ok(candidates)
    }

    /// Temporary directories without a lock: their writers are dead.
    fn remove_leftovers(&self) -> Result<usize, StoreError> {
        let mut removed = 0;
        let dir = self.temporary();
        for entry in fs::read_dir(&dir).map_err(io_error(&dir))? {
            let path = entry.map_err(io_error(&dir))?.path();
            if path.is_dir() && matches!(Lock::try_exclusive(&path), Ok(Some(_))) {
                fs::remove_dir_all(&path).map_err(io_error(&path))?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

fn is_older(bundle: &Listed, grace: Duration) -> bool {
    // A time in the future is no reason to keep something for ever, nor to remove it now.
    SystemTime::now().duration_since(bundle.used).is_ok_and(|age| age >= grace)
}
