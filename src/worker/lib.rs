//! Starting jailed `km worker` processes, and speaking to them.
//!
//! ```text
//! Stock ──take──► Worker (a jailed process) ──assign: one function──► add_slot ──► Slot: one machine at a time
//! ```
//!
//! * [`process`]: a worker's control socket, its life and its slots. [`stock`]: workers that know no function yet.
//!   [`share`]: their share of the processors.
//! * [`slot`]: the framed stream by which a machine is driven.
//!
//! Nothing here knows of HTTP or of functions: what is served or built in the machines is the business of the crates above.

#![forbid(unsafe_code)]

pub mod process;
pub mod share;
pub mod slot;
pub mod stock;

pub use process::{Worker, WorkerError};
pub use slot::{Event, Slot, SlotError};
pub use stock::Stock;
