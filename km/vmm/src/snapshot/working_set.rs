//! Which pages the calls of a function use, learned from calls that have ended.
//!
//! A new machine touches these pages before it gets a call, so that the call finds them copied and mapped. A missing page
//! costs a fault, a needless one a little memory: nothing depends on the set being right. Of the library OS's own
//! addresses, the list has only those that the snapshot's page tables map, since a new machine has no others. Pages of
//! the program may be missing there: the library OS maps them when it touches them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use km_abi::hypercall::TouchEntry;
use km_abi::layout::{CODE_GPA, INPUT_GPA, INPUT_SIZE, PAGE_SIZE, PROGRAM_END};

use super::accessed::{Accessed, Used};
use super::walk::{self, Leaf, TableSource};

/// Pages in a working set at most (256 MiB).
pub const PAGES_MAX: usize = 64 << 10;
/// Calls whose reads are learned, by their accessed bits; later ones add only what they wrote.
const LEARNING_CALLS: u32 = 3;

/// What one machine used, as guest-physical ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedPages {
    /// Private copies: written by the call or by the pre-run.
    pub written: Vec<Range<u64>>,
    /// Mapped from the snapshot or the rootfs: read, or a neighbour of such a page.
    pub read: Vec<Range<u64>>,
}

impl UsedPages {
    /// How many pages were written.
    #[must_use]
    pub fn written_pages(&self) -> u64 {
        pages(&self.written)
    }

    /// Pages mapped and not written.
    #[must_use]
    pub fn read_pages(&self) -> u64 {
        pages(&self.read)
    }
}

fn pages(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end.saturating_sub(range.start) / PAGE_SIZE).sum()
}

/// The pages to touch in a new machine.
#[derive(Debug, Default)]
pub struct WorkingSet {
    calls: u32,
    /// By virtual address; true: to be written.
    pages: BTreeMap<u64, bool>,
    /// Guest-physical pages among them that are written.
    written: HashSet<u64>,
    list: Arc<[TouchEntry]>,
    copied: Arc<[Range<u64>]>,
    /// Touching failed once: from then on machines of this snapshot are not pre-run.
    given_up: bool,
}

impl WorkingSet {
    /// Whether to learn from the next machine: its accessed bits are then cleared first ([`super::accessed::forget`]).
    #[must_use]
    pub fn wants_accessed(&self) -> bool {
        self.calls < LEARNING_CALLS && !self.given_up
    }

    /// Learns from a call that has ended. `source` and `cr3` are the snapshot's.
    pub fn learn(
        &mut self,
        usage: &UsedPages,
        accessed: Option<&Accessed>,
        source: &dyn TableSource,
        cr3: u64,
    ) {
        if self.given_up {
            return;
        }
        self.calls = self.calls.saturating_add(1);
        let ours = |gpa: &u64| accessed.is_some_and(|accessed| accessed.tables.contains(gpa));
        let fresh: HashSet<u64> = each_page(&usage.written)
            .filter(|gpa| is_learned(*gpa) && !ours(gpa) && !self.written.contains(gpa))
            .collect();
        // A walk must pay: something to learn from, or an eighth more pages that are written.
        if accessed.is_some() || fresh.len() * 8 > self.pages.len() {
            self.add(fresh, accessed, source, cr3);
        }
    }

    fn add(
        &mut self,
        mut fresh: HashSet<u64>,
        accessed: Option<&Accessed>,
        source: &dyn TableSource,
        cr3: u64,
    ) {
        let used: &[Used] = accessed.map_or(&[], |accessed| &accessed.pages);
        let mut used: HashMap<u64, Used> = used.iter().map(|page| (page.va, *page)).collect();
        let mut found: HashMap<u64, u64> = HashMap::new();
        let written = &mut self.written;
        let pages = &mut self.pages;
        walk::leaves(source, cr3, &mut |leaf: &Leaf| {
            for offset in (0..leaf.len).step_by(PAGE_SIZE as usize) {
                let (va, gpa) = (leaf.va + offset, leaf.gpa + offset);
                let is_fresh = fresh.contains(&gpa);
                let same = used.get(&va).filter(|page| page.gpa == gpa && is_learned(gpa)).copied();
                if let Some(page) = same.filter(|_| pages.len() < PAGES_MAX) {
                    used.remove(&va);
                    let writable = leaf.writable || page.writable && va < PROGRAM_END;
                    let write = writable && (is_fresh || written.contains(&gpa));
                    *pages.entry(va).or_default() |= write;
                    if write {
                        found.insert(gpa, va);
                    }
                } else if is_fresh && leaf.writable && !walk::is_direct(va) {
                    found.entry(gpa).or_insert(va);
                }
            }
            true
        });
        // What the snapshot does not show in the same way: the direct map, which it has in large pages, and pages of the
        // program that came or were copied during the call.
        for Used { va, gpa, writable } in used.into_values() {
            let makes = va < PROGRAM_END || walk::direct(gpa) == Some(va);
            if makes && is_learned(gpa) && pages.len() < PAGES_MAX {
                let write = writable && gpa < CODE_GPA && (fresh.contains(&gpa) || written.contains(&gpa));
                *pages.entry(va).or_default() |= write;
            }
        }
        // The monitor and the library OS write through it too.
        for gpa in fresh.drain() {
            let va = found.get(&gpa).copied().or_else(|| walk::direct(gpa).filter(|_| gpa < CODE_GPA));
            if let Some(va) = va.filter(|_| pages.len() < PAGES_MAX) {
                pages.insert(va, true);
                written.insert(gpa);
            }
        }
        let entry = |(&va, &write): (&u64, &bool)| TouchEntry { address: va | u64::from(write) };
        self.list = self.pages.iter().map(entry).collect();
        self.copied = ranges(&self.written);
    }

    /// Touching failed: there is no touch list from now on.
    pub fn give_up(&mut self) {
        *self = Self { given_up: true, ..Self::default() };
    }

    /// The touch list, to be delivered in as many pieces as it takes.
    #[must_use]
    pub fn list(&self) -> Arc<[TouchEntry]> {
        Arc::clone(&self.list)
    }

    /// The guest-physical pages of the list that are written, as ranges.
    #[must_use]
    pub fn copied(&self) -> Arc<[Range<u64>]> {
        Arc::clone(&self.copied)
    }
}

/// Pages as ascending ranges, neighbours joined.
fn ranges(pages: &HashSet<u64>) -> Arc<[Range<u64>]> {
    let mut pages: Vec<u64> = pages.iter().copied().collect();
    pages.sort_unstable();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for page in pages {
        match ranges.last_mut() {
            Some(last) if last.end == page => last.end += PAGE_SIZE,
            _ => ranges.push(page..page + PAGE_SIZE),
        }
    }
    ranges.into()
}

fn each_page(ranges: &[Range<u64>]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().flat_map(|range| range.clone().step_by(PAGE_SIZE as usize))
}

/// The input buffer beyond its first page carries the touch list itself, and page 0 is never used.
fn is_learned(gpa: u64) -> bool {
    gpa != 0 && !(INPUT_GPA + PAGE_SIZE..INPUT_GPA + INPUT_SIZE).contains(&gpa)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::GuestMemory;
    use km_abi::layout::{DIRECT_MAP, MEMORY_MIN};

    /// Pages 0x9000 (writable) and 0xa000 (read-only) at 0 and 0x1000.
    fn snapshot() -> GuestMemory {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        for (gpa, entry) in
            [(0x1000u64, 0x2027u64), (0x2000, 0x3027), (0x3000, 0x4027), (0x4000, 0x9027), (0x4008, 0xa025)]
        {
            memory.store(gpa, &entry).unwrap();
        }
        memory
    }

    fn written(range: Range<u64>) -> UsedPages {
        UsedPages { written: vec![range], read: Vec::new() }
    }

    fn addresses(set: &WorkingSet) -> Vec<u64> {
        set.list().iter().map(|entry| entry.address).collect()
    }

    #[test]
    fn what_was_used_is_touched_and_what_was_written_is_written() {
        let mut set = WorkingSet::default();
        let page = |va, gpa| Used { va, gpa, writable: va == 0 || va >= 0x2000 };
        let kernel = DIRECT_MAP - PAGE_SIZE;
        let accessed = Accessed {
            // The snapshot shows nothing at 0x2000 and 0x3000, and the library OS's own pages are not made for it.
            pages: vec![
                page(0, 0x9000),
                page(0x1000, 0xa000),
                page(0x2000, 0xb000),
                page(0x3000, 0xc000),
                page(kernel, 0xd000),
            ],
            tables: HashSet::from([0x4000]),
        };
        assert!(set.wants_accessed());
        let usage = UsedPages { written: vec![0x4000..0x6000, 0x9000..0xc000], read: vec![] };
        set.learn(&usage, Some(&accessed), &snapshot(), 0x1000);
        // 0xa000 is mapped read-only, so it was written through the direct map, as 0x5000 was. So was 0xb000, before
        // the program got it.
        let direct = [0x5001, 0xa001, 0xb001].map(|gpa| DIRECT_MAP + gpa);
        assert_eq!(addresses(&set), [&[1, 0x1000, 0x2001, 0x3000], &direct[..]].concat());
    }

    #[test]
    fn later_calls_add_what_they_wrote_where_it_pays() {
        let mut set = WorkingSet::default();
        set.learn(&written(0x9000..0xa000), None, &snapshot(), 0x1000);
        assert_eq!(addresses(&set), [1]);
        set.learn(&written(0x10_0000..0x12_0000), None, &snapshot(), 0x1000);
        assert_eq!(addresses(&set).len(), 33);
        set.learn(&written(0x20_0000..0x20_1000), None, &snapshot(), 0x1000);
        assert_eq!(addresses(&set).len(), 33);
        set.give_up();
        set.learn(&written(0x9000..0xa000), None, &snapshot(), 0x1000);
        assert!(addresses(&set).is_empty() && !set.wants_accessed());
    }

    #[test]
    fn a_set_is_bounded_and_the_touch_list_is_not_in_it() {
        let mut set = WorkingSet::default();
        set.learn(&written(INPUT_GPA..INPUT_GPA + INPUT_SIZE), None, &snapshot(), 0x1000);
        assert_eq!(addresses(&set), [DIRECT_MAP + INPUT_GPA + 1]);
        set.learn(&written(0..(PAGES_MAX as u64 + 64) * PAGE_SIZE), None, &snapshot(), 0x1000);
        assert_eq!(addresses(&set).len(), PAGES_MAX);
    }
}
