//! Whole sets of tables: how they come to be for a new address space, and what becomes of them at its end.
//!
//! Where the host shadows page tables, nothing is dearer than a page that becomes a table or stops being one: the host
//! builds and tears down its own for it, and steps in at every write in between. Programs that are started again and again
//! look the same. So the tables of an address space that has ended stay tables, with the entries they have, and the next
//! one writes only what differs.

use super::{ADDRESS, Flags};
use super::{
    ENTRIES, FrameSource, Mapping, Order, OutOfFrames, Pool, bare_root, check, current_root, for_each_entry,
    index, leaf, leaf_or_make, update,
};
use crate::frames;
use crate::phys;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};

/// Bytes that one table of leaves shows.
const SPAN: u64 = PAGE_SIZE * ENTRIES;
/// Address spaces with more tables than this are not kept.
const KEPT_MAX: u64 = 64;

/// The tables of an address space that is being made, page by page from low addresses to high ones.
///
/// Call [`Fill::finish`] at the end, even after a failure: until then there may be entries of an ended address space.
#[must_use = "tables that are not finished have entries of someone else"]
pub struct Fill {
    root: u64,
    /// Everything below is as it shall be.
    next: u64,
    /// Where the table of leaves begins that was used last, and where it is if it exists.
    base: u64,
    table: Option<u64>,
}

impl Fill {
    /// Begins with kept tables, or with a root alone.
    ///
    /// # Errors
    /// When no frame is left.
    pub fn new(source: &mut dyn FrameSource) -> Result<Self, OutOfFrames> {
        let root = frames::take_kept().map_or_else(|| bare_root(source), Ok)?;
        Ok(Self { root, next: 0, base: u64::MAX, table: None })
    }

    /// Shows a page.
    ///
    /// # Errors
    /// When no frame is left for a table; the page is not shown then.
    pub fn put(
        &mut self,
        va: u64,
        mapping: Mapping,
        source: &mut dyn FrameSource,
    ) -> Result<(), OutOfFrames> {
        self.enter(va);
        if self.table.is_none() {
            self.table = Some(leaf_or_make(self.root, va, source)? & ADDRESS);
        }
        self.set(va, mapping.entry());
        Ok(())
    }

    /// Keeps an entry if the kept tables show this very page already; `true` if they do.
    pub fn keep(&mut self, va: u64, mapping: Mapping) -> bool {
        self.enter(va);
        let there = self.table.map_or(0, |table| phys::read_u64(table + index(va, 0) * 8));
        let kept = there == mapping.entry();
        self.set(va, if kept { there } else { 0 });
        kept
    }

    /// Removes the entries of the ended address space that are left, and returns the root.
    #[must_use]
    pub fn finish(self) -> u64 {
        self.clear_to(PROGRAM_END);
        self.root
    }

    /// Makes everything below `va` right, and finds its table.
    fn enter(&mut self, va: u64) {
        check(va);
        assert!(va >= self.next, "{va:#x} comes after {:#x}", self.next);
        if va > self.next {
            self.clear_to(va);
            self.next = va;
        }
        if self.base != va & !(SPAN - 1) {
            self.base = va & !(SPAN - 1);
            self.table = leaf(self.root, va).map(|place| place & ADDRESS);
        }
    }

    fn set(&mut self, va: u64, entry: u64) {
        if let Some(table) = self.table {
            let place = table + index(va, 0) * 8;
            if phys::read_u64(place) != entry {
                phys::write_u64(place, entry);
            }
        }
        self.next = va + PAGE_SIZE;
    }

    fn clear_to(&self, end: u64) {
        update(self.root, self.next, end, &mut |_, _| None);
    }
}

/// Ends an address space; `each` is told of every leaf that was still there. Its tables are kept or given back. Nothing
/// is written to them.
pub fn free_root(root: u64, each: &mut dyn FnMut(u64, Mapping)) {
    assert!(root != current_root(), "the page tables in use cannot be freed");
    let tables = visit(root, 3, 0, each);
    if tables > KEPT_MAX || !frames::keep(root, tables) {
        give_tables(root);
    }
}

/// Shows the leaves below a table, and counts the tables. The last comes first: frames that are given back in this order
/// are taken again in the other, so that the next address space of the same kind has the same entries.
fn visit(table: u64, level: u32, base: u64, each: &mut dyn FnMut(u64, Mapping)) -> u64 {
    let span = PAGE_SIZE << (9 * level);
    let last = (PROGRAM_END - base).div_ceil(span).min(ENTRIES);
    let mut tables = 1;
    for_each_entry(table, 0, last, Order::LastFirst, &mut |slot, entry| {
        let va = base + slot * span;
        if level == 0 {
            Mapping::from_entry(entry).into_iter().for_each(|mapping| each(va, mapping));
        } else if entry & Flags::PRESENT.bits() != 0 {
            tables += visit(entry & ADDRESS, level - 1, va, each);
        }
    });
    tables
}

/// Gives back a root and the tables below it.
pub(crate) fn give_tables(root: u64) {
    give(root, 3, 0);
}

fn give(table: u64, level: u32, base: u64) {
    let span = PAGE_SIZE << (9 * level);
    let last = (PROGRAM_END - base).div_ceil(span).min(ENTRIES);
    if level > 0 {
        for_each_entry(table, 0, last, Order::FirstFirst, &mut |slot, entry| {
            if entry & Flags::PRESENT.bits() != 0 {
                give(entry & ADDRESS, level - 1, base + slot * span);
            }
        });
    }
    Pool.give(table);
}

#[cfg(test)]
mod tests;
