//! The monitor: machines by KVM, their memory, snapshots, and the worker processes that hold them.
//!
//! * [`kvm`]: machines, their vCPU and its exits.
//! * [`memory`]: what a guest has of memory, and the only way to reach it.
//! * [`boot`]: the first state of a machine.
//! * [`vm`]: machines as the rest of the monitor runs them.
//! * [`clock`]: time in guests.
//! * [`snapshot`]: a machine at rest as a file.
//! * [`shell`]: machines from a snapshot, made ahead of calls.
//! * [`worker`]: the process that holds machines and serves their calls.
//! * [`jail`]: what a worker process gives up before it sees guest code.
//! * [`client`]: a worker process from outside, without an event loop: for baking by hand and for tests.
//! * [`protocol`]: what a server and a worker process say to each other.
//!
//! Unsafe code is in `kvm`, `memory`, `jail` and `vm::kick` alone.
#![deny(unsafe_code)]

pub mod boot;
pub mod client;
pub mod clock;
pub mod jail;
pub mod kvm;
pub mod memory;
pub mod protocol;
pub mod shell;
pub mod snapshot;
pub mod vm;
pub mod worker;

/// The library OS of this build, an ELF file that [`vm::Monitor::open`] takes.
pub static GUEST_IMAGE: &[u8] = include_bytes!(env!("KM_GUEST_IMAGE"));
/// An image that tries the ground under the library OS (entries, faults, flushes, doorbells), for tests and benches.
pub static SELFTEST_IMAGE: &[u8] = include_bytes!(env!("KM_SELFTEST_IMAGE"));
