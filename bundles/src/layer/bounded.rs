//! A reader that fails once more came out of it than allowed: the end of decompression bombs.

use std::io::{self, Read};

use super::LayerError;

pub(super) struct Bounded<R> {
    inner: R,
    left: u64,
    max: u64,
}

impl<R: Read> Bounded<R> {
    pub(super) const fn new(inner: R, max: u64) -> Self {
        Self { inner, left: max, max }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => return Err(io::Error::other(LayerError::Bomb { max: self.max })),
        }
        Ok(read)
    }
}
