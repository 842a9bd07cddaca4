//! Where a file's bytes go and come from: user memory, or a buffer of the library OS.

use crate::errno::{Errno, Result};
use alloc::vec::Vec;

/// Takes bytes (the destination of a read).
pub trait Sink {
    /// Room left in bytes.
    fn room(&self) -> usize;

    /// Takes as many of `bytes` as there is room for, and says how many.
    ///
    /// # Errors
    /// EFAULT when user memory behind it cannot be written and nothing was.
    fn put(&mut self, bytes: &[u8]) -> Result<usize>;

    /// Where the next bytes belong: at most [`PLACES_MAX`] pieces of physical memory, `most` bytes in all, which can be written until
    /// something else is done with the sink. None where bytes must come by [`Self::put`].
    fn places(&mut self, _most: usize) -> Vec<Place> {
        Vec::new()
    }

    /// Takes note that the first `count` bytes of [`Self::places`] were put there.
    fn put_in_place(&mut self, _count: usize) {}
}

/// A piece of physical memory: where it begins, and its length.
pub type Place = (u64, u64);
/// Most pieces that are asked for at once.
pub const PLACES_MAX: usize = km_abi::hypercall::OPS_MAX;

/// Puts a record, of which a part would be of no use.
///
/// # Errors
/// EFAULT when not all of it can be written; some of it may have been.
pub fn put_record(out: &mut dyn Sink, record: &[u8]) -> Result<()> {
    if out.put(record)? == record.len() { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Gives bytes (the origin of a write).
pub trait Source {
    /// Bytes that [`Self::take`] can still give.
    fn left(&self) -> usize;

    /// Fills as much of `buffer` as there are bytes, and says how much.
    ///
    /// # Errors
    /// EFAULT when user memory behind it cannot be read and nothing was.
    fn take(&mut self, buffer: &mut [u8]) -> Result<usize>;

    /// Where the next bytes are, as for [`Sink::places`]. None where bytes must be had by [`Self::take`].
    fn places(&mut self, _most: usize) -> Vec<Place> {
        Vec::new()
    }

    /// Takes note that the first `count` bytes of [`Self::places`] were taken.
    fn take_in_place(&mut self, _count: usize) {}
}

impl Source for &[u8] {
    fn left(&self) -> usize {
        self.len()
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let count = self.len().min(buffer.len());
        let (head, tail) = self.split_at(count);
        buffer[..count].copy_from_slice(head);
        *self = tail;
        Ok(count)
    }
}

/// The first bytes of a [`Source`].
pub struct Limited<'a> {
    /// Where they come from.
    pub source: &'a mut dyn Source,
    /// How many of them are left at most.
    pub limit: usize,
}

impl Source for Limited<'_> {
    fn left(&self) -> usize {
        self.source.left().min(self.limit)
    }

    fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let len = buffer.len().min(self.limit);
        let count = self.source.take(&mut buffer[..len])?;
        self.limit -= count;
        Ok(count)
    }

    fn places(&mut self, most: usize) -> Vec<Place> {
        self.source.places(most.min(self.limit))
    }

    fn take_in_place(&mut self, count: usize) {
        self.source.take_in_place(count);
        self.limit -= count;
    }
}

/// A [`Sink`] that takes no more than so many bytes.
pub struct Capped<'a> {
    /// Takes the bytes that are within the limit.
    pub sink: &'a mut dyn Sink,
    /// How many more it takes.
    pub limit: usize,
}

impl Sink for Capped<'_> {
    fn room(&self) -> usize {
        self.sink.room().min(self.limit)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = self.sink.put(&bytes[..bytes.len().min(self.limit)])?;
        self.limit -= count;
        Ok(count)
    }

    fn places(&mut self, most: usize) -> Vec<Place> {
        self.sink.places(most.min(self.limit))
    }

    fn put_in_place(&mut self, count: usize) {
        self.sink.put_in_place(count);
        self.limit -= count;
    }
}

/// A [`Sink`] that collects at most `limit` bytes.
#[derive(Debug, Default)]
pub struct Collect {
    /// All that came, in order.
    pub bytes: Vec<u8>,
    /// The most that it takes.
    pub limit: usize,
}

impl Sink for Collect {
    fn room(&self) -> usize {
        self.limit - self.bytes.len()
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.room());
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
}
