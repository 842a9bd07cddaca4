//! Which pages a guest has used, to the page: by the accessed bits of its own page tables.
//!
//! What the host has mapped says little: it maps 16 neighbours of a file page at once. So the accessed bits of a machine
//! that is to be learned from are cleared before it runs for the first time, and looked at when it has ended. On any
//! kind of KVM such a bit is set without a fault of the guest. Clearing writes to the page tables of this one machine,
//! before anything has cached them.

use std::collections::HashSet;

use super::walk::{self, Leaf};
use crate::memory::{GuestMemory, MemoryError};

const ACCESSED: u64 = 1 << 5;

/// What a machine used, as its page tables say.
#[derive(Clone, Debug, Default)]
pub struct Accessed {
    /// Virtual and guest-physical address of each page.
    pub pages: Vec<(u64, u64)>,
    /// The page tables: written to in order to find that out.
    pub tables: HashSet<u64>,
}

/// Clears the accessed bits of a machine that has not run yet.
///
/// # Errors
/// Never: what was read is there to be written.
pub fn forget(memory: &GuestMemory, cr3: u64) -> Result<(), MemoryError> {
    let mut entries = Vec::new();
    walk::leaves(memory, cr3, &mut |leaf: &Leaf| {
        if leaf.entry & ACCESSED != 0 && leaf.len == super::PAGE as u64 {
            entries.push((leaf.entry_gpa, leaf.entry & !ACCESSED));
        }
        true
    });
    entries.iter().try_for_each(|(gpa, entry)| memory.store(*gpa, entry))
}

/// Looks which pages were used since.
#[must_use]
pub fn recall(memory: &GuestMemory, cr3: u64) -> Accessed {
    let mut pages = Vec::new();
    let tables = walk::leaves(memory, cr3, &mut |leaf: &Leaf| {
        if leaf.entry & ACCESSED != 0 && leaf.len == super::PAGE as u64 {
            pages.push((leaf.va, leaf.gpa));
        }
        true
    });
    Accessed { pages, tables: tables.into_iter().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use km_abi::layout::MEMORY_MIN;

    #[test]
    fn only_what_was_used_since_is_recalled() {
        let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
        let put = |gpa: u64, entry: u64| memory.store(gpa, &entry).unwrap();
        put(0x1000, 0x2027);
        put(0x2000, 0x3027);
        put(0x3000, 0x4027);
        put(0x4000, 0x9027);
        put(0x4008, 0xa027);
        assert_eq!(recall(&memory, 0x1000).pages, [(0, 0x9000), (0x1000, 0xa000)]);
        forget(&memory, 0x1000).unwrap();
        assert_eq!(recall(&memory, 0x1000).pages, []);
        put(0x4008, 0xa027);
        let accessed = recall(&memory, 0x1000);
        assert_eq!(accessed.pages, [(0x1000, 0xa000)]);
        assert_eq!(accessed.tables.len(), 4);
    }
}
