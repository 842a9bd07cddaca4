//! The jail of a worker: everything that it can still do when its code is no longer ours.
//!
//! ```text
//! start ─► open what is needed ─► enter(): descriptors, limits, user, namespaces, landlock, capabilities
//!       ─► start all threads ─► each: seccomp for its role ─► Hello ─► … guest code
//! ```
//!
//! Threads are started before the filters, and no filter lets one be started later; so a PID namespace, which would
//! only hold children, would hold nothing. Every measure is looked at after it was taken, and the report says of each
//! that does not hold why: a host may forbid user namespaces, and an old kernel has no landlock. Without no_new_privs and
//! seccomp ([`crate::protocol::REQUIRED_MEASURES`]) the server takes no worker.
//!
//! * [`rights`]: descriptors, limits, user, capabilities, dumpable.
//! * [`namespaces`]: empty mount, network, IPC, UTS and cgroup namespaces.
//! * [`deny`]: landlock with no exception.
//! * [`filter`]: system calls per thread.
//! * [`urgency`]: which threads give way to which.
#![allow(
    unsafe_code,
    reason = "no crate has close_range(2), sched_setattr(2) and descriptors that were inherited"
)]

pub mod deny;
pub mod filter;
pub mod namespaces;
pub mod rights;
pub mod urgency;

use nix::errno::Errno;

use crate::protocol::{Jail, Measure};

/// Takes all measures but the filters. Call it with one thread, once everything that needs a path is open.
#[must_use]
pub fn enter() -> Jail {
    let mut jail = Jail::default();
    jail.note("no-new-privs", rights::no_new_privileges());
    jail.note("user", rights::become_nobody());
    jail.note("namespaces", namespaces::enter());
    jail.note("landlock", deny::everything());
    jail.note("capabilities", rights::drop_capabilities());
    jail.note("limits", rights::limit());
    jail.note("not-dumpable", rights::not_dumpable());
    jail
}

impl Jail {
    /// Adds a measure and how it went.
    pub fn note<E: std::fmt::Display>(&mut self, name: &str, result: Result<(), E>) {
        let missing = result.err().map(|error| error.to_string());
        self.measures.push(Measure { name: name.to_owned(), missing });
    }

    /// The measures that do not hold, as one line; nothing when all do.
    #[must_use]
    pub fn missing(&self) -> Option<String> {
        let missing: Vec<String> = self
            .measures
            .iter()
            .filter_map(|measure| Some(format!("{} ({})", measure.name, measure.missing.as_ref()?)))
            .collect();
        (!missing.is_empty()).then(|| missing.join(", "))
    }
}

/// A measure that the kernel accepted but that does not hold when looked at, or one that it refused.
#[derive(Debug, thiserror::Error)]
pub enum JailError {
    /// The kernel refused it.
    #[error("{what}: {source}")]
    Refused {
        /// Which step of the measure it was.
        what: &'static str,
        /// Why, in the kernel's words.
        #[source]
        source: Errno,
    },
    /// Accepted, but a probe got through.
    #[error("no effect: {0}")]
    NoEffect(&'static str),
    /// This kernel does not have it, or not all of it.
    #[error("{0}")]
    Partial(String),
}

/// Names the step that was refused.
fn refused(what: &'static str) -> impl FnOnce(Errno) -> JailError {
    move |source| JailError::Refused { what, source }
}
