//! mremap(2).

use super::space::{AddressSpace, MapRequest, Placement, range_of, release_page, round_up};
use super::user::NAMEABLE_END;
use super::vma::{Backing, Prot, Vma};
use crate::errno::{Errno, Result};
use km_abi::layout::{PAGE_SIZE, PROGRAM_END, PROGRAM_START};
use km_hal::paging::{self, Mapping, Pool};

/// What mremap(2) may do besides resizing in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remap {
    /// No flag: grow or shrink where it is, or fail.
    InPlace,
    /// MREMAP_MAYMOVE: move if it cannot grow in place.
    MayMove,
    /// MREMAP_FIXED: move to this address, replacing what is there.
    To(u64),
    /// MREMAP_DONTUNMAP: move anywhere and leave the old range mapped and empty.
    LeaveOld,
}

impl AddressSpace {
    /// Resizes or moves a mapping; returns its address.
    ///
    /// # Errors
    /// EINVAL, EFAULT, ENOMEM as mremap(2).
    pub fn remap(&mut self, address: u64, old_len: u64, new_len: u64, how: Remap) -> Result<u64> {
        let fits = |len: &u64| *len > 0 && *len <= NAMEABLE_END;
        let new_len = round_up(new_len).filter(fits).ok_or(Errno::EINVAL)?;
        if !address.is_multiple_of(PAGE_SIZE) {
            return Err(Errno::EINVAL);
        }
        let vma = self.vmas.find(address).ok_or(Errno::EFAULT)?.clone();
        let (start, old_end) = range_of(address, old_len).map_err(|_| Errno::EINVAL)?;
        if old_len == 0 {
            return self.duplicate(&vma, start, new_len, how);
        }
        let old_len = old_end - start;
        match how {
            Remap::To(target) => {
                let (target, target_end) = range_of(target, new_len).map_err(|_| Errno::EINVAL)?;
                if target < old_end && start < target_end {
                    return Err(Errno::EINVAL);
                }
                if target < PROGRAM_START {
                    return Err(Errno::EPERM);
                }
                self.unmap_range(target, target_end);
                self.shrink(start, old_len, new_len);
                self.move_range(start, old_len.min(new_len), target, new_len)
            }
            Remap::LeaveOld if new_len != old_len || vma.shared() => Err(Errno::EINVAL),
            Remap::LeaveOld => {
                let target = self.gap(new_len, PROGRAM_START, self.mmap_top)?;
                self.move_range(start, old_len, target, new_len)?;
                self.vmas.insert(Vma { start, end: old_end, ..vma });
                Ok(target)
            }
            Remap::InPlace | Remap::MayMove => self.resize(&vma, start, old_len, new_len, how),
        }
    }

    fn shrink(&mut self, start: u64, old_len: u64, new_len: u64) {
        if new_len < old_len {
            self.unmap_range(start + new_len, start + old_len);
        }
    }

    fn resize(&mut self, vma: &Vma, start: u64, old_len: u64, new_len: u64, how: Remap) -> Result<u64> {
        self.shrink(start, old_len, new_len);
        if new_len <= old_len {
            return Ok(start);
        }
        let old_end = start + old_len;
        if old_end > vma.end {
            return Err(Errno::EFAULT);
        }
        let is_data = !vma.shared() && vma.prot.contains(Prot::WRITE);
        self.check_limits(new_len - old_len, is_data)?;
        let new_end = start.checked_add(new_len).ok_or(Errno::ENOMEM)?;
        if old_end == vma.end && new_end <= PROGRAM_END && self.vmas.is_free(old_end, new_end) {
            self.vmas.insert(extension(vma, old_end, new_end));
            return Ok(start);
        }
        if how == Remap::InPlace {
            return Err(Errno::ENOMEM);
        }
        let target = self.gap(new_len, PROGRAM_START, self.mmap_top)?;
        self.move_range(start, old_len, target, new_len)
    }

    /// Moves `[start, start + len)` to `target`, where nothing is mapped, and extends it to `new_len`.
    fn move_range(&mut self, start: u64, len: u64, target: u64, new_len: u64) -> Result<u64> {
        let end = start + len;
        if self.vmas.find(start).is_none_or(|vma| end > vma.end) {
            return Err(Errno::EFAULT);
        }
        // Tables first: afterwards nothing can fail half-way.
        paging::prepare(self.root, target, target + new_len, &mut Pool).map_err(|_| Errno::ENOMEM)?;
        let moved = self.vmas.carve(start, end);
        for vma in moved {
            let last = vma.end == end;
            let to = Vma { start: target, end: target + if last { new_len } else { vma.size() }, ..vma };
            self.vmas.insert(to);
        }
        self.move_pages(start, end, target);
        Ok(target)
    }

    fn move_pages(&mut self, start: u64, end: u64, target: u64) {
        let mut pages: alloc::vec::Vec<(u64, Mapping)> = alloc::vec::Vec::new();
        paging::clear(self.root, start, end, &mut Pool, &mut |va, mapping| pages.push((va, mapping)));
        self.flush_if(!pages.is_empty());
        for (va, mapping) in pages {
            let to = target + (va - start);
            if paging::map(self.root, to, mapping.gpa, mapping.flags, &mut Pool).is_err() {
                release_page(mapping);
                self.resident -= 1;
            }
        }
    }

    /// An old length of 0 shows a shared mapping once more.
    fn duplicate(&mut self, vma: &Vma, start: u64, new_len: u64, how: Remap) -> Result<u64> {
        let Backing::File { pages, offset } = &vma.backing else { return Err(Errno::EINVAL) };
        if !vma.shared() || how == Remap::InPlace {
            return Err(Errno::EINVAL);
        }
        self.map(MapRequest {
            placement: if let Remap::To(target) = how {
                Placement::Replace(target)
            } else {
                Placement::Hint(0)
            },
            len: new_len,
            prot: vma.prot,
            traits: vma.traits,
            backing: Backing::File {
                pages: alloc::rc::Rc::clone(pages),
                offset: offset + (start - vma.start),
            },
            populate: false,
            no_reserve: true,
        })
    }
}

/// What continues `vma` from its end to `new_end`.
fn extension(vma: &Vma, old_end: u64, new_end: u64) -> Vma {
    let backing = match &vma.backing {
        Backing::Anonymous => Backing::Anonymous,
        Backing::File { pages, offset } => {
            Backing::File { pages: alloc::rc::Rc::clone(pages), offset: offset + vma.size() }
        }
    };
    Vma { start: old_end, end: new_end, backing, ..vma.clone() }
}
