//! The doorbells: operations to the monitor, events from it.

use crate::{backend, phys};
use core::fmt::{self, Write as _};
use core::mem::offset_of;
use km_abi::hypercall::{
    EVENTS_MAX, End, Event, EventKind, Exit, HyperPage, Idle, NAME_MAX, OPS_MAX, Op, OpCode, Port, Running,
    TouchEntry,
};
use km_abi::layout::{HYPER_GPA, INPUT_GPA, INPUT_SIZE, OUTPUT_GPA, OUTPUT_SIZE, PAGE_SIZE, PROGRAM_END};

/// Events that came with one answer of the monitor.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    list: [Event; EVENTS_MAX],
    count: usize,
}

impl Events {
    /// The events, in the order in which they happened.
    #[must_use]
    pub fn as_slice(&self) -> &[Event] {
        &self.list[..self.count]
    }
}

const fn op_gpa(index: usize) -> u64 {
    HYPER_GPA + (offset_of!(HyperPage, ops) + index * size_of::<Op>()) as u64
}

fn put_ops(ops: &[Op]) {
    assert!(ops.len() <= OPS_MAX, "{} operations in one page", ops.len());
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, op_count) as u64, &(ops.len() as u32));
    for (index, op) in ops.iter().enumerate() {
        phys::write_value(op_gpa(index), op);
    }
}

fn take_results(ops: &mut [Op]) {
    for (index, op) in ops.iter_mut().enumerate() {
        *op = phys::read_value(op_gpa(index));
    }
}

fn take_events() -> Events {
    let place = HYPER_GPA + offset_of!(HyperPage, event_count) as u64;
    let count = (phys::read_value::<u32>(place) as usize).min(EVENTS_MAX);
    phys::write_value(place, &0u32);
    let list = phys::read_value(HYPER_GPA + offset_of!(HyperPage, events) as u64);
    Events { list, count }
}

/// Has up to [`OPS_MAX`] operations carried out; their results are in `ops` afterwards. Events that the monitor
/// had are returned.
pub fn submit(ops: &mut [Op]) -> Events {
    put_ops(ops);
    backend::ring(Port::Submit);
    take_results(ops);
    take_events()
}

/// Has operations carried out, then waits for an event or the deadline in `idle`.
///
/// The machine may be another one when this returns: a clone, whose first event is `Restored`. So all vector state
/// and segment bases must have been saved before, and must be loaded again after. [`Idle::cr3`] is filled in here.
///
/// A clone may be led over its working set first: that is done here, and nothing else in the library OS hears of it,
/// so that no timer fires and no thread runs before the clone is told that it is one. `present` makes a page of the program
/// present, for writing if so asked, and says whether it could.
pub fn idle(ops: &mut [Op], idle: Idle, present: &mut dyn FnMut(u64, bool) -> bool) -> Events {
    put_ops(ops);
    let idle = Idle { cr3: backend::current_root(), ..idle };
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, idle) as u64, &idle);
    backend::ring_idle();
    take_results(ops);
    loop {
        let events = take_events();
        match events.as_slice() {
            [event] if event.kind == EventKind::Touch as u32 => touch(event.value, present),
            _ => return events,
        }
        put_ops(&[]);
        backend::ring_idle();
    }
}

/// Touches the pages that the input buffer lists.
fn touch(count: u64, present: &mut dyn FnMut(u64, bool) -> bool) {
    const ENTRY: u64 = size_of::<TouchEntry>() as u64;
    for index in 0..count.min(INPUT_SIZE / ENTRY) {
        let entry: TouchEntry = phys::read_value(INPUT_GPA + index * ENTRY);
        let (va, write) = (entry.address & !(PAGE_SIZE - 1), entry.address & 1 != 0);
        if va >= PROGRAM_END || present(va, write) {
            backend::touch(va, write);
        }
    }
}

fn put_exit(exit: Exit) {
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, exit) as u64, &exit);
}

/// Ends the machine after operations were carried out.
pub fn exit(ops: &mut [Op], end: End) -> ! {
    put_ops(ops);
    put_exit(end.into());
    backend::ring_last(Port::Exit)
}

/// Ends the machine with a message: the library OS cannot go on. `cause` is why, where that is known.
pub fn panic(message: &dyn fmt::Display, cause: Option<End>) -> ! {
    put_exit(cause.map_or(Exit::default(), Exit::from));
    let mut text = OutputText { len: 0 };
    // An error means that the buffer is full: then the message is cut short.
    let _ = write!(text, "{message}");
    let op = Op { code: OpCode::Write as u32, stream: 2, gpa: OUTPUT_GPA, len: text.len, ..Op::default() };
    put_ops(&[op]);
    backend::ring_last(Port::Panic)
}

/// Writes text into the output buffer; what does not fit is an error.
struct OutputText {
    len: u64,
}

impl fmt::Write for OutputText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = (OUTPUT_SIZE - self.len) as usize;
        let bytes = &text.as_bytes()[..text.len().min(room)];
        phys::write(OUTPUT_GPA + self.len, bytes);
        self.len += bytes.len() as u64;
        if bytes.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

/// Hands bytes over to `stream` at once, by way of the output buffer. Returns how many were taken, or a negative
/// error of [`km_abi::hypercall`] if none was.
pub fn write(stream: u32, bytes: &[u8]) -> (i64, Events) {
    let piece = &bytes[..bytes.len().min(OUTPUT_SIZE as usize)];
    phys::write(OUTPUT_GPA, piece);
    let len = piece.len() as u64;
    let mut ops = [Op { code: OpCode::Write as u32, stream, gpa: OUTPUT_GPA, len, ..Op::default() }];
    let events = submit(&mut ops);
    (ops[0].result, events)
}

/// Whether the monitor asks the library OS to look for work (events, another thread) before the program goes on.
#[must_use]
pub fn tick_pending() -> bool {
    phys::read_value::<u32>(HYPER_GPA + offset_of!(HyperPage, tick) as u64) != 0
}

/// Lets the monitor leave out this many ticks; ticks with events come all the same.
pub fn rest(ticks: u32) {
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, rest) as u64, &ticks);
}

/// Notes which process has the CPU.
pub fn running(pid: u32, name: &[u8]) {
    let mut running = Running { pid, ..Running::default() };
    let count = name.len().min(NAME_MAX);
    running.name[..count].copy_from_slice(&name[..count]);
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, running) as u64, &running);
}

/// Takes note of [`tick_pending`].
pub fn clear_tick() {
    phys::write_value(HYPER_GPA + offset_of!(HyperPage, tick) as u64, &0u32);
}
