//! The runtime under a client, for callers that are not asynchronous.
//!
//! Connections are kept between requests and belong to the runtime that opened them; so all callers share one, which is
//! always running. On a runtime of its own, a caller would leave connections behind that nobody drives.

use std::future::Future;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// A runtime with one thread that may be dropped anywhere.
#[derive(Debug)]
pub(super) struct Engine(Option<Runtime>);

impl Engine {
    pub(super) fn start() -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("registry").enable_all().build()?;
        Ok(Self(Some(runtime)))
    }

    /// Waits for a future on this thread, which must not be one of a runtime's own; its blocking ones are fine.
    pub(super) fn wait<F: Future>(&self, future: F) -> F::Output {
        match &self.0 {
            Some(runtime) => runtime.handle().block_on(future),
            None => unreachable!("the runtime is there until the drop"),
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where the last clone of a client may be dropped.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
