//! Signals that were sent and have not arrived.

use super::info::{Info, Origin};
use super::{SigSet, Signal};
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

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
    queue: VecDeque<Queued>,
    set: SigSet,
}

/// A signal that waits.
#[derive(Debug)]
struct Queued {
    info: Info,
    /// Of a timer's signal: takes the overrun when the signal arrives (timer_getoverrun(2)).
    delivered: Option<Rc<Cell<i32>>>,
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
        inner.queue.push_back(Queued { info, delivered: None });
        inner.set = inner.set.with(info.signal);
        true
    }

    /// Adds expirations to the signal of a timer, if it still waits: a timer has one signal in the queue at most.
    pub fn add_overrun(&self, timer: i32, more: i32) -> bool {
        let mut inner = self.inner.borrow_mut();
        let Some(overrun) = inner.queue.iter_mut().find_map(|queued| queued.overrun_of(timer)) else {
            return false;
        };
        *overrun = overrun.saturating_add(more);
        true
    }

    /// When the signal of a timer that waits here arrives, `delivered` gets the overrun that it tells of.
    pub fn tell_overrun(&self, timer: i32, delivered: &Rc<Cell<i32>>) {
        let mut inner = self.inner.borrow_mut();
        if let Some(queued) = inner.queue.iter_mut().find(|queued| queued.info.timer() == Some(timer)) {
            queued.delivered = Some(Rc::clone(delivered));
        }
    }

    /// Takes the oldest one of a signal.
    #[must_use]
    pub fn take(&self, signal: Signal) -> Option<Info> {
        let mut inner = self.inner.borrow_mut();
        let at = inner.queue.iter().position(|queued| queued.info.signal == signal)?;
        let queued = inner.queue.remove(at)?;
        if !inner.queue.iter().any(|queued| queued.info.signal == signal) {
            inner.set = inner.set.without(signal);
        }
        if let (Some(delivered), Origin::Timer { overrun, .. }) = (&queued.delivered, queued.info.origin) {
            delivered.set(overrun);
        }
        Some(queued.info)
    }

    /// Drops all of these signals (they are ignored now, or SIGCONT undoes stops).
    pub fn discard(&self, signals: SigSet) {
        let mut inner = self.inner.borrow_mut();
        inner.queue.retain(|queued| !signals.contains(queued.info.signal));
        inner.set = inner.set.minus(signals);
    }
}

impl Queued {
    /// The overrun of a timer's signal, if this is it.
    fn overrun_of(&mut self, timer: i32) -> Option<&mut i32> {
        match &mut self.info.origin {
            Origin::Timer { id, overrun, .. } if *id == timer => Some(overrun),
            _ => None,
        }
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
