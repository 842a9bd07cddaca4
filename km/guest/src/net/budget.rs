//! How much memory the buffers of all sockets of a machine may take together.

use alloc::rc::Rc;
use core::cell::Cell;

/// A number of bytes, some of them in use.
#[derive(Debug)]
pub struct Budget {
    left: Cell<usize>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self { left: Cell::new(limit) })
    }

    /// Takes `bytes` if so many are left.
    pub fn take(&self, bytes: usize) -> bool {
        match self.left.get().checked_sub(bytes) {
            Some(left) => {
                self.left.set(left);
                true
            }
            None => false,
        }
    }

    /// Whether `bytes` are left.
    pub fn has(&self, bytes: usize) -> bool {
        self.left.get() >= bytes
    }

    /// Returns what [`Self::take`] took.
    pub fn give_back(&self, bytes: usize) {
        self.left.set(self.left.get() + bytes);
    }
}
