//! Which pages the calls of a function use, learned from calls that have ended.
//!
//! A new machine is led over these pages before it gets a call, so that the call finds them copied and mapped. A page
//! too few costs a fault, a page too many a little memory: nothing depends on the set being right.

use std::collections::BTreeMap;
use std::ops::Range;

use km_abi::hypercall::TouchEntry;
use km_abi::layout::{INPUT_GPA, INPUT_SIZE, PAGE_SIZE};

use super::walk::{self, TableSource};

/// Pages in a working set at most (256 MiB); the written ones go first.
pub const PAGES_MAX: usize = 64 << 10;
/// Touch entries that one event carries at most.
pub const ENTRIES_PER_EVENT: usize = (INPUT_SIZE / size_of::<TouchEntry>() as u64) as usize;
/// Calls that are learned from; later ones only add pages that they wrote.
const LEARNING_CALLS: u32 = 4;

/// What one call used, as guest-physical ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Private copies: written by the call (or by the pre-run).
    pub written: Vec<Range<u64>>,
    /// Mapped from the snapshot or the rootfs: read, or a neighbour of such a page.
    pub read: Vec<Range<u64>>,
}

impl Usage {
    /// Pages written.
    #[must_use]
    pub fn written_pages(&self) -> u64 {
        pages(&self.written)
    }

    /// Pages read only.
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
    written: BTreeMap<u64, bool>,
    changed: bool,
    list: std::sync::Arc<[TouchEntry]>,
}

impl WorkingSet {
    /// Learns from a call. Says whether the set has grown by enough that a new list is worth the walk.
    pub fn learn(&mut self, usage: &Usage) -> bool {
        let reads_count = self.calls < LEARNING_CALLS;
        self.calls = self.calls.saturating_add(1);
        let before = self.written.len();
        let mut promoted = 0;
        for gpa in each_page(&usage.written).filter(|&gpa| is_learned(gpa)) {
            if self.written.len() < PAGES_MAX || self.written.contains_key(&gpa) {
                promoted += usize::from(self.written.insert(gpa, true) != Some(true));
            }
        }
        if reads_count {
            for gpa in each_page(&usage.read).filter(|&gpa| is_learned(gpa)) {
                if self.written.len() < PAGES_MAX {
                    self.written.entry(gpa).or_insert(false);
                }
            }
        }
        let grown = (self.written.len() - before).max(promoted);
        self.changed |= grown > 0;
        // The first call always makes a list; then a walk must pay: an eighth more pages, or the learning is over.
        let worth = grown * 8 > self.written.len() || self.calls <= LEARNING_CALLS;
        self.changed && worth
    }

    /// Makes the touch list anew from the page tables of the snapshot.
    pub fn rebuild(&mut self, source: &dyn TableSource, cr3: u64) {
        let wanted: Vec<u64> = self.written.keys().copied().collect();
        let found = walk::addresses(source, cr3, &wanted);
        let mut list: Vec<TouchEntry> = self
            .written
            .iter()
            .filter_map(|(gpa, &written)| {
                let mapped = found.get(gpa)?;
                Some(TouchEntry { address: mapped.va | u64::from(written && mapped.writable) })
            })
            .collect();
        list.sort_unstable_by_key(|entry| entry.address);
        self.list = list.into();
        self.changed = false;
    }

    /// The touch list, to be delivered in pieces of [`ENTRIES_PER_EVENT`].
    #[must_use]
    pub fn list(&self) -> std::sync::Arc<[TouchEntry]> {
        self.list.clone()
    }
}

fn each_page(ranges: &[Range<u64>]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().flat_map(|range| range.clone().step_by(PAGE_SIZE as usize))
}

/// The input buffer carries the touch list itself, and page 0 is never used.
fn is_learned(gpa: u64) -> bool {
    gpa != 0 && !(INPUT_GPA + PAGE_SIZE..INPUT_GPA + INPUT_SIZE).contains(&gpa)
}

#[cfg(test)]
mod tests {
    use super::super::{PAGE, Page};
    use super::*;
    use km_abi::layout::DIRECT_MAP;

    struct NoTables;

    impl TableSource for NoTables {
        fn table(&self, _gpa: u64, page: &mut Page) -> bool {
            *page = [0; PAGE];
            true
        }
    }

    fn usage(written: Range<u64>, read: Range<u64>) -> Usage {
        Usage { written: vec![written], read: vec![read] }
    }

    #[test]
    fn written_pages_win_over_read_ones() {
        let mut set = WorkingSet::default();
        assert!(set.learn(&usage(0x5000..0x7000, 0x7000..0x9000)));
        set.rebuild(&NoTables, 0x1000);
        assert!(!set.learn(&usage(0x5000..0x7000, 0x5000..0x6000)));
        assert!(set.learn(&usage(0x7000..0x8000, 0..0)));
        set.rebuild(&NoTables, 0x1000);
        let list: Vec<u64> = set.list().iter().map(|entry| entry.address - DIRECT_MAP).collect();
        assert_eq!(list, [0x5001, 0x6001, 0x7001, 0x8000]);
    }

    #[test]
    fn a_set_is_bounded_and_the_input_buffer_is_not_in_it() {
        let mut set = WorkingSet::default();
        set.learn(&usage(INPUT_GPA..INPUT_GPA + INPUT_SIZE, 0..(PAGES_MAX as u64 + 32) * PAGE_SIZE));
        set.rebuild(&NoTables, 0x1000);
        assert_eq!(set.list().len(), PAGES_MAX);
        assert!(set.list().iter().all(|entry| entry.address != DIRECT_MAP + INPUT_GPA + PAGE_SIZE));
    }

    #[test]
    fn later_calls_add_written_pages_only() {
        let mut set = WorkingSet::default();
        for _ in 0..LEARNING_CALLS {
            set.learn(&usage(0x5000..0x6000, 0x6000..0x7000));
        }
        set.learn(&usage(0x9000..0xa000, 0xa000..0xb000));
        set.rebuild(&NoTables, 0x1000);
        assert_eq!(set.list().len(), 3);
    }
}
