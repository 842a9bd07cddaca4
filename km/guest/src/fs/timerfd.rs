//! Timers to wait for (timerfd_create(2)).

use super::file::{File, Ready};
use super::io::Sink;
use crate::errno::{Errno, Result};
use crate::state::machine_state;
use crate::time;
use crate::wait::{WaitKey, WaitQueue, wake_key};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::Cell;

machine_state! {
    /// The timers that are set to a point in real time.
    fn on_realtime -> BTreeSet<WaitKey> = BTreeSet::new()
}

/// CLOCK_REALTIME has jumped: wakes everyone who waits for a time of it.
pub fn realtime_changed() {
    on_realtime(|keys| keys.iter().copied().for_each(wake_key));
}

/// A timer. Its deadlines are kept on CLOCK_MONOTONIC; one on CLOCK_REALTIME is translated whenever it is looked at,
/// because that clock jumps in a clone.
pub struct TimerFd {
    realtime: bool,
    deadline: Cell<Option<Deadline>>,
    interval_ns: Cell<u64>,
    queue: WaitQueue,
}

/// When a timer expires next, and on which clock.
#[derive(Clone, Copy)]
struct Deadline {
    at_ns: u64,
    /// Whether `at_ns` is a time of CLOCK_REALTIME instead of CLOCK_MONOTONIC.
    realtime: bool,
}

impl Deadline {
    fn monotonic_ns(self) -> u64 {
        if !self.realtime {
            return self.at_ns;
        }
        let left = self.at_ns.saturating_sub(time::realtime_ns());
        time::monotonic_ns().saturating_add(left)
    }

    fn now_ns(self) -> u64 {
        if self.realtime { time::realtime_ns() } else { time::monotonic_ns() }
    }
}

impl TimerFd {
    /// A timer that is not set.
    #[must_use]
    pub fn new(realtime: bool) -> Self {
        Self { realtime, deadline: Cell::default(), interval_ns: Cell::new(0), queue: WaitQueue::default() }
    }

    /// Sets or stops it: first expiration (0 stops), interval, and whether the first is a point in time.
    pub fn set(&self, first_ns: u64, interval_ns: u64, absolute: bool) {
        time::disarm(self.queue.key());
        self.interval_ns.set(interval_ns);
        let deadline = match (first_ns, absolute) {
            (0, _) => None,
            (at_ns, true) => Some(Deadline { at_ns, realtime: self.realtime }),
            (in_ns, false) => {
                Some(Deadline { at_ns: time::monotonic_ns().saturating_add(in_ns), realtime: false })
            }
        };
        self.deadline.set(deadline);
        on_realtime(|keys| match deadline {
            Some(Deadline { realtime: true, .. }) => keys.insert(self.queue.key()),
            _ => keys.remove(&self.queue.key()),
        });
        self.arm();
        if self.expirations() > 0 {
            self.queue.wake_for(Ready::IN.bits());
        }
    }

    /// Time to the next expiration (0 when it is not set) and interval, in nanoseconds.
    #[must_use]
    pub fn get(&self) -> (u64, u64) {
        let Some(deadline) = self.deadline.get() else { return (0, self.interval_ns.get()) };
        let (now, interval) = (deadline.now_ns(), self.interval_ns.get());
        let left = match (deadline.at_ns.saturating_sub(now), interval) {
            (0, 0) => 0,
            (0, interval) => interval - (now - deadline.at_ns) % interval,
            (left, _) => left,
        };
        (left, interval)
    }

    fn arm(&self) {
        if let Some(deadline) = self.deadline.get() {
            time::arm(self.queue.key(), deadline.monotonic_ns());
        }
    }

    /// Expirations that were not read yet.
    fn expirations(&self) -> u64 {
        let Some(deadline) = self.deadline.get() else { return 0 };
        let now = deadline.now_ns();
        if now < deadline.at_ns {
            return 0;
        }
        (now - deadline.at_ns).checked_div(self.interval_ns.get()).unwrap_or(0) + 1
    }
}

impl File for TimerFd {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        if out.room() < 8 {
            return Err(Errno::EINVAL);
        }
        let count = self.expirations();
        if count == 0 {
            self.arm();
            return Err(Errno::EAGAIN);
        }
        let put = out.put(&count.to_le_bytes())?;
        let next = self.deadline.get().filter(|_| self.interval_ns.get() > 0).map(|deadline| Deadline {
            at_ns: deadline.at_ns.saturating_add(count.saturating_mul(self.interval_ns.get())),
            ..deadline
        });
        self.deadline.set(next);
        self.arm();
        Ok(put)
    }

    fn ready(&self) -> Ready {
        if self.expirations() > 0 {
            return Ready::IN;
        }
        self.arm();
        Ready::empty()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn close(&self) {
        on_realtime(|keys| keys.remove(&self.queue.key()));
        time::disarm(self.queue.key());
    }

    fn label(&self) -> Vec<u8> {
        b"anon_inode:[timerfd]".to_vec()
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
