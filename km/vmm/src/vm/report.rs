//! What is said of a machine that broke: one readable message with registers and, where known, the function.

use crate::boot::image::GuestImage;
use crate::kvm::exit::VmExit;
use km_abi::layout::{DIRECT_MAP, IMAGE_BASE};
use kvm_bindings::{kvm_regs, kvm_sregs};
use std::fmt;

/// Why a machine cannot go on.
#[derive(Clone, Debug)]
pub struct Breakdown {
    /// One line that says what happened.
    pub reason: String,
    registers: Option<Box<Registers>>,
}

#[derive(Clone, Debug)]
struct Registers {
    general: kvm_regs,
    cr2: u64,
    cr3: u64,
    place: String,
}

impl Breakdown {
    /// A breakdown that has nothing to do with where the guest is.
    #[must_use]
    pub fn of_reason(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), registers: None }
    }

    pub(super) fn at(
        reason: impl Into<String>,
        general: kvm_regs,
        system: &kvm_sregs,
        image: &GuestImage,
    ) -> Self {
        let place = place(general.rip, image);
        let registers = Registers { general, cr2: system.cr2, cr3: system.cr3, place };
        Self { reason: reason.into(), registers: Some(Box::new(registers)) }
    }
}

/// The line for an exit that no machine should take.
pub(super) fn exit_reason(exit: &VmExit) -> String {
    match exit {
        VmExit::Out { port } => format!("the guest used port {port:#x}, which is no doorbell"),
        VmExit::Port { port, access } => format!("the guest made a {access} on port {port:#x}"),
        VmExit::Mmio { gpa, write: true } => format!("the guest wrote to {gpa:#x}, where it has no RAM"),
        VmExit::Mmio { gpa, write: false } => format!("the guest read from {gpa:#x}, where it has no memory"),
        VmExit::Halt => "the guest halted its CPU".to_owned(),
        VmExit::Shutdown => "triple fault: the guest's own tables do not lead anywhere any more".to_owned(),
        VmExit::Interrupted => "interrupted".to_owned(),
        VmExit::Failed { reason } => format!("KVM cannot run the guest on: {reason}"),
    }
}

fn place(rip: u64, image: &GuestImage) -> String {
    match image.symbol(rip) {
        Some((name, offset)) if rip >= IMAGE_BASE => format!("the library OS, {name}+{offset:#x}"),
        _ if rip >= DIRECT_MAP => "the library OS's memory".to_owned(),
        _ => "the program".to_owned(),
    }
}

impl fmt::Display for Breakdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)?;
        let Some(registers) = &self.registers else { return Ok(()) };
        let r = &registers.general;
        write!(f, "\n  in {}", registers.place)?;
        write!(f, "\n  rip {:016x}  rsp {:016x}  rflags {:08x}", r.rip, r.rsp, r.rflags)?;
        write!(f, "\n  rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}", r.rax, r.rbx, r.rcx, r.rdx)?;
        write!(f, "\n  rsi {:016x}  rdi {:016x}  rbp {:016x}  r8  {:016x}", r.rsi, r.rdi, r.rbp, r.r8)?;
        write!(f, "\n  r9  {:016x}  r10 {:016x}  r11 {:016x}  r12 {:016x}", r.r9, r.r10, r.r11, r.r12)?;
        write!(f, "\n  r13 {:016x}  r14 {:016x}  r15 {:016x}", r.r13, r.r14, r.r15)?;
        write!(f, "\n  cr2 {:016x}  cr3 {:016x}", registers.cr2, registers.cr3)
    }
}
