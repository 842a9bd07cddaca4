//! Memory of a program as a handler reads and writes it. Every access checks the range, makes lazy pages present and
//! breaks copy-on-write first; a bad pointer is EFAULT.

use super::AddressSpace;
use crate::errno::Result;
use crate::fs::io::{Sink, Source};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The memory of one process.
#[derive(Clone)]
pub struct UserMemory {
    space: Rc<RefCell<AddressSpace>>,
}

impl UserMemory {
    /// The memory of the process that has `space`.
    #[must_use]
    pub fn new(space: Rc<RefCell<AddressSpace>>) -> Self {
        Self { space }
    }

    /// Fills `buffer` from `address` on.
    ///
    /// # Errors
    /// EFAULT.
    pub fn read(&self, address: u64, buffer: &mut [u8]) -> Result<()> {
        let _ = (&self.space, address, buffer);
        todo!()
    }

    /// Writes `bytes` to `address`.
    ///
    /// # Errors
    /// EFAULT; bytes before the bad page may have been written.
    pub fn write(&self, address: u64, bytes: &[u8]) -> Result<()> {
        let _ = (address, bytes);
        todo!()
    }

    /// Reads a plain structure.
    ///
    /// # Errors
    /// EFAULT.
    pub fn load<T: FromBytes + IntoBytes>(&self, address: u64) -> Result<T> {
        let mut value = T::new_zeroed();
        self.read(address, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Writes a plain structure.
    ///
    /// # Errors
    /// EFAULT.
    pub fn store<T: IntoBytes + Immutable>(&self, address: u64, value: &T) -> Result<()> {
        self.write(address, value.as_bytes())
    }

    /// Reads a string that ends with NUL (not included).
    ///
    /// # Errors
    /// EFAULT; ENAMETOOLONG when there is no NUL within `limit` bytes.
    pub fn string(&self, address: u64, limit: usize) -> Result<Vec<u8>> {
        let _ = (address, limit);
        todo!()
    }
}

/// A list of ranges of a program's memory: the destination of a read, the origin of a write.
pub struct UserRanges {
    memory: UserMemory,
    ranges: Vec<(u64, u64)>,
}

impl UserRanges {
    /// One range. At most 0x7ffff000 bytes of it are used (read(2)).
    #[must_use]
    pub fn one(memory: UserMemory, address: u64, len: u64) -> Self {
        Self { memory, ranges: alloc::vec![(address, len.min(0x7fff_f000))] }
    }

    /// An array of `count` iovec structures at `address`.
    ///
    /// # Errors
    /// EFAULT; EINVAL for more than 1024 or a sum of lengths beyond i64.
    pub fn vector(memory: UserMemory, address: u64, count: u64) -> Result<Self> {
        let _ = (address, count);
        Ok(Self { memory, ranges: Vec::new() })
    }
}

impl Sink for UserRanges {
    fn room(&self) -> usize {
        self.ranges.iter().map(|range| range.1 as usize).sum()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let _ = (&self.memory, bytes);
        todo!()
    }
}

impl Source for UserRanges {
    fn left(&self) -> usize {
        self.room()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let _ = buffer;
        todo!()
    }
}
