//! Timers that send signals: the three interval timers of a process, and those of timer_create(2).
//!
//! A timer of a CPU clock is due when its process has used so much; it is looked at whenever the library OS runs, which a
//! tick of the monitor makes often enough.

use super::{Pid, Tid};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::signal::Signal;
use crate::signal::info::{Info, Origin, code};
use crate::time::{Clock, Deadline, NANOS_PER_SECOND, monotonic_ns};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;

/// Timers that a process may make (RLIMIT_SIGPENDING bounds them on Linux).
const TIMERS_MAX: usize = 4096;

/// Which timer of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerId {
    /// ITIMER_REAL, ITIMER_VIRTUAL or ITIMER_PROF.
    Interval(u8),
    /// A timer of timer_create(2), by its number.
    Posix(i32),
}

/// What a timer runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// A clock that always goes.
    Clock(Clock),
    /// CPU time of the process.
    Cpu,
}

/// When a timer is due.
#[derive(Clone, Copy, Debug)]
struct Next {
    base: Base,
    /// What `base` shows then.
    at_ns: u64,
    /// The same on CLOCK_MONOTONIC, or the CPU time.
    due_ns: u64,
}

impl Next {
    fn new(base: Base, at_ns: u64) -> Self {
        let due_ns = match base {
            Base::Clock(clock) => Deadline { clock, at_ns }.monotonic_ns(),
            Base::Cpu => at_ns,
        };
        Self { base, at_ns, due_ns }
    }
}

/// What happens at an expiration (sigevent(3type)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// With which signal; `None` for SIGEV_NONE.
    pub signal: Option<Signal>,
    /// SIGEV_THREAD_ID: the thread that gets the signal instead of the process.
    pub thread: Option<Tid>,
    /// `si_value` of the signal.
    pub value: u64,
}

/// A timer: when it is due, and what happens then.
#[derive(Clone, Debug)]
pub struct Timer {
    base: Base,
    notice: Notice,
    next: Option<Next>,
    interval_ns: u64,
    /// The overrun of the last signal that arrived (timer_getoverrun(2)).
    delivered: Rc<Cell<i32>>,
}

/// How a timer is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// When, 0 to disarm.
    pub value_ns: u64,
    /// Period, 0 for once.
    pub interval_ns: u64,
    /// Whether `value_ns` is a time of the clock (TIMER_ABSTIME) instead of a distance.
    pub absolute: bool,
}

/// The timers of all processes.
#[derive(Default)]
pub struct Timers {
    all: BTreeMap<(Pid, TimerId), Timer>,
    due: BTreeSet<(u64, Pid, TimerId)>,
    on_cpu: BTreeSet<(Pid, TimerId)>,
}

impl Timers {
    /// When the next timer of a wall clock is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.due.first().map(|first| first.0)
    }

    /// Whether a timer of a CPU clock is armed.
    #[must_use]
    pub fn follow_cpu(&self) -> bool {
        !self.on_cpu.is_empty()
    }

    /// Adds a timer of timer_create(2) that is not armed, and returns its number.
    ///
    /// # Errors
    /// EAGAIN at the limit.
    pub fn create(&mut self, pid: Pid, base: Base, notice: impl FnOnce(i32) -> Notice) -> Result<i32> {
        let own = || self.all.range((pid, TimerId::Posix(0))..=(pid, TimerId::Posix(i32::MAX)));
        if own().count() >= TIMERS_MAX {
            return Err(Errno::EAGAIN);
        }
        let free = |number: &i32| !self.all.contains_key(&(pid, TimerId::Posix(*number)));
        let number = (0..).find(free).ok_or(Errno::EAGAIN)?;
        self.all.insert((pid, TimerId::Posix(number)), Timer::new(base, notice(number)));
        Ok(number)
    }

    /// Makes one of the three interval timers if it is not there yet.
    pub fn interval(&mut self, pid: Pid, which: u8) {
        let (base, signal) = match which {
            0 => (Base::Clock(Clock::Monotonic), Signal::ALRM),
            1 => (Base::Cpu, Signal::VTALRM),
            _ => (Base::Cpu, Signal::PROF),
        };
        let notice = Notice { signal: Some(signal), thread: None, value: 0 };
        self.all.entry((pid, TimerId::Interval(which))).or_insert(Timer::new(base, notice));
    }

    /// The timer of a process.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub fn get(&self, pid: Pid, id: TimerId) -> Result<Timer> {
        self.all.get(&(pid, id)).cloned().ok_or(Errno::EINVAL)
    }

    /// Arms or disarms a timer; `cpu_ns` is the CPU time of its process.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub fn set(&mut self, pid: Pid, id: TimerId, setting: Setting, cpu_ns: u64) -> Result<()> {
        self.disarm(pid, id);
        let timer = self.all.get_mut(&(pid, id)).ok_or(Errno::EINVAL)?;
        timer.interval_ns = setting.interval_ns;
        // A signal that is still on its way belongs to the setting before.
        timer.delivered = Rc::default();
        if setting.value_ns == 0 {
            return Ok(());
        }
        let base = match timer.base {
            // A distance is none that setting the clock could change.
            Base::Clock(Clock::Realtime) if !setting.absolute => Base::Clock(Clock::Monotonic),
            base => base,
        };
        let now_ns = match base {
            _ if setting.absolute => 0,
            Base::Clock(clock) => clock.now_ns(),
            Base::Cpu => cpu_ns,
        };
        self.arm(pid, id, Next::new(base, now_ns.saturating_add(setting.value_ns)));
        Ok(())
    }

    fn arm(&mut self, pid: Pid, id: TimerId, next: Next) {
        let Some(timer) = self.all.get_mut(&(pid, id)) else { return };
        timer.next = Some(next);
        if next.base == Base::Cpu {
            self.on_cpu.insert((pid, id));
        } else {
            self.due.insert((next.due_ns, pid, id));
        }
    }

    fn disarm(&mut self, pid: Pid, id: TimerId) -> Option<Next> {
        let next = self.all.get_mut(&(pid, id))?.next.take()?;
        self.due.remove(&(next.due_ns, pid, id));
        self.on_cpu.remove(&(pid, id));
        Some(next)
    }

    /// Deletes a timer.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub fn delete(&mut self, pid: Pid, id: TimerId) -> Result<()> {
        self.disarm(pid, id);
        self.all.remove(&(pid, id)).map(|_| ()).ok_or(Errno::EINVAL)
    }

    /// Deletes the timers of a process: all of them, or at execve(2) those of timer_create(2).
    pub fn forget(&mut self, pid: Pid, from: TimerId) {
        let ids: Vec<TimerId> = self
            .all
            .range((pid, from)..)
            .take_while(|entry| entry.0.0 == pid)
            .map(|entry| entry.0.1)
            .collect();
        for id in ids {
            self.disarm(pid, id);
            self.all.remove(&(pid, id));
        }
    }

    /// In a clone: arms the timers of clocks that have jumped for their new distance.
    pub fn clocks_jumped(&mut self) {
        let armed: Vec<(Pid, TimerId)> = self.due.iter().map(|(_, pid, id)| (*pid, *id)).collect();
        for (pid, id) in armed {
            if let Some(next) = self.disarm(pid, id) {
                self.arm(pid, id, Next::new(next.base, next.at_ns));
            }
        }
    }

    /// Takes a timer that is due and arms it again if it has a period. Returns the expirations that were missed with it.
    fn expire(&mut self, pid: Pid, id: TimerId, now_ns: u64) -> Option<(Timer, i32)> {
        let next = self.disarm(pid, id)?;
        let interval_ns = self.all.get(&(pid, id))?.interval_ns;
        let missed = now_ns.saturating_sub(next.due_ns).checked_div(interval_ns);
        if let Some(missed) = missed {
            let on_ns = missed.saturating_add(1).saturating_mul(interval_ns);
            self.arm(pid, id, Next::new(next.base, next.at_ns.saturating_add(on_ns)));
        }
        let timer = self.all.get(&(pid, id)).cloned()?;
        Some((timer, i32::try_from(missed.unwrap_or(0)).unwrap_or(i32::MAX)))
    }
}

impl Timer {
    fn new(base: Base, notice: Notice) -> Self {
        Self { base, notice, next: None, interval_ns: 0, delivered: Rc::default() }
    }

    /// What it runs on.
    #[must_use]
    pub fn base(&self) -> Base {
        self.base
    }

    /// How far away its next expiration is (0: disarmed), and its period.
    #[must_use]
    pub fn remaining(&self, cpu_ns: u64) -> (u64, u64) {
        let now_ns = if self.base == Base::Cpu { cpu_ns } else { monotonic_ns() };
        // One that is due in this instant is not disarmed.
        let left = self.next.map_or(0, |next| next.due_ns.saturating_sub(now_ns).max(1));
        (left, self.interval_ns)
    }

    /// Expirations that the last signal that arrived stands for, besides its own.
    #[must_use]
    pub fn overrun(&self) -> i32 {
        self.delivered.get()
    }

    fn info(&self, id: TimerId, overrun: i32) -> Option<Info> {
        let signal = self.notice.signal?;
        Some(match id {
            TimerId::Interval(_) => Info::kernel(signal),
            TimerId::Posix(number) => {
                let origin = Origin::Timer { id: number, overrun, value: self.notice.value };
                Info { signal, code: code::TIMER, origin }
            }
        })
    }
}

impl Kernel {
    /// Sends the signals of the timers that are due.
    pub(crate) fn fire_timers(&mut self, now_ns: u64) {
        while let Some(&(deadline_ns, pid, id)) = self.timers.due.first()
            && deadline_ns <= now_ns
        {
            self.fire(pid, id, now_ns);
        }
        if self.timers.follow_cpu() {
            self.fire_cpu_timers();
        }
    }

    fn fire_cpu_timers(&mut self) {
        for (pid, id) in self.timers.on_cpu.clone() {
            let cpu_ns = self.process_cpu_ns(pid);
            let next = self.timers.get(pid, id).ok().and_then(|timer| timer.next);
            if next.is_some_and(|next| next.due_ns <= cpu_ns) {
                self.fire(pid, id, cpu_ns);
            }
        }
    }

    fn fire(&mut self, pid: Pid, id: TimerId, now_ns: u64) {
        let Some((timer, missed)) = self.timers.expire(pid, id, now_ns) else { return };
        let Some(info) = timer.info(id, missed) else { return };
        let queue = match timer.notice.thread {
            Some(tid) => self.tasks.thread(tid).map(|thread| thread.signals.pending.share()),
            None => self.tasks.process(pid).map(|process| process.signals.pending.share()),
        };
        let (TimerId::Posix(number), Some(queue)) = (id, queue) else {
            self.signal_process(pid, info);
            return;
        };
        if queue.add_overrun(number, missed.saturating_add(1)) {
            return;
        }
        match timer.notice.thread {
            Some(tid) => self.signal_thread(tid, info),
            None => self.signal_process(pid, info),
        };
        if timer.interval_ns > 0 {
            queue.tell_overrun(number, &timer.delivered);
        }
    }

    /// RLIMIT_CPU: SIGXCPU each second from the soft limit on, SIGKILL at the hard one.
    pub(crate) fn enforce_cpu_limit(&mut self) {
        let Some(pid) = self.current.and_then(|tid| self.tasks.thread(tid)).map(|thread| thread.pid) else {
            return;
        };
        let Some(process) = self.tasks.process(pid) else { return };
        let Some(limit) = process.limits.cpu() else { return };
        let told = process.settings.cpu_warnings;
        let used = self.process_cpu_ns(pid) / NANOS_PER_SECOND;
        if used >= limit.maximum.max(1) {
            self.signal_process(pid, Info::kernel(Signal::KILL));
        } else if used >= limit.current.max(1).saturating_add(told)
            && let Some(process) = self.tasks.process_mut(pid)
        {
            process.settings.cpu_warnings = used - limit.current + 1;
            self.signal_process(pid, Info::kernel(Signal::XCPU));
        }
    }

    /// CPU time of a process in nanoseconds.
    #[must_use]
    pub fn process_cpu_ns(&self, pid: Pid) -> u64 {
        let Some(process) = self.tasks.process(pid) else { return 0 };
        let living: u64 = process.threads.iter().map(|tid| self.cpu_ns(*tid)).sum();
        process.gone_cpu_ns + living
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use km_abi::records::ClockPage;

    #[test]
    fn periods_keep_their_grid_and_count_what_was_missed() {
        let mut timers = Timers::default();
        timers.interval(1, 0);
        let id = TimerId::Interval(0);
        let start = monotonic_ns();
        timers.set(1, id, Setting { value_ns: 100, interval_ns: 10, absolute: false }, 0).unwrap();
        let due = timers.next_deadline().unwrap();
        assert!(due >= start + 100);
        assert_eq!(timers.expire(1, id, due + 25).unwrap().1, 2);
        assert_eq!(timers.next_deadline(), Some(due + 30));
        timers.set(1, id, Setting { value_ns: 0, interval_ns: 0, absolute: false }, 0).unwrap();
        assert_eq!(timers.next_deadline(), None);
    }

    #[test]
    fn a_timer_that_was_due_while_the_clone_slept_fires_once_and_keeps_its_grid() {
        km_hal::host::reset(16 << 20);
        let set = |realtime_ns, boottime_ns| {
            let page = ClockPage { monotonic_ns: 100, realtime_ns, boottime_ns, ..ClockPage::default() };
            km_hal::host::set_clock(&page);
        };
        set(5000, 100);
        let mut timers = Timers::default();
        let notice = |value| Notice { signal: None, thread: None, value: value as u64 };
        let setting = |value_ns, absolute| Setting { value_ns, interval_ns: 10, absolute };
        for (clock, value_ns, absolute) in [
            (Clock::Realtime, 5020, true),
            (Clock::Realtime, 20, false),
            (Clock::Boottime, 120, true),
            (Clock::Boottime, 20, false),
            (Clock::Monotonic, 20, false),
        ] {
            let id = TimerId::Posix(timers.create(1, Base::Clock(clock), notice).unwrap());
            timers.set(1, id, setting(value_ns, absolute), 0).unwrap();
        }
        set(5045, 145);
        timers.clocks_jumped();
        let due = |timers: &Timers| -> Vec<u64> {
            (0..5).map(|id| timers.get(1, TimerId::Posix(id)).unwrap().next.unwrap().due_ns).collect()
        };
        assert_eq!(due(&timers), [75, 120, 75, 75, 120]);
        for id in [0, 2, 3] {
            assert_eq!(timers.expire(1, TimerId::Posix(id), 100).unwrap().1, 2);
        }
        assert_eq!(due(&timers), [105, 120, 105, 105, 120]);
    }

    #[test]
    fn exec_forgets_made_timers_and_keeps_interval_timers() {
        let mut timers = Timers::default();
        let notice = |value| Notice { signal: None, thread: None, value: value as u64 };
        timers.interval(1, 0);
        assert_eq!(timers.create(1, Base::Clock(Clock::Monotonic), notice), Ok(0));
        assert_eq!(timers.create(1, Base::Clock(Clock::Monotonic), notice), Ok(1));
        assert_eq!(timers.create(2, Base::Clock(Clock::Monotonic), notice), Ok(0));
        timers.forget(1, TimerId::Posix(0));
        assert!(timers.get(1, TimerId::Posix(0)).is_err());
        assert!(timers.get(1, TimerId::Interval(0)).is_ok() && timers.get(2, TimerId::Posix(0)).is_ok());
    }
}
