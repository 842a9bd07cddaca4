//! Locked memory (mlock(2)). Nothing is ever swapped out, so only what is locked is kept, for those who ask and for limits.

use super::space::AddressSpace;
use super::vma::{Traits, Vma};
use crate::errno::{Errno, Result};

impl AddressSpace {
    /// Bytes that are locked (`VmLck` of /proc/PID/status).
    #[must_use]
    pub fn locked_bytes(&self) -> u64 {
        self.vmas.iter().filter(is_locked).map(Vma::size).sum()
    }

    /// Bytes of a range that are locked.
    #[must_use]
    pub fn locked_within(&self, start: u64, end: u64) -> u64 {
        let part = |vma: &Vma| vma.end.min(end) - vma.start.max(start);
        self.vmas.overlapping(start, end).filter(is_locked).map(part).sum()
    }

    /// Locks a range, or unlocks it, up to the first address where nothing is mapped.
    ///
    /// # Errors
    /// ENOMEM when there is one, or when a page may not be looked at and so cannot be brought in.
    pub fn lock(&mut self, start: u64, end: u64, on: bool, bring_in: bool) -> Result<()> {
        let mut covered = start;
        for vma in self.vmas.overlapping(start, end) {
            if vma.start > covered {
                break;
            }
            covered = vma.end.min(end);
        }
        self.vmas.modify(start, covered, |vma| vma.traits.set(Traits::LOCKED, on));
        if on && bring_in {
            self.populate(start, covered);
        }
        let hidden = || self.vmas.overlapping(start, covered).any(|vma| vma.prot.is_empty());
        if covered < end || on && bring_in && hidden() { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// mlockall(2) and munlockall(2): what is mapped now, and whether that is so for what comes.
    pub fn lock_all(&mut self, now: Option<bool>, later: bool, bring_in: bool) {
        self.locks_later = later;
        let ranges: alloc::vec::Vec<_> = self.vmas.iter().map(|vma| (vma.start, vma.end)).collect();
        for (start, end) in now.map(|_| ranges).unwrap_or_default() {
            // What may not be looked at stays as it is.
            let _ = self.lock(start, end, now == Some(true), bring_in);
        }
    }

    /// Whether mappings that are made from now on are locked (MCL_FUTURE).
    #[must_use]
    pub const fn locks_later(&self) -> bool {
        self.locks_later
    }

    /// Whether something of a range is locked.
    #[must_use]
    pub fn has_locked(&self, start: u64, end: u64) -> bool {
        self.vmas.overlapping(start, end).any(|vma| is_locked(&vma))
    }
}

fn is_locked(vma: &&Vma) -> bool {
    vma.traits.contains(Traits::LOCKED)
}
