//! The node: answers calls, each from a machine of its own.
//!
//! ```text
//! client ──► server: listen → route → admit → invoke → answer
//!                                       │ a machine for the call, from its function's pool
//!                                       ▼
//!            pool: workers, slots, shells; snapshots and bakes
//! ```
//!
//! * [`server`]: HTTP in front, and what is served. [`pool`]: machines behind. [`reach`]: what machines connect to. [`logs`],
//!   [`metrics`]: what is seen of all.
//!
//! The node follows the records of the volume and writes reports back. It links no Kubernetes client and no registry
//! client, and has no credentials.

#![forbid(unsafe_code)]

pub mod logs;
pub mod metrics;
pub mod pool;
pub mod reach;
pub mod server;
