//! A working set as bytes: what a worker tells of it, and the file beside its snapshot.
//!
//! ```text
//! magic · digest of the snapshot's content · calls · runs, ascending by virtual address
//! ```
//!
//! A run is pages that follow each other in both address spaces. Whoever reads a list takes it for an attack: it is bounded,
//! sorted, within the memory, and only says which pages to touch inside the guest. A list of another snapshot is of no use,
//! so it names the one that it belongs to.

use km_abi::layout::{CODE_GPA, INPUT_GPA, INPUT_SIZE, PAGE_SIZE, ROOTFS_GPA, ROOTFS_MAPPED_MAX};
use serde::{Deserialize, Serialize};

use super::walk;

/// Longest list in bytes; its base64 form has room in one packet of a worker.
pub const BYTES_MAX: usize = 45 << 10;
/// Pages in a list at most (256 MiB).
pub const PAGES_MAX: usize = 64 << 10;
/// First bytes of a list; the last one is the version of the format.
const MAGIC: [u8; 8] = *b"km-page1";
/// End of the half of the address space that guests have.
const VA_END: u64 = 1 << 47;

/// Why bytes are no list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageListError {
    /// More bytes than a list may have.
    #[error("page list is longer than {BYTES_MAX} bytes")]
    TooLong,
    /// Not the form of a list.
    #[error("not a page list")]
    Malformed,
    /// Pages out of order, or more than there may be.
    #[error("page list is out of order or has more than {PAGES_MAX} pages")]
    Order,
    /// A page that no call can have used.
    #[error("page list names a page that is not the guest's")]
    Page,
}

/// A page that calls use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedPage {
    /// Where the program or the library OS sees it; page-aligned.
    pub va: u64,
    /// Where it lies in RAM or ROM, guest-physical; page-aligned.
    pub gpa: u64,
    /// Calls write it.
    pub write: bool,
}

/// The pages that calls of one snapshot use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageList {
    /// Digest of the snapshot's content.
    pub snapshot: [u8; 32],
    /// Calls that were learned from.
    pub calls: u32,
    /// Ascending by virtual address.
    pub pages: Vec<ListedPage>,
}

#[derive(Serialize, Deserialize)]
struct Raw {
    magic: [u8; 8],
    snapshot: [u8; 32],
    calls: u32,
    runs: Vec<Run>,
}

/// Numbers are pages, relative to the end of the run before.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Run {
    gap: u64,
    gpa: i64,
    pages: u32,
    write: bool,
}

impl PageList {
    /// The bytes of the list. Where they would be more than [`BYTES_MAX`], pages at its end are left out.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let runs = runs(&self.pages);
        let mut raw = Raw { magic: MAGIC, snapshot: self.snapshot, calls: self.calls, runs };
        loop {
            // Nothing in it cannot be written.
            let bytes = postcard::to_allocvec(&raw).unwrap_or_default();
            if bytes.len() <= BYTES_MAX {
                return bytes;
            }
            raw.runs.truncate(raw.runs.len() / 8 * 7);
        }
    }

    /// Reads a list of pages of a machine that has so much memory.
    ///
    /// # Errors
    /// When it is none, is too long, or names a page that is not the guest's.
    pub fn decode(bytes: &[u8], memory_bytes: u64) -> Result<Self, PageListError> {
        if bytes.len() > BYTES_MAX {
            return Err(PageListError::TooLong);
        }
        let (raw, rest) = postcard::take_from_bytes::<Raw>(bytes).map_err(|_| PageListError::Malformed)?;
        if raw.magic != MAGIC || !rest.is_empty() {
            return Err(PageListError::Malformed);
        }
        let mut pages = Vec::new();
        let (mut va, mut gpa) = (0u64, 0u64);
        for run in &raw.runs {
            va = va.checked_add(run.gap).ok_or(PageListError::Order)?;
            gpa = gpa.checked_add_signed(run.gpa).ok_or(PageListError::Page)?;
            let room = PAGES_MAX - pages.len();
            if run.pages == 0 || run.pages as usize > room {
                return Err(PageListError::Order);
            }
            for _ in 0..run.pages {
                let page = |number: u64| number.checked_mul(PAGE_SIZE).ok_or(PageListError::Page);
                let listed = ListedPage { va: page(va)?, gpa: page(gpa)?, write: run.write };
                if !listed.is_the_guests(memory_bytes) {
                    return Err(PageListError::Page);
                }
                pages.push(listed);
                (va, gpa) = (va + 1, gpa + 1);
            }
        }
        Ok(Self { snapshot: raw.snapshot, calls: raw.calls, pages })
    }
}

impl ListedPage {
    /// A machine of so much memory can have it, at that address.
    fn is_the_guests(&self, memory_bytes: u64) -> bool {
        let ram = self.gpa < memory_bytes;
        let rom = (CODE_GPA..ROOTFS_GPA + ROOTFS_MAPPED_MAX).contains(&self.gpa);
        let direct = !walk::is_direct(self.va) || walk::direct(self.gpa) == Some(self.va);
        self.va < VA_END && (ram || rom && !self.write) && direct && is_learned(self.gpa)
    }
}

/// The input buffer beyond its first page carries the touch list itself, and page 0 is never used.
#[must_use]
pub fn is_learned(gpa: u64) -> bool {
    gpa != 0 && !(INPUT_GPA + PAGE_SIZE..INPUT_GPA + INPUT_SIZE).contains(&gpa)
}

fn runs(pages: &[ListedPage]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let (mut va, mut gpa) = (0, 0);
    for page in pages {
        let (page_va, page_gpa) = (page.va / PAGE_SIZE, page.gpa / PAGE_SIZE);
        match runs.last_mut() {
            Some(run) if (va, gpa, run.write) == (page_va, page_gpa, page.write) => run.pages += 1,
            _ => runs.push(Run {
                gap: page_va.saturating_sub(va),
                gpa: page_gpa.cast_signed() - gpa.cast_signed(),
                pages: 1,
                write: page.write,
            }),
        }
        (va, gpa) = (page_va + 1, page_gpa + 1);
    }
    runs
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use km_abi::layout::DIRECT_MAP;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const MEMORY: u64 = 256 << 20;

    fn page(va: u64, gpa: u64, write: bool) -> ListedPage {
        ListedPage { va, gpa, write }
    }

    fn list(pages: Vec<ListedPage>) -> PageList {
        PageList { snapshot: [7; 32], calls: 3, pages }
    }

    #[test]
    fn neighbours_are_one_run() {
        let pages: Vec<_> =
            (0..1000).map(|at| page(0x40_0000 + at * 4096, 0x90_0000 + at * 4096, true)).collect();
        let list = list(pages);
        let bytes = list.encode();
        assert!(bytes.len() < 64, "{}", bytes.len());
        assert_eq!(PageList::decode(&bytes, MEMORY).unwrap(), list);
    }

    #[test]
    fn pages_that_are_not_the_guests_are_refused() {
        let direct = DIRECT_MAP + 0x9000;
        let wrong = [
            page(VA_END, 0x9000, false),
            page(0x1000, MEMORY, false),
            page(0x1000, CODE_GPA, true),
            page(0x1000, ROOTFS_GPA + ROOTFS_MAPPED_MAX, false),
            page(0x1000, 0, false),
            page(0x1000, INPUT_GPA + PAGE_SIZE, true),
            page(direct, 0xa000, true),
        ];
        for page in wrong {
            let seen = PageList::decode(&list(vec![page]).encode(), MEMORY);
            assert_eq!(seen, Err(PageListError::Page), "{page:x?}");
        }
        let right = [page(0x1000, CODE_GPA, false), page(direct, 0x9000, true)];
        PageList::decode(&list(right.to_vec()).encode(), MEMORY).unwrap();
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = list(vec![page(0x1000, 0x9000, true)]).encode();
        assert_eq!(PageList::decode(&bytes[..bytes.len() - 1], MEMORY), Err(PageListError::Malformed));
        assert_eq!(PageList::decode(&[&bytes[..], &[0]].concat(), MEMORY), Err(PageListError::Malformed));
        assert_eq!(PageList::decode(b"km-page0", MEMORY), Err(PageListError::Malformed));
        assert_eq!(PageList::decode(&vec![0; BYTES_MAX + 1], MEMORY), Err(PageListError::TooLong));
        let run = |gap, pages| Run { gap, gpa: 9, pages, write: false };
        for runs in [vec![run(1, 0)], vec![run(1, u32::MAX)], vec![run(1, 2), run(u64::MAX, 1)]] {
            let raw = Raw { magic: MAGIC, snapshot: [0; 32], calls: 0, runs };
            let bytes = postcard::to_allocvec(&raw).unwrap();
            assert_eq!(PageList::decode(&bytes, MEMORY), Err(PageListError::Order));
        }
    }

    #[test]
    fn a_list_that_would_be_too_long_is_cut() {
        let pages: Vec<_> = (1..PAGES_MAX as u64)
            .map(|at| page(at << 20, ((at * 0x5000) % MEMORY) | 0x80_0000, true))
            .collect();
        let bytes = list(pages.clone()).encode();
        assert!(bytes.len() <= BYTES_MAX && bytes.len() > BYTES_MAX / 2);
        let read = PageList::decode(&bytes, MEMORY).unwrap();
        assert_eq!(read.pages[..], pages[..read.pages.len()]);
    }

    /// Pages at random places, as a working set has them.
    pub(crate) fn any_pages() -> impl Strategy<Value = Vec<ListedPage>> {
        let one = (1..VA_END >> 12, 0x100..MEMORY >> 12, any::<bool>(), 1u64..20);
        proptest::collection::vec(one, 0..64).prop_map(|runs| {
            let mut pages = BTreeMap::new();
            for (va, gpa, write, len) in runs {
                for at in 0..len {
                    let page = page((va + at) << 12, (gpa + at) << 12, write);
                    if page.is_the_guests(MEMORY) {
                        pages.insert(page.va, page);
                    }
                }
            }
            pages.into_values().collect()
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(pages in any_pages(), calls in any::<u32>()) {
            let list = PageList { calls, ..list(pages) };
            prop_assert_eq!(PageList::decode(&list.encode(), MEMORY).unwrap(), list);
        }

        #[test]
        fn what_is_read_is_sorted_bounded_and_the_guests(
            pages in any_pages(),
            at in any::<proptest::sample::Index>(),
            value in any::<u8>(),
        ) {
            let mut bytes = list(pages).encode();
            let at = at.index(bytes.len());
            bytes[at] = value;
            if let Ok(read) = PageList::decode(&bytes, MEMORY) {
                prop_assert!(read.pages.len() <= PAGES_MAX);
                prop_assert!(read.pages.windows(2).all(|two| two[0].va < two[1].va));
                prop_assert!(read.pages.iter().all(|page| page.is_the_guests(MEMORY)));
            }
        }
    }
}
