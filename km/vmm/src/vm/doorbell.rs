//! A hyper page: copied once, checked, carried out.

use super::streams::{Arrivals, GuestStreams, Transfer};
use crate::memory::{GuestMemory, MemoryError, Rootfs};
use km_abi::hypercall::{
    AGAIN, BROKEN, Event, HyperPage, INVALID, OPS_MAX, OWN_BYTES, Op, OpCode, TRANSFER_MAX, UnknownEnd,
};
use km_abi::layout::{HYPER_GPA, INPUT_GPA};
use std::mem::offset_of;
use zerocopy::IntoBytes;

/// A guest that breaks the rules of the hyper page; it is ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoorbellError {
    #[error("the guest asked for {0} operations at once")]
    TooMany(u32),
    #[error("the guest asked for operation {0}, which does not exist")]
    UnknownOperation(u32),
    #[error("the guest asked for a transfer of {0} bytes")]
    TooLong(u64),
    #[error("the guest ended with cause {} and value {}, which mean nothing", .0.0.cause, .0.0.value)]
    UnknownEnd(UnknownEnd),
    #[error("the guest gave an address outside of its memory: {0}")]
    Memory(#[from] MemoryError),
}

/// Carries out operations. It keeps its transfer buffer, so that a doorbell allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Doorbell {
    buffer: Vec<u8>,
    /// Streams that took a write of this doorbell in part: what follows on them must not overtake the rest.
    stopped: Vec<u32>,
    /// Streams of which a read of this doorbell was not filled: what comes next must not leave a gap.
    drained: Vec<u32>,
}

impl Doorbell {
    /// Copies the page, carries out its operations and writes their results back. Returns the copy.
    pub(super) fn answer(
        &mut self,
        memory: &GuestMemory,
        rootfs: &Rootfs,
        streams: &mut dyn GuestStreams,
    ) -> Result<HyperPage, DoorbellError> {
        let page: HyperPage = memory.load(HYPER_GPA)?;
        let count = page.op_count as usize;
        let ops = page.ops.get(..count).ok_or(DoorbellError::TooMany(page.op_count))?;
        self.stopped.clear();
        self.drained.clear();
        for (index, op) in ops.iter().enumerate() {
            let result = self.carry_out(op, memory, rootfs, streams)?;
            memory.store(result_address(index), &result)?;
        }
        Ok(page)
    }

    fn carry_out(
        &mut self,
        op: &Op,
        memory: &GuestMemory,
        rootfs: &Rootfs,
        streams: &mut dyn GuestStreams,
    ) -> Result<i64, DoorbellError> {
        let code = OpCode::try_from(op.code).map_err(DoorbellError::UnknownOperation)?;
        if op.len > TRANSFER_MAX && code != OpCode::SetOption {
            return Err(DoorbellError::TooLong(op.len));
        }
        match code {
            OpCode::Write | OpCode::ShutdownWrite | OpCode::Close if self.stopped.contains(&op.stream) => {
                Ok(AGAIN)
            }
            OpCode::Write => {
                let transfer = self.write(op, memory, streams)?;
                if matches!(transfer, Transfer::Done(count) if (count as u64) < op.len) {
                    self.stopped.push(op.stream);
                }
                Ok(result(transfer, op.len))
            }
            OpCode::Read if self.drained.contains(&op.stream) => Ok(AGAIN),
            OpCode::Read => {
                let transfer = match streams.read_into(op.stream, memory, op.gpa, op.len as usize)? {
                    Some(transfer) => transfer,
                    None => self.fill(op, memory, |buffer| streams.read(op.stream, buffer))?,
                };
                if !matches!(transfer, Transfer::Done(count) if count as u64 == op.len) {
                    self.drained.push(op.stream);
                }
                Ok(result(transfer, op.len))
            }
            OpCode::RootfsRead => {
                let transfer = self.fill(op, memory, |buffer| match rootfs.read_at(op.offset, buffer) {
                    Ok(count) => Transfer::Done(count),
                    Err(_) => Transfer::Broken,
                })?;
                Ok(result(transfer, op.len))
            }
            OpCode::ShutdownWrite => Ok(result(streams.shutdown_write(op.stream), 0)),
            OpCode::Close => Ok(result(streams.close(op.stream), 0)),
            OpCode::Connect => Ok(result(streams.connect(op.stream, memory.load(op.gpa)?), 0)),
            OpCode::SetOption => {
                let (level, name) = ((op.offset >> 32) as u32, op.offset as u32);
                Ok(result(streams.set_option(op.stream, level, name, op.len as u32), 0))
            }
        }
    }

    fn write(
        &mut self,
        op: &Op,
        memory: &GuestMemory,
        streams: &mut dyn GuestStreams,
    ) -> Result<Transfer, DoorbellError> {
        if op.offset == OWN_BYTES
            && let Some(transfer) = streams.write_from(op.stream, memory, op.gpa, op.len as usize)?
        {
            return Ok(transfer);
        }
        self.buffer.resize(op.len as usize, 0);
        memory.read(op.gpa, &mut self.buffer)?;
        Ok(streams.write(op.stream, &self.buffer))
    }

    fn fill(
        &mut self,
        op: &Op,
        memory: &GuestMemory,
        read: impl FnOnce(&mut [u8]) -> Transfer,
    ) -> Result<Transfer, DoorbellError> {
        // The range is checked before bytes are taken from a stream: they would be lost.
        memory.slice(op.gpa, op.len as usize)?;
        self.buffer.resize(op.len as usize, 0);
        let transfer = read(&mut self.buffer);
        if let Transfer::Done(count) = transfer {
            memory.write(op.gpa, &self.buffer[..count.min(self.buffer.len())])?;
        }
        Ok(transfer)
    }
}

/// Rings doorbells without a machine, for fuzz targets.
#[derive(Debug, Default)]
pub struct DoorbellRinger(Doorbell);

impl DoorbellRinger {
    /// Carries out the hyper page in `memory` and delivers what `streams` has.
    ///
    /// # Errors
    /// What the guest did wrong.
    pub fn ring(
        &mut self,
        memory: &GuestMemory,
        rootfs: &Rootfs,
        streams: &mut dyn GuestStreams,
    ) -> Result<(), String> {
        self.0.answer(memory, rootfs, streams).map_err(|error| error.to_string())?;
        let mut arrivals = Arrivals::default();
        streams.poll(&mut arrivals);
        deliver(memory, &arrivals).map_err(|error| error.to_string())
    }
}

/// Writes events and their bytes where the guest looks for them.
pub(super) fn deliver(memory: &GuestMemory, arrivals: &Arrivals) -> Result<(), MemoryError> {
    let (events, input) = arrivals.parts();
    memory.store(HYPER_GPA + offset_of!(HyperPage, event_count) as u64, &(events.len() as u32))?;
    if !events.is_empty() {
        memory.write(HYPER_GPA + offset_of!(HyperPage, events) as u64, events.as_bytes())?;
        memory.write(INPUT_GPA, input)?;
    }
    Ok(())
}

fn result(transfer: Transfer, most: u64) -> i64 {
    match transfer {
        Transfer::Done(count) => (count as u64).min(most).cast_signed(),
        Transfer::Again => AGAIN,
        Transfer::Broken => BROKEN,
        Transfer::Unknown => INVALID,
        Transfer::Failed(errno) => -i64::from(errno),
    }
}

fn result_address(index: usize) -> u64 {
    (HYPER_GPA as usize + offset_of!(HyperPage, ops) + index * size_of::<Op>() + offset_of!(Op, result))
        as u64
}

const _: () = assert!(size_of::<Event>() == 24 && OPS_MAX == 16);

#[cfg(test)]
mod tests;
