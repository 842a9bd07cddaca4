//! The end of responses that their client does not take.
//!
//! hyper asks a body for more only when there is room for it. A client that does not read keeps the body from being polled, and
//! then nothing in the body notices that time is up. So these are tasks of their own:
//!
//! * [`Watched`]: a call whose response is on its way. At the deadline its machine and its turns go at once; when its
//!   response has not ended a moment later, its sender is cut.
//! * [`Pace`]: a limit on how long a client takes nothing of one response, where the socket does not show it.
//!
//! A [`Sender`] is the task that sends a response: a connection's for HTTP/1, a stream's for HTTP/2.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::finish::CallEnd;
use super::reason::CallResult;

/// A client that reads learns within this time that the deadline has passed; one that does not is cut.
const GRACE: Duration = Duration::from_secs(1);
/// A client is given another second for each so many bytes that were handed over.
const FLOOR_BYTES_PER_SEC: u64 = 1024;
/// [`Pace`]: nothing is handed over that the client has not taken.
const NEVER: u64 = u64::MAX;

tokio::task_local! {
    static SENDER: Sender;
}

/// The task that sends responses, to be ended from outside.
#[derive(Clone, Debug, Default)]
pub struct Sender(Arc<OnceLock<AbortHandle>>);

impl Sender {
    /// Runs a task whose responses can be cut.
    pub fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        let sender = Self::default();
        let task = tokio::spawn(SENDER.scope(sender.clone(), work));
        // It is set nowhere else.
        let _ = sender.0.set(task.abort_handle());
    }

    /// The running task, if it was begun by [`Self::spawn`].
    fn current() -> Option<Self> {
        SENDER.try_with(Self::clone).ok()
    }

    fn cut(&self) {
        if let Some(task) = self.0.get() {
            task.abort();
        }
    }
}

/// Begins the tasks of HTTP/2 streams as senders.
#[derive(Clone, Copy, Debug)]
pub struct Streams;

impl<F> hyper::rt::Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        Sender::spawn(stream);
    }
}

/// The end of a call, shared with the task that watches its deadline; dropped, the call is given up.
#[derive(Debug)]
pub struct Watched {
    end: Arc<Mutex<Option<CallEnd>>>,
    task: AbortHandle,
}

impl Watched {
    /// Watches a call whose response is sent by the running task.
    pub fn new(end: CallEnd, deadline: Instant) -> Self {
        let end = Arc::new(Mutex::new(Some(end)));
        let (watched, sender) = (end.clone(), Sender::current());
        let task = tokio::spawn(async move {
            sleep_until(deadline).await;
            let Some(end) = take(&watched) else { return };
            end.fail(CallResult::Deadline);
            sleep(GRACE).await;
            if let Some(sender) = sender {
                sender.cut();
            }
        });
        Self { end, task: task.abort_handle() }
    }

    /// The deadline has ended the call.
    pub fn is_over(&self) -> bool {
        self.end.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The response is whole.
    pub fn complete(self) {
        take(&self.end).into_iter().for_each(CallEnd::complete);
    }

    /// The response is not whole and never will be.
    pub fn fail(self, result: CallResult) {
        take(&self.end).into_iter().for_each(|end| end.fail(result));
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
        drop(take(&self.end));
    }
}

fn take(end: &Mutex<Option<CallEnd>>) -> Option<CallEnd> {
    end.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// How long a client has taken nothing of a response; the running task is cut when that is too long.
#[derive(Debug)]
pub struct Pace {
    /// Milliseconds after `begun` at which the client is given up.
    due: Arc<AtomicU64>,
    begun: Instant,
    patience: Duration,
    task: AbortHandle,
}

impl Pace {
    /// Begins with a response whose head goes out now; none where no task can be cut.
    pub fn new(patience: Duration) -> Option<Self> {
        let sender = Sender::current()?;
        let (begun, due) = (Instant::now(), Arc::new(AtomicU64::new(millis(patience))));
        let watched = due.clone();
        let task = tokio::spawn(async move {
            loop {
                let due = watched.load(Ordering::Relaxed);
                let now = millis(begun.elapsed());
                if due == NEVER {
                    sleep(patience).await;
                } else if due <= now {
                    return sender.cut();
                } else {
                    sleep(Duration::from_millis(due - now)).await;
                }
            }
        });
        Some(Self { due, begun, patience, task: task.abort_handle() })
    }

    /// The client has taken all that was handed over.
    pub fn taken(&self) {
        self.due.store(NEVER, Ordering::Relaxed);
    }

    /// So many bytes are handed over.
    pub fn handed(&self, bytes: usize) {
        let earned = Duration::from_secs(bytes as u64 / FLOOR_BYTES_PER_SEC);
        let due = (self.begun.elapsed()).saturating_add(self.patience).saturating_add(earned);
        self.due.store(millis(due), Ordering::Relaxed);
    }
}

impl Drop for Pace {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Never [`NEVER`].
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(NEVER).min(NEVER - 1)
}
