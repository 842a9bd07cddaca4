//! Making pages present: at a fault of the program, before the library OS reads or writes its memory, and ahead of need.

use super::frame::PageFrame;
use super::space::{AddressSpace, is_sole, own_flags, own_page, page_flags, release_page};
use super::vma::{Prot, Vma};
use crate::errno::{Errno, Result};
use crate::fs::file::{FilePage, PageUse};
use km_abi::layout::PAGE_SIZE;
use km_hal::frames;
use km_hal::paging::{self, Flags, Mapping, Pool};

/// Pages around a fault that are made present with it, a power of two.
const AROUND: u64 = 16;
/// The same for code in files. More, because showing such pages takes no memory, and calls go everywhere: each new
/// place would be a fault.
const AROUND_CODE: u64 = 64;

/// What is done to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// A load or an instruction fetch.
    Read,
    /// A store; a page that others hold is copied first.
    Write,
    /// An instruction is fetched from it.
    Execute,
}

/// Why an access cannot be made possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultError {
    /// Nothing is mapped there (SIGSEGV, SEGV_MAPERR).
    Unmapped,
    /// The mapping does not allow it (SIGSEGV, SEGV_ACCERR).
    Denied,
    /// The file has no such page (SIGBUS, BUS_ADRERR).
    BeyondFile,
    /// Guest memory is used up.
    OutOfMemory,
}

impl From<FaultError> for Errno {
    fn from(_: FaultError) -> Self {
        Self::EFAULT
    }
}

fn allows(prot: Prot, access: Access) -> bool {
    match access {
        Access::Read => !prot.is_empty(),
        Access::Write => prot.contains(Prot::WRITE),
        Access::Execute => prot.contains(Prot::EXEC),
    }
}

fn page_error(errno: Errno) -> FaultError {
    if errno == Errno::ENOMEM { FaultError::OutOfMemory } else { FaultError::BeyondFile }
}

impl AddressSpace {
    /// Makes the page at `address` present for `access`.
    ///
    /// # Errors
    /// See [`FaultError`].
    pub fn fault(&mut self, address: u64, access: Access) -> core::result::Result<(), FaultError> {
        let va = address & !(PAGE_SIZE - 1);
        let vma = self.vmas.find(va).ok_or(FaultError::Unmapped)?.clone();
        if !allows(vma.prot, access) {
            return Err(FaultError::Denied);
        }
        let write = access == Access::Write;
        if self.make_present(&vma, va, write)? {
            self.fill_around(&vma, va, write);
        }
        Ok(())
    }

    /// The guest-physical address behind `address` once it can be accessed; the library OS's own way to a program's
    /// memory. Reading needs any protection, as `copy_from_user` on x86.
    ///
    /// # Errors
    /// EFAULT.
    pub fn resolve(&mut self, address: u64, write: bool) -> Result<u64> {
        let va = address & !(PAGE_SIZE - 1);
        if va >= km_abi::layout::PROGRAM_END || self.is_gone() {
            return Err(Errno::EFAULT);
        }
        let wanted = if write { Flags::PRESENT | Flags::WRITE } else { Flags::PRESENT };
        let mapping = match paging::query(self.root, va) {
            Some(mapping) if mapping.flags.contains(wanted) => mapping,
            _ => {
                self.fault(va, if write { Access::Write } else { Access::Read })?;
                paging::query(self.root, va).ok_or(Errno::EFAULT)?
            }
        };
        Ok(mapping.gpa + (address - va))
    }

    /// Gives a private mapping a page of its own at `address`, whether or not its program may write it.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn force_writable(&mut self, address: u64) -> Result<()> {
        let va = address & !(PAGE_SIZE - 1);
        let vma = self.vmas.find(va).ok_or(Errno::EFAULT)?.clone();
        if vma.shared() {
            return Err(Errno::EFAULT);
        }
        self.make_present(&vma, va, true)?;
        Ok(())
    }

    /// Whether enough memory is free to hand out pages before they are needed.
    pub(super) fn memory_is_ample(&self) -> bool {
        frames::available() > frames::total() / 4
    }

    /// Makes the pages of a mapped range present as far as that is possible (MAP_POPULATE).
    pub fn populate(&mut self, start: u64, end: u64) {
        for vma in self.vmas.overlapping(start, end).cloned().collect::<alloc::vec::Vec<_>>() {
            let write = vma.prot.contains(Prot::WRITE) && !vma.shared();
            let mut va = vma.start.max(start);
            while va < vma.end.min(end) && !vma.prot.is_empty() {
                if self.make_present(&vma, va, write).is_err() {
                    return;
                }
                va += PAGE_SIZE;
            }
        }
    }

    /// Makes the neighbours of a missing page present as well: they are likely to be next, and a fault costs more than
    /// they do.
    fn fill_around(&mut self, vma: &Vma, va: u64, write: bool) {
        if vma.shared() || vma.file_page(va).is_some() && write || !self.memory_is_ample() {
            return;
        }
        let code = vma.prot.contains(Prot::EXEC) && vma.file_page(va).is_some();
        let (mut at, end) = block_of(vma, va, if code { AROUND_CODE } else { AROUND });
        while at < end {
            if paging::query(self.root, at).is_none() && self.make_present(vma, at, write).is_err() {
                return;
            }
            at += PAGE_SIZE;
        }
    }

    /// Makes one page present; `true` when there was none before.
    fn make_present(&mut self, vma: &Vma, va: u64, write: bool) -> core::result::Result<bool, FaultError> {
        let Some(old) = paging::query(self.root, va) else {
            let mapping = self.new_page(vma, va, write)?;
            let made = paging::map(self.root, va, mapping.gpa, mapping.flags, &mut Pool);
            if made.is_err() {
                release_page(mapping);
                return Err(FaultError::OutOfMemory);
            }
            self.resident += 1;
            return Ok(true);
        };
        if write && !old.flags.contains(Flags::WRITE) {
            self.make_writable(vma, va, old)?;
        }
        Ok(false)
    }

    /// The first page to show at `va`, with a reference for the page table.
    fn new_page(&self, vma: &Vma, va: u64, write: bool) -> core::result::Result<Mapping, FaultError> {
        let Some((pages, index)) = vma.file_page(va) else {
            let gpa = PageFrame::zeroed().map_err(page_error)?.into_raw();
            return Ok(Mapping { gpa, flags: own_flags(vma.prot) });
        };
        let usage = if write && vma.shared() { PageUse::Write } else { PageUse::Read };
        let page = pages.page(index, usage).map_err(page_error)?;
        if write && !vma.shared() {
            return private_copy(vma.prot, page_gpa(&page));
        }
        Ok(match page {
            FilePage::Rootfs(gpa) => Mapping { gpa, flags: page_flags(vma.prot, false) },
            FilePage::Frame(frame) => Mapping { gpa: frame.into_raw(), flags: page_flags(vma.prot, write) },
        })
    }

    /// Lets a page that is present be written: in place, in the file, or after a copy.
    fn make_writable(&mut self, vma: &Vma, va: u64, old: Mapping) -> core::result::Result<(), FaultError> {
        let own = !vma.shared() && own_page(old);
        if own {
            self.hot.note(va);
        }
        let new = if vma.shared() {
            self.new_page(vma, va, true)?
        } else if own && is_sole(old.gpa) {
            self.allow_writes(vma, va);
            return Ok(());
        } else {
            private_copy(vma.prot, old.gpa)?
        };
        // The tables exist, so this takes no frame.
        let replaced = paging::map(self.root, va, new.gpa, new.flags, &mut Pool);
        if let Ok(Some(replaced)) = replaced {
            release_page(replaced);
        }
        if new.gpa != old.gpa {
            self.show_replaced(va, new);
        }
        Ok(())
    }

    /// Lets the page at `va` and those around it be written in place, where this mapping has the only reference.
    fn allow_writes(&self, vma: &Vma, va: u64) {
        let (first, end) = block_of(vma, va, AROUND);
        paging::update(self.root, first, end, &mut |_, mapping| {
            let sole = own_page(mapping) && is_sole(mapping.gpa);
            Some(if sole { Mapping { flags: own_flags(vma.prot), ..mapping } } else { mapping })
        });
    }
}

/// The part of a mapping around a page that is made present or writable together with it; `pages` is a power of two.
fn block_of(vma: &Vma, va: u64, pages: u64) -> (u64, u64) {
    let bytes = pages * PAGE_SIZE;
    let first = va & !(bytes - 1);
    (first.max(vma.start), first.saturating_add(bytes).min(vma.end))
}

fn private_copy(prot: Prot, gpa: u64) -> core::result::Result<Mapping, FaultError> {
    let copy = PageFrame::copy_of(gpa).map_err(page_error)?;
    Ok(Mapping { gpa: copy.into_raw(), flags: own_flags(prot) })
}

fn page_gpa(page: &FilePage) -> u64 {
    match page {
        FilePage::Rootfs(gpa) => *gpa,
        FilePage::Frame(frame) => frame.gpa(),
    }
}
