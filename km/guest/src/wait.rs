//! Waiting without stacks.
//!
//! A system-call handler that cannot finish returns [`Stop::Block`] with the queues that may change that. The thread
//! sleeps; [`WaitQueue::wake`] of one of them, the deadline or a signal makes it runnable, and the handler **runs again
//! from its start**. What must survive in between (bytes already moved, an absolute deadline) it keeps in
//! [`Progress`], which is cleared when the call ends. Spurious wake-ups are normal.

use crate::errno::Errno;
use crate::time::{Clock, Deadline};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

pub mod watch;

/// Names a [`WaitQueue`]; unique for the life of the machine.
pub type WaitKey = u64;

static NEXT_KEY: AtomicU64 = AtomicU64::new(1);

/// Something that threads wait for: a buffer, a socket, a child, a futex word.
#[derive(Debug)]
pub struct WaitQueue {
    key: WaitKey,
    wakes: AtomicU64,
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self { key: NEXT_KEY.fetch_add(1, Ordering::Relaxed), wakes: AtomicU64::new(0) }
    }
}

impl WaitQueue {
    /// The name by which threads wait.
    #[must_use]
    pub fn key(&self) -> WaitKey {
        self.key
    }

    /// Something changed: every thread that waits for this queue looks again.
    pub fn wake(&self) {
        self.wake_for(watch::ANYTHING);
    }

    /// As [`Self::wake`], with what changed in poll(2)'s bits: edge-triggered watchers of other bits are not woken.
    pub fn wake_for(&self, changed: u32) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
        watch::wake(self.key, changed);
    }

    /// How often [`Self::wake`] was called; edge-triggered interest compares it with what it saw last.
    #[must_use]
    pub fn wakes(&self) -> u64 {
        self.wakes.load(Ordering::Relaxed)
    }
}

/// [`WaitQueue::wake`] by the queue's name, for callers that have no reference (timers).
pub fn wake_key(key: WaitKey) {
    watch::wake(key, watch::ANYTHING);
}

/// The names woken since the last call; the scheduler's.
#[must_use]
pub fn take_woken() -> Vec<WaitKey> {
    watch::take_woken()
}

/// Whether a name was woken since [`take_woken`] was called last.
#[must_use]
pub fn has_woken() -> bool {
    watch::has_woken()
}

/// What a signal without a fatal action does to a blocked call (signal(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// Runs again after a handler with SA_RESTART, else EINTR.
    Restart,
    /// Runs again after any handler (locks).
    Again,
    /// EINTR whenever a handler ran (poll, select, epoll_wait, nanosleep, calls with a time-out).
    Fail,
    /// Only a signal that ends the process ends the waiting (vfork).
    Never,
    /// Not even what the thread waits for: its tracer ends it (ptrace), or SIGKILL.
    Stopped,
}

/// What a blocked thread waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// Any of these wakes it.
    pub keys: Vec<WaitKey>,
    /// Absolute CLOCK_MONOTONIC time in nanoseconds.
    pub deadline_ns: Option<u64>,
    /// What a signal that arrives meanwhile does to the call.
    pub interruption: Interruption,
}

impl Wait {
    /// Waits for one queue, restartable, without a deadline.
    #[must_use]
    pub fn on(queue: &WaitQueue) -> Self {
        Self { keys: alloc::vec![queue.key()], deadline_ns: None, interruption: Interruption::Restart }
    }

    /// The same with a deadline (and EINTR after a handler, as Linux has it for calls with a time-out).
    #[must_use]
    pub fn until(mut self, deadline_ns: Option<u64>) -> Self {
        if deadline_ns.is_some() {
            self.interruption = Interruption::Fail;
        }
        self.deadline_ns = deadline_ns;
        self
    }
}

/// Why a handler has no result to return.
#[derive(Debug)]
pub enum Stop {
    /// The call failed; `rax` gets the negated number.
    Errno(Errno),
    /// The call waits; it is run again.
    Block(Wait),
    /// The thread's context was replaced or the thread is gone (execve, exit, rt_sigreturn): store no result.
    Replaced,
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// What a handler returns.
pub type SysResult = core::result::Result<u64, Stop>;

/// What a handler keeps between its runs. All zero on the first run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Absolute CLOCK_MONOTONIC deadline once computed, in nanoseconds.
    pub deadline_ns: Option<u64>,
    /// The same as a time of a clock that jumps in a clone.
    pub jumping: Option<Deadline>,
    /// Bytes or items already done: what the call returns if a signal ends it.
    pub done: u64,
    /// Free use by the handler.
    pub stage: u64,
}

impl Progress {
    /// The call waits until then at the longest.
    pub fn wait_until(&mut self, deadline: Deadline) {
        self.deadline_ns = Some(deadline.monotonic_ns());
        self.jumping = Some(deadline).filter(|deadline| deadline.clock != Clock::Monotonic);
    }
}
