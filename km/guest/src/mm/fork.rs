//! The copy of an address space that fork(2) makes: same mappings, private pages shared until one side writes.

use super::frame::PageFrame;
use super::space::{AddressSpace, is_sole, own_flags, own_page};
use super::vma::{Prot, Traits, Vma};
use crate::errno::{Errno, Result};
use km_hal::frames;
use km_hal::paging::{self, Fill, Flags, Mapping, Pool};

/// The tables of a child while they are made.
struct Copying {
    fill: Fill,
    /// Pages that either side will write at once ([`super::hot`]).
    hot: alloc::vec::Vec<u64>,
    /// Pages that the child's tables show.
    resident: u64,
    /// Whether a page of the parent was made read-only, so that translations must be flushed.
    lost: bool,
    /// There was no frame for a table.
    full: bool,
}

impl AddressSpace {
    /// A copy for a child process.
    ///
    /// # Errors
    /// ENOMEM; this space is unchanged to its program then.
    pub fn fork(&mut self) -> Result<Self> {
        let fill = Fill::new(&mut Pool).map_err(|_| Errno::ENOMEM)?;
        let mut copying = Copying { fill, hot: self.hot.sorted(), resident: 0, lost: false, full: false };
        for vma in self.vmas.iter().filter(|vma| is_inherited(vma)) {
            paging::update(self.root, vma.start, vma.end, &mut |va, mapping| {
                Some(if copying.full { mapping } else { copying.share(vma, va, mapping) })
            });
        }
        self.flush_if(copying.lost);
        let mut child = Self::over(copying.fill.finish());
        child.resident = copying.resident;
        if copying.full {
            return Err(Errno::ENOMEM);
        }
        (child.brk_start, child.brk_end) = (self.brk_start, self.brk_end);
        (child.mmap_top, child.limits) = (self.mmap_top, self.limits);
        child.hot = self.hot.clone();
        for vma in self.vmas.iter().filter(|vma| !vma.traits.contains(Traits::NOT_IN_CHILD)) {
            child.vmas.insert(Vma { traits: vma.traits - Traits::LOCKED, ..vma.clone() });
        }
        Ok(child)
    }

    /// Wipes the pages of MADV_WIPEONFORK mappings. Also called in a clone of the machine, which is a fork to the
    /// program.
    pub fn wipe_marked(&mut self) {
        let marked = |vma: &&Vma| vma.traits.contains(Traits::WIPE_ON_FORK);
        let ranges: alloc::vec::Vec<_> =
            self.vmas.iter().filter(marked).map(|vma| (vma.start, vma.end)).collect();
        for (start, end) in ranges {
            self.discard(start, end);
        }
    }
}

impl Copying {
    /// Shows a page of the parent to the child; what the parent's entry is from now on.
    fn share(&mut self, vma: &Vma, va: u64, mapping: Mapping) -> Mapping {
        if !frames::owns(mapping.gpa) {
            // Does not map pages of the rootfs slot: the child's first access does, unless kept tables show them still.
            self.resident += u64::from(self.fill.keep(va, mapping));
            return mapping;
        }
        if vma.shared() {
            self.put(va, mapping, reference(mapping.gpa));
            return mapping;
        }
        let writable = vma.prot.contains(Prot::WRITE) && own_page(mapping);
        if writable
            && self.hot.binary_search(&va).is_ok()
            && let Ok(copy) = PageFrame::copy_of(mapping.gpa)
        {
            let flags = own_flags(vma.prot);
            self.put(va, Mapping { gpa: copy.gpa(), flags }, copy);
            return if is_sole(mapping.gpa) { Mapping { flags, ..mapping } } else { mapping };
        }
        self.lost |= mapping.flags.contains(Flags::WRITE);
        let both = Mapping { flags: mapping.flags - Flags::WRITE, ..mapping };
        self.put(va, both, reference(mapping.gpa));
        both
    }

    fn put(&mut self, va: u64, mapping: Mapping, frame: PageFrame) {
        if self.fill.put(va, mapping, &mut Pool).is_ok() {
            let _ = frame.into_raw();
            self.resident += 1;
        } else {
            self.full = true;
        }
    }
}

/// One more reference to a page that a page table shows.
fn reference(gpa: u64) -> PageFrame {
    let shown = PageFrame::from_raw(gpa);
    let reference = shown.clone();
    let _ = shown.into_raw();
    reference
}

fn is_inherited(vma: &Vma) -> bool {
    !vma.traits.intersects(Traits::NOT_IN_CHILD | Traits::WIPE_ON_FORK)
}
