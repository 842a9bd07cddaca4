//! A queue of bytes with a bound, in one allocation that grows and shrinks with its content.

use super::budget::Budget;
use crate::errno::Result;
use crate::fs::io::{Sink, Source};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Smallest allocation; holds most requests.
const SMALLEST: usize = 4096;
/// An empty queue gives an allocation beyond this back.
const KEPT: usize = 64 << 10;
/// Bytes that move as one where the program's memory ends in the middle: all of them or none, as Linux copies by buffer
/// and takes a buffer back that it could not fill.
const PIECE: usize = 32 << 10;

/// Bytes in order of arrival.
pub struct Ring {
    bytes: Vec<u8>,
    head: usize,
    len: usize,
    budget: Rc<Budget>,
}

impl Ring {
    /// An empty queue whose memory counts towards `budget`.
    pub fn new(budget: &Rc<Budget>) -> Self {
        Self { bytes: Vec::new(), head: 0, len: 0, budget: Rc::clone(budget) }
    }

    /// Bytes that wait to be taken out.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends what `source` gives, up to a length of `limit`, and says how much that was. Memory that cannot be had
    /// makes it less, and so does a source that fails: the [`PIECE`] it failed in is not appended.
    ///
    /// # Errors
    /// Those of `source`, when nothing was appended.
    pub fn fill(&mut self, source: &mut dyn Source, limit: usize) -> Result<usize> {
        let wanted = source.left().min(limit.saturating_sub(self.len));
        self.grow(self.len + wanted);
        let wanted = wanted.min(self.bytes.len() - self.len);
        let mut done = 0;
        while done < wanted {
            let (start, room) = self.gap(wanted - done);
            match source.take(&mut self.bytes[start..start + room]) {
                Ok(0) => break,
                Ok(count) => {
                    self.len += count;
                    done += count;
                }
                Err(errno) => {
                    let whole = done / PIECE * PIECE;
                    self.len -= done - whole;
                    return if whole > 0 { Ok(whole) } else { Err(errno) };
                }
            }
        }
        Ok(done)
    }

    /// Appends all of `bytes`; false when there is no memory for them.
    pub fn push(&mut self, mut bytes: &[u8]) -> bool {
        self.grow(self.len + bytes.len());
        if self.bytes.len() - self.len < bytes.len() {
            return false;
        }
        while !bytes.is_empty() {
            let (start, room) = self.gap(bytes.len());
            self.bytes[start..start + room].copy_from_slice(&bytes[..room]);
            self.len += room;
            bytes = &bytes[room..];
        }
        true
    }

    /// Hands bytes from the front to `sink` without taking them out, and says how many. Of a sink that fails the
    /// [`PIECE`] it failed in does not count.
    ///
    /// # Errors
    /// Those of `sink`, when no bytes count.
    pub fn peek(&self, sink: &mut dyn Sink) -> Result<usize> {
        let wanted = self.len.min(sink.room());
        let mut done = 0;
        while done < wanted {
            let [first, second] = self.parts();
            let part = if done < first.len() { &first[done..] } else { &second[done - first.len()..] };
            match sink.put(&part[..part.len().min(wanted - done)]) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(errno) => {
                    let whole = done / PIECE * PIECE;
                    return if whole > 0 { Ok(whole) } else { Err(errno) };
                }
            }
        }
        Ok(done)
    }

    /// Moves bytes from the front to `sink`, and says how many.
    ///
    /// # Errors
    /// Those of `sink`, when it took nothing.
    pub fn drain(&mut self, sink: &mut dyn Sink) -> Result<usize> {
        let count = self.peek(sink)?;
        self.skip(count);
        Ok(count)
    }

    /// Drops `count` bytes from the front.
    pub fn skip(&mut self, count: usize) {
        let count = count.min(self.len);
        self.len -= count;
        if self.len > 0 {
            self.head = (self.head + count) % self.bytes.len();
            return;
        }
        self.head = 0;
        if self.bytes.len() > KEPT {
            self.budget.give_back(self.bytes.len());
            self.bytes = Vec::new();
        }
    }

    /// The content, in at most two parts.
    fn parts(&self) -> [&[u8]; 2] {
        let first = self.len.min(self.bytes.len() - self.head);
        [&self.bytes[self.head..self.head + first], &self.bytes[..self.len - first]]
    }

    /// Start and length of a free range behind the content, at most `wanted` long.
    fn gap(&self, wanted: usize) -> (usize, usize) {
        let capacity = self.bytes.len();
        let start = (self.head + self.len) % capacity;
        let end = if start >= self.head { capacity } else { self.head };
        (start, wanted.min(end - start))
    }

    /// Grows the allocation to hold `len` bytes, as far as the budget allows.
    fn grow(&mut self, len: usize) {
        if len <= self.bytes.len() {
            return;
        }
        let capacity = len.max(SMALLEST).next_power_of_two();
        if !self.budget.take(capacity - self.bytes.len()) {
            return;
        }
        let mut bytes = Vec::with_capacity(capacity);
        for part in self.parts() {
            bytes.extend_from_slice(part);
        }
        bytes.resize(capacity, 0);
        self.bytes = bytes;
        self.head = 0;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::io::Collect;
    use std::collections::VecDeque;

    fn step(seed: &mut u64) -> usize {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 33) as usize
    }

    #[test]
    fn equals_a_deque_under_random_operations() {
        let mut seed = 42;
        let mut ring = Ring::new(&Budget::new(1 << 20));
        let mut model = VecDeque::new();
        for round in 0..20_000 {
            let count = step(&mut seed) % 9000;
            if step(&mut seed).is_multiple_of(2) {
                let bytes: Vec<u8> = (0..count).map(|index| (index * 31 + round) as u8).collect();
                let taken = ring.fill(&mut &bytes[..], 30_000).unwrap();
                assert_eq!(taken, count.min(30_000 - model.len()));
                model.extend(&bytes[..taken]);
            } else {
                let mut out = Collect { bytes: Vec::new(), limit: count };
                let taken = ring.drain(&mut out).unwrap();
                assert_eq!(taken, count.min(model.len()));
                assert!(out.bytes.iter().copied().eq(model.drain(..taken)));
            }
            assert_eq!(ring.len(), model.len());
        }
    }

    #[test]
    fn memory_beyond_the_budget_is_not_taken() {
        let budget = Budget::new(8192);
        let mut first = Ring::new(&budget);
        let mut second = Ring::new(&budget);
        assert_eq!(first.fill(&mut &[1; 8000][..], 1 << 20).unwrap(), 8000);
        assert_eq!(second.fill(&mut &[1; 10][..], 1 << 20).unwrap(), 0);
        drop(first);
        assert_eq!(second.fill(&mut &[1; 10][..], 1 << 20).unwrap(), 10);
    }
}
