//! Which ranges of an address space are mapped, and to what: an ordered map of [`Vma`]s that never overlap.
//!
//! Pure arithmetic: no page table is touched here. Neighbours that continue each other are one entry, so that what a
//! program splits and restores does not grow the map.

use crate::fs::file::Pages;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use bitflags::bitflags;
use gaps::Gaps;
use km_abi::layout::PAGE_SIZE;

bitflags! {
    /// What a program may do with a mapping (`PROT_*`).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Prot: u32 {
        /// PROT_READ.
        const READ = 1;
        /// PROT_WRITE.
        const WRITE = 2;
        /// PROT_EXEC.
        const EXEC = 4;
    }
}

bitflags! {
    /// Properties of a mapping besides its protection.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Traits: u32 {
        /// MAP_SHARED: writes go to the object, and others see them.
        const SHARED = 1;
        /// MADV_WIPEONFORK: zeros in a child and in a clone of the machine.
        const WIPE_ON_FORK = 2;
        /// MADV_DONTFORK: a child has nothing there.
        const NOT_IN_CHILD = 4;
        /// A shared mapping of a file that was opened without write access: mprotect may not add it.
        const NEVER_WRITE = 8;
        /// The main thread's stack.
        const STACK = 16;
        /// The heap of brk(2).
        const HEAP = 32;
        /// MAP_GROWSDOWN; it does not grow, but mprotect(2) with PROT_GROWSDOWN knows it.
        const GROWS_DOWN = 64;
        /// mlock(2): kept for those who ask and for limits.
        const LOCKED = 128;
    }
}

/// What a mapping shows.
#[derive(Clone)]
pub enum Backing {
    /// Zeros of its own.
    Anonymous,
    /// A file, or memory shared with other processes, from this byte on.
    File {
        /// Gives the object's pages by their index.
        pages: Rc<dyn Pages>,
        /// Byte of the file at the mapping's start, a multiple of the page size.
        offset: u64,
    },
}

impl Backing {
    fn advanced(&self, bytes: u64) -> Self {
        match self {
            Self::Anonymous => Self::Anonymous,
            Self::File { pages, offset } => Self::File { pages: Rc::clone(pages), offset: offset + bytes },
        }
    }

    fn continues(&self, next: &Self, bytes: u64) -> bool {
        match (self, next) {
            (Self::Anonymous, Self::Anonymous) => true,
            (Self::File { pages, offset }, Self::File { pages: next_pages, offset: next_offset }) => {
                Rc::ptr_eq(pages, next_pages) && offset.checked_add(bytes) == Some(*next_offset)
            }
            _ => false,
        }
    }
}

/// A mapped range with one protection and one backing.
#[derive(Clone)]
pub struct Vma {
    /// First address, a multiple of the page size.
    pub start: u64,
    /// Address after the last.
    pub end: u64,
    /// What the program may do.
    pub prot: Prot,
    /// Properties.
    pub traits: Traits,
    /// What its pages show.
    pub backing: Backing,
}

impl Vma {
    /// Whether writes go to memory that others see.
    #[must_use]
    pub fn shared(&self) -> bool {
        self.traits.contains(Traits::SHARED)
    }

    /// Its length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.end - self.start
    }

    /// The file page that shows at `address`, with its pages.
    #[must_use]
    pub fn file_page(&self, address: u64) -> Option<(&Rc<dyn Pages>, u64)> {
        match &self.backing {
            Backing::Anonymous => None,
            Backing::File { pages, offset } => Some((pages, (offset + (address - self.start)) / PAGE_SIZE)),
        }
    }

    /// The part of it in `[start, end)`, which must lie within.
    fn part(&self, start: u64, end: u64) -> Self {
        Self { start, end, backing: self.backing.advanced(start - self.start), ..self.clone() }
    }

    fn continues(&self, next: &Self) -> bool {
        self.end == next.start
            && self.prot == next.prot
            && self.traits == next.traits
            && self.backing.continues(&next.backing, self.size())
    }
}

/// The mappings of an address space.
#[derive(Clone)]
pub struct VmaMap {
    by_start: BTreeMap<u64, Vma>,
    gaps: Gaps,
    bytes: u64,
}

impl Default for VmaMap {
    fn default() -> Self {
        let mut gaps = Gaps::default();
        gaps.add(0, u64::MAX);
        Self { by_start: BTreeMap::new(), gaps, bytes: 0 }
    }
}

impl VmaMap {
    /// The mapping that `address` lies in.
    #[must_use]
    pub fn find(&self, address: u64) -> Option<&Vma> {
        let vma = self.by_start.range(..=address).next_back()?.1;
        (address < vma.end).then_some(vma)
    }

    /// All mappings in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Vma> {
        self.by_start.values()
    }

    /// Bytes that are mapped.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many mappings there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.by_start.len()
    }

    /// The mappings that have a part in `[start, end)`, in order.
    pub fn overlapping(&self, start: u64, end: u64) -> impl Iterator<Item = &Vma> {
        let first = self.find(start).map_or(start, |vma| vma.start);
        self.by_start.range(first..end.max(first)).map(|entry| entry.1)
    }

    /// Whether nothing is mapped in `[start, end)`.
    #[must_use]
    pub fn is_free(&self, start: u64, end: u64) -> bool {
        self.overlapping(start, end).next().is_none()
    }

    /// Whether all of `[start, end)` is mapped.
    #[must_use]
    pub fn is_covered(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for vma in self.overlapping(start, end) {
            if vma.start > at {
                return false;
            }
            at = vma.end;
        }
        at >= end
    }

    /// Adds a mapping where nothing is mapped; joins it with neighbours that it continues.
    ///
    /// # Panics
    /// When something is mapped there: a bug of the library OS.
    pub fn insert(&mut self, mut vma: Vma) {
        assert!(vma.start < vma.end && self.is_free(vma.start, vma.end), "mappings overlap");
        if let Some((&start, before)) = self.by_start.range(..vma.start).next_back()
            && before.continues(&vma)
        {
            vma = Vma { end: vma.end, ..before.clone() };
            self.take(start);
        }
        if let Some(after) = self.by_start.get(&vma.end)
            && vma.continues(after)
        {
            let end = after.end;
            self.take(vma.end);
            vma.end = end;
        }
        self.put(vma);
    }

    /// Adds an entry as it is.
    fn put(&mut self, vma: Vma) {
        let (before, after) = self.free_around(vma.start);
        self.gaps.remove(before, after);
        self.gaps.add(before, vma.start);
        self.gaps.add(vma.end, after);
        self.bytes += vma.size();
        self.by_start.insert(vma.start, vma);
    }

    /// Takes the entry that starts at an address.
    fn take(&mut self, start: u64) -> Option<Vma> {
        let vma = self.by_start.remove(&start)?;
        let (before, after) = self.free_around(start);
        self.gaps.remove(before, start);
        self.gaps.remove(vma.end, after);
        self.gaps.add(before, after);
        self.bytes -= vma.size();
        Some(vma)
    }

    /// The free range around a free address.
    fn free_around(&self, address: u64) -> (u64, u64) {
        let before = self.by_start.range(..address).next_back().map_or(0, |entry| entry.1.end);
        let after = self.by_start.range(address..).next().map_or(u64::MAX, |entry| *entry.0);
        (before, after)
    }

    /// Takes everything in `[start, end)` out, splitting at the edges, and returns it in order.
    pub fn carve(&mut self, start: u64, end: u64) -> Vec<Vma> {
        let starts: Vec<u64> = self.overlapping(start, end).map(|vma| vma.start).collect();
        let mut taken = Vec::with_capacity(starts.len());
        for key in starts {
            let Some(vma) = self.take(key) else { continue };
            if vma.start < start {
                self.put(vma.part(vma.start, start));
            }
            if vma.end > end {
                self.put(vma.part(end, vma.end));
            }
            taken.push(vma.part(vma.start.max(start), vma.end.min(end)));
        }
        taken
    }

    /// Changes what is mapped in `[start, end)`; holes stay holes.
    pub fn modify(&mut self, start: u64, end: u64, mut change: impl FnMut(&mut Vma)) {
        // An empty range within a mapping would be a part of it without a page.
        if start >= end {
            return;
        }
        for mut vma in self.carve(start, end) {
            change(&mut vma);
            self.insert(vma);
        }
        self.rejoin(end);
    }

    /// Joins the mappings that meet at `address`, if one continues the other.
    fn rejoin(&mut self, address: u64) {
        if let Some(vma) = self.take(address) {
            self.insert(vma);
        }
    }

    /// The highest free range of `len` bytes in `[low, high)`.
    #[must_use]
    pub fn gap_below(&self, len: u64, low: u64, high: u64) -> Option<u64> {
        let last_end = self.by_start.range(..high).next_back().map_or(0, |entry| entry.1.end);
        let at_top = high.checked_sub(len).filter(|start| *start >= last_end);
        at_top.or_else(|| self.gaps.highest(len, high)).filter(|start| *start >= low)
    }
}

mod gaps;
#[cfg(test)]
mod tests;
