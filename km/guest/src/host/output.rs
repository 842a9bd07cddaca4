//! The output buffer: bytes of any streams, in order, and the operations that hand them over.

use crate::errno::Result;
use crate::fs::io::{Sink, Source};
use alloc::vec::Vec;
use km_abi::hypercall::{OPS_MAX, Op, OpCode, REPLY};
use km_abi::layout::{OUTPUT_GPA, OUTPUT_SIZE};
use km_abi::outbound::Endpoint;
use km_hal::phys;
use zerocopy::IntoBytes;

/// Bytes that are moved at a time.
const PIECE: usize = 4096;
/// Room for the one operation that [`super::Host::call`] adds.
const BATCH: usize = OPS_MAX - 1;

/// Bytes of an [`Endpoint`].
pub const CONNECT_SIZE: u64 = size_of::<Endpoint>() as u64;

/// Operations for the next doorbell.
#[derive(Default)]
pub struct OutputQueue {
    ops: Vec<Op>,
    used: u64,
}

impl OutputQueue {
    /// Whether there is nothing to hand over.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// Whether an operation is about a connection or the stream of replies.
    pub fn has_answer(&self) -> bool {
        self.ops.iter().any(|op| op.stream >= REPLY)
    }

    /// Whether no further operation fits.
    pub fn is_full(&self) -> bool {
        self.ops.len() == BATCH || self.used == OUTPUT_SIZE
    }

    /// All operations; the buffer is free again once they are carried out.
    pub fn take(&mut self) -> Vec<Op> {
        self.used = 0;
        core::mem::take(&mut self.ops)
    }

    /// Appends an operation without bytes.
    pub fn control(&mut self, code: OpCode, stream: u32) {
        self.ops.push(Op { code: code as u32, stream, ..Op::default() });
    }

    /// Appends the wish for a connection; there is room if the queue is not full for [`CONNECT_SIZE`] bytes.
    pub fn connect(&mut self, stream: u32, to: &Endpoint) {
        let gpa = OUTPUT_GPA + self.used;
        phys::write(gpa, to.as_bytes());
        self.used += CONNECT_SIZE;
        self.ops.push(Op { code: OpCode::Connect as u32, stream, gpa, ..Op::default() });
    }

    /// Appends a socket option.
    pub fn option(&mut self, stream: u32, level: u32, name: u32, value: u32) {
        let offset = u64::from(level) << 32 | u64::from(name);
        let len = value.into();
        self.ops.push(Op { code: OpCode::SetOption as u32, stream, offset, len, ..Op::default() });
    }

    /// Whether no further operation with so many bytes fits.
    pub fn is_full_with(&self, bytes: u64) -> bool {
        self.ops.len() == BATCH || OUTPUT_SIZE - self.used < bytes
    }

    /// Appends what `source` gives for `stream`, as far as it fits, and says how much that was.
    pub fn write(&mut self, stream: u32, source: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        while source.left() > 0 && !self.is_full_for(stream) {
            let mut piece = [0; PIECE];
            let room = PIECE.min((OUTPUT_SIZE - self.used) as usize);
            match source.take(&mut piece[..room]) {
                Ok(0) => break,
                Ok(count) => {
                    self.append(stream, &piece[..count]);
                    done += count;
                }
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            }
        }
        Ok(done)
    }

    fn is_full_for(&self, stream: u32) -> bool {
        self.used == OUTPUT_SIZE || (self.ops.len() == BATCH && !self.continues(stream))
    }

    /// Whether bytes for `stream` only make the last operation longer.
    fn continues(&self, stream: u32) -> bool {
        self.ops.last().is_some_and(|op| op.code == OpCode::Write as u32 && op.stream == stream)
    }

    fn append(&mut self, stream: u32, bytes: &[u8]) {
        let gpa = OUTPUT_GPA + self.used;
        phys::write(gpa, bytes);
        self.used += bytes.len() as u64;
        if !self.continues(stream) {
            self.ops.push(Op { code: OpCode::Write as u32, stream, gpa, ..Op::default() });
        }
        if let Some(op) = self.ops.last_mut() {
            op.len += bytes.len() as u64;
        }
    }
}

/// A slice as a [`Sink`].
pub struct Slice<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl<'a> Slice<'a> {
    /// Nothing taken yet; there is room for all of `bytes`.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, len: 0 }
    }
}

impl Sink for Slice<'_> {
    fn room(&self) -> usize {
        self.bytes.len() - self.len
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.room());
        self.bytes[self.len..self.len + count].copy_from_slice(&bytes[..count]);
        self.len += count;
        Ok(count)
    }
}
