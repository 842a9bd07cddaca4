//! Threads that wait for a word of memory to change (futex(2)).
//!
//! A waiter stands in the queue of its word until a wake-up takes it out, which is how its call, when it runs again, tells
//! a wake-up from a deadline or a signal. Waking takes the longest waiting first.

use super::{Tasks, Tid};
use crate::errno::{Errno, Result};
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

/// Which word: everyone who names the same one meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FutexKey {
    /// A word of one address space, named by the address of its structure.
    Private(usize, u64),
    /// A word of shared memory, by its place in guest-physical memory.
    Shared(u64),
}

#[derive(Clone, Copy, Debug)]
struct Waiter {
    tid: Tid,
    bitset: u32,
    /// Which of the words of futex_waitv(2) this is.
    index: usize,
    awaits: Awaits,
}

/// What a thread waits for at a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    /// FUTEX_WAKE takes it out.
    Wake,
    /// To own the lock that the word at this address of its memory is (FUTEX_LOCK_PI).
    Lock(u64),
    /// To be moved to this lock (FUTEX_WAIT_REQUEUE_PI).
    Move(FutexKey),
}

/// A lock that its owner's end passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// The owner from now on.
    pub heir: Tid,
    /// Address of the lock's word in the heir's memory.
    pub word: u64,
    /// Whether others wait on.
    pub is_awaited: bool,
}

/// Which threads wait for which words, in the order of their coming.
#[derive(Default)]
pub struct Futexes {
    queues: BTreeMap<FutexKey, VecDeque<Waiter>>,
    /// The words that a thread waits for; several only in futex_waitv(2).
    waiting: BTreeMap<Tid, Vec<FutexKey>>,
    /// Which of several words woke a thread.
    woken_by: BTreeMap<Tid, usize>,
    /// Who has the locks that threads wait for, whatever their words say meanwhile.
    owners: BTreeMap<FutexKey, Tid>,
}

impl Futexes {
    /// Puts a thread at the end of a word's queue.
    pub fn join(&mut self, tid: Tid, key: FutexKey, bitset: u32) {
        self.leave(tid);
        self.enqueue(key, Waiter { tid, bitset, index: 0, awaits: Awaits::Wake });
    }

    /// Puts a thread at the end of the queue for the lock that the word at `word` is, and `owner` has.
    pub fn join_lock(&mut self, tid: Tid, key: FutexKey, word: u64, owner: Tid) {
        self.leave(tid);
        self.enqueue(key, Waiter { tid, bitset: 0, index: 0, awaits: Awaits::Lock(word) });
        self.owners.insert(key, owner);
    }

    /// Puts a thread at the end of a word's queue, from which only a move to the lock takes it.
    pub fn join_to_move(&mut self, tid: Tid, key: FutexKey, lock: FutexKey) {
        self.leave(tid);
        self.enqueue(key, Waiter { tid, bitset: 0, index: 0, awaits: Awaits::Move(lock) });
    }

    /// Puts a thread at the end of the queues of several words.
    pub fn join_all(&mut self, tid: Tid, keys: &[FutexKey]) {
        self.leave(tid);
        for (index, key) in keys.iter().enumerate() {
            self.enqueue(*key, Waiter { tid, bitset: u32::MAX, index, awaits: Awaits::Wake });
        }
    }

    fn enqueue(&mut self, key: FutexKey, waiter: Waiter) {
        self.queues.entry(key).or_default().push_back(waiter);
        self.waiting.entry(waiter.tid).or_default().push(key);
    }

    /// Whether a thread has not been woken yet.
    #[must_use]
    pub fn is_waiting(&self, tid: Tid) -> bool {
        self.waiting.contains_key(&tid)
    }

    /// Which of its words woke a thread.
    pub fn take_index(&mut self, tid: Tid) -> usize {
        self.woken_by.remove(&tid).unwrap_or(0)
    }

    /// Takes a thread out of its queues.
    pub fn leave(&mut self, tid: Tid) {
        self.woken_by.remove(&tid);
        for key in self.waiting.remove(&tid).unwrap_or_default() {
            if let Some(queue) = self.queues.get_mut(&key) {
                queue.retain(|waiter| waiter.tid != tid);
                self.drop_empty(key);
            }
        }
    }

    /// Wakes up to `count` waiters whose bitset meets `bitset`, and returns how many.
    ///
    /// # Errors
    /// EINVAL at a thread that waits for a lock; those before it are woken.
    pub fn wake(&mut self, tasks: &mut Tasks, key: FutexKey, count: u64, bitset: u32) -> Result<u64> {
        let mut woken = Vec::new();
        let mut refused = false;
        if let Some(queue) = self.queues.get_mut(&key) {
            queue.retain(|waiter| {
                let enough = refused || woken.len() as u64 >= count;
                refused |= !enough && waiter.awaits != Awaits::Wake;
                let chosen = !enough && !refused && waiter.bitset & bitset != 0;
                if chosen {
                    woken.push((waiter.tid, waiter.index));
                }
                !chosen
            });
            self.drop_empty(key);
        }
        for (tid, index) in &woken {
            let several = self.waiting.get(tid).is_some_and(|keys| keys.len() > 1);
            self.leave(*tid);
            if several {
                self.woken_by.insert(*tid, *index);
            }
            tasks.interrupt(*tid);
        }
        if refused { Err(Errno::EINVAL) } else { Ok(woken.len() as u64) }
    }

    /// The thread that waits longest at a word, if it waits to be moved to this lock.
    ///
    /// # Errors
    /// EINVAL when it waits for something else.
    pub fn first_to_move(&self, from: FutexKey, lock: FutexKey) -> Result<Option<Tid>> {
        match self.queues.get(&from).and_then(VecDeque::front) {
            Some(waiter) if waiter.awaits != Awaits::Move(lock) => Err(Errno::EINVAL),
            first => Ok(first.map(|waiter| waiter.tid)),
        }
    }

    /// Takes a thread out of its queues and wakes it: it has what it waited for.
    pub fn release(&mut self, tasks: &mut Tasks, tid: Tid) {
        self.leave(tid);
        tasks.interrupt(tid);
    }

    /// Moves up to `count` threads that wait to be moved (FUTEX_WAIT_REQUEUE_PI) to the queue of a lock, and returns
    /// how many. `lock` is its name, and the address of its word; `owner` has it.
    ///
    /// # Errors
    /// EINVAL at a thread that waits for something else; those before it are moved.
    pub fn move_to_lock(
        &mut self,
        from: FutexKey,
        (lock, word): (FutexKey, u64),
        owner: Tid,
        count: u64,
    ) -> Result<u64> {
        for moved in 0..count {
            let Some(tid) = self.first_to_move(from, lock)? else { return Ok(moved) };
            self.join_lock(tid, lock, word, owner);
        }
        Ok(count)
    }

    /// Takes the longest waiting out of the queue for a lock and wakes it: its owner from now on. Tells whether others
    /// wait on.
    pub fn hand_over(&mut self, tasks: &mut Tasks, key: FutexKey) -> Option<Inherited> {
        let lock_word = |waiter: &Waiter| match waiter.awaits {
            Awaits::Lock(word) => Some((waiter.tid, word)),
            _ => None,
        };
        let mut waiting = self.queues.get(&key)?.iter().filter_map(lock_word);
        let (heir, word) = waiting.next()?;
        let is_awaited = waiting.next().is_some();
        self.leave(heir);
        if is_awaited {
            self.owners.insert(key, heir);
        } else {
            self.owners.remove(&key);
        }
        tasks.interrupt(heir);
        Some(Inherited { heir, word, is_awaited })
    }

    /// The locks that others wait for and a thread has.
    #[must_use]
    pub fn locks_of(&self, owner: Tid) -> Vec<FutexKey> {
        self.owners.iter().filter(|lock| *lock.1 == owner).map(|lock| *lock.0).collect()
    }

    /// Moves up to `count` waiters to another word, and returns how many.
    ///
    /// # Errors
    /// EINVAL at a thread that waits for a lock; those before it are moved.
    pub fn requeue(&mut self, from: FutexKey, to: FutexKey, count: u64) -> Result<u64> {
        let Some(mut queue) = self.queues.remove(&from) else { return Ok(0) };
        let movable = queue.iter().take_while(|waiter| waiter.awaits == Awaits::Wake).count();
        let refused = movable < queue.len() && (movable as u64) < count;
        let moved: Vec<Waiter> = queue.drain(..movable.min(count as usize)).collect();
        if !queue.is_empty() {
            self.queues.insert(from, queue);
        }
        for waiter in &moved {
            for key in self.waiting.get_mut(&waiter.tid).into_iter().flatten().filter(|key| **key == from) {
                *key = to;
            }
        }
        if !moved.is_empty() {
            self.queues.entry(to).or_default().extend(&moved);
        }
        if refused { Err(Errno::EINVAL) } else { Ok(moved.len() as u64) }
    }

    fn drop_empty(&mut self, key: FutexKey) {
        if self.queues.get(&key).is_some_and(VecDeque::is_empty) {
            self.queues.remove(&key);
            self.owners.remove(&key);
        }
    }
}

/// The operation on a second word that FUTEX_WAKE_OP encodes in its last argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOp {
    operation: u32,
    operand: i32,
    comparison: u32,
    compared: i32,
}

impl WakeOp {
    /// Reads the encoding.
    ///
    /// # Errors
    /// ENOSYS for an operation or a comparison that there is none.
    pub fn decode(value: u64) -> Result<Self> {
        let field = |shift: u32, bits: u32| (value as u32) >> shift & ((1 << bits) - 1);
        // Twelve bits with a sign.
        let signed = |raw: u32| ((raw << 20) as i32) >> 20;
        let operand = signed(field(12, 12));
        let shifted = field(31, 1) == 1;
        let operand = if shifted { 1i32.wrapping_shl(operand as u32 & 31) } else { operand };
        let decoded = Self {
            operation: field(28, 3),
            operand,
            comparison: field(24, 4),
            compared: signed(field(0, 12)),
        };
        if decoded.operation > 4 || decoded.comparison > 5 { Err(Errno::ENOSYS) } else { Ok(decoded) }
    }

    /// The word's new value.
    #[must_use]
    pub fn apply(self, old: u32) -> u32 {
        let operand = self.operand as u32;
        match self.operation {
            0 => operand,
            1 => old.wrapping_add(operand),
            2 => old | operand,
            3 => old & !operand,
            _ => old ^ operand,
        }
    }

    /// Whether the second word's waiters are woken as well.
    #[must_use]
    pub fn holds(self, old: u32) -> bool {
        let (old, compared) = (old as i32, self.compared);
        match self.comparison {
            0 => old == compared,
            1 => old != compared,
            2 => old < compared,
            3 => old <= compared,
            4 => old > compared,
            _ => old >= compared,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: FutexKey = FutexKey::Private(1, 0x1000);
    const SECOND: FutexKey = FutexKey::Shared(0x2000);

    #[test]
    fn the_longest_waiting_is_woken_first_and_bitsets_select() {
        let (mut futexes, mut tasks) = (Futexes::default(), Tasks::default());
        futexes.join(1, FIRST, u32::MAX);
        futexes.join(2, FIRST, 0b10);
        futexes.join(3, FIRST, 0b01);
        assert_eq!(futexes.wake(&mut tasks, FIRST, 1, 0b01), Ok(1));
        assert_eq!([1, 2, 3].map(|tid| futexes.is_waiting(tid)), [false, true, true]);
        assert_eq!(futexes.wake(&mut tasks, FIRST, 9, 0b01), Ok(1));
        assert_eq!([2, 3].map(|tid| futexes.is_waiting(tid)), [true, false]);
        futexes.leave(2);
        assert!(futexes.queues.is_empty() && futexes.waiting.is_empty());
    }

    #[test]
    fn requeued_waiters_wait_for_the_other_word() {
        let (mut futexes, mut tasks) = (Futexes::default(), Tasks::default());
        (1..=3).for_each(|tid| futexes.join(tid, FIRST, u32::MAX));
        assert_eq!(futexes.requeue(FIRST, SECOND, 2), Ok(2));
        assert_eq!(futexes.wake(&mut tasks, FIRST, 9, u32::MAX), Ok(1));
        assert_eq!(futexes.wake(&mut tasks, SECOND, 9, u32::MAX), Ok(2));
        assert!(futexes.queues.is_empty());
    }

    #[test]
    fn who_waits_for_a_lock_is_moved_to_it_and_never_woken() {
        let (mut futexes, mut tasks) = (Futexes::default(), Tasks::default());
        futexes.join(1, FIRST, u32::MAX);
        futexes.join_to_move(2, FIRST, SECOND);
        assert_eq!(futexes.wake(&mut tasks, FIRST, 9, u32::MAX), Err(Errno::EINVAL));
        assert_eq!([1, 2].map(|tid| futexes.is_waiting(tid)), [false, true], "those before it are woken");
        assert_eq!(futexes.requeue(FIRST, SECOND, 1), Err(Errno::EINVAL));
        assert_eq!(futexes.first_to_move(FIRST, FIRST), Err(Errno::EINVAL));
        assert_eq!(futexes.move_to_lock(FIRST, (SECOND, 0x2000), 7, 9), Ok(1));
        assert_eq!(futexes.locks_of(7), [SECOND]);
        let inherited = Inherited { heir: 2, word: 0x2000, is_awaited: false };
        assert_eq!(futexes.hand_over(&mut tasks, SECOND), Some(inherited));
        assert!(futexes.queues.is_empty() && futexes.waiting.is_empty() && futexes.owners.is_empty());
    }

    #[test]
    fn wake_op_has_linuxs_encoding() {
        // FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_GT, -1)
        let op = WakeOp::decode(1 << 28 | 4 << 24 | 3 << 12 | 0xfff).unwrap();
        assert_eq!(op.apply(5), 8);
        assert!(op.holds(0) && !op.holds(u32::MAX));
        // FUTEX_OP_OPARG_SHIFT | FUTEX_OP_SET of 1 << 4
        let op = WakeOp::decode(8 << 28 | 4 << 12).unwrap();
        assert_eq!(op.apply(7), 16);
        assert_eq!(WakeOp::decode(5 << 28), Err(Errno::ENOSYS));
    }
}
