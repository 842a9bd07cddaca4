//! How threads and processes end.

use super::process::{Process, Status};
use super::timers::TimerId;
use super::{Pid, Tid};
use crate::kernel::Kernel;
use crate::mm::AddressSpace;
use crate::mm::user::UserMemory;
use crate::signal::Signal;
use crate::signal::info::Info;
use crate::task::futex::FutexKey;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use km_hal::frames;

/// With less than one in this many frames free, memory of an ended process is freed at once.
const SCARCE_SHARE: u64 = 4;
/// Robust futexes that are looked at in a thread's list (ROBUST_LIST_LIMIT).
const ROBUST_MAX: usize = 2048;
/// The owner of a futex has died.
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;
/// Someone waits for a futex.
const FUTEX_WAITERS: u32 = 0x8000_0000;
/// Bits of a futex word that hold its owner.
const FUTEX_TID_MASK: u32 = 0x3fff_ffff;

impl Kernel {
    /// Ends one thread; its process ends with the last of them, with `status`.
    pub fn exit_thread(&mut self, tid: Tid, status: Status) {
        let Some(thread) = self.tasks.thread(tid) else { return };
        let pid = thread.pid;
        let last = self.tasks.process(pid).is_none_or(|process| process.threads.len() <= 1);
        self.release_memory_words(tid);
        self.bury_thread(tid, status);
        if last {
            self.process_ended(pid, status);
        }
    }

    /// Ends a process with all its threads.
    pub fn exit_process(&mut self, pid: Pid, status: Status) {
        let Some(process) = self.tasks.process(pid) else { return };
        if process.zombie.is_some() {
            return;
        }
        for tid in process.threads.clone() {
            self.release_memory_words(tid);
            self.bury_thread(tid, status);
        }
        self.process_ended(pid, status);
    }

    /// Ends all threads of a process but one (execve(2)).
    pub(super) fn exit_other_threads(&mut self, pid: Pid, survivor: Tid) {
        let threads = self.tasks.process(pid).map(|process| process.threads.clone()).unwrap_or_default();
        for tid in threads.into_iter().filter(|tid| *tid != survivor) {
            self.release_memory_words(tid);
            self.bury_thread(tid, Status::Exited(0));
        }
    }

    fn bury_thread(&mut self, tid: Tid, status: Status) {
        let used_ns = self.cpu_ns(tid);
        self.forget_live(tid);
        self.futexes.leave(tid);
        self.ipc.leave(tid);
        if let Some(thread) = self.tasks.remove_thread(tid)
            && let Some(process) = self.tasks.process_mut(thread.pid)
        {
            process.gone_cpu_ns += used_ns;
        }
        if !self.tasks.traces.is_empty() {
            self.trace_ended(tid, status);
            self.tracer_ended(tid);
        }
    }

    /// What a thread promised to leave in memory: its thread number cleared, its robust futexes marked.
    pub(super) fn release_memory_words(&mut self, tid: Tid) {
        let Some(thread) = self.tasks.find_thread_mut(tid) else { return };
        let clear = core::mem::take(&mut thread.clear_child_tid);
        let robust = core::mem::take(&mut thread.robust_list);
        let memory = UserMemory::new(Rc::clone(&self.tasks.process_of_mut(tid).space));
        if robust != 0 {
            self.mark_robust(&memory, robust, tid);
        }
        self.pass_on_locks(tid);
        // Errors are ignored here and below: a bad address harms the program alone.
        if clear != 0 && memory.store(clear, &0u32).is_ok() {
            self.wake_word(&memory, clear, 1);
        }
    }

    /// Walks the list of robust futexes (set_robust_list(2)): head, offset of the word, pending entry.
    fn mark_robust(&mut self, memory: &UserMemory, head: u64, tid: Tid) {
        let Ok([first, offset, pending]) = memory.load::<[u64; 3]>(head) else { return };
        let mut entry = first;
        for _ in 0..ROBUST_MAX {
            if entry & !1 == head {
                break;
            }
            let Ok(next) = memory.load::<u64>(entry & !1) else { break };
            if entry != pending {
                self.mark_owner_died(memory, (entry & !1).wrapping_add(offset), tid);
            }
            entry = next;
        }
        if pending & !1 != 0 {
            self.mark_owner_died(memory, (pending & !1).wrapping_add(offset), tid);
        }
    }

    fn mark_owner_died(&mut self, memory: &UserMemory, word: u64, tid: Tid) {
        let Ok(value) = memory.load::<u32>(word) else { return };
        if value & FUTEX_TID_MASK == tid.cast_unsigned() {
            let died = memory.store(word, &(value & FUTEX_WAITERS | FUTEX_OWNER_DIED));
            if died.is_ok() && value & FUTEX_WAITERS != 0 {
                self.wake_word(memory, word, 1);
            }
        }
    }

    /// Wakes waiters of a word under both names that they may use.
    fn wake_word(&mut self, memory: &UserMemory, word: u64, count: u64) {
        for key in [Some(memory.private_key(word)), memory.shared_key(word).ok()].into_iter().flatten() {
            // Threads that wait for a lock (FUTEX_LOCK_PI) are not meant: they are woken by its owner.
            let _ = self.futexes.wake(&mut self.tasks, key, count, u32::MAX);
        }
    }

    fn process_ended(&mut self, pid: Pid, status: Status) {
        let Some(process) = self.tasks.process_mut(pid) else { return };
        let peak_bytes = process.space.try_borrow().map_or(0, |space| space.usage().1);
        process.zombie = Some(status);
        self.timers.forget(pid, TimerId::Interval(0));
        process.children_usage.peak_bytes = process.children_usage.peak_bytes.max(peak_bytes);
        let files = core::mem::take(&mut process.files);
        let gone = Rc::new(RefCell::new(AddressSpace::gone()));
        self.ended_spaces.push(core::mem::replace(&mut process.space, gone));
        if frames::available() < frames::total() / SCARCE_SHARE {
            self.ended_spaces.clear();
        }
        process.borrows_space = false;
        process.program.running = None;
        process.left.ended.set(true);
        process.left.queue.wake();
        for tid in self.ipc.process_ended(pid) {
            self.tasks.interrupt(tid);
        }
        // Closed last: closing may send bytes and wake others, which must find the process ended.
        drop(files);
        if self.tasks.process(pid).is_some_and(|process| process.session == pid)
            && let Some(pty) = self.vfs.ptys.of_session(pid)
        {
            pty.release();
        }
        let groups = self.groups_tied_by(pid);
        self.hand_over_children(pid);
        self.hang_up_orphaned(&groups, pid);
        if pid == 1 {
            self.end_machine(status);
        }
        self.report_end(pid, status);
    }

    pub(super) fn report_end(&mut self, pid: Pid, status: Status) {
        let Some(process) = self.tasks.process(pid) else { return };
        let parent = process.parent;
        if self.trace_process_ended(pid, parent, status) {
            return;
        }
        let unwanted = self.child_changed(parent, pid, status);
        if let Some(parent) = self.tasks.process_mut(parent) {
            parent.children.wake();
        }
        if unwanted {
            self.reap(pid);
        }
    }

    /// Children of a process that ended belong to its nearest subreaper, or to the first process.
    fn hand_over_children(&mut self, pid: Pid) {
        let heir = self.heir_of(pid);
        let mut zombies: Vec<(Pid, Status)> = Vec::new();
        let mut mourners: Vec<(Pid, u32)> = Vec::new();
        for child in self.tasks.processes_mut().filter(|child| child.parent == pid) {
            child.parent = heir;
            child.maker = heir;
            child.exit_signal = u32::from(Signal::CHLD.number());
            mourners.push((child.pid, child.settings.parent_death_signal));
            zombies.extend(child.zombie.map(|status| (child.pid, status)));
        }
        for (child, signal) in mourners {
            if let Some(signal) = Signal::new(u64::from(signal)) {
                self.signal_process(child, Info::from_sender(signal, 0, pid, 0));
            }
        }
        for (child, status) in zombies {
            self.report_end(child, status);
        }
    }

    /// Groups that a process ties to another group of its session: its own through its parent, and those of its children.
    /// Only these can become orphaned by its end.
    fn groups_tied_by(&self, pid: Pid) -> Vec<Pid> {
        let Some(process) = self.tasks.process(pid) else { return Vec::new() };
        let ties = |other: &&Process| other.group != process.group && other.session == process.session;
        let own = self.tasks.process(process.parent).filter(ties).map(|_| process.group);
        let children = self.tasks.processes().filter(|child| child.parent == pid && child.zombie.is_none());
        let mut groups: Vec<Pid> =
            own.into_iter().chain(children.filter(ties).map(|child| child.group)).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// Tells those of the groups to end or to go on that have stopped members and that nobody in their session looks
    /// after any more (setpgid(2), "orphaned process group").
    fn hang_up_orphaned(&mut self, groups: &[Pid], ended: Pid) {
        let Some(session) = self.tasks.process(ended).map(|process| process.session) else { return };
        for &group in groups {
            let stopped = |other: &Process| other.group == group && other.stopped.is_some();
            if self.tasks.processes().any(stopped) && self.is_orphaned(group, session) {
                self.signal_group(group, Signal::HUP);
                self.signal_group(group, Signal::CONT);
            }
        }
    }

    /// Whether no living member of a group has its parent in another group of the same session.
    pub(crate) fn is_orphaned(&self, group: Pid, session: Pid) -> bool {
        let looked_after = |member: &&Process| {
            let parent = self.tasks.process(member.parent);
            parent.is_some_and(|parent| {
                parent.session == session && parent.group != group && parent.zombie.is_none()
            })
        };
        let members = self.tasks.processes().filter(|other| other.group == group && other.zombie.is_none());
        !members.into_iter().any(|member| looked_after(&member))
    }

    fn heir_of(&self, pid: Pid) -> Pid {
        let mut next = self.tasks.process(pid).map_or(1, |process| process.parent);
        while let Some(process) = self.tasks.process(next) {
            if process.settings.subreaper && process.zombie.is_none() {
                return next;
            }
            next = process.parent;
        }
        1
    }

    /// Forgets a zombie; its parent inherits what it used.
    pub fn reap(&mut self, pid: Pid) -> Option<Process> {
        let process = self.tasks.remove_process(pid)?;
        self.tasks.traces.remove(&pid);
        process.left.reaped.set(true);
        if let Some(parent) = self.tasks.process_mut(process.parent) {
            parent.children_usage.cpu_ns += process.gone_cpu_ns + process.children_usage.cpu_ns;
            parent.children_usage.faults += process.faults + process.children_usage.faults;
            let peak = parent.children_usage.peak_bytes.max(process.children_usage.peak_bytes);
            parent.children_usage.peak_bytes = peak;
        }
        Some(process)
    }

    /// Stops all threads of a process, and tells its parent of `signal`.
    pub fn stop_process(&mut self, pid: Pid, signal: u32) {
        let Some(process) = self.tasks.process_mut(pid) else { return };
        if process.zombie.is_none() && process.stopped.is_none() {
            process.stopped = Some(signal);
            self.report_change(pid, Status::Stopped(signal));
            if let Some(signal) = Signal::new(u64::from(signal)) {
                self.trace_group_stop(pid, signal);
            }
        }
    }

    /// Lets a stopped process go on.
    pub fn continue_process(&mut self, pid: Pid) {
        let Some(process) = self.tasks.process_mut(pid) else { return };
        if process.stopped.take().is_some() {
            self.tasks.ready_all(pid);
            self.report_change(pid, Status::Continued);
            self.trace_group_continues(pid);
        }
    }

    fn report_change(&mut self, pid: Pid, status: Status) {
        let Some(process) = self.tasks.process_mut(pid) else { return };
        process.change = Some(status);
        let parent = process.parent;
        self.child_changed(parent, pid, status);
        if let Some(parent) = self.tasks.process_mut(parent) {
            parent.children.wake();
        }
    }
}

impl UserMemory {
    /// The name of a futex word for threads of this process only.
    #[must_use]
    pub fn private_key(&self, word: u64) -> FutexKey {
        FutexKey::Private(self.identity(), word)
    }

    /// The name of a futex word for everyone who maps its memory.
    ///
    /// # Errors
    /// EFAULT.
    pub fn shared_key(&self, word: u64) -> crate::errno::Result<FutexKey> {
        if self.is_shared(word) {
            self.physical(word).map(FutexKey::Shared)
        } else {
            self.physical(word).map(|_| self.private_key(word))
        }
    }
}
