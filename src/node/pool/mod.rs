//! Machines for calls: workers, their slots, the shells in them, and the snapshots that shells are made from.
//!
//! ```text
//! Stock ──take──► Worker ──assign──► slots ──Prepare──► shells ──take──► ActiveCall ──Finish/Cancel──► slot, empty
//!                                      ▲                                                                 │
//!                                      └─────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Processes and the streams to them are the crate `worker`.
//!
//! * [`function_pool`]: the slot [`table`] of one function's revision, filled by [`demand`]; [`workers`] make its machines within
//!   the node's [`budget`].
//! * [`slot`]: where a machine is, and what it may reach.
//! * [`machine`], [`call`]: a machine in use, as a byte stream; one that answers a call.
//! * [`bake`], with its [`queue`], [`snapshots`], [`program`], [`warmup`] and [`rehearsal`]: where shells come from.
//! * [`node`]: what all functions share.

pub mod bake;
pub mod budget;
pub mod call;
pub mod demand;
pub mod function_pool;
pub mod machine;
pub mod node;
pub mod program;
pub mod queue;
pub mod rehearsal;
pub mod slot;
pub mod snapshots;
pub mod table;
pub mod warmup;
pub mod workers;

pub use call::ActiveCall;
pub use function_pool::Pool;
pub use node::Node;
pub use workers::Source;
