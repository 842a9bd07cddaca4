//! Making a machine: its memory slots and its vCPU.

use super::device::Kvm;
use super::vcpu::Vcpu;
use super::{KvmError, features, request};
use crate::memory::{GuestMemory, Rootfs};
use km_abi::layout::CODE_GPA;
use kvm_bindings::{KVM_MEM_READONLY, kvm_userspace_memory_region};
use kvm_ioctls::VmFd;

/// A machine: one vCPU and its RAM. Dropped in this order: vCPU, VM, memory.
pub struct BareVm {
    /// The one vCPU; it holds the VM's exits and registers.
    pub vcpu: Vcpu,
    _vm: VmFd,
    /// RAM of the guest; freed last, since KVM reads and writes it.
    pub memory: GuestMemory,
}

impl Kvm {
    /// A machine with these memories and one vCPU, whose registers are not set yet. `memory` and `rootfs` must outlive it:
    /// [`BareVm`] keeps the first, callers the second.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn create(&self, memory: GuestMemory, rootfs: &Rootfs) -> Result<BareVm, KvmError> {
        let vm = self.kvm.create_vm().map_err(request("create a machine"))?;
        if self.refuses_msrs {
            features::refuse_msrs(&vm)?;
        }
        set_region(&vm, 0, 0, 0, memory.host_address(), memory.size())?;
        let (shared, bytes) = rootfs.rom();
        set_region(&vm, 1, KVM_MEM_READONLY, CODE_GPA, shared, bytes)?;
        let vcpu = Vcpu::create(&vm, self)?;
        Ok(BareVm { vcpu, _vm: vm, memory })
    }
}

fn set_region(vm: &VmFd, slot: u32, flags: u32, gpa: u64, host: u64, size: u64) -> Result<(), KvmError> {
    let region = kvm_userspace_memory_region {
        slot,
        flags,
        guest_phys_addr: gpa,
        memory_size: size,
        userspace_addr: host,
    };
    // SAFETY: the range is a whole mapping of this process that lives as long as the machine: RAM is in the same
    // `BareVm`, dropped after the VM, and callers keep the rootfs. The guest may write to it only where it is RAM.
    unsafe { vm.set_user_memory_region(region) }.map_err(request("set a memory slot"))
}
