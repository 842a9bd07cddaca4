//! Message queues (msgget(2), msgop(2)).

use super::now_s;
use super::registry::{Object, Permissions};
use crate::errno::{Errno, Result};
use crate::task::Pid;
use crate::wait::WaitQueue;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Bytes that a new queue holds at most (MSGMNB).
pub const QUEUE_BYTES: u64 = 16_384;
/// Bytes of the longest message (MSGMAX).
pub const MESSAGE_MAX: u64 = 8192;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, above 0.
    pub kind: i64,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Which message msgrcv(2) wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The oldest.
    Any,
    /// The oldest of this type.
    Kind(i64),
    /// The oldest of any other type (MSG_EXCEPT).
    Except(i64),
    /// The oldest of the lowest type that is not above this one.
    UpTo(i64),
    /// The one at this place of the queue (MSG_COPY).
    Place(usize),
}

/// A queue of messages.
pub struct MessageQueue {
    permissions: Cell<Permissions>,
    messages: RefCell<VecDeque<Message>>,
    /// Bytes that it holds at most.
    pub limit: Cell<u64>,
    /// When a message was sent last, in seconds since 1970; 0 for never, as the other times.
    pub sent_s: Cell<i64>,
    /// When one was received last.
    pub received_s: Cell<i64>,
    /// When it was made or changed last.
    pub changed_s: Cell<i64>,
    /// Who sent last.
    pub last_sender: Cell<Pid>,
    /// Who received last.
    pub last_receiver: Cell<Pid>,
    /// Threads that wait for a message or for room.
    pub queue: WaitQueue,
}

impl Object for MessageQueue {
    fn permissions(&self) -> &Cell<Permissions> {
        &self.permissions
    }
}

impl MessageQueue {
    /// An empty queue.
    #[must_use]
    pub fn new(permissions: Permissions) -> Self {
        Self {
            permissions: Cell::new(permissions),
            messages: RefCell::default(),
            limit: Cell::new(QUEUE_BYTES),
            sent_s: Cell::new(0),
            received_s: Cell::new(0),
            changed_s: Cell::new(now_s()),
            last_sender: Cell::new(0),
            last_receiver: Cell::new(0),
            queue: WaitQueue::default(),
        }
    }

    /// Messages in it, and their bytes.
    #[must_use]
    pub fn usage(&self) -> (u64, u64) {
        let messages = self.messages.borrow();
        (messages.len() as u64, messages.iter().map(|message| message.bytes.len() as u64).sum())
    }

    /// Adds a message.
    ///
    /// # Errors
    /// EAGAIN when it is full.
    pub fn send(&self, message: Message, pid: Pid) -> Result<()> {
        let (count, bytes) = self.usage();
        let limit = self.limit.get();
        if bytes + message.bytes.len() as u64 > limit || count + 1 > limit {
            return Err(Errno::EAGAIN);
        }
        self.messages.borrow_mut().push_back(message);
        self.sent_s.set(now_s());
        self.last_sender.set(pid);
        self.queue.wake();
        Ok(())
    }

    fn find(&self, wanted: Wanted) -> Option<usize> {
        let messages = self.messages.borrow();
        let mut kinds = messages.iter().map(|message| message.kind);
        match wanted {
            Wanted::Any => (!messages.is_empty()).then_some(0),
            Wanted::Kind(kind) => kinds.position(|other| other == kind),
            Wanted::Except(kind) => kinds.position(|other| other != kind),
            Wanted::UpTo(limit) => {
                let lowest = kinds.filter(|kind| *kind <= limit).min()?;
                messages.iter().position(|message| message.kind == lowest)
            }
            Wanted::Place(place) => (place < messages.len()).then_some(place),
        }
    }

    /// Takes a message of at most `room` bytes; with `cut` a longer one is shortened. [`Wanted::Place`] leaves it there.
    ///
    /// # Errors
    /// ENOMSG when there is none, E2BIG when it is too long.
    pub fn receive(&self, wanted: Wanted, room: u64, cut: bool, pid: Pid) -> Result<Message> {
        let place = self.find(wanted).ok_or(Errno::ENOMSG)?;
        let mut messages = self.messages.borrow_mut();
        let len = messages.get(place).ok_or(Errno::ENOMSG)?.bytes.len() as u64;
        if len > room && !cut {
            return Err(Errno::E2BIG);
        }
        if matches!(wanted, Wanted::Place(_)) {
            return messages.get(place).cloned().ok_or(Errno::ENOMSG);
        }
        let message = messages.remove(place).ok_or(Errno::ENOMSG)?;
        self.received_s.set(now_s());
        self.last_receiver.set(pid);
        self.queue.wake();
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_choose_the_message() {
        let queue = MessageQueue::new(Permissions::default());
        for (kind, len) in [(3, 1), (2, 2), (5, 3), (2, 4)] {
            queue.send(Message { kind, bytes: alloc::vec![0; len] }, 1).unwrap();
        }
        let take =
            |wanted| queue.receive(wanted, 100, false, 1).map(|message| (message.kind, message.bytes.len()));
        assert_eq!(take(Wanted::Place(3)), Ok((2, 4)));
        assert_eq!(take(Wanted::Kind(4)), Err(Errno::ENOMSG));
        assert_eq!(take(Wanted::UpTo(4)), Ok((2, 2)));
        assert_eq!(take(Wanted::Except(3)), Ok((5, 3)));
        assert_eq!(take(Wanted::Any), Ok((3, 1)));
        assert_eq!(queue.receive(Wanted::Any, 3, false, 1), Err(Errno::E2BIG));
        assert_eq!(take(Wanted::Kind(2)), Ok((2, 4)));
        assert_eq!(queue.usage(), (0, 0));
    }
}
