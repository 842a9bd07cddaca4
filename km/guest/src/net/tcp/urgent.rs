//! Urgent data (tcp(7), MSG_OOB): one byte of the stream that is marked and handed over beside it.
//!
//! A reader stops in front of the mark. What is behind it comes without the byte, unless SO_OOBINLINE leaves it in its
//! place.

use super::wire::{Loop, Peek};
use crate::errno::{Errno, Result};
use core::cell::Cell;

/// The mark in the bytes that wait for one end.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Bytes that are read before it.
    ahead: usize,
    byte: u8,
    /// The byte was received.
    is_taken: bool,
}

/// The last mark of one direction: a new one replaces it.
#[derive(Default)]
pub struct Urgent(Cell<Option<Mark>>);

impl Urgent {
    /// The byte behind `ahead` others is urgent.
    pub fn mark(&self, ahead: usize, byte: u8) {
        self.0.set(Some(Mark { ahead, byte, is_taken: false }));
    }

    /// Whether an urgent byte waits (POLLPRI).
    pub fn is_waiting(&self) -> bool {
        self.0.get().is_some_and(|mark| !mark.is_taken)
    }

    /// Whether the next byte is the marked one (SIOCATMARK).
    pub fn is_next(&self) -> bool {
        self.0.get().is_some_and(|mark| mark.ahead == 0)
    }

    /// How many bytes a read may give, so that it stops in front of the mark.
    pub fn limit(&self) -> usize {
        self.0.get().filter(|mark| mark.ahead > 0).map_or(usize::MAX, |mark| mark.ahead)
    }

    /// Bytes were read; a mark that is passed is forgotten.
    pub fn advance(&self, count: usize) {
        let Some(mark) = self.0.get() else { return };
        let left = mark.ahead.checked_sub(count).filter(|_| mark.ahead > 0 || count == 0);
        self.0.set(left.map(|ahead| Mark { ahead, ..mark }));
    }

    /// The urgent byte, once.
    ///
    /// # Errors
    /// EINVAL when there is none.
    pub fn take(&self, peek: Peek) -> Result<u8> {
        let mark = self.0.get().filter(|mark| !mark.is_taken).ok_or(Errno::EINVAL)?;
        self.0.set(Some(Mark { is_taken: peek == Peek::No, ..mark }));
        Ok(mark.byte)
    }
}

impl Loop {
    /// Sends bytes, the last of which is urgent.
    pub(super) fn send_marked(&self, bytes: &[u8]) -> Result<usize> {
        let (before, count) = self.fill_peer(bytes)?;
        if let Some(last) = count.checked_sub(1) {
            self.peer_urgent().mark(before + last, bytes[last]);
        }
        self.tell_peer();
        Ok(count)
    }
}
