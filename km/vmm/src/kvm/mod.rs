//! KVM: opening it, making machines, and their exits as an enum of our own.
//!
//! * [`device`]: `/dev/kvm` and what this host's KVM is ([`Kvm`]).
//! * [`bare`]: what it makes ([`BareVm`]).
//! * [`features`]: what guests see of the CPU.
//! * [`vcpu`]: the one vCPU of a machine ([`vcpu::Vcpu`]), its registers and [`exit::VmExit`].
//!
//! There is no in-kernel interrupt controller and no ioeventfd: either makes changes of memory slots wait for grace
//! periods. One idle machine is held for the life of the process, since without it the first and the last vCPU
//! each patch kernel text.
#![allow(unsafe_code, reason = "memory slots are given to KVM by address, and its page of a vCPU is a union")]

pub mod bare;
pub mod device;
pub mod exit;
pub mod features;
pub mod vcpu;

pub use bare::BareVm;
pub use device::{Kvm, KvmKind};

/// Why KVM does not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum KvmError {
    /// /dev/kvm cannot be opened.
    #[error("open /dev/kvm: {0} (is KVM there, and may this user open it? `kontain-faas doctor` tells)")]
    Open(#[source] kvm_ioctls::Error),
    /// The kernel is too old.
    #[error("this KVM lacks {0}, which needs Linux 5.10 or newer")]
    Lacks(&'static str),
    /// The kernel refused a request.
    #[error("KVM: {what}: {source}")]
    Request {
        /// What was asked of it.
        what: &'static str,
        /// The kernel's answer to it.
        #[source]
        source: kvm_ioctls::Error,
    },
}

/// Names the request that failed.
fn request(what: &'static str) -> impl FnOnce(kvm_ioctls::Error) -> KvmError {
    move |source| KvmError::Request { what, source }
}
