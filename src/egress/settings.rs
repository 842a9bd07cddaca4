//! What the operator sets, and whom the broker tells what happens.

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::broker::Function;
use crate::policy::Policy;

/// Where a machine's own servers of names are written down.
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// What a broker needs to know.
#[derive(Clone)]
pub struct Settings {
    /// What may be reached.
    pub policy: Policy,
    /// The servers of names that are asked, in the form of resolv.conf(5). Read once; one that is not there has none.
    pub resolv_conf: PathBuf,
    /// This is a pod, whose resolv.conf names the domain of the cluster's Services.
    pub is_in_cluster: bool,
    /// How much at once.
    pub limits: Limits,
    /// Who is told.
    pub observer: Arc<dyn Observer>,
    /// Who serves the functions of this node to each other; without, `functions.internal` refuses connections.
    pub functions: Option<Arc<dyn Functions>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            resolv_conf: RESOLV_CONF.into(),
            is_in_cluster: false,
            limits: Limits::default(),
            observer: Arc::new(Nobody),
            functions: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("policy", &self.policy)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// How much at once and how often. What goes beyond fails with EADDRNOTAVAIL, as on a Linux that has no port left for another
/// connection; the connections that are there go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of one machine at once, those to its resolver among them.
    pub per_machine: usize,
    /// Connections of one function at once on this node, so that none takes all.
    pub per_function: usize,
    /// Connections of this node at once.
    pub per_node: usize,
    /// New connections of one function in a second, and how many may come together.
    pub rate: u32,
    /// See `rate`.
    pub burst: u32,
    /// Connections of one machine that wait for their peers at once; others wait for these.
    pub connecting: usize,
    /// How long a peer may take; then the program sees ETIMEDOUT.
    pub connect_timeout: Duration,
    /// Queries of one call.
    pub queries: u64,
    /// Queries of one machine at once; others wait for these.
    pub queries_at_once: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            per_machine: km_abi::outbound::OUTBOUND_MAX,
            per_function: 512,
            per_node: 1024,
            rate: 500,
            burst: 1000,
            connecting: 8,
            connect_timeout: Duration::from_secs(30),
            queries: 1000,
            queries_at_once: 16,
        }
    }
}

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not within a runtime of tokio's.
    #[error("the broker needs a runtime")]
    NoRuntime,
    /// The servers of names cannot be read.
    #[error("{path}: {error}")]
    ResolvConf {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It has servers of names that cannot be asked.
    #[error("resolver: {0}")]
    Resolver(String),
    /// The kernel does not tell the node's addresses.
    #[error("addresses of this node: {0}")]
    Own(io::Error),
}

/// What became of a connection that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was granted.
    Connected,
    /// No rule opens it.
    Refused,
    /// It was one too many.
    Limited,
    /// The peer or the network did not take it.
    Failed,
}

impl Outcome {
    /// One word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Refused => "refused",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }
}

/// Who is told what happens. Called while the session is locked: no call may wait, nor lead back to it.
pub trait Observer: Send + Sync {
    /// Something was refused: for the function's owner, with the fix. Once for each message of a call, and a few of a call at most.
    fn denied(&self, function: &Function, call_id: &str, message: &str);
    /// A connection was asked for.
    fn opened(&self, function: &Function, outcome: Outcome);
    /// A connection that was granted has ended; with the bytes that the program sent and got.
    fn closed(&self, function: &Function, sent: u64, received: u64);
}

/// Serves the functions of this node to each other.
pub trait Functions: Send + Sync {
    /// A call has connected to `functions.internal`. Called while its session is locked: it may not wait, nor lead back to it.
    fn serve(&self, caller: Caller);
}

/// A call's connection to `functions.internal`.
#[derive(Debug)]
pub struct Caller {
    /// The function that calls.
    pub function: Arc<Function>,
    /// How many calls led to the one that calls: of a stranger's, none.
    pub hops: u32,
    /// The connection ends with its call.
    pub over: CancellationToken,
    /// The server's end, a stream, non-blocking.
    pub socket: OwnedFd,
    /// What passes over it, counted by the server: the kernel counts nothing on such a stream.
    pub traffic: Arc<Traffic>,
}

/// Bytes of a connection to `functions.internal`.
#[derive(Debug, Default)]
pub struct Traffic {
    /// What the program wrote, as far as the server has read it.
    pub sent: AtomicU64,
    /// What the server wrote.
    pub received: AtomicU64,
}

/// Hears nothing.
struct Nobody;

impl Observer for Nobody {
    fn denied(&self, _: &Function, _: &str, _: &str) {}
    fn opened(&self, _: &Function, _: Outcome) {}
    fn closed(&self, _: &Function, _: u64, _: u64) {}
}
