//! Counters to wait for (eventfd(2)).

use super::file::{File, Ready};
use super::io::{Sink, Source, put_record};
use crate::errno::{Errno, Result};
use crate::wait::WaitQueue;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::Cell;

/// The counter never has this value.
const FULL: u64 = u64::MAX;

/// The 64-bit counter of eventfd(2), and who waits for it to change.
pub struct EventFd {
    count: Cell<u64>,
    /// Reads take 1 rather than everything.
    semaphore: bool,
    queue: WaitQueue,
}

impl EventFd {
    /// A counter with a first value.
    #[must_use]
    pub fn new(count: u64, semaphore: bool) -> Self {
        Self { count: Cell::new(count), semaphore, queue: WaitQueue::default() }
    }
}

impl File for EventFd {
    fn read(&self, _: u64, out: &mut dyn Sink) -> Result<usize> {
        if out.room() < 8 {
            return Err(Errno::EINVAL);
        }
        let taken = match self.count.get() {
            0 => return Err(Errno::EAGAIN),
            _ if self.semaphore => 1,
            count => count,
        };
        // It is taken even where it cannot be told.
        self.count.set(self.count.get() - taken);
        self.queue.wake_for(Ready::OUT.bits());
        put_record(out, &taken.to_le_bytes())?;
        Ok(8)
    }

    fn write(&self, _: u64, from: &mut dyn Source) -> Result<usize> {
        if from.left() < 8 {
            return Err(Errno::EINVAL);
        }
        let mut bytes = [0; 8];
        // A value that does not fit is not lost: the call waits, and runs again from its start.
        if from.take(&mut bytes)? < bytes.len() {
            return Err(Errno::EFAULT);
        }
        let added = u64::from_le_bytes(bytes);
        if added == FULL {
            return Err(Errno::EINVAL);
        }
        let sum = self.count.get().checked_add(added).filter(|&sum| sum < FULL).ok_or(Errno::EAGAIN)?;
        self.count.set(sum);
        self.queue.wake_for(Ready::IN.bits());
        Ok(8)
    }

    fn ready(&self) -> Ready {
        let mut ready = Ready::empty();
        ready.set(Ready::IN, self.count.get() > 0);
        ready.set(Ready::OUT, self.count.get() < FULL - 1);
        ready
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.queue)
    }

    fn label(&self) -> Vec<u8> {
        b"anon_inode:[eventfd]".to_vec()
    }

    fn stays_at_start(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
