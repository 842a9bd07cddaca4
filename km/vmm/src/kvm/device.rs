//! `/dev/kvm`, and what kind of KVM it is.

use super::{KvmError, features, request};
use kvm_bindings::{CpuId, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2, kvm_sregs};
use kvm_ioctls::{Cap, VcpuFd, VmFd};
use std::path::Path;

/// How this host runs guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvmKind {
    /// Intel VT-x, module `kvm_intel`.
    Vmx,
    /// AMD-V, module `kvm_amd`.
    Svm,
    /// Software-deprivileged guests (`kvm_pvm`): ring 3 is native, ring 0 is emulated.
    Pvm,
    /// None of these modules is loaded, or `/sys` is not there to tell.
    Other,
}

impl KvmKind {
    /// What the loaded modules say. Must be asked before a jail hides `/sys`.
    #[must_use]
    pub fn detect() -> Self {
        let loaded = |module: &str| Path::new("/sys/module").join(module).exists();
        match () {
            () if loaded("kvm_pvm") => Self::Pvm,
            () if loaded("kvm_intel") => Self::Vmx,
            () if loaded("kvm_amd") => Self::Svm,
            () => Self::Other,
        }
    }
}

/// An open KVM, with what is the same for all machines.
pub struct Kvm {
    pub(super) kvm: kvm_ioctls::Kvm,
    kind: KvmKind,
    cpuid: CpuId,
    vcpu_cpuid: CpuId,
    /// Machines get a filter of model-specific registers; not where this KVM has none.
    pub(super) refuses_msrs: bool,
    tsc_khz: u32,
    /// Never runs; its existence keeps the first and the last vCPU of others from patching kernel text.
    idle: (VmFd, VcpuFd),
}

impl Kvm {
    /// Opens `/dev/kvm` and makes the idle machine.
    ///
    /// # Errors
    /// It is not there, not accessible or too old.
    pub fn open() -> Result<Self, KvmError> {
        let kvm = kvm_ioctls::Kvm::new().map_err(KvmError::Open)?;
        for (cap, name) in [
            (Cap::UserMemory, "user memory slots"),
            (Cap::ReadonlyMem, "read-only memory slots"),
            (Cap::SyncRegs, "synchronized registers"),
            (Cap::ImmediateExit, "immediate exit"),
        ] {
            if !kvm.check_extension(cap) {
                return Err(KvmError::Lacks(name));
            }
        }
        let cpuid =
            kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(request("read the supported CPUID"))?;
        let idle = kvm.create_vm().map_err(request("create the idle machine"))?;
        let idle_vcpu = idle.create_vcpu(0).map_err(request("create the idle vCPU"))?;
        let tsc_khz =
            idle_vcpu.get_tsc_khz().map_err(request("read the frequency of the time-stamp counter"))?;
        let kind = KvmKind::detect();
        let answers = kind != KvmKind::Pvm || features::cpuid_faults();
        let cpuid = if answers { features::cpuid(&cpuid)? } else { cpuid };
        let vcpu_cpuid = if answers { cpuid.clone() } else { smallest_cpuid(&cpuid)? };
        // Ring 0 of a deprivileged guest is emulated without such registers.
        let refuses_msrs = kind != KvmKind::Pvm && kvm.check_extension(Cap::X86MsrFilter);
        Ok(Self { kvm, kind, cpuid, vcpu_cpuid, refuses_msrs, tsc_khz, idle: (idle, idle_vcpu) })
    }

    /// How this host runs guests.
    #[must_use]
    pub fn kind(&self) -> KvmKind {
        self.kind
    }

    /// Frequency of a guest's time-stamp counter in kHz.
    #[must_use]
    pub fn tsc_khz(&self) -> u32 {
        self.tsc_khz
    }

    /// What guests see of the CPU.
    #[must_use]
    pub fn cpuid(&self) -> &CpuId {
        &self.cpuid
    }

    /// What every vCPU is told of it.
    pub(super) fn vcpu_cpuid(&self) -> &CpuId {
        &self.vcpu_cpuid
    }

    /// System registers as KVM resets them, the base for those of a boot or a clone.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn idle_sregs(&self) -> Result<kvm_sregs, KvmError> {
        self.idle.1.get_sregs().map_err(request("read system registers"))
    }
}

/// The leaves without which KVM refuses to set XCR0. Where guests execute CPUID on the CPU itself, all others only make
/// a vCPU dearer: 88 µs for all of them, 38 µs for these.
fn smallest_cpuid(all: &CpuId) -> Result<CpuId, KvmError> {
    let needed = |entry: &&kvm_cpuid_entry2| matches!((entry.function, entry.index), (1 | 0xd, 0));
    let entries: Vec<_> = all.as_slice().iter().filter(needed).copied().collect();
    CpuId::from_entries(&entries).map_err(|_| KvmError::Lacks("CPUID entries"))
}
