//! An address space: mappings, page tables, and the calls that change them.

use super::frame::PageFrame;
use super::hot::Hot;
use super::vma::{Backing, Prot, Traits, Vma, VmaMap};
use crate::aio::Contexts;
use crate::errno::{Errno, Result};
use crate::fs::stale::Stale;
use km_abi::layout::{BOOT_TABLES_GPA, PAGE_SIZE, PROGRAM_END, PROGRAM_START};
use km_hal::frames;
use km_hal::paging::{self, Flags, Mapping, Pool};

/// Anonymous mappings up to this size are filled in when they are made: a page fault costs more than its pages.
const EAGER_MAX: u64 = 256 << 10;
/// Writable parts of programs and libraries up to this size are copied when they are mapped.
const RELOCATED_MAX: u64 = 64 << 10;
/// Most mappings that an address space may have (`vm.max_map_count`).
const MAPPINGS_MAX: usize = 65_530;
/// Room below the stack's end that mmap(2) leaves free.
const STACK_ROOM: u64 = 128 << 20;

/// Root of an address space that has no tables.
const NO_ROOT: u64 = 0;

/// Where a new mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// At this address if it is free, else anywhere (0: anywhere).
    Hint(u64),
    /// MAP_FIXED: exactly there, replacing what is there.
    Replace(u64),
    /// MAP_FIXED_NOREPLACE: exactly there, EEXIST if something is.
    Exact(u64),
    /// MAP_32BIT: anywhere in the first 2 GiB.
    Low,
}

/// What mmap(2) is asked for.
pub struct MapRequest {
    /// Where in the address space it goes.
    pub placement: Placement,
    /// Bytes; rounded up to pages.
    pub len: u64,
    /// What the program may do with it.
    pub prot: Prot,
    /// Properties.
    pub traits: Traits,
    /// A file's pages, or zeros.
    pub backing: Backing,
    /// MAP_POPULATE: make its pages present at once.
    pub populate: bool,
    /// MAP_NORESERVE: no check that memory could hold it.
    pub no_reserve: bool,
}

/// A page-table root and the list of its mappings.
pub struct AddressSpace {
    pub(super) root: u64,
    pub(super) vmas: VmaMap,
    pub(super) brk_start: u64,
    pub(super) brk_end: u64,
    /// mmap(2) places mappings below this.
    pub(super) mmap_top: u64,
    /// Pages that the page tables show.
    pub(super) resident: u64,
    /// RLIMIT_AS and RLIMIT_DATA in bytes.
    pub limits: SpaceLimits,
    /// MCL_FUTURE: mappings are locked when they are made; no fork has that.
    pub(super) locks_later: bool,
    /// What its forks copy at once.
    pub(super) hot: Hot,
    /// Contexts of native asynchronous I/O; no fork has them.
    pub aio: Contexts,
}

/// Limits of prlimit(2) that concern mappings.
#[derive(Clone, Copy, Debug)]
pub struct SpaceLimits {
    /// RLIMIT_AS, in bytes.
    pub total: u64,
    /// RLIMIT_DATA, in bytes.
    pub data: u64,
}

/// `value` rounded up to pages.
pub(super) fn round_up(value: u64) -> Option<u64> {
    value.checked_next_multiple_of(PAGE_SIZE)
}

/// Whether a part of a program is so small that it is best copied when it is mapped: most of its pages are relocated, and
/// the copy of one costs less than the fault that asks for it.
#[must_use]
pub fn is_relocated(prot: Prot, len: u64) -> bool {
    prot.contains(Prot::WRITE) && len <= RELOCATED_MAX
}

/// The page-aligned range of a call's address and length.
///
/// # Errors
/// EINVAL for an unaligned address; ENOMEM when the range leaves the program's half.
pub(super) fn range_of(address: u64, len: u64) -> Result<(u64, u64)> {
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    let end = round_up(len).and_then(|len| address.checked_add(len)).ok_or(Errno::ENOMEM)?;
    if end > PROGRAM_END { Err(Errno::ENOMEM) } else { Ok((address, end)) }
}

impl AddressSpace {
    /// An empty address space whose tables hold nothing but the library OS.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Self> {
        paging::new_root(&mut Pool).map(Self::over).map_err(|_| Errno::ENOMEM)
    }

    /// One without mappings whose tables are these.
    pub(super) fn over(root: u64) -> Self {
        Self {
            root,
            vmas: VmaMap::default(),
            brk_start: 0,
            brk_end: 0,
            mmap_top: PROGRAM_END - STACK_ROOM,
            resident: 0,
            limits: SpaceLimits { total: u64::MAX, data: u64::MAX },
            locks_later: false,
            hot: Hot::default(),
            aio: Contexts::default(),
        }
    }

    /// What a process that has ended has: nothing.
    #[must_use]
    pub fn gone() -> Self {
        let mut gone = Self::over(NO_ROOT);
        gone.mmap_top = 0;
        gone
    }

    pub(super) const fn is_gone(&self) -> bool {
        self.root == NO_ROOT
    }

    /// A free range of `len` bytes where mmap(2) would put it.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn reserve(&self, len: u64) -> Result<u64> {
        self.gap(round_up(len).ok_or(Errno::ENOMEM)?, PROGRAM_START, self.mmap_top)
    }

    /// Zeros bytes that the program itself may not be allowed to write (the end of a read-only segment).
    ///
    /// # Errors
    /// EFAULT.
    pub fn clear_bytes(&mut self, address: u64, len: u64) -> Result<()> {
        self.force_writable(address)?;
        let gpa = self.resolve(address, false)?;
        km_hal::phys::zero(gpa, len.min(PAGE_SIZE - address % PAGE_SIZE));
        Ok(())
    }

    /// Uses its page tables from now on.
    pub fn activate(&self) {
        if !self.is_active() {
            paging::switch(self.root);
        }
    }

    /// Whether its page tables are in use.
    #[must_use]
    pub fn is_active(&self) -> bool {
        paging::current_root() == self.root
    }

    /// Which ranges are mapped, and to what.
    #[must_use]
    pub fn mappings(&self) -> &VmaMap {
        &self.vmas
    }

    /// Bytes that are mapped, and bytes of pages that are present.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        (self.vmas.bytes(), self.resident * PAGE_SIZE)
    }

    /// mmap(2), without its flag parsing. Returns the address.
    ///
    /// # Errors
    /// EINVAL, ENOMEM, EEXIST as mmap(2).
    pub fn map(&mut self, request: MapRequest) -> Result<u64> {
        let len = round_up(request.len).filter(|len| *len > 0 && *len < PROGRAM_END);
        let len = len.ok_or(if request.len == 0 { Errno::EINVAL } else { Errno::ENOMEM })?;
        self.check_room(len, &request)?;
        let start = self.place(request.placement, len)?;
        if let Placement::Replace(_) = request.placement {
            self.unmap_range(start, start + len);
        }
        let (prot, mut traits, backing) = (request.prot, request.traits, request.backing);
        traits.set(Traits::LOCKED, traits.contains(Traits::LOCKED) || self.locks_later);
        let anonymous = matches!(backing, Backing::Anonymous);
        self.vmas.insert(Vma { start, end: start + len, prot, traits, backing });
        let eager = anonymous && len <= EAGER_MAX && prot.contains(Prot::WRITE) && !request.no_reserve;
        if request.populate || traits.contains(Traits::LOCKED) || eager && self.memory_is_ample() {
            self.populate(start, start + len);
        }
        Ok(start)
    }

    /// Refuses what can never be held, as Linux's default overcommit heuristic does, and what the limits forbid.
    fn check_room(&self, len: u64, request: &MapRequest) -> Result<()> {
        let private = !request.traits.contains(Traits::SHARED);
        let charged = private && request.prot.contains(Prot::WRITE) && !request.no_reserve;
        let anonymous = matches!(request.backing, Backing::Anonymous);
        let beyond_memory = charged && anonymous && len > frames::total() * PAGE_SIZE;
        if beyond_memory || self.vmas.count() >= MAPPINGS_MAX {
            return Err(Errno::ENOMEM);
        }
        self.check_limits(len, private && request.prot.contains(Prot::WRITE))
    }

    /// Whether RLIMIT_AS, and for memory that is its own to write RLIMIT_DATA, leave room for `len` bytes more.
    pub(super) fn check_limits(&self, len: u64, is_data: bool) -> Result<()> {
        let beyond_total = self.limits.total != u64::MAX && self.usage().0 + len > self.limits.total;
        let counts = |vma: &&Vma| {
            let fixed = Traits::SHARED | Traits::STACK | Traits::GROWS_DOWN;
            vma.prot.contains(Prot::WRITE) && !vma.traits.intersects(fixed)
        };
        let data = || self.vmas.iter().filter(counts).map(Vma::size).sum::<u64>();
        let beyond_data = is_data && self.limits.data != u64::MAX && data() + len > self.limits.data;
        if beyond_total || beyond_data { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Where a mapping that grows down and has `address` starts.
    ///
    /// # Errors
    /// ENOMEM when nothing is mapped there; EINVAL for one of another kind.
    pub fn start_of_growing(&self, address: u64) -> Result<u64> {
        let vma = self.vmas.find(address).ok_or(Errno::ENOMEM)?;
        let grows = vma.traits.intersects(Traits::STACK | Traits::GROWS_DOWN);
        if grows { Ok(vma.start) } else { Err(Errno::EINVAL) }
    }

    fn place(&self, placement: Placement, len: u64) -> Result<u64> {
        match placement {
            Placement::Replace(start) | Placement::Exact(start) => {
                let (start, end) = range_of(start, len)?;
                if start < PROGRAM_START {
                    return Err(Errno::EPERM);
                }
                let taken = matches!(placement, Placement::Exact(_)) && !self.vmas.is_free(start, end);
                if taken { Err(Errno::EEXIST) } else { Ok(start) }
            }
            Placement::Hint(hint) => {
                let start = hint & !(PAGE_SIZE - 1);
                let end = start.saturating_add(len);
                if start >= PROGRAM_START && end <= PROGRAM_END && self.vmas.is_free(start, end) {
                    return Ok(start);
                }
                self.gap(len, PROGRAM_START, self.mmap_top)
            }
            Placement::Low => self.gap(len, PROGRAM_START, 1 << 31),
        }
    }

    /// A free range in `[low, high)`, the highest; above the usual region when that is full.
    pub(super) fn gap(&self, len: u64, low: u64, high: u64) -> Result<u64> {
        let found = self.vmas.gap_below(len, low, high);
        found.or_else(|| self.vmas.gap_below(len, low, PROGRAM_END.min(high))).ok_or(Errno::ENOMEM)
    }

    /// munmap(2).
    ///
    /// # Errors
    /// EINVAL.
    pub fn unmap(&mut self, address: u64, len: u64) -> Result<()> {
        let (start, end) = range_of(address, len).map_err(|_| Errno::EINVAL)?;
        if start == end {
            return Err(Errno::EINVAL);
        }
        self.unmap_range(start, end);
        Ok(())
    }

    /// shmdt(2): unmaps what shows the start of an object of a device at `address`, or what is left of it behind. Returns
    /// the object's number.
    pub fn detach(&mut self, address: u64, device: u64) -> Option<u64> {
        let number_of = |vma: &Vma| match &vma.backing {
            Backing::File { pages, offset } if pages.id().0 == device => {
                (vma.start.checked_sub(address) == Some(*offset)).then(|| pages.id().1)
            }
            _ => None,
        };
        let behind = || self.vmas.overlapping(address, PROGRAM_END);
        let number = behind().find_map(number_of)?;
        let parts: alloc::vec::Vec<(u64, u64)> =
            behind().filter(|vma| number_of(vma) == Some(number)).map(|vma| (vma.start, vma.end)).collect();
        for (start, end) in parts {
            self.unmap_range(start, end);
        }
        Some(number)
    }

    pub(super) fn unmap_range(&mut self, start: u64, end: u64) {
        let gone = self.vmas.carve(start, end);
        if let (Some(first), Some(last)) = (gone.first(), gone.last()) {
            self.drop_pages(first.start, last.end);
        }
    }

    /// Forgets the pages in a range: they are made again when they are needed.
    pub(super) fn drop_pages(&mut self, start: u64, end: u64) {
        let mut dropped = 0;
        let mut release = |_: u64, mapping: Mapping| {
            dropped += 1;
            release_page(mapping);
        };
        paging::clear(self.root, start, end, &mut Pool, &mut release);
        self.resident -= dropped;
        self.flush_if(dropped > 0);
    }

    /// Makes the CPU forget translations after entries were taken back.
    pub(super) fn flush_if(&self, changed: bool) {
        if changed && self.is_active() {
            paging::flush();
        }
    }

    /// Makes the CPU use the entry of a page that shows another frame than before.
    pub(super) fn show_replaced(&self, va: u64, mapping: Mapping) {
        // Instructions may be in a cache of their own.
        if mapping.flags.contains(Flags::PRESENT | Flags::WRITE | Flags::NX) {
            if self.is_active() {
                paging::replaced(va, mapping.gpa);
            }
        } else {
            self.flush_if(true);
        }
    }

    /// mprotect(2).
    ///
    /// # Errors
    /// EINVAL; ENOMEM when not all of the range is mapped (what is has been changed); EACCES for write access to a
    /// shared file that was opened without it.
    pub fn protect(&mut self, address: u64, len: u64, prot: Prot) -> Result<()> {
        let (start, end) = range_of(address, len)?;
        if start == end {
            return Ok(());
        }
        let refused = |vma: &Vma| vma.traits.contains(Traits::NEVER_WRITE) && prot.contains(Prot::WRITE);
        if self.vmas.overlapping(start, end).any(refused) {
            return Err(Errno::EACCES);
        }
        if self.vmas.count() >= MAPPINGS_MAX {
            return Err(Errno::ENOMEM);
        }
        let covered = self.vmas.is_covered(start, end);
        self.vmas.modify(start, end, |vma| vma.prot = prot);
        let mut less = false;
        let vmas = &self.vmas;
        paging::update(self.root, start, end, &mut |va, old| {
            let shared = vmas.find(va).is_none_or(Vma::shared);
            let writable = prot.contains(Prot::WRITE) && !shared && own_page(old) && is_sole(old.gpa);
            let flags = page_flags(prot, writable) | old.flags & Flags::EXTRA;
            let new = Mapping { gpa: old.gpa, flags };
            less |= takes_away(old.flags, new.flags);
            Some(new)
        });
        self.flush_if(less);
        if covered { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Sets where the heap of brk(2) begins.
    pub fn set_brk_start(&mut self, address: u64) {
        self.brk_start = address;
        self.brk_end = address;
    }

    /// brk(2): the new end of the heap, or the old one when it cannot be moved there.
    pub fn brk(&mut self, wanted: u64) -> u64 {
        if wanted < self.brk_start || wanted > PROGRAM_END {
            return self.brk_end;
        }
        let (Some(old), Some(new)) = (round_up(self.brk_end), round_up(wanted)) else { return self.brk_end };
        if new < old {
            self.unmap_range(new, old);
        } else if new > old && !self.grow_heap(old, new) {
            return self.brk_end;
        }
        self.brk_end = wanted;
        wanted
    }

    fn grow_heap(&mut self, old: u64, new: u64) -> bool {
        let request = MapRequest {
            placement: Placement::Exact(old),
            len: new - old,
            prot: Prot::READ | Prot::WRITE,
            traits: Traits::HEAP,
            backing: Backing::Anonymous,
            populate: false,
            no_reserve: false,
        };
        self.map(request).is_ok()
    }

    /// The heap, for /proc/PID/stat.
    #[must_use]
    pub fn heap(&self) -> (u64, u64) {
        (self.brk_start, self.brk_end)
    }

    /// mincore(2): one byte per page, bit 0 set when it is present.
    ///
    /// # Errors
    /// EINVAL; ENOMEM when not all of the range is mapped.
    pub fn residency(&self, address: u64, len: u64) -> Result<alloc::vec::Vec<u8>> {
        let (start, end) = range_of(address, len)?;
        if !self.vmas.is_covered(start, end) {
            return Err(Errno::ENOMEM);
        }
        let present = |va| u8::from(paging::query(self.root, va).is_some());
        Ok((start..end).step_by(PAGE_SIZE as usize).map(present).collect())
    }

    /// Whether all of a range is mapped (msync(2), mlock(2)).
    ///
    /// # Errors
    /// EINVAL for an unaligned address; ENOMEM when it is not.
    pub fn check_mapped(&self, address: u64, len: u64) -> Result<()> {
        let (start, end) = range_of(address, len)?;
        if self.vmas.is_covered(start, end) { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    /// Stops showing pages of a file that were replaced or cut off.
    pub fn drop_stale(&mut self, stale: &Stale) {
        let part = |vma: &Vma| shown_part(vma, stale.id, stale.first, stale.end);
        let shown: alloc::vec::Vec<(u64, u64)> = self.vmas.iter().filter_map(part).collect();
        for (start, end) in shown {
            if stale.cut {
                self.drop_pages(start, end);
            } else {
                self.drop_file_pages(start, end);
            }
        }
    }

    /// Forgets pages that are still the file's; copies that a private mapping made stay.
    fn drop_file_pages(&mut self, start: u64, end: u64) {
        let mut dropped = 0;
        let vmas = &self.vmas;
        paging::update(self.root, start, end, &mut |va, mapping| {
            let shared = vmas.find(va).is_some_and(Vma::shared);
            if !shared && own_page(mapping) {
                return Some(mapping);
            }
            dropped += 1;
            release_page(mapping);
            None
        });
        self.resident -= dropped;
        self.flush_if(dropped > 0);
    }
}

/// The addresses at which a mapping shows pages `[first, end)` of a file.
fn shown_part(vma: &Vma, id: (u64, u64), first: u64, end: u64) -> Option<(u64, u64)> {
    let (pages, index) = vma.file_page(vma.start)?;
    let count = vma.size() / PAGE_SIZE;
    let (from, to) = (first.max(index), end.min(index + count));
    (pages.id() == id && from < to)
        .then(|| (vma.start + (from - index) * PAGE_SIZE, vma.start + (to - index) * PAGE_SIZE))
}

impl Drop for AddressSpace {
    fn drop(&mut self) {
        if self.is_active() {
            // Falls back to the monitor's boot tables, which map the library OS and nothing else.
            paging::switch(BOOT_TABLES_GPA);
        }
        if self.root != NO_ROOT {
            paging::free_root(self.root, &mut |_, mapping| release_page(mapping));
        }
    }
}

/// Gives back the reference that a page-table entry held.
pub(super) fn release_page(mapping: Mapping) {
    if frames::owns(mapping.gpa) {
        drop(PageFrame::from_raw(mapping.gpa));
    }
}

/// Whether a page may be written in place: it is a frame and this is the only reference.
pub(super) fn is_sole(gpa: u64) -> bool {
    frames::owns(gpa) && frames::references(gpa) == 1
}

/// Whether a private mapping's page is a copy or zeros of its own, not the file's page: [`Flags::EXTRA`] says so.
pub(super) fn own_page(mapping: Mapping) -> bool {
    mapping.flags.contains(Flags::EXTRA)
}

/// The entry of a private mapping's page that is its own and may be written if the mapping may.
pub(super) fn own_flags(prot: Prot) -> Flags {
    page_flags(prot, prot.contains(Prot::WRITE)) | Flags::EXTRA
}

/// The entry of a page with this protection.
pub(super) fn page_flags(prot: Prot, writable: bool) -> Flags {
    let mut flags = Flags::BASE;
    flags.set(Flags::PRESENT, !prot.is_empty());
    flags.set(Flags::WRITE, writable);
    flags.set(Flags::NX, !prot.contains(Prot::EXEC));
    flags
}

/// Whether the CPU may still use a translation that the new entry forbids.
fn takes_away(old: Flags, new: Flags) -> bool {
    let may = |flags: Flags| {
        let present = flags.contains(Flags::PRESENT);
        (present, present && flags.contains(Flags::WRITE), present && !flags.contains(Flags::NX))
    };
    let (old, new) = (may(old), may(new));
    old.0 && !new.0 || old.1 && !new.1 || old.2 && !new.2
}

#[cfg(test)]
mod tests;
