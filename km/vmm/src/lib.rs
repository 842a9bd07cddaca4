//! The monitor: machines by KVM, their memory, snapshots, and the worker processes that hold them.
//!
//! * [`protocol`]: what a server and a worker process say to each other.

pub mod protocol;
