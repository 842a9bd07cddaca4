//! What all machines of a process share.

use super::kick;
use crate::boot::image::{GuestImage, ImageError};
use crate::boot::registers::{Entry, RegisterTemplate};
use crate::boot::{self, BootError, BootParameters, VectorState};
use crate::kvm::BareVm;
use crate::kvm::KvmError;
use crate::kvm::{Kvm, KvmKind, features};
use crate::memory::{GuestMemory, Rootfs};
use crate::vm::run::Vm;
use km_abi::records::{BootConfig, CloneRecord};
use kvm_bindings::CpuId;
use std::sync::Arc;

use crate::clock::Clock;

/// Why a process cannot run machines.
#[derive(Debug, thiserror::Error)]
pub enum MonitorError {
    /// KVM is missing or refuses.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// The library OS's image is broken.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A machine cannot be prepared.
    #[error(transparent)]
    Boot(#[from] BootError),
    /// The kick signal cannot be set up.
    #[error("prepare the kick signal: {0}")]
    Signal(#[from] nix::Error),
}

/// KVM, the library OS and what follows from both.
pub struct Monitor {
    kvm: Kvm,
    image: Arc<GuestImage>,
    template: RegisterTemplate,
    vector: VectorState,
    clock: Clock,
}

impl Monitor {
    /// Opens KVM and takes the library OS apart. `guest` is its ELF file.
    ///
    /// # Errors
    /// See [`MonitorError`].
    pub fn open(guest: &[u8]) -> Result<Self, MonitorError> {
        kick::install()?;
        let kvm = Kvm::open()?;
        let image = Arc::new(GuestImage::parse(guest)?);
        let vector = vector_state(kvm.cpuid());
        let template = RegisterTemplate::new(kvm.idle_sregs()?, &image, vector, kvm.kind());
        let clock = Clock::new(kvm.tsc_khz());
        Ok(Self { kvm, image, template, vector, clock })
    }

    /// How this host runs guests.
    #[must_use]
    pub fn kind(&self) -> KvmKind {
        self.kvm.kind()
    }

    /// The library OS that all machines run.
    #[must_use]
    pub fn image(&self) -> &Arc<GuestImage> {
        &self.image
    }

    /// How guests' counters become time.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What guests see of the CPU, for the identity of snapshots.
    #[must_use]
    pub fn cpuid(&self) -> &CpuId {
        self.kvm.cpuid()
    }

    /// A machine that boots a program; `realtime_ns` is what its wall clock shows then.
    ///
    /// # Errors
    /// KVM refuses, or the memory is too small.
    pub fn boot(
        &self,
        memory_bytes: u64,
        rootfs: &Arc<Rootfs>,
        config: &BootConfig,
        seed: [u8; 32],
        realtime_ns: u64,
    ) -> Result<Vm, MonitorError> {
        let memory = GuestMemory::anonymous(memory_bytes).map_err(BootError::from)?;
        let mut machine = self.kvm.create(memory, rootfs)?;
        self.template.apply(&mut machine.vcpu, Entry::Boot)?;
        let tsc = machine.vcpu.tsc(self.kvm.kind())?;
        let clock = self.clock.at_boot(tsc, realtime_ns);
        let clone = CloneRecord { seed, generation: 0 };
        let shadowed = self.kind() == KvmKind::Pvm;
        let parameters = BootParameters { config, clone, clock, vector: self.vector, shadowed };
        boot::prepare(&machine.memory, rootfs, &self.image, &parameters)?;
        Ok(self.vm(machine, rootfs))
    }

    /// A machine whose memory is that of a guest which went idle with `cr3`; it continues behind its doorbell. What a
    /// clone must be told first is the caller's to write.
    ///
    /// # Errors
    /// KVM refuses.
    pub fn resume(&self, memory: GuestMemory, rootfs: &Arc<Rootfs>, cr3: u64) -> Result<Vm, MonitorError> {
        let mut machine = self.kvm.create(memory, rootfs)?;
        self.template.apply(&mut machine.vcpu, Entry::Clone { cr3 })?;
        Ok(self.vm(machine, rootfs))
    }

    fn vm(&self, machine: BareVm, rootfs: &Arc<Rootfs>) -> Vm {
        Vm::new(machine, Arc::clone(rootfs), Arc::clone(&self.image))
    }
}

/// XCR0 and the size of the XSAVE area, from CPUID leaf 0xD (Intel SDM volume 1, 13.2).
fn vector_state(cpuid: &CpuId) -> VectorState {
    let leaf = |index: u32| {
        cpuid
            .as_slice()
            .iter()
            .find(|entry| entry.function == 0xd && entry.index == index)
            .copied()
            .unwrap_or_default()
    };
    let supported = u64::from(leaf(0).eax);
    let xcr0 = (supported & u64::from(features::XCR0)) | 3;
    let end = (2..32).filter(|bit| xcr0 >> bit & 1 == 1).map(leaf).map(|entry| entry.ebx + entry.eax).max();
    VectorState { xcr0, xsave_bytes: u64::from(end.unwrap_or(0)).max(576) }
}
