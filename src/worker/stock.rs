//! Workers that are started, jailed and know no function yet.
//!
//! Starting and jailing a process takes milliseconds that a call should not wait for, so a few are kept ready.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use km_vmm::protocol::Hello;
use tokio::sync::Notify;

use crate::process::{Worker, WorkerError};

/// First and longest pause after a worker could not be started.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// The stock.
#[derive(Debug)]
pub struct Stock {
    km: PathBuf,
    size: usize,
    state: Mutex<State>,
    refill: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Arc<Worker>>,
    hello: Option<Hello>,
    problem: Option<String>,
}

impl Stock {
    /// A stock of `size` workers of the program `km`, kept full by a task of its own.
    pub fn new(km: PathBuf, size: usize) -> Arc<Self> {
        let stock = Arc::new(Self { km, size, state: Mutex::default(), refill: Notify::new() });
        tokio::spawn(keep_full(Arc::downgrade(&stock)));
        stock
    }

    /// A worker, from the stock or started for the purpose.
    ///
    /// # Errors
    /// When none can be started.
    pub async fn take(&self) -> Result<Arc<Worker>, WorkerError> {
        let ready = {
            let mut state = self.lock();
            std::iter::from_fn(|| state.ready.pop_front()).find(|worker| !worker.is_gone())
        };
        self.refill.notify_one();
        match ready {
            Some(worker) => Ok(worker),
            None => self.start().await,
        }
    }

    /// What the last worker said of itself: build, CPU and KVM, to which snapshots are bound.
    pub fn hello(&self) -> Option<Hello> {
        self.lock().hello.clone()
    }

    /// What the last worker's jail lacks of what a worker can do without, as one line.
    pub fn jail_lacks(&self) -> Option<String> {
        self.lock().hello.as_ref()?.jail.missing()
    }

    /// Why no worker can be started, if so.
    pub fn problem(&self) -> Option<String> {
        self.lock().problem.clone()
    }

    async fn start(&self) -> Result<Arc<Worker>, WorkerError> {
        let result = Worker::spawn(&self.km).await;
        let mut state = self.lock();
        match &result {
            Ok(worker) => {
                state.hello = Some(worker.hello().clone());
                state.problem = None;
            }
            Err(error) => state.problem = Some(error.to_string()),
        }
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // The state is whole between any two statements.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts workers until the stock is full, then waits until one is taken. Ends with the stock.
async fn keep_full(stock: std::sync::Weak<Stock>) {
    let mut pause = RETRY_FIRST;
    while let Some(stock) = stock.upgrade() {
        stock.lock().ready.retain(|worker| !worker.is_gone());
        if stock.lock().ready.len() >= stock.size {
            // Wake up now and then to see whether the stock is still wanted and its workers still live.
            let _ = tokio::time::timeout(RETRY_MAX, stock.refill.notified()).await;
            continue;
        }
        match stock.start().await {
            Ok(worker) => {
                pause = RETRY_FIRST;
                stock.lock().ready.push_back(worker);
            }
            Err(error) => {
                tracing::error!(%error, "no worker can be started");
                drop(stock);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_MAX);
            }
        }
    }
}
