//! The copy of an address space that fork(2) makes: same mappings, private pages shared until one side writes.

use super::frame::Frame;
use super::space::AddressSpace;
use super::vma::{Traits, Vma};
use crate::errno::{Errno, Result};
use km_hal::frames;
use km_hal::paging::{self, Flags, Mapping, Pool};

impl AddressSpace {
    /// A copy for a child process.
    ///
    /// # Errors
    /// ENOMEM; this space is unchanged to its program then.
    pub fn fork(&mut self) -> Result<Self> {
        let mut child = Self::new()?;
        (child.brk_start, child.brk_end) = (self.brk_start, self.brk_end);
        (child.mmap_top, child.limits) = (self.mmap_top, self.limits);
        for vma in self.vmas.iter().filter(|vma| !vma.traits.contains(Traits::NOT_IN_CHILD)) {
            child.vmas.insert(vma.clone());
        }
        let shared = self.share_pages(&mut child);
        self.flush_if(true);
        shared.map(|()| child)
    }

    fn share_pages(&self, child: &mut Self) -> Result<()> {
        for vma in self.vmas.iter().filter(|vma| is_inherited(vma)) {
            let mut full = false;
            paging::update(self.root, vma.start, vma.end, &mut |va, mapping| {
                // Pages of the rootfs slot are shown again at the child's first access.
                if full || !frames::owns(mapping.gpa) {
                    return Some(mapping);
                }
                let both = if vma.shared() { mapping } else { read_only(mapping) };
                full = !child.adopt(va, both);
                Some(both)
            });
            if full {
                return Err(Errno::ENOMEM);
            }
        }
        Ok(())
    }

    /// Shows a page of the parent as well.
    fn adopt(&mut self, va: u64, mapping: Mapping) -> bool {
        let frame = Frame::from_raw(mapping.gpa);
        let reference = frame.clone();
        let _ = frame.into_raw();
        let mapped = paging::map(self.root, va, mapping.gpa, mapping.flags, &mut Pool).is_ok();
        if mapped {
            let _ = reference.into_raw();
            self.resident += 1;
        }
        mapped
    }

    /// Wipes the pages that MADV_WIPEONFORK names: a clone of the machine is a fork as well.
    pub fn wipe_marked(&mut self) {
        let marked = |vma: &&Vma| vma.traits.contains(Traits::WIPE_ON_FORK);
        let ranges: alloc::vec::Vec<_> =
            self.vmas.iter().filter(marked).map(|vma| (vma.start, vma.end)).collect();
        for (start, end) in ranges {
            self.discard(start, end);
        }
    }
}

fn is_inherited(vma: &Vma) -> bool {
    !vma.traits.intersects(Traits::NOT_IN_CHILD | Traits::WIPE_ON_FORK)
}

fn read_only(mapping: Mapping) -> Mapping {
    Mapping { flags: mapping.flags - Flags::WRITE, ..mapping }
}
