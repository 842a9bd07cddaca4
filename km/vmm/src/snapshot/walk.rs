//! The pages that a guest's page tables show, by a software walk.
//!
//! The tables are the guest's: they may point anywhere, at themselves, and be as many as memory has pages. The walk
//! reads a bounded number of tables, each copied once, and every answer is only an address to touch *inside* the guest.

use km_abi::layout::{DIRECT_MAP, DIRECT_MAP_PML4, IMAGE_PML4, PAGE_SIZE, ROOTFS_GPA, ROOTFS_MAPPED_MAX};

use super::{PAGE, Page};
use crate::memory::GuestMemory;

/// Tables read in one walk at most: enough for 16 GiB that is mapped page by page.
pub const TABLES_MAX: usize = 16 << 10;
/// Present entries looked at in one walk at most.
const ENTRIES_MAX: usize = 8 << 20;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const HUGE: u64 = 1 << 7;
/// Bytes of a large page.
pub(super) const LARGE: u64 = 2 << 20;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// What an entry says besides an address and the size of the page.
pub(super) const RIGHTS: u64 = !(ADDRESS | HUGE);
/// An entry that leads to another table: present, writable, the user's, accessed.
pub(super) const TABLE: u64 = 0x27;

/// Gives copies of page tables.
pub trait TableSource {
    /// Copies the page at `gpa`; false when there is none.
    fn table(&self, gpa: u64, page: &mut Page) -> bool;
}

impl TableSource for GuestMemory {
    fn table(&self, gpa: u64, page: &mut Page) -> bool {
        self.read(gpa, page).is_ok()
    }
}

/// An entry that maps a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Where the program sees it.
    pub va: u64,
    /// Where it lies, guest-physical.
    pub gpa: u64,
    /// Bytes that the entry maps: [`PAGE_SIZE`] or 2 MiB (the library OS makes no larger pages).
    pub len: u64,
    /// The page-table entry, with its flags.
    pub entry: u64,
    /// Where the entry is.
    pub entry_gpa: u64,
    /// All tables on the way allow writing.
    pub writable: bool,
}

/// Calls `visit` for each page that the tables show, in the lower half, until it says `false`. Within the direct map only
/// single pages are visited. Gives the addresses of the tables that were read.
pub fn leaves(source: &dyn TableSource, cr3: u64, visit: &mut dyn FnMut(&Leaf) -> bool) -> Vec<u64> {
    let mut walk = Walk { source, visit, tables: Vec::new(), entries: 0 };
    walk.level(cr3 & ADDRESS, 3, 0, true);
    walk.tables
}

/// The large pages of the direct map, ascending.
pub fn direct_pages(source: &dyn TableSource, cr3: u64) -> Vec<Leaf> {
    let mut found = Vec::new();
    let entries = |table: u64| {
        let mut page = [0; PAGE];
        let there = source.table(table, &mut page);
        let present = move |entry: &u64| there && entry & PRESENT != 0;
        let entries = page.as_chunks::<8>().0.to_vec().into_iter().map(u64::from_le_bytes).enumerate();
        entries.filter(move |(_, entry)| present(entry))
    };
    let root = entries(cr3 & ADDRESS).find(|(index, _)| *index == DIRECT_MAP_PML4);
    for (second, upper) in root.into_iter().flat_map(|(_, root)| entries(root & ADDRESS)) {
        if upper & HUGE != 0 {
            continue;
        }
        for (first, entry) in entries(upper & ADDRESS).filter(|(_, entry)| entry & HUGE != 0) {
            found.push(Leaf {
                va: DIRECT_MAP + ((second as u64) << 30) + first as u64 * LARGE,
                gpa: entry & ADDRESS & !(LARGE - 1),
                len: LARGE,
                entry,
                entry_gpa: (upper & ADDRESS) + first as u64 * 8,
                writable: upper & entry & WRITE != 0,
            });
        }
    }
    found
}

/// The page in the direct map, where ROM follows RAM by the same offset.
#[must_use]
pub fn direct(gpa: u64) -> Option<u64> {
    (gpa < ROOTFS_GPA + ROOTFS_MAPPED_MAX).then_some(DIRECT_MAP + gpa)
}

/// Whether an address is in the direct map.
#[must_use]
pub fn is_direct(va: u64) -> bool {
    va >> 39 == DIRECT_MAP_PML4 as u64
}

struct Walk<'a> {
    source: &'a dyn TableSource,
    visit: &'a mut dyn FnMut(&Leaf) -> bool,
    tables: Vec<u64>,
    entries: usize,
}

impl Walk<'_> {
    /// Walks the table at `gpa`; `level` 3 is the root. False: enough was read.
    fn level(&mut self, gpa: u64, level: u32, base: u64, writable: bool) -> bool {
        let mut page = [0; PAGE];
        if self.tables.len() == TABLES_MAX {
            return false;
        }
        if !self.source.table(gpa, &mut page) {
            return true;
        }
        self.tables.push(gpa);
        let (entries, _) = page.as_chunks::<8>();
        for (index, entry) in entries.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            // The upper half is the host's where KVM runs guests deprivileged.
            if entry & PRESENT == 0 || (level == 3 && index > IMAGE_PML4) {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX {
                return false;
            }
            let va = base | (index as u64) << (12 + 9 * level);
            let at = Leaf {
                va,
                gpa: entry & ADDRESS,
                len: PAGE_SIZE,
                entry,
                entry_gpa: gpa + index as u64 * 8,
                writable: writable && entry & WRITE != 0,
            };
            if !self.entry(&at, level) {
                return false;
            }
        }
        true
    }

    fn entry(&mut self, at: &Leaf, level: u32) -> bool {
        match (level, at.entry & HUGE != 0) {
            (0, _) => (self.visit)(at),
            (1, true) if is_direct(at.va) => true,
            (1, true) => (self.visit)(&Leaf { gpa: at.gpa & !(LARGE - 1), len: LARGE, ..*at }),
            (2, true) => true,
            _ => self.level(at.gpa, level - 1, at.va, at.writable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    pub(crate) struct Tables(HashMap<u64, Page>);

    impl TableSource for Tables {
        fn table(&self, gpa: u64, page: &mut Page) -> bool {
            self.0.get(&gpa).is_some_and(|table| {
                *page = *table;
                true
            })
        }
    }

    impl Tables {
        fn set(&mut self, table: u64, index: usize, entry: u64) {
            let page = self.0.entry(table).or_insert([0; PAGE]);
            page[index * 8..index * 8 + 8].copy_from_slice(&entry.to_le_bytes());
        }
    }

    fn found(tables: &Tables, cr3: u64) -> Vec<(u64, u64, u64, bool)> {
        let mut found = Vec::new();
        leaves(tables, cr3, &mut |leaf| {
            found.push((leaf.va, leaf.gpa, leaf.len, leaf.writable));
            true
        });
        found
    }

    #[test]
    fn pages_are_found_where_the_tables_show_them() {
        let mut tables = Tables(HashMap::new());
        tables.set(0x1000, 0, 0x2003);
        tables.set(0x1000, 300, 0x2003);
        tables.set(0x1000, DIRECT_MAP_PML4, 0x5003);
        tables.set(0x5000, 0, 0x3003);
        tables.set(0x2000, 1, 0x3003);
        tables.set(0x3000, 2, 0x4003);
        tables.set(0x3000, 3, 0x40_0000 | 0x81);
        tables.set(0x4000, 5, 0x9000 | 1);
        tables.set(0x4000, 6, 0xa000 | 3 | (1 << 63));
        let base = (1 << 30) + (2 << 21);
        let direct = DIRECT_MAP + (2 << 21);
        assert_eq!(
            found(&tables, 0x1000),
            [
                (base + 5 * 4096, 0x9000, 4096, false),
                (base + 6 * 4096, 0xa000, 4096, true),
                ((1 << 30) + (3 << 21), 0x40_0000, LARGE, false),
                (direct + 5 * 4096, 0x9000, 4096, false),
                (direct + 6 * 4096, 0xa000, 4096, true),
            ]
        );
    }

    #[test]
    fn tables_that_point_at_themselves_end() {
        let mut tables = Tables(HashMap::new());
        for index in 0..512 {
            tables.set(0x1000, index, 0x1003);
        }
        assert!(found(&tables, 0x1000).len() <= ENTRIES_MAX);
    }

    proptest! {
        #[test]
        fn no_tables_make_the_walk_panic(
            entries in proptest::collection::vec((0u64..4, 0usize..512, any::<u64>(), any::<bool>()), 0..64),
        ) {
            let mut tables = Tables(HashMap::new());
            for (table, index, entry, near) in entries {
                let entry = if near { (entry & 0x3fff) | 3 } else { entry };
                tables.set(table * 4096, index, entry);
            }
            for (va, ..) in found(&tables, 0) {
                prop_assert!(va < 1 << 47);
            }
        }
    }
}
