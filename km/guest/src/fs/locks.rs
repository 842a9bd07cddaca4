//! Advisory locks: flock(2) of open files; fcntl(2) ranges of processes and, as OFD locks, of open files.

use super::node::Node;
use crate::errno::{Errno, Result};
use crate::task::{Pid, Tid};
use crate::wait::WaitQueue;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Who holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The processes that share a descriptor table, by its number.
    Table(u64),
    /// An open file, by its address.
    Open(usize),
}

/// A locked range of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte of the range.
    pub start: u64,
    /// Byte after the last; `u64::MAX` for all that follow.
    pub end: u64,
    /// Whether others cannot read either.
    pub exclusive: bool,
    /// The process or open file that it is for.
    pub owner: Owner,
    /// The process that took it, as F_GETLK reports it; -1 for OFD locks.
    pub pid: Pid,
}

impl Range {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn conflicts(&self, other: &Self) -> bool {
        self.owner != other.owner && (self.exclusive || other.exclusive) && self.overlaps(other)
    }

    /// The parts of the range that remain when `hole` is cut out.
    fn without(&self, hole: &Self) -> [Option<Self>; 2] {
        let before = Self { end: hole.start.min(self.end), ..*self };
        let after = Self { start: hole.end.max(self.start), ..*self };
        [before, after].map(|part| (part.start < part.end).then_some(part))
    }
}

/// A thread that waits for a range (F_SETLKW).
pub struct LockWaiter {
    /// The thread; it is in a system call.
    pub tid: Tid,
    /// The file whose range it wants.
    pub node: Rc<Node>,
    /// The range and its kind, read or write.
    pub wanted: Range,
}

/// The threads that wait for ranges.
#[derive(Default)]
pub struct Queue(RefCell<Vec<LockWaiter>>);

impl Queue {
    /// A thread waits for no range any more.
    pub fn leave(&self, tid: Tid) {
        self.0.borrow_mut().retain(|one| one.tid != tid);
    }

    /// Notes that a thread waits. `waits` tells whether one that was noted still does.
    ///
    /// # Errors
    /// EDEADLK when the holder of the range waits, maybe by way of others, for the thread's owner.
    pub fn join(&self, new: LockWaiter, waits: impl Fn(Tid) -> bool) -> Result<()> {
        let mut all = self.0.borrow_mut();
        all.retain(|one| waits(one.tid) && one.tid != new.tid);
        let holder = |one: &LockWaiter| one.node.locks.conflict(&one.wanted).map(|held| held.owner);
        let mut next = holder(&new);
        // Bounded by the number of waiting threads: each step goes to another one, or around an older ring.
        for _ in 0..=all.len() {
            let Some(owner) = next else { break };
            if owner == new.wanted.owner {
                return Err(Errno::EDEADLK);
            }
            next = all.iter().find(|one| one.wanted.owner == owner).and_then(holder);
        }
        all.push(new);
        Ok(())
    }
}

/// The locks of one inode.
#[derive(Debug, Default)]
pub struct Locks {
    whole: RefCell<Vec<(usize, bool)>>,
    ranges: RefCell<Vec<Range>>,
    released: WaitQueue,
}

impl Locks {
    /// Woken when a lock is released.
    #[must_use]
    pub fn queue(&self) -> &WaitQueue {
        &self.released
    }

    /// Takes or changes the lock of an open file (flock(2)).
    ///
    /// # Errors
    /// EAGAIN when another open file holds one that conflicts; an own lock is lost then, as on Linux.
    pub fn lock_whole(&self, owner: usize, exclusive: bool) -> Result<()> {
        self.unlock_whole(owner);
        let mut whole = self.whole.borrow_mut();
        if whole.iter().any(|&(_, other)| exclusive || other) {
            return Err(Errno::EAGAIN);
        }
        whole.push((owner, exclusive));
        Ok(())
    }

    /// Releases the lock of an open file.
    pub fn unlock_whole(&self, owner: usize) {
        let mut whole = self.whole.borrow_mut();
        let before = whole.len();
        whole.retain(|&(holder, _)| holder != owner);
        if whole.len() != before {
            self.released.wake();
        }
    }

    /// The first lock that keeps `wanted` from being taken (F_GETLK).
    #[must_use]
    pub fn conflict(&self, wanted: &Range) -> Option<Range> {
        self.ranges
            .borrow()
            .iter()
            .filter(|held| held.conflicts(wanted))
            .min_by_key(|held| held.start)
            .copied()
    }

    /// Takes a range; what the owner had of it is replaced.
    ///
    /// # Errors
    /// EAGAIN on a conflict.
    pub fn lock_range(&self, wanted: Range) -> Result<()> {
        if self.conflict(&wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        self.cut(&wanted);
        self.ranges.borrow_mut().push(wanted);
        self.released.wake();
        Ok(())
    }

    /// Releases a range of `hole.owner` (F_UNLCK); what the owner has around it stays locked.
    pub fn unlock_range(&self, hole: &Range) {
        self.cut(hole);
        self.released.wake();
    }

    /// Releases all ranges of an owner (a process closed the file, or ended).
    pub fn unlock_owner(&self, owner: Owner) {
        let mut ranges = self.ranges.borrow_mut();
        let before = ranges.len();
        ranges.retain(|held| held.owner != owner);
        if ranges.len() != before {
            self.released.wake();
        }
    }

    fn cut(&self, hole: &Range) {
        let mut ranges = self.ranges.borrow_mut();
        let parts = ranges
            .iter()
            .flat_map(|held| if held.owner == hole.owner { held.without(hole) } else { [Some(*held), None] });
        let left = parts.flatten().collect();
        *ranges = left;
    }
}
