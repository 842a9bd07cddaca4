//! Signals that were sent and have not arrived.

use super::info::{Info, Origin};
use super::{SigSet, Signal};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::RefCell;

/// Real-time signals that may wait for one thread or process (RLIMIT_SIGPENDING's order of magnitude).
pub const QUEUE_MAX: usize = 4096;

/// A queue in which a standard signal is at most once, and a real-time signal as often as it was sent. A handle:
/// a signalfd shares the queue of its maker.
#[derive(Debug, Default)]
pub struct Pending {
    inner: Rc<RefCell<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Info>,
    set: SigSet,
}

impl Pending {
    /// The same queue once more.
    #[must_use]
    pub fn share(&self) -> Self {
        Self { inner: Rc::clone(&self.inner) }
    }

    /// The signals in it.
    #[must_use]
    pub fn set(&self) -> SigSet {
        self.inner.borrow().set
    }

    /// How many signals wait in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inner.borrow().queue.len()
    }

    /// Whether none waits in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a signal; `false` when it is a real-time signal and the queue is full.
    pub fn push(&self, info: Info) -> bool {
        let mut inner = self.inner.borrow_mut();
        if !info.signal.real_time() && inner.set.contains(info.signal) {
            return true;
        }
        if info.signal.real_time() && inner.queue.len() >= QUEUE_MAX {
            return false;
        }
        inner.queue.push_back(info);
        inner.set = inner.set.with(info.signal);
        true
    }

    /// Adds expirations to the signal of a timer, if it still waits: a timer has one signal in the queue at most.
    pub fn add_overrun(&self, timer: i32, more: i32) -> bool {
        let mut inner = self.inner.borrow_mut();
        let waiting = inner.queue.iter_mut().find_map(|info| match &mut info.origin {
            Origin::Timer { id, overrun, .. } if *id == timer => Some(overrun),
            _ => None,
        });
        let Some(overrun) = waiting else { return false };
        *overrun = overrun.saturating_add(more);
        true
    }

    /// Takes the oldest one of a signal.
    #[must_use]
    pub fn take(&self, signal: Signal) -> Option<Info> {
        let mut inner = self.inner.borrow_mut();
        let at = inner.queue.iter().position(|info| info.signal == signal)?;
        let info = inner.queue.remove(at);
        if !inner.queue.iter().any(|info| info.signal == signal) {
            inner.set = inner.set.without(signal);
        }
        info
    }

    /// Drops all of these signals (they are ignored now, or SIGCONT undoes stops).
    pub fn discard(&self, signals: SigSet) {
        let mut inner = self.inner.borrow_mut();
        inner.queue.retain(|info| !signals.contains(info.signal));
        inner.set = inner.set.minus(signals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(signal: Signal, pid: i32) -> Info {
        Info::from_sender(signal, 0, pid, 0)
    }

    #[test]
    fn standard_signals_merge_and_real_time_signals_queue() {
        let real_time = Signal::new(40).unwrap();
        let pending = Pending::default();
        for pid in 1..=3 {
            assert!(pending.push(user(Signal::USR1, pid)));
            assert!(pending.push(user(real_time, pid)));
        }
        assert_eq!(pending.take(Signal::USR1), Some(user(Signal::USR1, 1)));
        assert_eq!(pending.take(Signal::USR1), None);
        for pid in 1..=3 {
            assert!(pending.set().contains(real_time));
            assert_eq!(pending.take(real_time), Some(user(real_time, pid)));
        }
        assert!(pending.set().is_empty());
    }

    #[test]
    fn a_full_queue_says_so() {
        let real_time = Signal::new(64).unwrap();
        let pending = Pending::default();
        for _ in 0..QUEUE_MAX {
            assert!(pending.push(user(real_time, 1)));
        }
        assert!(!pending.push(user(real_time, 1)));
        assert!(pending.push(user(Signal::TERM, 1)));
    }
}
