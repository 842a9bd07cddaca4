//! What calls cost: a load generator, and the two commands that use it.
//!
//! * [`load`]: calls at a pace, samples, baselines and summaries. [`demo`]: shows it once. [`bench`]: measures it.
//!
//! The programs in `guest/` and `publish/` are benchmarks that run by hand (`cargo bench`).

#![forbid(unsafe_code)]
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation of an argument is its help, with brackets"
)]

/// The user asked for something that cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

pub mod bench;
pub mod demo;
pub mod load;
