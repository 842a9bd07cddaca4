//! madvise(2).

use super::space::{AddressSpace, is_sole, own_page, round_up};
use super::vma::{Backing, Prot, Traits, Vma};
use crate::errno::{Errno, Result};
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};
use km_hal::paging::{self, Flags};
use km_hal::phys;

/// Ranges up to this size are zeroed in place: that is cheaper than page tables that change and faults that follow.
const ZERO_IN_PLACE_MAX: u64 = 32 * PAGE_SIZE;

/// What a program says of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advice {
    /// Contents are not needed (MADV_DONTNEED).
    Discard,
    /// The same, of memory that is locked as well (MADV_DONTNEED_LOCKED).
    DiscardLocked,
    /// The same, of memory that is its own only (MADV_FREE).
    Free,
    /// Make it present for reading, or report why not.
    PopulateRead,
    /// Make it present for writing, or report why not.
    PopulateWrite,
    /// Set or clear a trait.
    Mark(Traits, bool),
    /// Nothing to do but to check the range.
    Ignore,
}

impl AddressSpace {
    /// Carries out an advice.
    ///
    /// # Errors
    /// EINVAL; ENOMEM when not all of the range is mapped (what is has been treated); EFAULT when it cannot be populated.
    pub fn advise(&mut self, address: u64, len: u64, advice: Advice) -> Result<()> {
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let end = round_up(len).and_then(|len| address.checked_add(len)).ok_or(Errno::EINVAL)?;
        // Nothing is mapped beyond a program's half; what is within is treated.
        let (start, within) = (address.min(PROGRAM_END), end.min(PROGRAM_END));
        let covered = end <= PROGRAM_END && self.vmas.is_covered(start, within);
        let end = within;
        match advice {
            Advice::Free if !self.vmas.overlapping(start, end).all(is_plain) => return Err(Errno::EINVAL),
            Advice::Discard | Advice::Free if self.has_locked(start, end) => return Err(Errno::EINVAL),
            Advice::Discard | Advice::DiscardLocked | Advice::Free => self.discard(start, end),
            Advice::PopulateRead | Advice::PopulateWrite if !covered => {}
            Advice::PopulateRead | Advice::PopulateWrite
                if !self.is_allowed(start, end, advice == Advice::PopulateWrite) =>
            {
                return Err(Errno::EINVAL);
            }
            Advice::PopulateRead => self.populate_all(start, end, false)?,
            Advice::PopulateWrite => self.populate_all(start, end, true)?,
            Advice::Mark(traits, on) => self.mark(start, end, traits, on)?,
            Advice::Ignore => {}
        }
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Whether a program may read or write all of a range.
    fn is_allowed(&self, start: u64, end: u64, write: bool) -> bool {
        let needed = if write { Prot::WRITE } else { Prot::READ };
        self.vmas.overlapping(start, end).all(|vma| vma.prot.contains(needed))
    }

    fn populate_all(&mut self, start: u64, end: u64, write: bool) -> Result<()> {
        (start..end).step_by(PAGE_SIZE as usize).try_for_each(|va| self.resolve(va, write).map(|_| ()))
    }

    fn mark(&mut self, start: u64, end: u64, traits: Traits, on: bool) -> Result<()> {
        if on && traits == Traits::WIPE_ON_FORK && !self.vmas.overlapping(start, end).all(is_plain) {
            return Err(Errno::EINVAL);
        }
        self.vmas.modify(start, end, |vma| vma.traits.set(traits, on));
        Ok(())
    }

    /// Drops the contents of a range: zeros or the file's bytes from now on.
    pub(super) fn discard(&mut self, start: u64, end: u64) {
        if end - start > ZERO_IN_PLACE_MAX || !self.zero_in_place(start, end) {
            self.drop_pages(start, end);
        }
    }

    /// Zeroes the pages of a range that is anonymous and its own; `false` when it is not all of that.
    fn zero_in_place(&self, start: u64, end: u64) -> bool {
        if !self.vmas.is_covered(start, end) || !self.vmas.overlapping(start, end).all(is_plain) {
            return false;
        }
        let pages = || (start..end).step_by(PAGE_SIZE as usize).filter_map(|va| paging::query(self.root, va));
        let sole =
            pages().all(|page| own_page(page) && page.flags.contains(Flags::WRITE) && is_sole(page.gpa));
        if sole {
            pages().for_each(|page| phys::zero(page.gpa, PAGE_SIZE));
        }
        sole
    }
}

/// Whether a mapping is memory of its process alone.
fn is_plain(vma: &Vma) -> bool {
    !vma.shared() && matches!(vma.backing, Backing::Anonymous)
}
