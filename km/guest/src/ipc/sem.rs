//! Sets of semaphores (semget(2), semop(2)).
//!
//! Operations that cannot be carried out stand in a queue. Whatever changes a set carries out all in the queue that are
//! possible then, in its order, for threads that sleep: so nobody who comes later gets ahead of them.

use super::now_s;
use super::registry::{Object, Permissions};
use crate::errno::{Errno, Result};
use crate::task::{Pid, Tid};
use crate::wait::WaitQueue;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Highest value of a semaphore (SEMVMX).
pub const VALUE_MAX: i32 = 32_767;
/// Fail instead of waiting.
const IPC_NOWAIT: i16 = 0o4000;
/// Undo at the end of the process.
const SEM_UNDO: i16 = 0x1000;

/// A semaphore.
#[derive(Clone, Copy, Debug, Default)]
pub struct Semaphore {
    /// Its value, from 0 to [`VALUE_MAX`].
    pub value: i32,
    /// The process that changed it last.
    pub last_user: Pid,
}

/// `struct sembuf`: what is done to one semaphore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which semaphore of the set.
    pub number: u16,
    /// Added to its value; 0 waits until that is 0.
    pub change: i16,
    /// IPC_NOWAIT, SEM_UNDO.
    pub flags: i16,
}

/// Operations that wait until all of them are possible at once.
struct Waiting {
    tid: Tid,
    pid: Pid,
    operations: Vec<Operation>,
    /// The first that is not possible.
    blocked: Operation,
}

/// What came of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// They are carried out.
    Done,
    /// This one is not possible; nothing has changed.
    Blocked(Operation),
}

/// A set of semaphores.
pub struct SemaphoreSet {
    permissions: Cell<Permissions>,
    semaphores: RefCell<Vec<Semaphore>>,
    /// What the end of a process adds to each semaphore.
    adjustments: RefCell<BTreeMap<Pid, Vec<i32>>>,
    waiting: RefCell<VecDeque<Waiting>>,
    /// What came of operations whose threads do not know yet.
    finished: RefCell<BTreeMap<Tid, Result<()>>>,
    /// When an operation was carried out last, in seconds since 1970; 0 for never.
    pub operated_s: Cell<i64>,
    /// When it was made or changed last.
    pub changed_s: Cell<i64>,
    /// Threads that wait for it.
    pub queue: WaitQueue,
}

impl Object for SemaphoreSet {
    fn permissions(&self) -> &Cell<Permissions> {
        &self.permissions
    }
}

impl SemaphoreSet {
    /// `count` semaphores of value 0.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(permissions: Permissions, count: usize) -> Result<Self> {
        let mut semaphores = Vec::new();
        semaphores.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        semaphores.resize(count, Semaphore::default());
        Ok(Self {
            permissions: Cell::new(permissions),
            semaphores: RefCell::new(semaphores),
            adjustments: RefCell::default(),
            waiting: RefCell::default(),
            finished: RefCell::default(),
            operated_s: Cell::new(0),
            changed_s: Cell::new(now_s()),
            queue: WaitQueue::default(),
        })
    }

    /// How many semaphores it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.semaphores.borrow().len()
    }

    /// One of its semaphores.
    #[must_use]
    pub fn semaphore(&self, number: usize) -> Option<Semaphore> {
        self.semaphores.borrow().get(number).copied()
    }

    /// The values of all.
    #[must_use]
    pub fn values(&self) -> Vec<u16> {
        self.semaphores.borrow().iter().map(|semaphore| semaphore.value as u16).collect()
    }

    /// SETVAL and SETALL: sets values from `first` on, and forgets what was to be undone there. Returns the threads that
    /// need not wait any more.
    pub fn set(&self, first: usize, values: &[u16], pid: Pid) -> Vec<Tid> {
        let mut semaphores = self.semaphores.borrow_mut();
        for (semaphore, value) in semaphores.iter_mut().skip(first).zip(values) {
            *semaphore = Semaphore { value: i32::from(*value), last_user: pid };
        }
        drop(semaphores);
        for adjustments in self.adjustments.borrow_mut().values_mut() {
            adjustments.iter_mut().skip(first).take(values.len()).for_each(|adjustment| *adjustment = 0);
        }
        self.changed_s.set(now_s());
        self.serve()
    }

    /// Carries operations out, all or none.
    ///
    /// # Errors
    /// EAGAIN with IPC_NOWAIT, ERANGE for a value or an adjustment that is too large.
    pub fn attempt(&self, pid: Pid, operations: &[Operation]) -> Result<Attempt> {
        let mut semaphores = self.semaphores.borrow_mut();
        let mut adjustments = self.adjustments.borrow_mut();
        let mut own = adjustments.get(&pid).cloned();
        let before: Vec<(u16, i32)> = operations
            .iter()
            .filter_map(|operation| {
                Some((operation.number, semaphores.get(usize::from(operation.number))?.value))
            })
            .collect();
        let outcome = apply_all(&mut semaphores, &mut own, operations);
        if outcome == Ok(Attempt::Done) {
            for operation in operations {
                semaphores[usize::from(operation.number)].last_user = pid;
            }
            if let Some(own) = own {
                adjustments.insert(pid, own);
            }
            self.operated_s.set(now_s());
        } else {
            for (number, value) in before {
                semaphores[usize::from(number)].value = value;
            }
        }
        outcome
    }

    /// Puts operations that are not possible at the end of the queue.
    pub fn wait(&self, tid: Tid, pid: Pid, operations: Vec<Operation>, blocked: Operation) {
        self.waiting.borrow_mut().push_back(Waiting { tid, pid, operations, blocked });
    }

    /// What came of the operations of a thread that has waited; `None` if nothing has yet.
    pub fn outcome(&self, tid: Tid) -> Option<Result<()>> {
        self.finished.borrow_mut().remove(&tid)
    }

    /// A thread waits no more.
    pub fn leave(&self, tid: Tid) {
        self.waiting.borrow_mut().retain(|waiting| waiting.tid != tid);
        self.finished.borrow_mut().remove(&tid);
    }

    /// Threads that wait for a semaphore to become 0, or else for it to rise (GETZCNT, GETNCNT).
    #[must_use]
    pub fn count_waiting(&self, number: u16, for_zero: bool) -> u64 {
        let waits = |waiting: &&Waiting| {
            waiting.blocked.number == number && (waiting.blocked.change == 0) == for_zero
        };
        self.waiting.borrow().iter().filter(waits).count() as u64
    }

    /// Carries out what has become possible in the queue. Returns the threads that need not wait any more.
    pub fn serve(&self) -> Vec<Tid> {
        let mut served = Vec::new();
        let mut at = 0;
        loop {
            let Some((tid, pid, operations)) =
                self.waiting.borrow().get(at).map(|one| (one.tid, one.pid, one.operations.clone()))
            else {
                return served;
            };
            let result = match self.attempt(pid, &operations) {
                Ok(Attempt::Blocked(blocked)) => {
                    self.waiting.borrow_mut()[at].blocked = blocked;
                    at += 1;
                    continue;
                }
                Ok(Attempt::Done) => Ok(()),
                Err(errno) => Err(errno),
            };
            self.waiting.borrow_mut().remove(at);
            self.finished.borrow_mut().insert(tid, result);
            served.push(tid);
            // What was done may be what an earlier one waits for.
            at = 0;
        }
    }

    /// Whether a process has asked for something to be undone at its end.
    #[must_use]
    pub fn undoes(&self, pid: Pid) -> bool {
        self.adjustments.borrow().contains_key(&pid)
    }

    /// Adds what a process that has ended has asked for. Returns the threads that need not wait any more.
    pub fn undo(&self, pid: Pid) -> Vec<Tid> {
        let Some(adjustments) = self.adjustments.borrow_mut().remove(&pid) else { return Vec::new() };
        for (semaphore, adjustment) in self.semaphores.borrow_mut().iter_mut().zip(adjustments) {
            if adjustment != 0 {
                semaphore.value = (semaphore.value + adjustment).clamp(0, VALUE_MAX);
                semaphore.last_user = pid;
            }
        }
        self.operated_s.set(now_s());
        self.serve()
    }
}

/// Carries operations out one after the other, until one is not possible; then the caller takes the others back.
fn apply_all(
    semaphores: &mut [Semaphore],
    adjustments: &mut Option<Vec<i32>>,
    operations: &[Operation],
) -> Result<Attempt> {
    let count = semaphores.len();
    for operation in operations {
        let number = usize::from(operation.number);
        let semaphore = semaphores.get_mut(number).ok_or(Errno::EFBIG)?;
        let change = i32::from(operation.change);
        let value = semaphore.value + change;
        if value < 0 || change == 0 && semaphore.value != 0 {
            let fails = operation.flags & IPC_NOWAIT != 0;
            return if fails { Err(Errno::EAGAIN) } else { Ok(Attempt::Blocked(*operation)) };
        }
        if value > VALUE_MAX {
            return Err(Errno::ERANGE);
        }
        if operation.flags & SEM_UNDO != 0 && change != 0 {
            let own = adjustments.get_or_insert_with(|| alloc::vec![0; count]);
            let adjustment = own[number] - change;
            if !(-VALUE_MAX - 1..=VALUE_MAX).contains(&adjustment) {
                return Err(Errno::ERANGE);
            }
            own[number] = adjustment;
        }
        semaphore.value = value;
    }
    Ok(Attempt::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(number: u16, change: i16, flags: i16) -> Operation {
        Operation { number, change, flags }
    }

    #[test]
    fn all_operations_or_none() {
        let set = SemaphoreSet::new(Permissions::default(), 2).unwrap();
        let blocked = operation(1, -1, 0);
        assert_eq!(set.attempt(1, &[operation(0, 3, 0), blocked]), Ok(Attempt::Blocked(blocked)));
        assert_eq!(set.values(), [0, 0]);
        assert_eq!(set.attempt(1, &[operation(0, 3, 0), operation(1, -1, IPC_NOWAIT)]), Err(Errno::EAGAIN));
        assert_eq!(set.attempt(1, &[operation(0, 3, 0), operation(0, -2, 0)]), Ok(Attempt::Done));
        assert_eq!(set.values(), [1, 0]);
        assert_eq!(set.attempt(1, &[operation(0, 32_767, 0)]), Err(Errno::ERANGE));
    }

    #[test]
    fn who_waits_is_served_in_order_and_before_who_comes() {
        let set = SemaphoreSet::new(Permissions::default(), 1).unwrap();
        let (two, one) = (operation(0, -2, 0), operation(0, -1, 0));
        set.wait(10, 1, alloc::vec![two], two);
        set.wait(11, 1, alloc::vec![one], one);
        assert_eq!(set.count_waiting(0, false), 2);
        assert_eq!(set.attempt(2, &[operation(0, 1, 0)]), Ok(Attempt::Done));
        assert_eq!(set.serve(), [11]);
        assert_eq!((set.outcome(11), set.outcome(10)), (Some(Ok(())), None));
        assert_eq!(set.set(0, &[2], 3), [10]);
        assert_eq!(set.values(), [0]);
    }

    #[test]
    fn the_end_of_a_process_undoes_what_it_asked_for() {
        let set = SemaphoreSet::new(Permissions::default(), 1).unwrap();
        set.set(0, &[5], 1);
        assert_eq!(set.attempt(7, &[operation(0, -4, SEM_UNDO)]), Ok(Attempt::Done));
        let three = operation(0, -3, 0);
        set.wait(10, 1, alloc::vec![three], three);
        assert_eq!(set.undo(7), [10]);
        assert_eq!((set.values(), set.undo(7).len()), (alloc::vec![2], 0));
    }
}
