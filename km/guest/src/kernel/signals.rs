//! Where signals meet the way of a trap: sending, the choice of a thread, and what a signal does when it arrives.

use super::Kernel;
use crate::mm::user::UserMemory;
use crate::signal::action::{IGNORE, flag};
use crate::signal::deliver::{self, Delivery};
use crate::signal::info::{Info, Origin};
use crate::signal::{SigSet, Signal, frame};
use crate::task::trace::Extent;
use crate::task::{Pid, Status, Tid};
use alloc::rc::Rc;
use km_hal::cpu::{self, XState};

/// Signals that stop a process unless they are handled.
const STOPS: SigSet =
    SigSet::EMPTY.with(Signal::STOP).with(Signal::TSTP).with(Signal::TTIN).with(Signal::TTOU);

impl Kernel {
    /// Whether a signal is there that the thread does not block.
    pub(super) fn has_signal(&self, tid: Tid) -> bool {
        let Some(thread) = self.tasks.thread(tid) else { return false };
        let process = self.tasks.process(thread.pid);
        process.is_some_and(|process| !thread.signals.deliverable(&process.signals).is_empty())
    }

    /// Whether the thread's process is to be killed.
    pub(super) fn is_killed(&self, tid: Tid) -> bool {
        let Some(thread) = self.tasks.thread(tid) else { return false };
        let process = self.tasks.process(thread.pid);
        process.is_some_and(|process| thread.signals.deliverable(&process.signals).contains(Signal::KILL))
    }

    /// Delivers the next signal of a thread.
    pub(super) fn take_signal(&mut self, tid: Tid) {
        if self.tasks.thread_mut(tid).traced && self.trace_signal(tid) {
            return;
        }
        let (thread, process) = self.tasks.pair_mut(tid);
        if let Some(delivery) = deliver::next(&mut thread.signals, &mut process.signals) {
            self.carry_out(tid, delivery);
        }
    }

    /// Lets a signal have its effect on a thread.
    pub(crate) fn carry_out(&mut self, tid: Tid, delivery: Delivery) {
        let (thread, process) = self.tasks.pair_mut(tid);
        let pid = process.pid;
        match delivery {
            Delivery::Terminate(signal) => {
                let status = Status::Signaled(u32::from(signal.number()));
                if thread.traced && signal != Signal::KILL && self.trace_dying(tid, Extent::Process, status) {
                    return;
                }
                self.report_crash(tid, signal);
                self.exit_process(pid, status);
            }
            Delivery::Stop(signal) => {
                // Nobody could let an orphaned group go on, so only SIGSTOP stops its members (signal(7)).
                let (group, session) = (process.group, process.session);
                if signal == Signal::STOP || !self.is_orphaned(group, session) {
                    self.stop_process(pid, u32::from(signal.number()));
                }
            }
            Delivery::Handle(action, info) => {
                self.end_interrupted_call(tid, action.flags & flag::RESTART != 0);
                self.abort_sequence(tid);
                self.make_live(tid);
                let thread = self.tasks.thread_mut(tid);
                cpu::save(&mut thread.vectors.state);
                let memory = UserMemory::new(Rc::clone(&self.tasks.process_of_mut(tid).space));
                let thread = self.tasks.thread_mut(tid);
                let entered = frame::enter(
                    &memory,
                    &mut thread.context,
                    &mut thread.signals,
                    &thread.vectors.state,
                    &action,
                    &info,
                    thread.fault,
                );
                match entered {
                    Ok(()) => cpu::restore(&XState::fresh()),
                    // Without a stack for its handler a thread cannot go on.
                    Err(_) if info.signal == Signal::SEGV => {
                        self.exit_process(pid, Status::Signaled(u32::from(Signal::SEGV.number())));
                    }
                    Err(_) => self.force_signal(tid, Info::kernel(Signal::SEGV)),
                }
            }
        }
    }

    /// Raises a signal for something that the thread itself did (a fault). It is fatal if the thread blocks or ignores
    /// it.
    pub fn force_signal(&mut self, tid: Tid, info: Info) {
        let (thread, process) = self.tasks.pair_mut(tid);
        deliver::force(&mut thread.signals, &process.signals, info);
    }

    /// Sends a signal to a process; `false` when its queue is full.
    pub fn signal_process(&mut self, pid: Pid, info: Info) -> bool {
        let Some(process) = self.tasks.process(pid) else { return true };
        if process.zombie.is_some() {
            return true;
        }
        let threads = process.threads.clone();
        self.undo_opposite(pid, info.signal);
        let blocks = |tid: &Tid| {
            self.tasks.thread(*tid).is_some_and(|thread| thread.signals.mask.contains(info.signal))
        };
        let traced = |tid: &Tid| self.tasks.thread(*tid).is_some_and(|thread| thread.traced);
        let blocked = threads.iter().any(|tid| blocks(tid) || traced(tid));
        let taker = threads.iter().find(|tid| !blocks(tid)).copied();
        let full = self.is_queue_full(pid, info.signal);
        let Some(process) = self.tasks.process_mut(pid) else { return true };
        if deliver::forgettable(info.signal, blocked, &process.signals) {
            return true;
        }
        if full {
            return false;
        }
        let queued = process.signals.pending.push(info);
        process.signal_arrived.wake();
        if let Some(tid) = taker {
            self.tasks.interrupt(tid);
        }
        queued
    }

    /// Sends a signal of a terminal to a process group.
    pub(crate) fn signal_group(&mut self, group: Pid, signal: Signal) {
        let members = self.tasks.processes().filter(|process| process.group == group);
        for pid in members.map(|process| process.pid).collect::<alloc::vec::Vec<_>>() {
            self.signal_process(pid, Info::kernel(signal));
        }
    }

    /// Sends a signal to a thread; `false` when its queue is full.
    pub fn signal_thread(&mut self, tid: Tid, info: Info) -> bool {
        let Some(pid) = self.tasks.thread(tid).map(|thread| thread.pid) else { return true };
        self.undo_opposite(pid, info.signal);
        let full = self.is_queue_full(pid, info.signal);
        let (thread, process) = self.tasks.pair_mut(tid);
        let blocked = thread.signals.mask.contains(info.signal);
        if deliver::forgettable(info.signal, blocked || thread.traced, &process.signals) {
            return true;
        }
        if full {
            return false;
        }
        let queued = thread.signals.pending.push(info);
        process.signal_arrived.wake();
        if !blocked {
            self.tasks.interrupt(tid);
        }
        queued
    }

    /// Whether RLIMIT_SIGPENDING lets no more real-time signals wait for a process.
    fn is_queue_full(&self, pid: Pid, signal: Signal) -> bool {
        let Some(process) = self.tasks.process(pid).filter(|_| signal.real_time()) else { return false };
        let of_threads = process.threads.iter().filter_map(|tid| self.tasks.thread(*tid));
        let waiting = of_threads.map(|thread| thread.signals.pending.len()).sum::<usize>();
        let limit = process.limits.current(crate::task::limits::resource::SIGPENDING);
        (waiting + process.signals.pending.len()) as u64 >= limit
    }

    /// SIGCONT undoes stops and lets the process go on, at once; stops undo SIGCONT; SIGKILL needs a process that runs.
    fn undo_opposite(&mut self, pid: Pid, signal: Signal) {
        let gone = match signal {
            Signal::CONT => STOPS,
            signal if STOPS.contains(signal) => SigSet::EMPTY.with(Signal::CONT),
            _ => SigSet::EMPTY,
        };
        let Some(process) = self.tasks.process_mut(pid) else { return };
        process.signals.pending.discard(gone);
        for tid in process.threads.clone() {
            if let Some(thread) = self.tasks.find_thread_mut(tid) {
                thread.signals.pending.discard(gone);
            }
        }
        if signal == Signal::CONT || signal == Signal::KILL {
            self.continue_process(pid);
        }
        if signal == Signal::KILL {
            self.tasks.release_all(pid);
        }
    }

    /// Tells a parent that a child ended, stopped or went on; `true` when nobody will ever wait for the child.
    pub(crate) fn child_changed(&mut self, parent: Pid, child: Pid, status: Status) -> bool {
        let Some(process) = self.tasks.process(child) else { return false };
        let (exit_signal, uid) = (process.exit_signal, process.credentials.real_uid);
        let ended = process.zombie.is_some();
        let signal = if ended { exit_signal } else { u32::from(Signal::CHLD.number()) };
        let Some(process) = self.tasks.process(parent) else { return true };
        let action = process.signals.actions.borrow().get(Signal::CHLD);
        let unwanted = ended
            && signal == u32::from(Signal::CHLD.number())
            && (action.handler == IGNORE || action.flags & flag::NOCLDWAIT != 0);
        let silent = !ended && action.flags & flag::NOCLDSTOP != 0;
        if let Some(signal) = Signal::new(u64::from(signal)).filter(|_| !silent) {
            let (code, status) = status.code_and_status();
            let origin = Origin::Child { pid: child, uid, status };
            self.signal_process(parent, Info { signal, code, origin });
        }
        unwanted
    }

    /// A thread that is interrupted within a restartable sequence (rseq(2)) continues at its abort handler.
    pub(super) fn abort_sequence(&mut self, tid: Tid) {
        let thread = self.tasks.thread_mut(tid);
        let (Some((area, _, signature)), rip) = (thread.rseq, thread.context.rip) else { return };
        let memory = UserMemory::new(Rc::clone(&self.tasks.process_of_mut(tid).space));
        let Ok(descriptor) = memory.load::<u64>(area + 8) else { return };
        if descriptor == 0 {
            return;
        }
        // version and flags; start, length, abort handler
        let Ok([_, start, length, abort]) = memory.load::<[u64; 4]>(descriptor) else { return };
        let cleared = memory.store(area + 8, &0u64).is_ok();
        let signed = memory.load::<u32>(abort.wrapping_sub(4)) == Ok(signature);
        if cleared && signed && rip.wrapping_sub(start) < length {
            self.tasks.thread_mut(tid).context.rip = abort;
        }
    }
}
