//! Who runs next, and who waits for what.

use super::{Pid, Tasks, Tid};
use crate::wait::{Interruption, Wait, WaitKey};
use alloc::vec::Vec;

/// After this many turns of woken threads, one goes to a thread whose last turn was interrupted.
const WOKEN_IN_A_ROW: u32 = 8;

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
        if self.enqueue(tid) {
            self.ready.push_back(tid);
        }
    }

    /// Whether a thread is to be put into a queue; it counts as being in one from then on.
    fn enqueue(&mut self, tid: Tid) -> bool {
        let Some(thread) = self.threads.get_mut(&tid) else { return false };
        let stopped = self.processes.get(&thread.pid).is_some_and(|process| process.stopped.is_some());
        let wanted = thread.wait.is_none() && !thread.queued && !stopped;
        thread.queued |= wanted;
        wanted
    }

    /// Ends a thread's waiting: something that it waits for may have happened, or a signal came.
    pub fn interrupt(&mut self, tid: Tid) {
        let wait = self.threads.get(&tid).and_then(|thread| thread.wait.as_ref());
        if wait.is_some_and(|wait| wait.interruption == Interruption::Stopped) {
            return;
        }
        let yielded = wait.and_then(|wait| wait.deadline_ns) == Some(0);
        self.unblock(tid);
        if yielded {
            self.make_ready(tid);
        } else if self.enqueue(tid) {
            self.woken.push_back(tid);
        }
    }

    /// Wakes everyone who waits for a key.
    pub fn wake(&mut self, key: WaitKey) {
        for tid in self.waiters.get(&key).cloned().unwrap_or_default() {
            self.interrupt(tid);
        }
    }

    /// The same, before all others that can run: someone outside waits for what they do.
    pub fn wake_first(&mut self, key: WaitKey) {
        let others = core::mem::take(&mut self.woken);
        self.wake(key);
        self.woken.extend(others);
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

    /// CLOCK_MONOTONIC time at which the first blocked thread gives up.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        self.deadlines.first().map(|first| first.0)
    }

    /// Whether a thread waits for this key.
    #[must_use]
    pub fn is_awaited(&self, key: WaitKey) -> bool {
        self.waiters.contains_key(&key)
    }

    /// The thread whose turn it is, taken from the runnable ones.
    pub fn take_ready(&mut self) -> Option<Tid> {
        while let Some(tid) = self.next_in_turn() {
            let Some(thread) = self.threads.get_mut(&tid) else { continue };
            thread.queued = false;
            let stopped = self.processes.get(&thread.pid).is_some_and(|process| process.stopped.is_some());
            if thread.wait.is_none() && !stopped {
                return Some(tid);
            }
        }
        None
    }

    /// Threads that were just woken come before those that used up their turn, but not always.
    fn next_in_turn(&mut self) -> Option<Tid> {
        if self.woken_in_a_row < WOKEN_IN_A_ROW
            && let Some(tid) = self.woken.pop_front()
        {
            self.woken_in_a_row += 1;
            return Some(tid);
        }
        self.woken_in_a_row = 0;
        self.ready.pop_front().or_else(|| self.woken.pop_front())
    }

    /// Whether a thread waits for its turn.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty() || !self.woken.is_empty()
    }

    /// Lets a thread do nothing until it is released, whatever it waits for.
    pub(super) fn stop(&mut self, tid: Tid) {
        self.unblock(tid);
        self.block(tid, Wait::stopped());
    }

    /// Ends that.
    pub(super) fn release(&mut self, tid: Tid) {
        self.unblock(tid);
        self.make_ready(tid);
    }

    /// Releases all threads of a process.
    pub(crate) fn release_all(&mut self, pid: Pid) {
        let stopped = |tid: &Tid| {
            let wait = self.threads.get(tid).and_then(|thread| thread.wait.as_ref());
            wait.is_some_and(|wait| wait.interruption == Interruption::Stopped)
        };
        let threads = self.processes.get(&pid).map(|process| process.threads.as_slice()).unwrap_or_default();
        let stopped: Vec<Tid> = threads.iter().copied().filter(stopped).collect();
        stopped.into_iter().for_each(|tid| self.release(tid));
    }

    /// Lets the threads of a process run again after a stop.
    pub(crate) fn ready_all(&mut self, pid: Pid) {
        let threads = self.processes.get(&pid).map(|process| process.threads.clone()).unwrap_or_default();
        threads.into_iter().for_each(|tid| self.make_ready(tid));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::AddressSpace;
    use crate::task::thread::Vectors;
    use crate::task::{Process, Thread};
    use crate::wait::WaitQueue;
    use km_hal::UserContext;

    fn tasks(threads: Tid) -> Tasks {
        let mut tasks = Tasks::default();
        tasks.add_process(Process::new(1, AddressSpace::gone(), crate::fs::Vfs::default().context()));
        for tid in 1..=threads {
            tasks.add_thread(Thread::new(tid, 1, UserContext::default(), Vectors::fresh()));
        }
        tasks
    }

    #[test]
    fn turns_go_round_and_the_woken_come_first_but_not_always() {
        let mut tasks = tasks(3);
        assert_eq!([1, 2, 3].map(|_| tasks.take_ready()), [Some(1), Some(2), Some(3)]);
        let queue = WaitQueue::default();
        tasks.make_ready(1);
        for round in 0..2 * WOKEN_IN_A_ROW + 2 {
            tasks.block(2, Wait::on(&queue));
            tasks.wake(queue.key());
            let turn = tasks.take_ready();
            if turn == Some(1) {
                assert!(round > 0 && round.is_multiple_of(WOKEN_IN_A_ROW));
                tasks.make_ready(1);
                assert_eq!(tasks.take_ready(), Some(2));
            } else {
                assert_eq!(turn, Some(2));
            }
        }
    }

    #[test]
    fn who_is_woken_first_runs_before_others_that_were_woken() {
        let mut tasks = tasks(5);
        assert_eq!([1, 2, 3, 4, 5].map(|_| tasks.take_ready()), [1, 2, 3, 4, 5].map(Some));
        let (inside, network) = (WaitQueue::default(), WaitQueue::default());
        tasks.make_ready(1);
        [2, 3].into_iter().for_each(|tid| tasks.block(tid, Wait::on(&inside)));
        [4, 5].into_iter().for_each(|tid| tasks.block(tid, Wait::on(&network)));
        tasks.wake(inside.key());
        tasks.wake_first(network.key());
        assert_eq!([1, 2, 3, 4, 5].map(|_| tasks.take_ready()), [4, 5, 2, 3, 1].map(Some));
        // Who is in a queue already is not there twice.
        tasks.block(4, Wait::on(&network));
        tasks.wake(network.key());
        tasks.wake_first(network.key());
        assert_eq!([tasks.take_ready(), tasks.take_ready()], [Some(4), None]);
    }

    #[test]
    fn a_deadline_wakes_and_leaves_nothing_behind() {
        let mut tasks = tasks(1);
        let queue = WaitQueue::default();
        assert_eq!(tasks.take_ready(), Some(1));
        tasks.block(1, Wait::on(&queue).until(Some(50)));
        assert!(tasks.is_awaited(queue.key()));
        tasks.expire(49);
        assert_eq!((tasks.take_ready(), tasks.next_deadline()), (None, Some(50)));
        tasks.expire(50);
        assert_eq!((tasks.take_ready(), tasks.next_deadline()), (Some(1), None));
        assert!(!tasks.is_awaited(queue.key()));
    }

    #[test]
    fn threads_of_a_stopped_process_have_no_turn() {
        let mut tasks = tasks(2);
        tasks.process_mut(1).unwrap().stopped = Some(19);
        assert_eq!(tasks.take_ready(), None);
        tasks.process_mut(1).unwrap().stopped = None;
        tasks.ready_all(1);
        assert_eq!([1, 2].map(|_| tasks.take_ready()), [Some(1), Some(2)]);
    }
}
