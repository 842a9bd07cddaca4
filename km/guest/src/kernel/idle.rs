//! When no thread can run: the machine waits at the monitor. There it may be snapshotted, and it wakes as itself or as
//! a clone.

use super::Kernel;
use crate::fs::file::File;
use crate::mm::generator::{Keys, aging};
use crate::time::NANOS_PER_SECOND;
use crate::wait::watch;
use crate::{random, time};
use alloc::vec::Vec;
use km_abi::hypercall::{Event, EventKind, IDLE_AT_START, Idle, NEVER, TICK_NS};
use km_hal::{cpu, hyper, paging, records};

impl Kernel {
    /// Hands over what waits and lets the monitor stop the machine until something happens.
    pub(super) fn idle(&mut self) {
        self.write_log();
        // Handing output over may have brought events that woke a thread. They are announced once only, so look before
        // waiting.
        if !crate::wait::has_woken() {
            self.idle_with(0);
        }
    }

    /// The machine's program is loaded; if the monitor wants to know, it is told before the first instruction.
    pub(super) fn idle_at_start(&mut self) {
        if self.config.stop_at_start {
            self.write_log();
            self.idle_with(IDLE_AT_START);
        }
    }

    fn idle_with(&mut self, flags: u32) {
        // A clone starts with nothing in the CPU, and without what nobody uses.
        self.store_live();
        self.ended_spaces.clear();
        let is_search = |event: &Event| event.kind == EventKind::Search as u32;
        let mut events = self.wait_for_events(flags);
        while events.iter().any(is_search) {
            self.find_generators();
            events.retain(|event| !is_search(event));
            events.extend(self.wait_for_events(flags));
        }
        hyper::clear_tick();
        self.handle(&events);
    }

    fn wait_for_events(&mut self, flags: u32) -> Vec<Event> {
        let deadline = self.next_deadline().filter(|_| flags == 0);
        let mut idle = Idle {
            deadline_ns: deadline.unwrap_or(NEVER),
            monotonic_ns: time::monotonic_ns(),
            tsc: cpu::rdtsc(),
            cr3: paging::current_root(),
            flags,
            threads: self.tasks.thread_count() as u32,
            ..Idle::default()
        };
        let tasks = &self.tasks;
        self.net.describe(&mut idle, |key| tasks.is_awaited(key));
        let mut present = |va, write| {
            let mut spaces = tasks.processes().map(|process| &process.space);
            let active = spaces.find(|space| space.borrow().is_active());
            active.is_some_and(|space| space.borrow_mut().resolve(va, write).is_ok())
        };
        self.net.idle(idle, &mut present)
    }

    /// The CLOCK_MONOTONIC time by which the library OS must have something done.
    fn next_deadline(&self) -> Option<u64> {
        let deadlines = [self.tasks.next_deadline(), time::next_deadline(), self.timers.next_deadline()];
        deadlines.into_iter().flatten().min()
    }

    /// How many ticks the monitor may leave out while the current thread computes: none of them would find work.
    pub(super) fn ticks_of_rest(&self) -> u32 {
        let has_work = self.tasks.has_ready()
            || self.timers.follow_cpu()
            || self.net.host().has_output()
            || !crate::log::is_empty();
        if has_work {
            return 0;
        }
        let Some(deadline_ns) = self.next_deadline() else { return u32::MAX };
        let ticks = deadline_ns.saturating_sub(time::monotonic_ns()) / TICK_NS;
        u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// Hands over what waits without stopping, and takes events. Threads that these wake run before the others.
    pub(super) fn exchange(&mut self) {
        self.write_log();
        self.wake_woken();
        self.net.tick();
        for key in crate::wait::take_woken() {
            if key == watch::SIGNALS {
                self.send_io_signals();
            }
            self.tasks.wake_first(key);
        }
    }

    /// Passes on lines of the library OS.
    pub(super) fn write_log(&mut self) {
        let lines = crate::log::take();
        if !lines.is_empty() {
            // Best effort: the reader of standard error gets what there is, and nobody else can be told.
            let _ = self.net.stdio().error.write(0, &mut &lines[..]);
        }
    }

    /// Events that are not the network's.
    fn handle(&mut self, events: &[Event]) {
        for event in events {
            match EventKind::try_from(event.kind) {
                Ok(EventKind::Restored) => self.restored(),
                Ok(EventKind::Inlay) => self.take_inlay(event.value),
                _ => {}
            }
        }
    }

    /// Before a snapshot: searches the memory of all processes for generators. The template never runs again, so those that
    /// only have to be aged are.
    fn find_generators(&mut self) {
        let now_ns = time::realtime_ns();
        let [boot, now] =
            [now_ns.saturating_sub(time::monotonic_ns()), now_ns].map(|ns| ns / NANOS_PER_SECOND);
        for process in self.tasks.processes() {
            aging::age(&process.space, &(boot.max(1)..=now));
        }
        let keys = Keys::new(random::take_seeds());
        self.generators =
            self.tasks.processes().flat_map(|process| keys.generators(&process.space)).collect();
    }

    /// In a clone: gives each generator a key that no other clone has.
    fn renew_generators(&mut self) {
        let mut secret = [0; 32];
        random::fill(&mut secret);
        for generator in core::mem::take(&mut self.generators) {
            // Failure is ignored: the pages were there when the snapshot was taken, and a machine without memory to
            // copy one cannot run a call either.
            let _ = generator.renew(&secret);
        }
        secret.fill(0);
    }

    /// Right after a restore: changes everything that must differ between clones.
    fn restored(&mut self) {
        let call = records::call();
        self.net.host().lose_outbound();
        self.generation = call.generation;
        random::rekey(&call.seed);
        records::wipe_seed();
        for process in self.tasks.processes() {
            process.space.borrow_mut().wipe_marked();
        }
        self.renew_generators();
        self.clocks_jumped();
        self.vfs.generation_changed();
    }

    /// CLOCK_REALTIME and CLOCK_BOOTTIME have moved on: who waits for a time of them may wait for less, or is late.
    fn clocks_jumped(&mut self) {
        self.timers.clocks_jumped();
        crate::fs::timerfd::clocks_jumped();
        let waiting = self.tasks.threads().filter_map(|thread| Some((thread.tid, thread.progress.jumping?)));
        for (tid, deadline) in waiting.collect::<Vec<_>>() {
            self.tasks.thread_mut(tid).progress.wait_until(deadline);
            self.tasks.interrupt(tid);
        }
    }
}
