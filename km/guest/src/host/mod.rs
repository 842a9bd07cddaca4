//! The monitor as a peer: output that is handed over with the next doorbell, streams, and what comes back.
//!
//! A write to a [`stream::Stream`] only fills the buffer of the [`output::OutputQueue`]. The doorbell is rung when the
//! buffer is full, when something must be read, at a tick and when the machine goes idle, so that the last bytes of a
//! response, the close of its connection and the wait are one exit.

pub mod console;
pub mod events;
pub mod output;
pub mod stream;
pub mod terminal;

use crate::errno::Errno;
use crate::net::budget::Budget;
use crate::net::tcp::wire::Wire;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use km_abi::hypercall::{End, Event, EventKind, FIRST_OUTBOUND, Idle, NEVER, Op, OpCode};
use km_abi::outbound::Endpoint;
use km_hal::hyper;
use output::OutputQueue;
use stream::{Stream, Watcher};

/// A connection that the monitor has opened and no listener has taken yet.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// Number of its stream.
    pub stream: u32,
    /// The port that the client asked for.
    pub port: u16,
}

/// Output on its way, and the streams.
pub struct Host {
    me: Weak<Self>,
    output: RefCell<OutputQueue>,
    streams: RefCell<BTreeMap<u32, Rc<Stream>>>,
    arrivals: RefCell<Vec<Arrival>>,
    budget: Rc<Budget>,
    /// Number of the next stream that the program opens.
    next_outbound: Cell<u32>,
}

impl Host {
    /// Nothing written, no streams. Their buffers count towards `budget`.
    pub fn new(budget: &Rc<Budget>) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            output: RefCell::default(),
            streams: RefCell::default(),
            arrivals: RefCell::default(),
            budget: Rc::clone(budget),
            next_outbound: Cell::new(FIRST_OUTBOUND),
        })
    }

    /// The stream with a number, made if it is not there.
    pub fn stream(&self, number: u32) -> Rc<Stream> {
        let mut streams = self.streams.borrow_mut();
        let new = || Stream::new(self.me.clone(), number, &self.budget);
        Rc::clone(streams.entry(number).or_insert_with(new))
    }

    /// Asks the monitor for a connection to `to`, with the next doorbell. Whoever watches the stream hears what comes of it.
    pub fn connect(&self, to: &Endpoint, watcher: Weak<dyn Watcher>) -> Rc<Stream> {
        let number = self.next_outbound.get();
        self.next_outbound.set(number + 1);
        if self.output.borrow().is_full_with(output::CONNECT_SIZE) {
            self.submit();
        }
        let stream = self.stream(number);
        stream.watch(watcher);
        self.output.borrow_mut().connect(number, to);
        stream
    }

    /// In a clone: what was open when the snapshot was taken is there no more.
    pub fn lose_outbound(&self) {
        let lost: Vec<_> =
            self.streams.borrow().range(FIRST_OUTBOUND..).map(|(_, one)| Rc::clone(one)).collect();
        for stream in lost {
            stream.failed(Errno::ECONNRESET);
        }
    }

    /// Connections that came since the last call.
    pub fn take_arrivals(&self) -> Vec<Arrival> {
        self.arrivals.take()
    }

    /// Whether something was written that was not handed over.
    #[must_use]
    pub fn has_output(&self) -> bool {
        !self.output.borrow().is_empty()
    }

    /// Whether something of that is for who waits for an answer. Logs are not: they may wait for the tick.
    #[must_use]
    pub fn has_answer(&self) -> bool {
        self.output.borrow().has_answer()
    }

    /// Hands over what was written.
    pub fn flush(&self) {
        if self.has_output() {
            self.submit();
        }
    }

    /// Hands over what was written, and takes events even if nothing was.
    pub fn submit(&self) {
        let mut batch = self.output.borrow_mut().take();
        events::keep(&hyper::submit(&mut batch));
        let others = self.settle(&batch);
        debug_assert!(others.is_empty(), "only an idle machine is cloned");
    }

    /// Hands over what was written, then `op`; `then` gets its result before anything else happens.
    pub fn call(&self, op: Op, then: impl FnOnce(i64)) {
        let mut batch = self.output.borrow_mut().take();
        batch.push(op);
        events::keep(&hyper::submit(&mut batch));
        then(batch.pop().map_or(0, |op| op.result));
        let others = self.settle(&batch);
        debug_assert!(others.is_empty(), "only an idle machine is cloned");
    }

    /// Hands over what was written, then these operations, at most [`OPS_MAX`](km_abi::hypercall::OPS_MAX) of them; `then` gets
    /// their results before anything else happens.
    pub fn carry_out<T>(&self, ops: &mut [Op], then: impl FnOnce(&[Op]) -> T) -> T {
        self.flush();
        events::keep(&hyper::submit(ops));
        let outcome = then(ops);
        let others = self.dispatch();
        debug_assert!(others.is_empty(), "only an idle machine is cloned");
        outcome
    }

    /// Hands over what was written and waits, as [`hyper::idle`] does. The events that are not about streams are returned.
    pub fn idle(&self, idle: Idle, present: &mut dyn FnMut(u64, bool) -> bool) -> Vec<Event> {
        // Events that came with a read of the rootfs have not been dispatched, and the monitor does not repeat them.
        if !events::is_empty() {
            return self.dispatch();
        }
        let mut batch = self.output.borrow_mut().take();
        events::keep(&hyper::idle(&mut batch, idle, present));
        self.settle(&batch)
    }

    /// Hands over what was written and waits until the monitor has taken all of it.
    pub fn drain(&self) {
        self.flush();
        while self.streams.borrow().values().any(|stream| stream.unsent_bytes() > 0) {
            self.idle(Idle { deadline_ns: NEVER, ..Idle::default() }, &mut |_, _| false);
        }
    }

    /// Hands over what was written and ends the machine.
    pub fn exit(&self, end: End) -> ! {
        let mut batch = self.output.borrow_mut().take();
        hyper::exit(&mut batch, end)
    }

    /// Appends a socket option of a stream; whether it is taken shows nowhere, as on a connection that ends meanwhile.
    pub(crate) fn option(&self, stream: u32, level: u32, name: u32, value: u32) {
        if self.output.borrow().is_full() {
            self.submit();
        }
        self.output.borrow_mut().option(stream, level, name, value);
    }

    /// Appends a control operation of a stream.
    pub(crate) fn control(&self, code: OpCode, stream: u32) {
        if self.output.borrow().is_full() {
            self.submit();
        }
        self.output.borrow_mut().control(code, stream);
    }

    /// Results before events: an event may be for a stream that a partial write has just stopped.
    fn settle(&self, batch: &[Op]) -> Vec<Event> {
        for op in batch {
            self.complete(op);
        }
        self.dispatch()
    }

    /// Lets streams know of the events that were kept, and returns the others.
    pub fn dispatch(&self) -> Vec<Event> {
        let mut others = Vec::new();
        while let Some((event, bytes)) = events::next() {
            if !self.take_event(&event, &bytes) {
                others.push(event);
            }
        }
        others
    }

    fn complete(&self, op: &Op) {
        let stream = self.streams.borrow().get(&op.stream).cloned();
        let Some(stream) = stream else { return };
        match OpCode::try_from(op.code) {
            Ok(OpCode::Write) => stream.written(op),
            Ok(OpCode::Connect) if op.result < 0 => stream.failed(errno_of(op.result)),
            Ok(code @ (OpCode::ShutdownWrite | OpCode::Close)) if stream.controlled(code, op.result) => {
                self.streams.borrow_mut().remove(&op.stream);
            }
            _ => {}
        }
    }

    /// Whether the event was about a stream.
    fn take_event(&self, event: &Event, bytes: &[u8]) -> bool {
        let Ok(kind) = EventKind::try_from(event.kind) else { return true };
        let stream = self.streams.borrow().get(&event.stream).cloned();
        match (kind, stream) {
            (EventKind::Restored | EventKind::Touch | EventKind::Inlay | EventKind::Search, _) => {
                return false;
            }
            (EventKind::Open, _) => {
                self.stream(event.stream).put(bytes);
                self.arrivals.borrow_mut().push(Arrival { stream: event.stream, port: event.port as u16 });
            }
            (EventKind::Readable, Some(stream)) => stream.readable(bytes),
            (EventKind::Writable, Some(stream)) => stream.writable(),
            (EventKind::Hangup, Some(stream)) => stream.hung_up(),
            (EventKind::Connected, Some(stream)) => stream.connected(bytes),
            (EventKind::Arrived, Some(stream)) => stream.arrived(bytes),
            (EventKind::Ended, Some(stream)) => stream.ended(),
            (EventKind::Failed, Some(stream)) => {
                stream.failed(Errno::from_number(event.value).unwrap_or(Errno::EIO));
            }
            // The program has closed it meanwhile.
            (_, None) => {}
        }
        true
    }
}

/// The error that a result of an operation is.
fn errno_of(result: i64) -> Errno {
    Errno::from_number(result.unsigned_abs()).unwrap_or(Errno::EIO)
}

#[cfg(test)]
mod tests;
