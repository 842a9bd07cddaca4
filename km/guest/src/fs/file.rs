//! Open files: the [`File`] trait that every kind implements, and [`OpenFile`], the description that descriptors share.

use super::io::{Sink, Source};
use crate::errno::{Errno, Result};
use crate::wait::WaitQueue;
use alloc::rc::Rc;
use bitflags::bitflags;
use core::any::Any;
use core::cell::Cell;

bitflags! {
    /// Readiness, with poll(2)'s bits.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Ready: u32 {
        /// A read would not block.
        const IN = 0x001;
        /// Urgent data.
        const PRI = 0x002;
        /// A write would not block.
        const OUT = 0x004;
        /// An error is pending; always reported.
        const ERR = 0x008;
        /// The peer is gone; always reported.
        const HUP = 0x010;
        /// The peer writes no more.
        const RDHUP = 0x2000;
    }
}

/// What is behind an open file: a regular file, a pipe end, a socket, an epoll instance, …
///
/// Methods take `&self`: state is in cells, never borrowed across a call to another object. None of them waits: what
/// would is `EAGAIN`, and the caller waits for [`File::queue`] unless the file is O_NONBLOCK.
pub trait File: Any {
    /// Reads at `offset` where the file has positions, else what comes next.
    ///
    /// # Errors
    /// As read(2); `EAGAIN` when there is nothing yet.
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let _ = (offset, out);
        Err(Errno::EINVAL)
    }

    /// Writes at `offset` where the file has positions, else at the end of what was written.
    ///
    /// # Errors
    /// As write(2); `EAGAIN` when there is no room yet.
    fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize> {
        let _ = (offset, from);
        Err(Errno::EINVAL)
    }

    /// What would not block now.
    fn ready(&self) -> Ready {
        Ready::IN | Ready::OUT
    }

    /// The queue that is woken when [`Self::ready`] may have changed; `None` for files that are always ready.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// The last descriptor of an open file is closed.
    fn close(&self) {}

    /// The object itself, for calls that only one kind has (sockets, epoll, directories, timers).
    fn as_any(&self) -> &dyn Any;
}

/// An open file description (open(2)): what `dup` and `fork` share.
pub struct OpenFile {
    /// What is open.
    pub file: Rc<dyn File>,
    /// O_ACCMODE, O_APPEND, O_NONBLOCK, O_DIRECT, O_PATH and their like; F_SETFL changes them.
    pub flags: Cell<u32>,
    /// File offset, for files that have one.
    pub offset: Cell<u64>,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.file.close();
    }
}
