//! The vCPU of a machine.
//!
//! Registers travel in the shared page (KVM_CAP_SYNC_REGS): an ioctl of a vCPU costs 5 µs on some hosts.

use super::device::{Kvm, KvmKind};
use super::exit::{VmExit, vm_exit};
use super::{KvmError, request};
use kvm_bindings::{
    KVM_SYNC_X86_REGS, KVM_SYNC_X86_SREGS, Msrs, kvm_msr_entry, kvm_regs, kvm_sregs, kvm_xcr, kvm_xcrs,
};
use kvm_ioctls::{SyncReg, VcpuFd, VmFd};

const MSR_TSC: u32 = 0x10;
const MSR_STAR: u32 = 0xc000_0081;
const MSR_LSTAR: u32 = 0xc000_0082;
const MSR_SYSCALL_MASK: u32 = 0xc000_0084;

/// What `syscall` needs (AMD64 Architecture Programmer's Manual, volume 2, 6.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyscallMsrs {
    /// IA32_STAR: the selectors that `syscall` loads.
    pub star: u64,
    /// IA32_LSTAR: where `syscall` jumps to.
    pub lstar: u64,
    /// Flags that are cleared.
    pub mask: u64,
}

/// The one vCPU of a machine.
pub struct Vcpu {
    fd: VcpuFd,
}

impl Vcpu {
    pub(super) fn create(vm: &VmFd, kvm: &Kvm) -> Result<Self, KvmError> {
        let mut fd = vm.create_vcpu(0).map_err(request("create a vCPU"))?;
        fd.set_cpuid2(kvm.vcpu_cpuid()).map_err(request("set CPUID"))?;
        fd.set_sync_valid_reg(SyncReg::Register);
        fd.set_sync_valid_reg(SyncReg::SystemRegister);
        Ok(Self { fd })
    }

    /// Sets XCR0.
    ///
    /// # Errors
    /// KVM or the CPU refuses the features.
    pub fn set_xcr0(&self, value: u64) -> Result<(), KvmError> {
        let mut xcrs = kvm_xcrs { nr_xcrs: 1, ..kvm_xcrs::default() };
        xcrs.xcrs[0] = kvm_xcr { xcr: 0, reserved: 0, value };
        self.fd.set_xcrs(&xcrs).map_err(request("set XCR0"))
    }

    /// Sets what `syscall` needs.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn set_syscall_msrs(&self, msrs: &SyscallMsrs) -> Result<(), KvmError> {
        let entry = |index, data| kvm_msr_entry { index, data, ..kvm_msr_entry::default() };
        let entries =
            [entry(MSR_STAR, msrs.star), entry(MSR_LSTAR, msrs.lstar), entry(MSR_SYSCALL_MASK, msrs.mask)];
        let list = Msrs::from_entries(&entries).map_err(|_| KvmError::Lacks("model-specific registers"))?;
        let count = self.fd.set_msrs(&list).map_err(request("set model-specific registers"))?;
        if count == entries.len() { Ok(()) } else { Err(KvmError::Lacks("the registers of syscall")) }
    }

    /// The time-stamp counter as the guest would read it now.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn tsc(&self, kind: KvmKind) -> Result<u64, KvmError> {
        if kind == KvmKind::Pvm {
            // Ring 3 is native there and reads the host's counter, whatever KVM keeps for the guest.
            // SAFETY: RDTSC is there on every x86-64 CPU, and Linux does not forbid it to processes that run KVM.
            return Ok(unsafe { core::arch::x86_64::_rdtsc() });
        }
        let entry = kvm_msr_entry { index: MSR_TSC, ..kvm_msr_entry::default() };
        let mut list =
            Msrs::from_entries(&[entry]).map_err(|_| KvmError::Lacks("model-specific registers"))?;
        self.fd.get_msrs(&mut list).map_err(request("read the time-stamp counter"))?;
        list.as_slice().first().map(|entry| entry.data).ok_or(KvmError::Lacks("the time-stamp counter"))
    }

    /// Whether an exception or interrupt is on its way into the guest: then its instruction pointer must be left alone.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn event_in_flight(&self) -> Result<bool, KvmError> {
        let events = self.fd.get_vcpu_events().map_err(request("read pending events"))?;
        let exception = events.exception.injected | events.exception.pending;
        Ok(exception | events.interrupt.injected | events.nmi.injected | events.nmi.pending != 0)
    }

    /// General registers as of the last exit.
    #[must_use]
    pub fn regs(&self) -> kvm_regs {
        self.fd.sync_regs().regs
    }

    /// System registers as of the last exit.
    #[must_use]
    pub fn sregs(&self) -> kvm_sregs {
        self.fd.sync_regs().sregs
    }

    /// General registers for the next entry.
    pub fn set_regs(&mut self, regs: kvm_regs) {
        self.fd.sync_regs_mut().regs = regs;
        self.fd.set_sync_dirty_reg(SyncReg::Register);
    }

    /// System registers for the next entry.
    pub fn set_sregs(&mut self, sregs: kvm_sregs) {
        self.fd.sync_regs_mut().sregs = sregs;
        self.fd.set_sync_dirty_reg(SyncReg::SystemRegister);
    }

    /// Completes the instruction of the last exit without running on, so that the registers are those behind it.
    ///
    /// # Errors
    /// KVM fails.
    pub fn complete(&mut self) -> Result<(), KvmError> {
        self.fd.set_kvm_immediate_exit(1);
        let exit = self.run();
        self.fd.set_kvm_immediate_exit(0);
        exit.map(|_| ())
    }

    /// Runs the guest until it exits.
    ///
    /// # Errors
    /// KVM fails; exits of the guest, whatever they are, are no errors.
    pub fn run(&mut self) -> Result<VmExit, KvmError> {
        match self.fd.run() {
            Ok(_) => Ok(vm_exit(self.fd.get_kvm_run())),
            Err(error) if matches!(error.errno(), libc::EINTR | libc::EAGAIN) => Ok(VmExit::Interrupted),
            Err(error) => Err(request("run a guest")(error)),
        }
    }
}

const _: () = assert!(KVM_SYNC_X86_REGS == 1 && KVM_SYNC_X86_SREGS == 2);
