//! A virtual machine as the rest of the monitor uses it: it runs until something must be decided.
//!
//! ```text
//! Monitor (one per process: KVM, image, register template, clock)
//!    └─ boot / clone ──► Vm ── run(streams) ──► Stop::Idle      deliver(arrivals), run again
//!                          │                 Stop::Ended     the program is done, and how
//!                          │                 Stop::Broken    guest or monitor-side refusal, with a report
//!                          │                 Stop::Cancelled  someone asked for it
//!                          └── GuestStreams, asked at each doorbell
//! ```
//!
//! * [`monitor`]: what all machines of a process share.
//! * [`run`]: [`Vm`] and its run loop.
//! * `doorbell`: a hyper page, checked and carried out.
//! * [`streams`]: the streams that whoever runs a machine provides for it.
//! * [`kick`]: how a running vCPU is stopped.
//! * [`report`]: what is said of a machine that broke.

mod doorbell;
pub mod kick;
pub mod monitor;
pub mod report;
pub mod run;
pub mod streams;

#[doc(hidden)]
pub use doorbell::DoorbellRinger;
pub use kick::Kick;
pub use monitor::{Monitor, MonitorError};
pub use report::Breakdown;
pub use run::{Stop, Usage, Vm};
pub use streams::{Arrivals, GuestStreams, Transfer};
