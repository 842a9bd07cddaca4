//! Who may call now: the function's concurrency with a short queue, and the node's, shared fairly.
//!
//! While the node has room, any function may have as much of it as its own limit allows. When the last quarter is reached,
//! a function that has its equal share already, among those that are being called, is turned away, so that a flood of calls
//! of one function leaves turns for the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::problem::{Component, Problem};
use super::reason::Reason;

/// How long a call may wait for its turn.
const QUEUE_WAIT: Duration = Duration::from_secs(10);
/// Calls that may wait, at least.
const QUEUE_MIN: usize = 16;
/// What clients that are turned away are told to wait.
pub const RETRY_SECS: u32 = 1;

/// How many calls of one function run at once and wait, by its `concurrency`.
#[derive(Debug)]
pub struct Admission {
    turns: Arc<Semaphore>,
    queued: AtomicUsize,
    queue_max: usize,
    concurrency: usize,
    /// Turns of the node that its calls hold, waiting ones included.
    held: AtomicUsize,
}

/// How many calls the whole node takes at once, shared fairly among functions that ask.
#[derive(Debug)]
pub struct Turns {
    free: Arc<Semaphore>,
    max: usize,
    /// Functions that hold at least one.
    active: AtomicUsize,
}

/// A turn of the node, given back when it is dropped.
#[derive(Debug)]
pub struct NodeTurn {
    turns: Arc<Turns>,
    function: Arc<Admission>,
    _permit: OwnedSemaphorePermit,
}

impl Turns {
    /// So many calls at once.
    pub fn new(max: usize) -> Arc<Self> {
        let max = max.min(Semaphore::MAX_PERMITS);
        Arc::new(Self { free: Arc::new(Semaphore::new(max)), max, active: AtomicUsize::new(0) })
    }

    /// Takes a turn for a call of a function.
    ///
    /// # Errors
    /// 503 when there is none, or the function has its share.
    pub fn take(self: &Arc<Self>, function: &Arc<Admission>) -> Result<NodeTurn, Problem> {
        let permit = self.free.clone().try_acquire_owned();
        let permit =
            permit.map_err(|_| node_full("the node has all the calls in flight that it may have"))?;
        let held = function.held.fetch_add(1, Ordering::Relaxed);
        if held == 0 {
            self.active.fetch_add(1, Ordering::Relaxed);
        }
        let turn = NodeTurn { turns: self.clone(), function: function.clone(), _permit: permit };
        let share = self.max / self.active.load(Ordering::Relaxed).max(1);
        if self.free.available_permits() < self.max / 4 && held >= share.max(1) {
            return Err(node_full("the node is busy, and the function has its share of the calls in flight"));
        }
        Ok(turn)
    }
}

impl Drop for NodeTurn {
    fn drop(&mut self) {
        if self.function.held.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.turns.active.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Admission {
    /// So many calls at once, and at most as many waiting.
    pub fn new(concurrency: u32) -> Self {
        let concurrency = usize::try_from(concurrency).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(concurrency)),
            queued: AtomicUsize::new(0),
            queue_max: concurrency.max(QUEUE_MIN),
            concurrency,
            held: AtomicUsize::new(0),
        }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// 429 when the queue is full or does not move.
    pub async fn enter(&self) -> Result<OwnedSemaphorePermit, Problem> {
        if let Ok(turn) = self.turns.clone().try_acquire_owned() {
            return Ok(turn);
        }
        let _place = Place::take(self).ok_or_else(|| self.full())?;
        match tokio::time::timeout(QUEUE_WAIT, self.turns.clone().acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(self.full()),
        }
    }

    /// Calls that have their turn.
    pub fn running(&self) -> usize {
        self.concurrency.saturating_sub(self.turns.available_permits())
    }

    /// Calls that passed their checks and wait for a turn.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    fn full(&self) -> Problem {
        let told = "the function has all the calls in flight that it may have, and its queue is full";
        Problem::new(StatusCode::TOO_MANY_REQUESTS, Component::Admission, Reason::FunctionBusy, told)
            .retry_after(RETRY_SECS)
    }
}

/// A place in the queue.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(admission: &'a Admission) -> Option<Self> {
        let next = |count| (count < admission.queue_max).then_some(count + 1);
        admission.queued.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok()?;
        Some(Self(&admission.queued))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The node's answer when it has no room.
pub fn node_full(told: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, Component::Admission, Reason::NodeBusy, told)
        .retry_after(RETRY_SECS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_turns_for_others() {
        let turns = Turns::new(16);
        let (flood, other) = (Arc::new(Admission::new(1000)), Arc::new(Admission::new(1000)));
        let first = turns.take(&other).unwrap();
        let held: Vec<_> = std::iter::from_fn(|| turns.take(&flood).ok()).take(100).collect();
        assert_eq!(held.len(), 11, "its half of the node, and what nobody else wanted but a quarter");
        assert_eq!(turns.take(&flood).unwrap_err().reason, Reason::NodeBusy);
        let more: Vec<_> = (0..4).map(|_| turns.take(&other).unwrap()).collect();
        assert!(turns.take(&other).is_err(), "there are no more");
        drop((first, more, held));
        let all: Vec<_> = std::iter::from_fn(|| turns.take(&flood).ok()).take(100).collect();
        assert_eq!(all.len(), 16, "alone it may have them all");
    }

    #[tokio::test(start_paused = true)]
    async fn turns_queue_and_end() {
        let admission = Arc::new(Admission::new(1));
        let turn = admission.enter().await.unwrap();
        let waiting: Vec<_> = (0..QUEUE_MIN)
            .map(|_| {
                let admission = admission.clone();
                tokio::spawn(async move { admission.enter().await.map(drop) })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!((admission.running(), admission.queued()), (1, QUEUE_MIN));
        assert_eq!(admission.enter().await.unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
        drop(turn);
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        let _turn = admission.enter().await.unwrap();
        // The clock is paused: the wait of ten seconds passes at once.
        assert_eq!(admission.enter().await.unwrap_err().retry_after, Some(1));
        assert_eq!(admission.queued(), 0);
    }
}
