//! Calls at a pace, and what they cost: what `demo` and `bench` share.
//!
//! * [`samples`]: the four sample functions and how they are packed.
//! * [`node`]: a server of our own, the real program as a child process.
//! * [`client`]: calls over kept HTTP connections.
//! * [`pace`]: open loop (a call every so often, whatever the answers do) and closed loop (each client after its answer).
//! * [`baseline`]: the same program as a process started for the call.
//! * [`summary`]: percentiles of what was measured.

pub mod baseline;
pub mod client;
pub mod node;
pub mod pace;
pub mod samples;
pub mod summary;
