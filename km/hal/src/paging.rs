//! Page tables of the program's half of an address space, over [`crate::phys`].
//!
//! A root is the guest-physical address of a PML4. Its slots for the direct map and the library OS are the same in
//! each root and belong to the monitor; the functions here refuse addresses there. Nothing here flushes: after an
//! entry that was present has changed to less, call [`flush`] before the program runs again.
//! Entries are kept with their accessed and dirty bits set, so that the CPU never writes to a table.

use crate::{backend, frames, phys, records, user};
use bitflags::bitflags;
use km_abi::layout::{DIRECT_MAP, DIRECT_MAP_PML4, IMAGE_PML4, PAGE_SIZE, PROGRAM_END};
use zerocopy::IntoBytes;

mod fill;

pub(crate) use fill::give_tables;
pub use fill::{Fill, free_root};

bitflags! {
    /// Bits of a page-table entry that are not its address.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Flags: u64 {
        /// The CPU uses the entry. An entry without it keeps its frame and its other bits (PROT_NONE).
        const PRESENT = 1;
        /// The page may be written.
        const WRITE = 1 << 1;
        /// Ring 3 may use it; every mapping of a program has this.
        const USER = 1 << 2;
        /// The CPU has used the entry since the bit was cleared.
        const ACCESSED = 1 << 5;
        /// The CPU has written the page since the bit was cleared.
        const DIRTY = 1 << 6;
        /// First bit that the CPU ignores: the frame is shared and is copied before it is written.
        const COW = 1 << 9;
        /// Second bit that the CPU ignores: the frame belongs to a shared mapping.
        const SHARED = 1 << 10;
        /// Third bit that the CPU ignores: for the memory manager.
        const EXTRA = 1 << 11;
        /// Instructions are not fetched from it.
        const NX = 1 << 63;
    }
}

impl Flags {
    /// What every present entry of a program has.
    pub const BASE: Self = Self::PRESENT.union(Self::USER).union(Self::ACCESSED).union(Self::DIRTY);
}

/// Address bits of an entry.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// Flags of an entry that points to a table.
const TABLE: u64 = Flags::BASE.union(Flags::WRITE).bits();
/// Entries in a table.
const ENTRIES: u64 = 512;

/// A leaf entry: where a page is and how it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The frame, in slot 0 or slot 1.
    pub gpa: u64,
    /// How the page may be used.
    pub flags: Flags,
}

impl Mapping {
    fn from_entry(entry: u64) -> Option<Self> {
        (entry != 0).then(|| Self { gpa: entry & ADDRESS, flags: Flags::from_bits_truncate(entry) })
    }

    const fn entry(self) -> u64 {
        self.gpa & ADDRESS | self.flags.bits()
    }
}

/// Where frames for tables come from and go to.
pub trait FrameSource {
    /// A frame of zeros.
    fn take(&mut self) -> Option<u64>;
    /// A frame that is no longer a table.
    fn give(&mut self, gpa: u64);
}

/// The plain source: [`crate::frames`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool;

impl FrameSource for Pool {
    fn take(&mut self) -> Option<u64> {
        frames::alloc()
    }

    fn give(&mut self, gpa: u64) {
        frames::release(gpa);
    }
}

/// No frame was left for a page table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfFrames;

const fn index(va: u64, level: u32) -> u64 {
    va >> (12 + 9 * level) & (ENTRIES - 1)
}

fn check(va: u64) {
    assert!(va < PROGRAM_END, "{va:#x} is not an address of the program");
}

/// Guest-physical address of the leaf entry of `va`, if its tables exist.
fn leaf(root: u64, va: u64) -> Option<u64> {
    check(va);
    let mut table = root;
    for level in (1..=3).rev() {
        let entry = phys::read_u64(table + index(va, level) * 8);
        if entry & Flags::PRESENT.bits() == 0 {
            return None;
        }
        table = entry & ADDRESS;
    }
    Some(table + index(va, 0) * 8)
}

/// As [`leaf`], with missing tables made.
fn leaf_or_make(root: u64, va: u64, source: &mut dyn FrameSource) -> Result<u64, OutOfFrames> {
    check(va);
    let mut table = root;
    for level in (1..=3).rev() {
        let place = table + index(va, level) * 8;
        let mut entry = phys::read_u64(place);
        if entry & Flags::PRESENT.bits() == 0 {
            entry = source.take().ok_or(OutOfFrames)? | TABLE;
            phys::write_u64(place, entry);
        }
        table = entry & ADDRESS;
    }
    Ok(table + index(va, 0) * 8)
}

/// Makes a root whose program half is empty.
///
/// # Errors
/// When no frame is left.
pub fn new_root(source: &mut dyn FrameSource) -> Result<u64, OutOfFrames> {
    Ok(Fill::new(source)?.finish())
}

/// A root without tables below it but the library OS's.
fn bare_root(source: &mut dyn FrameSource) -> Result<u64, OutOfFrames> {
    let root = source.take().ok_or(OutOfFrames)?;
    for slot in [DIRECT_MAP_PML4, IMAGE_PML4] {
        let offset = slot as u64 * 8;
        phys::write_u64(root + offset, phys::read_u64(current_root() + offset));
    }
    Ok(root)
}

/// Maps the page at `va`; what was there before is returned.
///
/// # Errors
/// When no frame is left for a table.
pub fn map(
    root: u64,
    va: u64,
    gpa: u64,
    flags: Flags,
    source: &mut dyn FrameSource,
) -> Result<Option<Mapping>, OutOfFrames> {
    let place = leaf_or_make(root, va, source)?;
    let old = Mapping::from_entry(phys::read_u64(place));
    phys::write_u64(place, Mapping { gpa, flags }.entry());
    Ok(old)
}

/// Makes the tables for `[start, end)` without mapping anything, so that later faults only write leaves.
///
/// # Errors
/// When no frame is left for a table.
pub fn prepare(root: u64, start: u64, end: u64, source: &mut dyn FrameSource) -> Result<(), OutOfFrames> {
    let span = PAGE_SIZE * ENTRIES;
    let mut va = start & !(span - 1);
    while va < end {
        leaf_or_make(root, va, source)?;
        va += span;
    }
    Ok(())
}

/// Removes the entry of the page at `va` and returns it.
pub fn unmap(root: u64, va: u64) -> Option<Mapping> {
    let place = leaf(root, va)?;
    let old = Mapping::from_entry(phys::read_u64(place))?;
    phys::write_u64(place, 0);
    Some(old)
}

/// Replaces the flags of the page at `va`, if there is an entry; the old entry is returned.
pub fn protect(root: u64, va: u64, flags: Flags) -> Option<Mapping> {
    let place = leaf(root, va)?;
    let old = Mapping::from_entry(phys::read_u64(place))?;
    phys::write_u64(place, Mapping { gpa: old.gpa, flags }.entry());
    Some(old)
}

/// The entry of the page that `va` lies in.
#[must_use]
pub fn query(root: u64, va: u64) -> Option<Mapping> {
    Mapping::from_entry(phys::read_u64(leaf(root, va)?))
}

/// Calls `each` for every entry in `[start, end)`; the entry it returns replaces the old one.
/// Parts without tables cost nothing, so the range may be huge.
pub fn update(root: u64, start: u64, end: u64, each: &mut dyn FnMut(u64, Mapping) -> Option<Mapping>) {
    walk(root, 3, 0, start, end.min(PROGRAM_END), &mut |va, place, mapping| {
        let new = each(va, mapping);
        if new != Some(mapping) {
            phys::write_u64(place, new.map_or(0, Mapping::entry));
        }
    });
}

fn walk(table: u64, level: u32, base: u64, start: u64, end: u64, each: &mut dyn FnMut(u64, u64, Mapping)) {
    let span = PAGE_SIZE << (9 * level);
    let first = start.saturating_sub(base) / span;
    let last = (end.saturating_sub(base)).div_ceil(span).min(ENTRIES);
    for_each_entry(table, first, last, Order::FirstFirst, &mut |slot, entry| {
        let va = base + slot * span;
        if level == 0 {
            Mapping::from_entry(entry).into_iter().for_each(|mapping| each(va, table + slot * 8, mapping));
        } else if entry & Flags::PRESENT.bits() != 0 {
            walk(entry & ADDRESS, level - 1, va, start, end, each);
        }
    });
}

/// In which order entries are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    FirstFirst,
    LastFirst,
}

/// Calls `each` for the entries `[first, last)` of a table that are not 0. They are read in batches, because every read
/// is range-checked; `each` may change entries that it has seen.
fn for_each_entry(table: u64, first: u64, last: u64, order: Order, each: &mut dyn FnMut(u64, u64)) {
    const AT_ONCE: u64 = 64;
    let mut entries = [0u64; AT_ONCE as usize];
    let blocks = last.saturating_sub(first).div_ceil(AT_ONCE);
    for block in 0..blocks {
        let block = if order == Order::FirstFirst { block } else { blocks - 1 - block };
        let from = first + block * AT_ONCE;
        let some = &mut entries[..(last - from).min(AT_ONCE) as usize];
        phys::read(table + from * 8, some.as_mut_bytes());
        let mut show = |at: usize| {
            if some[at] != 0 {
                each(from + at as u64, some[at]);
            }
        };
        match order {
            Order::FirstFirst => (0..some.len()).for_each(&mut show),
            Order::LastFirst => (0..some.len()).rev().for_each(&mut show),
        }
    }
}

/// Removes every entry in `[start, end)` after `each` saw it, and gives tables back that lie wholly inside.
pub fn clear(
    root: u64,
    start: u64,
    end: u64,
    source: &mut dyn FrameSource,
    each: &mut dyn FnMut(u64, Mapping),
) {
    update(root, start, end, &mut |va, mapping| {
        each(va, mapping);
        None
    });
    // The page after the program's half is never mapped, so a table that would hold only that page can go.
    prune(root, 3, 0, start, if end >= PROGRAM_END { DIRECT_MAP } else { end }, source);
}

fn prune(table: u64, level: u32, base: u64, start: u64, end: u64, source: &mut dyn FrameSource) {
    let span = PAGE_SIZE << (9 * level);
    let first = start.saturating_sub(base) / span;
    for slot in first..ENTRIES {
        let va = base + slot * span;
        if va >= end {
            break;
        }
        let place = table + slot * 8;
        let entry = phys::read_u64(place);
        if entry & Flags::PRESENT.bits() == 0 {
            continue;
        }
        if level > 1 {
            prune(entry & ADDRESS, level - 1, va, start, end, source);
        }
        if va >= start && va + span <= end {
            phys::write_u64(place, 0);
            source.give(entry & ADDRESS);
        }
    }
}

/// The root in use.
#[must_use]
pub fn current_root() -> u64 {
    backend::current_root()
}

/// Uses another root from now on; also flushes all translations.
pub fn switch(root: u64) {
    backend::load_root(root);
}

/// Forgets all translations of the current root.
pub fn flush() {
    backend::load_root(current_root());
}

/// Makes the CPU use the entry of the page at `va` of the current root, which shows the frame `gpa` in place of one that
/// could not be written and is not executed.
///
/// A host that shadows the tables reads an entry again when an access is not allowed by its copy. So writing a byte of
/// the page with the value that it has is enough, and the program is about to write there anyway.
pub fn replaced(va: u64, gpa: u64) {
    let mut byte = [0];
    phys::read(gpa, &mut byte);
    if !records::boot().is_shadowed() || user::copy_out(va, &byte).is_err() {
        flush();
    }
}

#[cfg(test)]
mod tests;
