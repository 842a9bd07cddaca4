//! Options of asynchronous calls, and the way from their queue to a server.

use std::path::PathBuf;
use std::sync::{Arc, Weak};

use api::units::{Quantity, Span};
use egress::{Allow, Policy};
use gateway::queue::retry::Retry;
use gateway::queue::{Connecting, Options, Stream, Upstream};
use node::server::Server;
use tokio::net::TcpStream;
use tokio::runtime::Handle;

use super::proxy;

/// Bytes between the queue and the server in this process.
const PIPE: usize = 64 << 10;

/// How asynchronous calls are kept and tried.
#[derive(Debug, clap::Args)]
pub struct QueueArgs {
    /// File of the queue of asynchronous calls, on a disk that stays [default of serve: async/queue.redb on the volume; of gateway: none,
    /// and such calls are refused]
    #[arg(long, env = "KONTAIN_ASYNC_QUEUE", value_name = "FILE")]
    pub async_queue: Option<PathBuf>,
    /// How often an asynchronous call is tried again that fails; annotations of a function may say less.
    #[arg(long, env = "KONTAIN_ASYNC_RETRIES", value_name = "N", default_value_t = 9,
          value_parser = clap::value_parser!(u32).range(..=1000))]
    pub async_retries: u32,
    /// Wait before the first of these attempts, doubled for each further one, where annotations say nothing else.
    #[arg(long, env = "KONTAIN_ASYNC_MIN_WAIT", value_name = "DURATION", default_value = "10s")]
    pub async_min_wait: Span,
    /// Longest such wait.
    #[arg(long, env = "KONTAIN_ASYNC_MAX_WAIT", value_name = "DURATION", default_value = "2m")]
    pub async_max_wait: Span,
    /// Disk space for the asynchronous calls of one function, dead letters among them; one that would take more is refused with 429.
    #[arg(long, env = "KONTAIN_ASYNC_QUOTA", value_name = "SIZE", default_value = "256Mi")]
    pub async_quota: Quantity,
    /// Longest body of an asynchronous call, and of an answer that goes to a callback.
    #[arg(long, env = "KONTAIN_ASYNC_MAX_BODY", value_name = "SIZE", default_value = "4Mi")]
    pub async_max_body: Quantity,
    /// Asynchronous calls that are under way at once, of all functions; of one, its concurrency, or its variable max_inflight.
    #[arg(long, env = "KONTAIN_ASYNC_CALLS", value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub async_calls: u32,
    /// Addresses that are not public and that answers of asynchronous calls may be sent to (X-Callback-Url): a network, or a name that
    /// leads to them; with NAMESPACE= for the functions of one namespace.
    #[arg(
        long,
        env = "KONTAIN_ASYNC_CALLBACK_ALLOW",
        value_name = "[NAMESPACE=]CIDR|NAME",
        value_delimiter = ','
    )]
    pub async_callback_allow: Vec<Allow>,
}

impl QueueArgs {
    /// What they say; `default` is the file where none is named. Callbacks reach what `policy` does not refuse.
    pub fn options(&self, default: Option<PathBuf>, policy: Policy) -> Option<Options> {
        let file = self.async_queue.clone().or(default)?;
        let retry = Retry {
            attempts: self.async_retries + 1,
            min_wait: self.async_min_wait.duration(),
            max_wait: self.async_max_wait.duration().max(self.async_min_wait.duration()),
            ..Retry::default()
        };
        Some(Options {
            file,
            retry,
            quota: self.async_quota.bytes(),
            body_max: self.async_max_body.bytes(),
            at_once: usize::try_from(self.async_calls).unwrap_or(usize::MAX),
            policy,
            callback_allow: self.async_callback_allow.clone(),
        })
    }
}

/// The server in this process.
pub struct Within {
    server: Weak<Server>,
    /// Where it serves.
    runtime: Handle,
}

impl Within {
    /// A way to this server, which serves in the runtime of the caller.
    pub fn new(server: &Arc<Server>) -> Self {
        Self { server: Arc::downgrade(server), runtime: Handle::current() }
    }
}

impl Upstream for Within {
    fn connect(&self) -> Connecting {
        let (server, runtime) = (self.server.upgrade(), self.runtime.clone());
        Box::pin(async move {
            let server = server.ok_or(std::io::ErrorKind::ConnectionRefused)?;
            let (ours, theirs) = tokio::io::duplex(PIPE);
            runtime.spawn(server.serve_within(theirs));
            Ok(Box::new(ours) as Box<dyn Stream>)
        })
    }
}

impl Upstream for proxy::Upstream {
    fn connect(&self) -> Connecting {
        let address = self.address();
        Box::pin(async move {
            let connected = tokio::time::timeout(proxy::CONNECT_TIME, TcpStream::connect(address)).await;
            let stream = connected.map_err(|_| std::io::ErrorKind::TimedOut)??;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}
