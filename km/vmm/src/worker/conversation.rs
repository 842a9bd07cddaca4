//! The streams of a machine during boot or a call, as frames of its slot: the machine's [`Host`].
//!
//! ```text
//! guest  ── write 1, 2 ──►  Log frames          ◄── Data, End ──  server
//!        ── write 16.. ──►  Data, Eof frames    ◄── Finish, Cancel ──
//! ```
//!
//! Where the call comes on standard input, that is its connection's one end; the other is standard output or the stream
//! of replies, whose bytes are then no log.
//!
//! Everything that waits here is bounded: a request by [`REQUEST_MAX`], output by the stream's [`OUTPUT_MAX`]. What does
//! not fit makes its sender wait.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use km_abi::hypercall::{EventKind, FIRST_CONNECTION, INLAY, REPLY};

use super::stream::{OUTPUT_MAX, SlotStream};
use super::tail::Tail;
use crate::protocol::{FrameError, Kind, LogStream, PAYLOAD_MAX, Wire};
use crate::vm::{Arrivals, Host, Transfer};

/// Bytes of a request that wait for the program.
const REQUEST_MAX: usize = 512 << 10;
/// How long a machine may run on when its response is complete.
pub const GRACE: Duration = Duration::from_millis(50);
/// Logs of standard output and error that may wait: half, so that a flood of them leaves room for the response.
const LOGS_MAX: usize = OUTPUT_MAX / 2;

/// Standard input, output and error.
const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

/// Why a machine must stop although it would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its time is over.
    Deadline,
    /// The server wants it gone, or is gone itself.
    Cancelled,
    /// The response is complete and the time after it is over.
    GraceOver,
}

/// The streams of one machine.
pub struct Conversation<'a> {
    /// Where frames come from and go to.
    pub stream: &'a mut SlotStream,
    /// What the program printed last.
    pub tail: Tail,
    /// What the library OS is to put in, as far as it has not read it.
    pub inlay: VecDeque<u8>,
    wire: Wire,
    connection: Option<Connection>,
    stopped_logs: [bool; 2],
    deadline: Option<Instant>,
    finished: Option<Instant>,
    cancelled: bool,
    first_byte: Option<Instant>,
    failure: Option<FrameError>,
}

/// A client's connection to the program.
#[derive(Debug, Default)]
struct Connection {
    /// The stream of the request, and that of the response; a connection is both.
    input: u32,
    output: u32,
    opened: bool,
    request: VecDeque<u8>,
    ended: bool,
    armed: bool,
    stopped: bool,
    closed: bool,
    eof_sent: bool,
    hangup: Option<bool>,
}

impl<'a> Conversation<'a> {
    /// A conversation without a connection yet.
    pub fn new(stream: &'a mut SlotStream, wire: Wire, deadline: Option<Instant>) -> Self {
        Self {
            stream,
            tail: Tail::default(),
            inlay: VecDeque::new(),
            wire,
            connection: None,
            stopped_logs: [false; 2],
            deadline,
            finished: None,
            cancelled: false,
            first_byte: None,
            failure: None,
        }
    }

    /// A client connects: its frames are taken from now on, [`Self::open`] tells the guest. `number` is for connections
    /// that are one to the guest.
    pub fn connect(&mut self, number: u32) {
        let (input, output) = match self.wire {
            Wire::Http => (number, number),
            Wire::Stdio => (STDIN, STDOUT),
            Wire::Kontain => (STDIN, REPLY),
        };
        self.connection = Some(Connection { input, output, armed: true, ..Connection::default() });
        self.pump();
    }

    /// Tells the guest of the connection, with as much of the request as fits.
    pub fn open(&mut self, port: u16, arrivals: &mut Arrivals) {
        let Some(connection) = &mut self.connection else { return };
        connection.opened = true;
        if self.wire != Wire::Http {
            return;
        }
        let bytes = connection.request.make_contiguous();
        if let Some(count) = arrivals.open(connection.input, port, bytes) {
            connection.request.drain(..count);
        }
    }

    /// Takes the frames that are there, as far as there is room for the request.
    pub fn pump(&mut self) {
        while self.connection.as_ref().is_none_or(|connection| connection.request.len() < REQUEST_MAX) {
            match self.stream.next() {
                Ok(Some(frame)) => self.take(frame.kind, &frame.payload),
                Ok(None) => break,
                Err(error) => {
                    self.failure = Some(error);
                    self.cancelled = true;
                    break;
                }
            }
        }
        self.cancelled |= self.stream.ended();
    }

    fn take(&mut self, kind: Kind, payload: &[u8]) {
        match (kind, &mut self.connection) {
            (Kind::Data, Some(connection)) if !connection.ended && !connection.closed => {
                // Writing to a queue in memory cannot fail.
                let _ = connection.request.write_all(payload);
            }
            (Kind::End, Some(connection)) => connection.ended = true,
            // Late frames for a connection that the program has closed.
            (Kind::Data, Some(connection)) if connection.closed => {}
            (Kind::Finish, _) => self.finished = self.finished.or_else(|| Some(Instant::now())),
            (Kind::Cancel, _) => self.cancelled = true,
            (kind, _) => {
                self.failure = Some(FrameError::Unexpected(kind));
                self.cancelled = true;
            }
        }
    }

    /// Whether the machine must stop now.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let now = Instant::now();
        match () {
            () if self.cancelled => Some(Verdict::Cancelled),
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

    /// The server has the whole response.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.finished.is_some()
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

    /// There is room for more of the request.
    #[must_use]
    pub fn takes_input(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.request.len() < REQUEST_MAX)
    }

    /// Takes the client away from the program, after a warm-up call: what is left of the connection ends.
    pub fn hang_up(&mut self) {
        self.finished = None;
        if let Some(connection) = &mut self.connection {
            connection.ended = true;
            if !connection.closed {
                connection.hangup = Some(true);
            }
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

    fn respond(&mut self, bytes: &[u8]) -> Transfer {
        self.first_byte.get_or_insert_with(Instant::now);
        let mut done = 0;
        for piece in bytes.chunks(PAYLOAD_MAX) {
            if self.stream.waiting() >= OUTPUT_MAX && self.stream.flush().is_err() {
                return Transfer::Broken;
            }
            let count = piece.len().min(OUTPUT_MAX.saturating_sub(self.stream.waiting()));
            if count > 0 && self.stream.queue(Kind::Data, &[], &piece[..count]).is_err() {
                return Transfer::Broken;
            }
            done += count;
            if count < piece.len() {
                break;
            }
        }
        if let Some(connection) = &mut self.connection {
            connection.stopped = done < bytes.len();
        }
        Transfer::Done(done)
    }

    fn open_connection(&mut self) -> Option<&mut Connection> {
        self.connection.as_mut().filter(|connection| connection.opened && !connection.closed)
    }

    /// The connection whose response this stream is.
    fn response(&mut self, stream: u32) -> Option<&mut Connection> {
        self.open_connection().filter(|connection| connection.output == stream)
    }

    /// The program's side of the connection is over: the server hears of it once.
    fn end_response(&mut self, stream: u32, close: bool) -> Transfer {
        let Some(connection) = self.response(stream) else { return Transfer::Unknown };
        if connection.stopped {
            return Transfer::Again;
        }
        connection.closed = close;
        if !std::mem::replace(&mut connection.eof_sent, true)
            && self.stream.queue(Kind::Eof, &[], &[]).is_err()
        {
            return Transfer::Broken;
        }
        Transfer::Done(0)
    }

    fn news_of_connection(&mut self, room: bool, arrivals: &mut Arrivals) {
        let Some(connection) = self.open_connection() else { return };
        if connection.armed
            && (connection.ended || !connection.request.is_empty())
            && arrivals.push(EventKind::Readable, connection.input)
        {
            connection.armed = false;
        }
        if connection.stopped && room && arrivals.push(EventKind::Writable, connection.output) {
            connection.stopped = false;
        }
        if connection.hangup == Some(true) && arrivals.push(EventKind::Hangup, connection.output) {
            connection.hangup = Some(false);
        }
    }
}

/// Moves bytes to the front of a buffer, and says how many.
fn drain(queue: &mut VecDeque<u8>, buffer: &mut [u8]) -> usize {
    let mut count = 0;
    // A queue in memory has at most two pieces, and reading from it cannot fail.
    for _ in 0..2 {
        count += queue.read(&mut buffer[count..]).unwrap_or(0);
    }
    count
}

impl Host for Conversation<'_> {
    fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer {
        if let Some(connection) = self.response(stream) {
            return match connection {
                connection if connection.stopped => Transfer::Again,
                connection if connection.hangup.is_some() || connection.eof_sent => Transfer::Broken,
                _ => self.respond(bytes),
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
        if stream == INLAY {
            return Transfer::Done(drain(&mut self.inlay, buffer));
        }
        let wire = self.wire;
        let connection = self.open_connection().filter(|connection| connection.input == stream);
        let Some(connection) = connection else {
            return match (stream, wire) {
                (STDIN, Wire::Http) => Transfer::Done(0),
                // The call has not come yet.
                (STDIN, Wire::Stdio | Wire::Kontain) => Transfer::Again,
                _ => Transfer::Unknown,
            };
        };
        let count = drain(&mut connection.request, buffer);
        // The end is told once: whoever has read it waits for nothing more.
        let is_end = count == 0 && connection.ended;
        connection.armed |= count < buffer.len() && !is_end;
        if count == 0 && !is_end && !buffer.is_empty() { Transfer::Again } else { Transfer::Done(count) }
    }

    fn shutdown_write(&mut self, stream: u32) -> Transfer {
        match stream {
            STDIN..=STDERR => Transfer::Done(0),
            _ => self.end_response(stream, false),
        }
    }

    fn close(&mut self, stream: u32) -> Transfer {
        match stream {
            0..FIRST_CONNECTION => Transfer::Done(0),
            _ => self.end_response(stream, true),
        }
    }

    fn poll(&mut self, arrivals: &mut Arrivals) {
        self.pump();
        if self.stream.flush().is_err() {
            self.cancelled = true;
        }
        let room = self.stream.waiting() < OUTPUT_MAX / 4;
        for (index, stopped) in self.stopped_logs.iter_mut().enumerate() {
            if *stopped && room && arrivals.push(EventKind::Writable, index as u32 + 1) {
                *stopped = false;
            }
        }
        self.news_of_connection(room, arrivals);
    }

    fn interrupted(&mut self) -> bool {
        self.pump();
        self.cancelled |= self.stream.flush().is_err() || self.stream.hung_up();
        self.verdict().is_none()
    }
}
