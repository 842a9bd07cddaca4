//! Which pages a guest has used, from the accessed bits of its own page tables.
//!
//! What the host has mapped is too coarse: it maps 16 neighbours of a file page at once. To learn from a machine, its
//! accessed bits are cleared before it runs for the first time and read when it has ended. On any kind of KVM such a bit
//! is set without a fault of the guest. Clearing writes to the page tables of this one machine,
//! before anything has cached them. The direct map consists of large pages, whose bits say too little: in this machine
//! they are split.

use std::collections::HashSet;

use km_abi::layout::{BOOT_TABLES_END, BOOT_TABLES_GPA, PAGE_SIZE};

use super::walk::{self, Leaf, TableSource};
use crate::memory::{GuestMemory, MemoryError};

const ACCESSED: u64 = 1 << 5;

/// What a machine used, as its page tables say.
#[derive(Clone, Debug, Default)]
pub struct Accessed {
    /// Each page once, in the order of the page tables.
    pub pages: Vec<Used>,
    /// Page tables that were written only by this search.
    pub tables: HashSet<u64>,
}

/// A page that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// Where the program sees it.
    pub va: u64,
    /// Where it lies in RAM or ROM, guest-physical.
    pub gpa: u64,
    /// It could be written.
    pub writable: bool,
}

/// Clears the accessed bits of a machine that has not run yet, and splits as much of its direct map as there is room for
/// tables.
///
/// # Errors
/// Never: what was read is there to be written.
pub fn forget(memory: &GuestMemory, cr3: u64) -> Result<(), MemoryError> {
    let mut entries = Vec::new();
    let tables = walk::leaves(memory, cr3, &mut |leaf: &Leaf| {
        if leaf.entry & ACCESSED != 0 && leaf.len == PAGE_SIZE {
            entries.push((leaf.entry_gpa, leaf.entry & !ACCESSED));
        }
        true
    });
    split_direct_map(memory, cr3, &tables)?;
    entries.iter().try_for_each(|(gpa, entry)| memory.store(*gpa, entry))
}

/// Replaces large pages of the direct map, from the first on, by tables of single pages. The new tables fill the room for
/// boot tables from its end, as far as the boot has left it free.
fn split_direct_map(memory: &GuestMemory, cr3: u64, used: &[u64]) -> Result<(), MemoryError> {
    let room = BOOT_TABLES_GPA..BOOT_TABLES_END;
    let taken = used.iter().filter(|gpa| room.contains(gpa)).max();
    let mut free = taken.map_or(room.start, |gpa| gpa + PAGE_SIZE);
    for large in walk::direct_pages(memory, cr3) {
        if free >= room.end {
            break;
        }
        let (first, rights) = (large.gpa, large.entry & walk::RIGHTS & !ACCESSED);
        let entries: Vec<u64> =
            (0..walk::LARGE).step_by(super::PAGE).map(|at| (first + at) | rights).collect();
        memory.write(free, zerocopy::IntoBytes::as_bytes(entries.as_slice()))?;
        memory.store(large.entry_gpa, &(free | walk::TABLE))?;
        free += PAGE_SIZE;
    }
    Ok(())
}

/// Looks which pages were used since. `before` is the snapshot that the machine was made from.
#[must_use]
pub fn recall(memory: &GuestMemory, before: &dyn TableSource, cr3: u64) -> Accessed {
    let mut pages = Vec::new();
    let tables = walk::leaves(memory, cr3, &mut |leaf: &Leaf| {
        if leaf.entry & ACCESSED != 0 && leaf.len == PAGE_SIZE {
            pages.push(Used { va: leaf.va, gpa: leaf.gpa, writable: leaf.writable });
        }
        true
    });
    let ours =
        |gpa: &u64| (BOOT_TABLES_GPA..BOOT_TABLES_END).contains(gpa) || same_table(memory, before, *gpa);
    Accessed { pages, tables: tables.into_iter().filter(ours).collect() }
}

/// Whether a table shows what it did before.
fn same_table(memory: &GuestMemory, before: &dyn TableSource, gpa: u64) -> bool {
    let (mut now, mut then) = ([0; super::PAGE], [0; super::PAGE]);
    if !memory.table(gpa, &mut now) || !before.table(gpa, &mut then) {
        return false;
    }
    let entries = |page: &super::Page| page.as_chunks::<8>().0.to_vec();
    let shown = |entry: [u8; 8]| u64::from_le_bytes(entry) & !ACCESSED;
    entries(&now).into_iter().map(shown).eq(entries(&then).into_iter().map(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use km_abi::layout::{DIRECT_MAP, DIRECT_MAP_PML4, MEMORY_MIN};

    #[test]
    fn large_pages_of_the_direct_map_are_split_where_there_is_room() {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        let put = |gpa: u64, entry: u64| memory.store(gpa, &entry).unwrap();
        let place = DIRECT_MAP_PML4 as u64 * 8;
        put(BOOT_TABLES_GPA + place, (BOOT_TABLES_GPA + 0x1000) | 0x27);
        put(BOOT_TABLES_GPA + 0x1000, (BOOT_TABLES_GPA + 0x2000) | 0x27);
        put(BOOT_TABLES_GPA + 0x2008, 0x20_0000 | (1 << 63) | 0xe7);
        put(BOOT_TABLES_GPA + 0x2010, 0x40_0000 | 0xe7);
        forget(&memory, BOOT_TABLES_GPA).unwrap();
        let split: u64 = memory.load(BOOT_TABLES_GPA + 0x2008).unwrap();
        assert_eq!(split, (BOOT_TABLES_GPA + 0x3000) | 0x27);
        // Writable, the user's, dirty, not executable, not accessed, a single page.
        let entry: u64 = memory.load(BOOT_TABLES_GPA + 0x3000 + 5 * 8).unwrap();
        assert_eq!(entry, 0x20_5000 | (1 << 63) | 0x47);
        assert_eq!(recall(&memory, &memory, BOOT_TABLES_GPA).pages, []);
        put(BOOT_TABLES_GPA + 0x3000 + 5 * 8, entry | ACCESSED);
        let used = Used { va: DIRECT_MAP + 0x20_5000, gpa: 0x20_5000, writable: true };
        assert_eq!(recall(&memory, &memory, BOOT_TABLES_GPA).pages, [used]);
    }

    #[test]
    fn tables_beside_the_room_leave_it_alone() {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        let put = |gpa: u64, entry: u64| memory.store(gpa, &entry).unwrap();
        put(BOOT_TABLES_GPA + DIRECT_MAP_PML4 as u64 * 8, (BOOT_TABLES_END - PAGE_SIZE) | 0x27);
        put(BOOT_TABLES_END - PAGE_SIZE, 0x2000 | 0x27);
        put(0x2000, 0xe7);
        forget(&memory, BOOT_TABLES_GPA).unwrap();
        assert_eq!(memory.load::<u64>(0x2000).unwrap(), 0xe7);
    }

    #[test]
    fn only_what_was_used_since_is_recalled() {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        let put = |gpa: u64, entry: u64| memory.store(gpa, &entry).unwrap();
        put(0x1000, 0x2027);
        put(0x2000, 0x3027);
        put(0x3000, 0x4027);
        put(0x4000, 0x9027);
        put(0x4008, 0xa027);
        let before = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        for gpa in [0x1000, 0x2000, 0x3000, 0x4000, 0x4008] {
            before.store(gpa, &memory.load::<u64>(gpa).unwrap()).unwrap();
        }
        let page = |va, gpa| Used { va, gpa, writable: true };
        assert_eq!(recall(&memory, &before, 0x1000).pages, [page(0, 0x9000), page(0x1000, 0xa000)]);
        forget(&memory, 0x1000).unwrap();
        assert_eq!(recall(&memory, &before, 0x1000).pages, []);
        put(0x4008, 0xa027);
        let accessed = recall(&memory, &before, 0x1000);
        assert_eq!(accessed.pages, [page(0x1000, 0xa000)]);
        assert_eq!(accessed.tables.len(), 4);
        // A table that shows something else has been written by its guest.
        put(0x4010, 0xb027);
        let accessed = recall(&memory, &before, 0x1000);
        assert_eq!(accessed.pages, [page(0x1000, 0xa000), page(0x2000, 0xb000)]);
        assert_eq!(accessed.tables, HashSet::from([0x1000, 0x2000, 0x3000]));
    }
}
