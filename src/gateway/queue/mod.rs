//! Asynchronous calls: accepted once they are on disk, made when the function has room for them, told to a callback.
//!
//! ```text
//! POST /async-function/NAME ──► accept.rs ──► store.rs: on disk ──► 202
//!                                                │ index.rs: what is due, of whom (functions.rs: how much at once)
//!                                                ▼
//!                              deliver.rs ──► the function ──► callback.rs ──► the receiver of the answer
//!                                   └─ failed: retry.rs says when again, or it is a dead letter (letters.rs)
//! ```
//!
//! At least once: that an attempt begins is on disk before it does, so that one which is made again says so (`X-Retry`), whoever
//! was killed when. What is in [`record`] is the truth, [`index`] what is known of it in memory.

mod accept;
mod callback;
mod deliver;
mod functions;
mod index;
mod letters;
mod metrics;
mod record;
pub mod retry;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use control::source::ImageCatalog;
use egress::{Allow, Policy};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub use self::accept::is_async;
use self::callback::Callbacks;
use self::functions::Functions;
use self::index::Index;
pub(crate) use self::letters::{delete, list, redrive};
use self::metrics::Counts;
use self::retry::Retry;
use self::store::Store;

/// What an operator says of asynchronous calls.
#[derive(Clone, Debug)]
pub struct Options {
    /// The queue's file.
    pub file: PathBuf,
    /// How calls are tried again whose functions say nothing else.
    pub retry: Retry,
    /// Bytes of one function's calls in the file.
    pub quota: u64,
    /// Longest body of a call, and of an answer that goes to a callback.
    pub body_max: u64,
    /// Calls that are under way at once.
    pub at_once: usize,
    /// What callbacks reach: nothing in the mode `off`, else public addresses.
    pub policy: Policy,
    /// Addresses that are not public and that callbacks reach all the same.
    pub callback_allow: Vec<Allow>,
}

/// A connection to the servers.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection that has to be waited for.
pub type Connecting = Pin<Box<dyn Future<Output = io::Result<Box<dyn Stream>>> + Send>>;

/// The servers that have the functions.
pub trait Upstream: Send + Sync {
    /// A new connection to the function port of one.
    fn connect(&self) -> Connecting;
}

/// The queue of a gateway.
pub struct Queue {
    options: Options,
    store: Store,
    index: Index,
    functions: Functions,
    callbacks: Callbacks,
    counts: Counts,
    /// Bytes of bodies that are coming.
    coming: AtomicU64,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("file", &self.options.file).finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the queue with all that is in its file. Nothing is delivered before [`Self::run`].
    ///
    /// # Errors
    /// When the file cannot be used, or nothing can be said of what callbacks reach.
    pub fn open(options: Options, catalog: Arc<dyn ImageCatalog>) -> anyhow::Result<Arc<Self>> {
        let file = &options.file;
        store::make_folder(file).with_context(|| cannot(file))?;
        let (store, records) = Store::open(file).with_context(|| cannot(file))?;
        let index = Index::default();
        for (id, record) in &records {
            index.insert(*id, record, false);
        }
        if !records.is_empty() {
            tracing::info!(calls = records.len(), "asynchronous calls are still queued");
        }
        store.set_live(index.bytes());
        let callbacks = Callbacks::new(options.policy.clone(), options.callback_allow.clone())?;
        let functions = Functions::new(catalog, options.retry.clone());
        let (counts, coming) = (Counts::default(), AtomicU64::new(0));
        Ok(Arc::new(Self { options, store, index, functions, callbacks, counts, coming }))
    }

    /// Delivers until `stop`, and then to the end what is under way.
    pub async fn run(self: Arc<Self>, upstream: Arc<dyn Upstream>, stop: CancellationToken) {
        deliver::run(self, upstream, stop).await;
    }

    /// Its numbers in the text form that Prometheus reads, without the mark of the end.
    pub fn metrics(&self) -> String {
        self.counts.encode(&self.index.depths(), now())
    }

    /// What is wrong with annotations that are about asynchronous calls.
    ///
    /// # Errors
    /// In one line.
    pub(crate) fn check(annotations: &BTreeMap<String, String>) -> Result<(), String> {
        Retry::default().with(annotations).map(drop)
    }

    /// Tells the file how much of it is in use.
    fn note_live(&self) {
        self.store.set_live(self.index.bytes());
    }

    /// Takes bytes of a body into account that is coming; given back when it is dropped.
    fn hold(self: &Arc<Self>) -> Held {
        Held { queue: self.clone(), bytes: 0 }
    }
}

fn cannot(file: &Path) -> String {
    format!(
        "cannot use {} as the queue of asynchronous calls: name another file with --async-queue",
        file.display()
    )
}

/// Bytes of a body that is coming.
struct Held {
    queue: Arc<Queue>,
    bytes: u64,
}

impl Held {
    /// So many more; `false` when all bodies together have more than `most` then.
    fn add(&mut self, bytes: u64, most: u64) -> bool {
        self.bytes += bytes;
        self.queue.coming.fetch_add(bytes, Ordering::Relaxed) + bytes <= most
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.queue.coming.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
