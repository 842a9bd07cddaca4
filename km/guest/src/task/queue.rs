//! Who runs next, and who waits for what.

use super::{Pid, Tasks, Tid};
use crate::wait::{Key, Wait};

impl Tasks {
    /// Lets a thread wait; a blocked thread is in no queue of runnable ones.
    pub fn block(&mut self, tid: Tid, wait: Wait) {
        for key in &wait.keys {
            self.waiters.entry(*key).or_default().push(tid);
        }
        if let Some(deadline_ns) = wait.deadline_ns {
            self.deadlines.insert((deadline_ns, tid));
        }
        self.thread_mut(tid).wait = Some(wait);
    }

    /// Ends a thread's waiting without making it runnable.
    pub(super) fn unblock(&mut self, tid: Tid) {
        let Some(wait) = self.threads.get_mut(&tid).and_then(|thread| thread.wait.take()) else { return };
        for key in &wait.keys {
            if let Some(waiters) = self.waiters.get_mut(key) {
                waiters.retain(|waiter| *waiter != tid);
                if waiters.is_empty() {
                    self.waiters.remove(key);
                }
            }
        }
        if let Some(deadline_ns) = wait.deadline_ns {
            self.deadlines.remove(&(deadline_ns, tid));
        }
    }

    /// Puts a thread that does not wait at the end of the runnable ones, unless its process is stopped.
    pub fn make_ready(&mut self, tid: Tid) {
        let Some(thread) = self.threads.get_mut(&tid) else { return };
        let stopped = self.processes.get(&thread.pid).is_some_and(|process| process.stopped.is_some());
        if thread.wait.is_none() && !thread.queued && !stopped {
            thread.queued = true;
            self.ready.push_back(tid);
        }
    }

    /// Ends a thread's waiting: something that it waits for may have happened, or a signal came.
    pub fn interrupt(&mut self, tid: Tid) {
        self.unblock(tid);
        self.make_ready(tid);
    }

    /// Wakes everyone who waits for a key.
    pub fn wake(&mut self, key: Key) {
        for tid in self.waiters.get(&key).cloned().unwrap_or_default() {
            self.interrupt(tid);
        }
    }

    /// Wakes everyone whose deadline has come.
    pub fn expire(&mut self, now_ns: u64) {
        while let Some(&(deadline_ns, tid)) = self.deadlines.first()
            && deadline_ns <= now_ns
        {
            self.deadlines.pop_first();
            self.interrupt(tid);
        }
    }

    /// The next deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|first| first.0)
    }

    /// Whether a thread waits for this key.
    #[must_use]
    pub fn is_awaited(&self, key: Key) -> bool {
        self.waiters.contains_key(&key)
    }

    /// The thread whose turn it is, taken from the runnable ones.
    pub fn take_ready(&mut self) -> Option<Tid> {
        while let Some(tid) = self.ready.pop_front() {
            let Some(thread) = self.threads.get_mut(&tid) else { continue };
            thread.queued = false;
            let stopped = self.processes.get(&thread.pid).is_some_and(|process| process.stopped.is_some());
            if thread.wait.is_none() && !stopped {
                return Some(tid);
            }
        }
        None
    }

    /// Whether a thread waits for its turn.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Lets the threads of a process run again after a stop.
    pub(crate) fn ready_all(&mut self, pid: Pid) {
        let threads = self.processes.get(&pid).map(|process| process.threads.clone()).unwrap_or_default();
        threads.into_iter().for_each(|tid| self.make_ready(tid));
    }
}
