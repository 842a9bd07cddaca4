//! The streams of a machine during boot or a call, as frames of its slot: the machine's [`GuestStreams`].
//!
//! ```text
//! guest  ── write 1, 2 ──►  Log frames          ◄── Data, End ──  server
//!        ── write 16.. ──►  Data, Eof frames    ◄── Finish, Cancel ──
//! ```
//! What the program opens itself passes by: see [`super::outbound`].
//!
//! Where a call comes on standard input, the connection consists of two of the guest's streams: standard input, and
//! standard output or the stream of replies. Those bytes are then not logged.
//!
//! Everything that waits here is bounded: what comes in by [`super::connections::WAITING_MAX`], output by the stream's
//! [`OUTPUT_MAX`]. What does not fit makes its sender wait.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use km_abi::hypercall::{EventKind, FIRST_CONNECTION, FIRST_OUTBOUND, INLAY, STDERR, STDIN, STDOUT};
use km_abi::outbound::Endpoint;

use super::connections::{Connection, Connections, drain};
use super::growth::Growth;
use super::stream::{OUTPUT_MAX, SlotStream};
use super::stride::Stride;
use super::tail::Tail;
use crate::memory::{GuestMemory, MemoryError};
use crate::protocol::{ConnectionId, Frame, FrameError, Kind, LogStream, PAYLOAD_MAX, Wire};
use crate::vm::{Arrivals, GuestStreams, Transfer};

/// How long a machine may run on when its response is complete.
pub const GRACE: Duration = Duration::from_millis(50);
/// Logs of standard output and error that may wait: half, so that a flood of them leaves room for the response.
const LOGS_MAX: usize = OUTPUT_MAX / 2;

/// Why a machine must stop although it would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its time is over.
    Deadline,
    /// The server wants it gone, or is gone itself.
    Cancelled,
    /// The response is complete and the time after it is over.
    GraceOver,
    /// The node has no memory left for what it uses.
    NoMemory,
}

/// The streams of one machine.
pub struct Conversation<'a> {
    /// Where frames come from and go to.
    pub stream: &'a mut SlotStream,
    /// What the program printed last.
    pub tail: Tail,
    /// What is left of the inlay: the library OS takes it piece by piece.
    pub inlay: VecDeque<u8>,
    growth: Growth,
    stride: Stride,
    wire: Wire,
    connections: Connections,
    stopped_logs: [bool; 2],
    deadline: Option<Instant>,
    finished: Option<Instant>,
    cancelled: bool,
    first_byte: Option<Instant>,
    failure: Option<FrameError>,
}

impl<'a> Conversation<'a> {
    /// A conversation without a connection yet.
    pub fn new(
        stream: &'a mut SlotStream,
        growth: Growth,
        stride: Stride,
        wire: Wire,
        deadline: Option<Instant>,
    ) -> Self {
        Self {
            stream,
            tail: Tail::default(),
            inlay: VecDeque::new(),
            growth,
            stride,
            wire,
            connections: Connections::default(),
            stopped_logs: [false; 2],
            deadline,
            finished: None,
            cancelled: false,
            first_byte: None,
            failure: None,
        }
    }

    /// A client connects: its frames are taken from now on, [`Self::open`] tells the guest. `number` is the guest's stream
    /// where the guest sees a connection.
    ///
    /// # Errors
    /// There is a client already.
    pub fn connect(&mut self, number: u32) -> Result<(), FrameError> {
        let (input, output) = self.wire.streams().unwrap_or((number, number));
        self.connections.insert(ConnectionId::CALL, Connection::new(input, output))?;
        self.pump();
        Ok(())
    }

    /// Tells the guest of the client, with as much of the request as fits.
    pub fn open(&mut self, port: u16, arrivals: &mut Arrivals) {
        let Some(connection) = self.connections.get_mut(ConnectionId::CALL) else { return };
        connection.opened = true;
        if self.wire.is_connection() {
            connection.open(port, arrivals);
        }
    }

    /// Takes the frames that have come, until a connection has no room for more.
    pub fn pump(&mut self) {
        while self.takes_input() {
            let taken = match self.stream.next() {
                Ok(Some(frame)) => self.take(&frame),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            if let Err(error) = taken {
                self.failure.get_or_insert(error);
                self.cancelled = true;
                break;
            }
        }
        self.cancelled |= self.stream.ended();
    }

    fn take(&mut self, frame: &Frame) -> Result<(), FrameError> {
        match frame.kind {
            Kind::Finish => self.finished = self.finished.or_else(|| Some(Instant::now())),
            Kind::Cancel => self.cancelled = true,
            kind => self.connections.take(kind, frame.connection, &frame.payload)?,
        }
        Ok(())
    }

    /// Whether the machine must stop now.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let now = Instant::now();
        match () {
            () if self.cancelled => Some(Verdict::Cancelled),
            () if self.growth.refused() => Some(Verdict::NoMemory),
            () if self.deadline.is_some_and(|deadline| now >= deadline) => Some(Verdict::Deadline),
            () if self.finished.is_some_and(|finished| now >= finished + GRACE) => Some(Verdict::GraceOver),
            () => None,
        }
    }

    /// The next moment at which [`Self::verdict`] changes by itself.
    #[must_use]
    pub fn next_moment(&self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.finished.map(|finished| finished + GRACE)).min()
    }

    /// Sends what the program has written: before anything else that is to be done, since somebody waits for it.
    pub fn send(&mut self) {
        self.cancelled |= self.stream.flush().is_err();
    }

    /// The machine is idle, after it has run for so long in all: looks how much it has grown meanwhile.
    pub fn idle(&mut self, memory: &GuestMemory, guest: Duration) {
        self.growth.look_after(memory, guest);
    }

    /// The server has the whole response.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished.is_some()
    }

    /// The program has sent something to a peer that has not left yet: the way there is not open, or full.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.stream.outbound.owes()
    }

    /// When the first byte of the response came.
    #[must_use]
    pub fn first_byte(&self) -> Option<Instant> {
        self.first_byte
    }

    /// What the server did against the protocol, if it did.
    pub fn take_failure(&mut self) -> Option<FrameError> {
        self.failure.take()
    }

    /// There is room for more of what the server sends.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.connections.have_room()
    }

    /// Takes the client away from the program, after a warm-up call: what is left of the connection ends.
    pub fn hang_up(&mut self) {
        self.finished = None;
        if let Some(connection) = self.connections.get_mut(ConnectionId::CALL) {
            connection.hang_up();
        }
    }

    fn log(&mut self, which: LogStream, bytes: &[u8]) -> Transfer {
        self.tail.add(bytes);
        let room = LOGS_MAX.saturating_sub(self.stream.waiting());
        let count = bytes.len().min(room).min(PAYLOAD_MAX - 1);
        if count > 0 && self.stream.queue(Kind::Log, &[which as u8], &bytes[..count]).is_err() {
            return Transfer::Broken;
        }
        self.stopped_logs[which as usize - 1] = count < bytes.len();
        Transfer::Done(count)
    }

    /// Sends what the program wrote to a connection; less than all where output waits already.
    fn respond(&mut self, id: ConnectionId, bytes: &[u8]) -> Transfer {
        if id == ConnectionId::CALL {
            self.first_byte.get_or_insert_with(Instant::now);
        }
        let mut done = 0;
        for piece in bytes.chunks(PAYLOAD_MAX) {
            if self.stream.waiting() >= OUTPUT_MAX && self.stream.flush().is_err() {
                return Transfer::Broken;
            }
            let count = piece.len().min(OUTPUT_MAX.saturating_sub(self.stream.waiting()));
            if count > 0 && self.stream.queue_of(id, Kind::Data, &piece[..count]).is_err() {
                return Transfer::Broken;
            }
            done += count;
            if count < piece.len() {
                break;
            }
        }
        if let Some(connection) = self.connections.get_mut(id) {
            connection.stopped = done < bytes.len();
        }
        Transfer::Done(done)
    }

    /// The program's side of a connection is over: the server hears of it once.
    fn end_response(&mut self, stream: u32, close: bool) -> Transfer {
        let Some((id, connection)) = self.connections.by_output(stream) else { return Transfer::Unknown };
        if connection.stopped {
            return Transfer::Again;
        }
        connection.closed = close;
        if !std::mem::replace(&mut connection.eof_sent, true)
            && self.stream.queue_of(id, Kind::Eof, &[]).is_err()
        {
            return Transfer::Broken;
        }
        Transfer::Done(0)
    }
}

impl GuestStreams for Conversation<'_> {
    fn connect(&mut self, stream: u32, to: Endpoint) -> Transfer {
        self.stream.outbound.connect(stream, to)
    }

    fn set_option(&mut self, stream: u32, level: u32, name: u32, value: u32) -> Transfer {
        self.stream.outbound.set_option(stream, level, name, value)
    }

    fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.stream.outbound.write(stream, bytes);
        }
        if let Some((id, connection)) = self.connections.by_output(stream) {
            return match connection {
                connection if connection.stopped => Transfer::Again,
                connection if connection.hangup.is_some() || connection.eof_sent => Transfer::Broken,
                _ => self.respond(id, bytes),
            };
        }
        match stream {
            STDOUT if self.stopped_logs[0] => Transfer::Again,
            STDERR if self.stopped_logs[1] => Transfer::Again,
            STDOUT => self.log(LogStream::Stdout, bytes),
            STDERR => self.log(LogStream::Stderr, bytes),
            _ => Transfer::Unknown,
        }
    }

    fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.stream.outbound.read(stream, buffer);
        }
        if stream == INLAY {
            return Transfer::Done(drain(&mut self.inlay, buffer));
        }
        match (self.connections.by_input(stream), stream) {
            (Some(connection), _) => connection.read(buffer),
            (None, STDIN) if self.wire.is_connection() => Transfer::Done(0),
            // The call has not come yet.
            (None, STDIN) => Transfer::Again,
            _ => Transfer::Unknown,
        }
    }

    fn read_into(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        self.stream.outbound.read_into(stream, memory, gpa, len)
    }

    fn write_from(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        self.stream.outbound.write_from(stream, memory, gpa, len)
    }

    fn shutdown_write(&mut self, stream: u32) -> Transfer {
        match stream {
            STDIN..=STDERR => Transfer::Done(0),
            FIRST_OUTBOUND.. => self.stream.outbound.shutdown_write(stream),
            _ => self.end_response(stream, false),
        }
    }

    fn close(&mut self, stream: u32) -> Transfer {
        match stream {
            0..FIRST_CONNECTION => Transfer::Done(0),
            FIRST_OUTBOUND.. => self.stream.outbound.close(stream),
            _ => self.end_response(stream, true),
        }
    }

    fn poll(&mut self, arrivals: &mut Arrivals) {
        self.send();
        self.pump();
        let room = self.stream.waiting() < OUTPUT_MAX / 4;
        for (index, stopped) in self.stopped_logs.iter_mut().enumerate() {
            if *stopped && room && arrivals.push(EventKind::Writable, index as u32 + 1) {
                *stopped = false;
            }
        }
        self.connections.announce(room, arrivals);
        self.stream.outbound.announce(arrivals);
    }

    fn interrupted(&mut self, memory: &GuestMemory) -> bool {
        self.growth.look(memory);
        self.stride.look();
        self.pump();
        self.cancelled |= self.stream.flush().is_err() || self.stream.hung_up();
        self.verdict().is_none()
    }
}
