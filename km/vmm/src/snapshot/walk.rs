//! Which virtual addresses show a physical page, by a software walk of the snapshot's page tables.
//!
//! The tables are the guest's: they may point anywhere, at themselves, and be as many as memory has pages. The walk
//! reads a bounded number of tables, each copied once, and every answer is only an address to touch *inside* the guest.

use std::collections::HashMap;

use km_abi::layout::{DIRECT_MAP, DIRECT_MAP_PML4, IMAGE_PML4, PAGE_SIZE, ROOTFS_GPA, ROOTFS_SLOT_MAX};

use super::{PAGE, Page};

/// Tables read in one walk at most: enough for 16 GiB that is mapped page by page.
pub const TABLES_MAX: usize = 16 << 10;
/// Present entries looked at in one walk at most.
const ENTRIES_MAX: usize = 8 << 20;

const PRESENT: u64 = 1;
const WRITE: u64 = 1 << 1;
const HUGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// Gives copies of page tables.
pub trait TableSource {
    /// Copies the page at `gpa`; false when there is none.
    fn table(&self, gpa: u64, page: &mut Page) -> bool;
}

/// A page as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// Virtual address of the page.
    pub va: u64,
    /// The tables allow writing.
    pub writable: bool,
}

/// Finds an address for each of the pages in `wanted` (guest-physical): one of the program or the library OS's image
/// where there is one, else the one in the direct map.
#[must_use]
pub fn addresses(source: &dyn TableSource, cr3: u64, wanted: &[u64]) -> HashMap<u64, Mapped> {
    let found = wanted.iter().map(|&gpa| (gpa, None)).collect();
    let mut walk = Walk { source, found, missing: wanted.len(), tables: 0, entries: 0 };
    walk.missing = walk.found.len();
    walk.level(cr3 & ADDRESS, 3, 0, true);
    walk.found.into_iter().filter_map(|(gpa, mapped)| Some((gpa, mapped.or_else(|| direct(gpa))?))).collect()
}

/// The page in the direct map.
fn direct(gpa: u64) -> Option<Mapped> {
    // The rootfs slot appears at its own place there, see the memory map; both follow from one offset.
    let writable = gpa < ROOTFS_GPA;
    (gpa < ROOTFS_GPA + ROOTFS_SLOT_MAX).then(|| Mapped { va: DIRECT_MAP + gpa, writable })
}

struct Walk<'a> {
    source: &'a dyn TableSource,
    found: HashMap<u64, Option<Mapped>>,
    missing: usize,
    tables: usize,
    entries: usize,
}

impl Walk<'_> {
    /// Walks the table at `gpa`; `level` 3 is the root. False: enough was read.
    fn level(&mut self, gpa: u64, level: u32, base: u64, writable: bool) -> bool {
        let mut page = [0; PAGE];
        self.tables += 1;
        if self.tables > TABLES_MAX {
            return false;
        }
        if !self.source.table(gpa, &mut page) {
            return true;
        }
        let (entries, _) = page.as_chunks::<8>();
        for (index, entry) in entries.iter().enumerate() {
            let entry = u64::from_le_bytes(*entry);
            // The upper half is the host's where KVM runs guests deprivileged; the direct map is the last resort.
            let skipped = level == 3 && (index > IMAGE_PML4 || index == DIRECT_MAP_PML4);
            if entry & PRESENT == 0 || skipped {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES_MAX || self.missing == 0 {
                return false;
            }
            let va = base | (index as u64) << (12 + 9 * level);
            let writable = writable && entry & WRITE != 0;
            let leaf = level == 0 || (entry & HUGE != 0 && level < 3);
            let go_on = match leaf {
                true if level == 0 => self.leaf(entry & ADDRESS, va, writable),
                true if level == 1 => self.huge(entry & ADDRESS & !0x1f_ffff, va, writable),
                // Nobody maps a gigabyte at once outside of the direct map.
                true => true,
                false => self.level(entry & ADDRESS, level - 1, va, writable),
            };
            if !go_on {
                return false;
            }
        }
        true
    }

    fn leaf(&mut self, gpa: u64, va: u64, writable: bool) -> bool {
        if let Some(slot) = self.found.get_mut(&gpa) {
            match slot {
                None => {
                    *slot = Some(Mapped { va, writable });
                    self.missing -= 1;
                }
                // Of two mappings the one that may write is the one that a call can have written through.
                Some(first) if writable && !first.writable => *first = Mapped { va, writable },
                Some(_) => {}
            }
        }
        true
    }

    fn huge(&mut self, gpa: u64, va: u64, writable: bool) -> bool {
        self.entries += 511;
        (0..512).all(|page| self.leaf(gpa + page * PAGE_SIZE, va + page * PAGE_SIZE, writable))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Tables(HashMap<u64, Page>);

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

    fn tables() -> Tables {
        let mut tables = Tables(HashMap::new());
        tables.set(0x1000, 0, 0x2003);
        tables.set(0x1000, IMAGE_PML4, 0x2003);
        tables.set(0x1000, DIRECT_MAP_PML4, 0x2003);
        tables.set(0x2000, 1, 0x3003);
        tables.set(0x3000, 2, 0x4003);
        tables.set(0x3000, 3, 0x40_0000 | 0x81);
        tables.set(0x4000, 5, 0x9000 | 1);
        tables.set(0x4000, 6, 0xa000 | 3 | (1 << 63));
        tables
    }

    #[test]
    fn pages_are_found_where_the_program_has_them() {
        let found =
            addresses(&tables(), 0x1000, &[0x9000, 0xa000, 0x40_1000, 0xb000, ROOTFS_GPA + ROOTFS_SLOT_MAX]);
        let base = (1 << 30) + (2 << 21);
        assert_eq!(found[&0x9000], Mapped { va: base + 5 * 4096, writable: false });
        assert_eq!(found[&0xa000], Mapped { va: base + 6 * 4096, writable: true });
        assert_eq!(found[&0x40_1000], Mapped { va: (1 << 30) + (3 << 21) + 4096, writable: false });
        assert_eq!(found[&0xb000], Mapped { va: DIRECT_MAP + 0xb000, writable: true });
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn tables_that_point_at_themselves_end() {
        let mut tables = Tables(HashMap::new());
        for index in 0..512 {
            tables.set(0x1000, index, 0x1003);
        }
        let found = addresses(&tables, 0x1000, &[0x5000]);
        assert_eq!(found[&0x5000].va, DIRECT_MAP + 0x5000);
    }

    proptest! {
        #[test]
        fn no_tables_make_the_walk_panic(
            entries in proptest::collection::vec((0u64..4, 0usize..512, any::<u64>(), any::<bool>()), 0..64),
            wanted in proptest::collection::vec(any::<u64>(), 0..8),
        ) {
            let mut tables = Tables(HashMap::new());
            for (table, index, entry, near) in entries {
                let entry = if near { (entry & 0x3fff) | 3 } else { entry };
                tables.set(table * 4096, index, entry);
            }
            let _ = addresses(&tables, 0, &wanted);
        }
    }
}
