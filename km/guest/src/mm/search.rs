//! A search of all private memory of an address space.

use super::space::AddressSpace;
use km_abi::layout::PAGE_SIZE;
use km_hal::{frames, paging, phys};

impl AddressSpace {
    /// Calls `look` with address and value of every word in private pages, in the order of addresses.
    pub fn private_words(&self, look: &mut impl FnMut(u64, u32)) {
        if self.is_gone() {
            return;
        }
        let mut page = alloc::vec![0; PAGE_SIZE as usize];
        for vma in self.vmas.iter().filter(|vma| !vma.shared()) {
            paging::update(self.root, vma.start, vma.end, &mut |va, mapping| {
                if frames::owns(mapping.gpa) {
                    phys::read(mapping.gpa, &mut page);
                    for (index, bytes) in page.chunks_exact(4).enumerate() {
                        let word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                        look(va + 4 * index as u64, word);
                    }
                }
                Some(mapping)
            });
        }
    }
}
