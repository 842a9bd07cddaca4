//! Where a machine begins: the registers of a boot, and of a clone.

use super::tables::{GDT_LIMIT, IDT_LIMIT, TSS_ADDRESS, TSS_LIMIT};
use super::{VectorState, paging};
use crate::boot::image::GuestImage;
use crate::kvm::KvmError;
use crate::kvm::KvmKind;
use crate::kvm::vcpu::{SyscallMsrs, Vcpu};
use km_abi::layout::{DIRECT_MAP, IDT_GPA, KERNEL_CS, TABLES_GPA, TSS_SELECTOR, USER_CS, USER_SS};
use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};

/// PE, MP, ET, NE, WP, AM, PG.
const CR0: u64 = 0x8005_0033;
/// PAE, OSFXSR, OSXMMEXCPT, FSGSBASE, OSXSAVE.
const CR4: u64 = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 16 | 1 << 18;
/// SCE, LME, LMA, NXE.
const EFER: u64 = 1 | 1 << 8 | 1 << 10 | 1 << 11;
/// The reserved bit, and interrupts enabled.
const RFLAGS: u64 = 0x202;
/// What `syscall` clears: TF, IF, DF, IOPL, NT, AC (as Linux has it).
const SYSCALL_MASK: u64 = 0x4_7700;
/// Base of the selectors that `sysret` would load. Nothing executes it; the field needs a valid value.
const SYSRET_BASE: u64 = 0x23;

/// Where a vCPU begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The library OS's first instruction, on the page tables of a boot.
    Boot,
    /// What follows the doorbell of an idle guest, on its page tables.
    Clone {
        /// Their root, as the guest reported it with its doorbell.
        cr3: u64,
    },
}

/// What every new vCPU of a process is set to; made once.
#[derive(Clone, Debug)]
pub struct RegisterTemplate {
    sregs: kvm_sregs,
    msrs: SyscallMsrs,
    vector: VectorState,
    boot_entry: u64,
    restore_entry: u64,
    stack_top: u64,
}

impl RegisterTemplate {
    /// Takes the system registers that KVM resets a vCPU to, and changes what a guest needs changed.
    #[must_use]
    pub fn new(mut sregs: kvm_sregs, image: &GuestImage, vector: VectorState, kind: KvmKind) -> Self {
        sregs.cr0 = CR0;
        sregs.cr3 = paging::ROOT;
        sregs.cr4 = CR4;
        sregs.efer = EFER;
        sregs.cs = segment(USER_CS, 11, 1);
        sregs.ss = segment(USER_SS, 3, 0);
        (sregs.ds, sregs.es, sregs.fs, sregs.gs) = (sregs.ss, sregs.ss, sregs.ss, sregs.ss);
        sregs.gdt.base = DIRECT_MAP + TABLES_GPA;
        sregs.gdt.limit = GDT_LIMIT;
        sregs.idt.base = DIRECT_MAP + IDT_GPA;
        sregs.idt.limit = IDT_LIMIT;
        sregs.tr = kvm_segment {
            base: TSS_ADDRESS,
            limit: TSS_LIMIT,
            selector: TSS_SELECTOR,
            type_: tss_type(kind),
            present: 1,
            ..kvm_segment::default()
        };
        let header = image.header();
        let star = SYSRET_BASE << 48 | u64::from(KERNEL_CS) << 32;
        Self {
            sregs,
            msrs: SyscallMsrs { star, lstar: header.syscall_stub, mask: SYSCALL_MASK },
            vector,
            boot_entry: header.boot_entry,
            restore_entry: header.restore_entry,
            stack_top: header.stack_top,
        }
    }

    /// Sets all registers of a new vCPU.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn apply(&self, vcpu: &mut Vcpu, entry: Entry) -> Result<(), KvmError> {
        vcpu.set_syscall_msrs(&self.msrs)?;
        self.point(vcpu, entry);
        // XCR0 is checked against CR4, which is set with the registers at the next entry: set them first.
        vcpu.complete()?;
        vcpu.set_xcr0(self.vector.xcr0)
    }

    /// Sets the registers that decide where execution goes on.
    pub fn point(&self, vcpu: &mut Vcpu, entry: Entry) {
        let (cr3, rip) = match entry {
            Entry::Boot => (paging::ROOT, self.boot_entry),
            Entry::Clone { cr3 } => (cr3, self.restore_entry),
        };
        vcpu.set_sregs(kvm_sregs { cr3, ..self.sregs });
        vcpu.set_regs(kvm_regs { rip, rsp: self.stack_top, rflags: RFLAGS, ..kvm_regs::default() });
    }
}

/// Intel enters a guest only with a busy TSS (SDM volume 3, 26.3.1.2). AMD keeps the type without the busy bit, and QEMU's
/// model of an AMD CPU finds the I/O bitmap only in a TSS that is not busy.
fn tss_type(kind: KvmKind) -> u8 {
    if kind == KvmKind::Svm { 9 } else { 11 }
}

fn segment(selector: u16, kind: u8, long: u8) -> kvm_segment {
    kvm_segment {
        limit: 0xffff_ffff,
        selector,
        type_: kind,
        present: 1,
        dpl: 3,
        db: 1 - long,
        s: 1,
        l: long,
        g: 1,
        ..kvm_segment::default()
    }
}

#[cfg(test)]
mod tests;
