//! The one way to the monitor: a queue of operations that the next doorbell carries, and what came back with it.
//!
//! ```text
//! push(op), write(bytes) ──► waiting ──► doorbell (flush, idle or a full queue) ──► take_finished()
//!                                                                              └──► take_arrivals()
//! ```
//! Bytes of a response, its end and going idle are thus one exit. Whoever pushed an operation takes its result from
//! [`take_finished`] after the doorbell, in the order of pushing. Events come with every doorbell; the bytes that
//! came with them are copied out of the input buffer at once, since the next doorbell reuses it.

use crate::state::machine_state;
use alloc::vec::Vec;
use km_abi::hypercall::{Event, EventKind, Exit, Idle, OPS_MAX, Op, OpCode, TouchEntry};
use km_abi::layout::{INPUT_GPA, INPUT_SIZE, OUTPUT_GPA, OUTPUT_SIZE};
use km_hal::hyper::{self, Events};

/// An event, with the bytes of the input buffer that belong to it.
#[derive(Clone, Debug)]
pub struct Arrival {
    /// What happened.
    pub event: Event,
    /// First bytes of a stream, or the entries of a touch list.
    pub bytes: Vec<u8>,
}

/// Operations before and after the doorbell, and what came with it.
struct Queue {
    waiting: Vec<Op>,
    finished: Vec<Op>,
    arrivals: Vec<Arrival>,
    /// Bytes of the output buffer that waiting operations use.
    staged: u64,
}

machine_state! {
    fn queue -> Queue = Queue { waiting: Vec::new(), finished: Vec::new(), arrivals: Vec::new(), staged: 0 }
}

/// Adds an operation; rings the doorbell first when the queue is full.
pub fn push(op: Op) {
    if queue(|queue| queue.waiting.len()) == OPS_MAX {
        flush();
    }
    queue(|queue| queue.waiting.push(op));
}

/// Adds an operation that has a stream and nothing else.
pub fn push_control(code: OpCode, stream: u32) {
    push(Op { code: code as u32, stream, ..Op::default() });
}

/// Copies as much of `bytes` as fits to the output buffer and adds an [`OpCode::Write`] of it to `stream`; returns how
/// many bytes that were. 0 means that the buffer is full until the next doorbell. The monitor may take fewer in the
/// end: the caller keeps what it must be able to send again until it has the result.
pub fn write(stream: u32, bytes: &[u8]) -> usize {
    if queue(|queue| queue.waiting.len()) == OPS_MAX {
        flush();
    }
    queue(|queue| {
        let count = bytes.len().min((OUTPUT_SIZE - queue.staged) as usize);
        if count > 0 {
            let gpa = OUTPUT_GPA + queue.staged;
            km_hal::phys::write(gpa, &bytes[..count]);
            queue.staged += count as u64;
            queue.waiting.push(Op {
                code: OpCode::Write as u32,
                stream,
                gpa,
                len: count as u64,
                ..Op::default()
            });
        }
        count
    })
}

/// Carries out one operation now, after those that wait, and returns its result.
#[must_use]
pub fn run(op: Op) -> i64 {
    push(op);
    flush();
    queue(|queue| queue.finished.pop()).map_or(km_abi::hypercall::INVALID, |op| op.result)
}

/// Rings the doorbell if something waits.
pub fn flush() {
    let mut ops = take_waiting();
    if !ops.is_empty() {
        let events = hyper::submit(&mut ops);
        finish(ops, &events);
    }
}

/// Carries out what waits, then lets the monitor wait for an event or the deadline. The machine may be another
/// one afterwards; see [`km_hal::hyper::idle`].
pub fn idle(idle: Idle) {
    let mut ops = take_waiting();
    let events = hyper::idle(&mut ops, idle);
    finish(ops, &events);
}

/// Carries out what waits and ends the machine: the first process exited with `status`, or `signal` ended it.
pub fn exit(status: u32, signal: u32) -> ! {
    let mut ops = take_waiting();
    hyper::exit(&mut ops, Exit { status, signal })
}

/// The operations that a doorbell carried out since the last call, with their results, in order.
#[must_use]
pub fn take_finished() -> Vec<Op> {
    queue(|queue| core::mem::take(&mut queue.finished))
}

/// The events since the last call, in order.
#[must_use]
pub fn take_arrivals() -> Vec<Arrival> {
    queue(|queue| core::mem::take(&mut queue.arrivals))
}

fn take_waiting() -> Vec<Op> {
    queue(|queue| {
        queue.staged = 0;
        core::mem::take(&mut queue.waiting)
    })
}

fn finish(ops: Vec<Op>, events: &Events) {
    let mut offset = 0;
    queue(|queue| {
        queue.finished.extend(ops);
        for event in events.as_slice() {
            let len = inline_len(event).min(INPUT_SIZE - offset);
            let mut bytes = alloc::vec![0; len as usize];
            km_hal::phys::read(INPUT_GPA + offset, &mut bytes);
            offset += len;
            queue.arrivals.push(Arrival { event: *event, bytes });
        }
    });
}

/// How many bytes of the input buffer belong to an event.
fn inline_len(event: &Event) -> u64 {
    match EventKind::try_from(event.kind) {
        Ok(EventKind::Open | EventKind::Readable) => event.value,
        Ok(EventKind::Touch) => event.value.saturating_mul(size_of::<TouchEntry>() as u64),
        _ => 0,
    }
}
