//! The Kubernetes source: Images of a cluster become bundles and records on the volume, and everything that happens
//! to them becomes their status.
//!
//! ```text
//!  API server ──watch.rs──► News ──► follow.rs ── books.rs (one entry per Image: what is due, what was written)
//!      ▲                                │  ▲
//!      │                 work.rs ◄──────┘  └── reports of the server, files on the volume
//!      │   secrets, registry, bundle, record: blocking work, bounded, each failure explained by failure.rs
//!      └── write.rs: the replica's own entry, then the aggregate of all entries (aggregate.rs), then events.rs
//! ```
//!
//! The server has no part in this: it follows the volume and reports on it by files. Nothing here is decided by what
//! the API server does *not* say: without a complete list nothing is removed, without an answer nothing changes.

pub mod aggregate;
mod books;
pub mod client;
pub mod entry;
mod events;
mod failure;
mod follow;
pub mod health;
pub mod object;
mod secrets;
mod watch;
mod work;
mod write;

use std::time::Duration;

pub use follow::follow_cluster;

/// How the source works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this replica in the status: that of its pod.
    pub replica: String,
    /// The only namespace to look at; all of them without it.
    pub namespace: Option<String>,
    /// Namespace of this replica's pod, where it may ask whether the others still exist.
    pub system_namespace: Option<String>,
    /// How often an image is resolved again although its Image did not change.
    pub resync: Duration,
    /// First and longest pause after an attempt that failed.
    pub retry: (Duration, Duration),
    /// After so long without a word a watch is begun anew.
    pub watch_timeout: Duration,
    /// Images that are worked on at once.
    pub parallel: usize,
}
