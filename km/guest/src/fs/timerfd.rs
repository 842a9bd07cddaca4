//! Timers to wait for (timerfd_create(2)).

use super::file::{File, Ready};
use super::io::Sink;
use crate::errno::{Errno, Result};
use crate::state::machine_state;
use crate::time::{self, Clock, Deadline};
use crate::wait::{WaitKey, WaitQueue, wake_key};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::Cell;

machine_state! {
    /// The timers that are set to a time of a clock that jumps in a clone, and those that are told of jumps.
    fn watching -> BTreeSet<WaitKey> = BTreeSet::new()
}

machine_state! {
    /// How often clocks have jumped.
    fn jumps -> u64 = 0
}

/// CLOCK_REALTIME and CLOCK_BOOTTIME have jumped: wakes everyone who waits for a time of them.
pub fn clocks_jumped() {
    jumps(|count| *count += 1);
    watching(|keys| keys.iter().copied().for_each(wake_key));
}

/// A timer. A deadline of a clock that jumps in a clone is translated to CLOCK_MONOTONIC whenever it is looked at.
pub struct TimerFd {
    clock: Clock,
    deadline: Cell<Option<Deadline>>,
    interval_ns: Cell<u64>,
    /// TFD_TIMER_CANCEL_ON_SET: the jumps that it knows of.
    known_jumps: Cell<Option<u64>>,
    queue: WaitQueue,
}

/// How a timer is set.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// When it expires first, 0 to stop it.
    pub first_ns: u64,
    /// Period, 0 for once.
    pub interval_ns: u64,
    /// Whether `first_ns` is a time of the clock instead of a distance.
    pub absolute: bool,
    /// Whether a jump of CLOCK_REALTIME ends the wait for a time of it.
    pub cancel_on_set: bool,
}

impl TimerFd {
    /// A timer that is not set.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        let queue = WaitQueue::default();
        let (deadline, interval_ns, known_jumps) = (Cell::default(), Cell::new(0), Cell::default());
        Self { clock, deadline, interval_ns, known_jumps, queue }
    }

    /// Sets or stops it.
    pub fn set(&self, setting: Setting) {
        let Setting { first_ns, interval_ns, absolute, cancel_on_set } = setting;
        time::disarm(self.queue.key());
        self.interval_ns.set(interval_ns);
        let clock = match self.clock {
            // A distance is none that setting the clock could change.
            Clock::Realtime if !absolute => Clock::Monotonic,
            clock => clock,
        };
        let deadline = match (first_ns, absolute) {
            (0, _) => None,
            (at_ns, true) => Some(Deadline { clock, at_ns }),
            (in_ns, false) => Some(Deadline::after(clock, in_ns)),
        };
        self.deadline.set(deadline);
        let cancels = cancel_on_set && absolute && self.clock == Clock::Realtime;
        self.known_jumps.set(cancels.then(|| jumps(|count| *count)));
        let jumps = deadline.is_some_and(|deadline| deadline.clock != Clock::Monotonic);
        watching(|keys| match jumps || cancels {
            true => keys.insert(self.queue.key()),
            false => keys.remove(&self.queue.key()),
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
        let (now, interval) = (deadline.clock.now_ns(), self.interval_ns.get());
        let left = match (deadline.at_ns.saturating_sub(now), interval) {
            (0, 0) => 0,
            (0, interval) => interval - (now - deadline.at_ns) % interval,
            (left, _) => left,
        };
        (left, interval)
    }

    /// CLOCK_REALTIME has jumped and nobody was told yet.
    fn is_cancelled(&self) -> bool {
        self.known_jumps.get().is_some_and(|known| known != jumps(|count| *count))
    }

    fn arm(&self) {
        if let Some(deadline) = self.deadline.get() {
            time::arm(self.queue.key(), deadline.monotonic_ns());
        }
    }

    /// Expirations that were not read yet.
    fn expirations(&self) -> u64 {
        let Some(deadline) = self.deadline.get() else { return 0 };
        let now = deadline.clock.now_ns();
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
        if self.is_cancelled() {
            self.known_jumps.set(Some(jumps(|count| *count)));
            // Expirations that were not read are lost with it.
            self.deadline.set(self.deadline.get().filter(|_| count == 0));
            return Err(Errno::ECANCELED);
        }
        if count == 0 {
            self.arm();
            return Err(Errno::EAGAIN);
        }
        let next = self.deadline.get().filter(|_| self.interval_ns.get() > 0).map(|deadline| Deadline {
            at_ns: deadline.at_ns.saturating_add(count.saturating_mul(self.interval_ns.get())),
            ..deadline
        });
        self.deadline.set(next);
        self.arm();
        // Expirations are taken even where they cannot be told.
        out.put(&count.to_le_bytes())
    }

    fn ready(&self) -> Ready {
        if self.expirations() > 0 || self.is_cancelled() {
            return Ready::IN;
        }
        self.arm();
        Ready::empty()
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn close(&self) {
        watching(|keys| keys.remove(&self.queue.key()));
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
