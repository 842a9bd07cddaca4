//! The connections of one conversation: which bytes wait for the program, and what it was told of them.
//!
//! A connection has two names: the [`ConnectionId`] of its frames, and the guest's stream numbers.

use std::collections::VecDeque;
use std::io::{Read, Write};

use km_abi::hypercall::EventKind;

use crate::protocol::{ConnectionId, FrameError, Kind};
use crate::vm::{Arrivals, Transfer};

/// Connections of one machine at most.
pub const CONNECTIONS_MAX: usize = 64;
/// Once this many bytes wait for the program on one connection, no more frames are taken.
pub const WAITING_MAX: usize = 512 << 10;

/// All connections of a machine, by their number.
///
/// They are few, so that looking through a list is cheaper than a tree.
#[derive(Debug, Default)]
pub struct Connections(Vec<(ConnectionId, Connection)>);

/// A connection to the program.
#[derive(Debug, Default)]
pub struct Connection {
    /// The guest's stream of what goes to the program.
    pub input: u32,
    /// The guest's stream of what comes from the program; the same where the guest sees a connection.
    pub output: u32,
    /// The guest was told of it.
    pub opened: bool,
    /// The program's last write was taken in part.
    pub stopped: bool,
    /// The program has closed it.
    pub closed: bool,
    /// The server was told that the program writes no more.
    pub eof_sent: bool,
    /// The peer is gone: `Some(true)` until the guest was told.
    pub hangup: Option<bool>,
    waiting: VecDeque<u8>,
    ended: bool,
    armed: bool,
}

impl Connections {
    /// Adds a connection.
    ///
    /// # Errors
    /// [`FrameError::RefusedConnection`] when there are [`CONNECTIONS_MAX`] or the number is in use.
    pub fn insert(&mut self, id: ConnectionId, connection: Connection) -> Result<(), FrameError> {
        let refused = |reason| Err(FrameError::RefusedConnection { id, reason });
        if self.get_mut(id).is_some() {
            return refused("it exists");
        }
        if self.0.len() >= CONNECTIONS_MAX {
            return refused("there are too many");
        }
        self.0.push((id, connection));
        Ok(())
    }

    /// The connection of this number.
    pub fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.0.iter_mut().find(|(other, _)| *other == id).map(|(_, connection)| connection)
    }

    /// Takes a frame of a connection.
    ///
    /// # Errors
    /// There is no such connection, or the frame has no place there.
    pub fn take(&mut self, kind: Kind, id: ConnectionId, payload: &[u8]) -> Result<(), FrameError> {
        let connection = self.get_mut(id).ok_or(FrameError::UnknownConnection { kind, id })?;
        match kind {
            Kind::Data if connection.closed => {}
            // Writing to a queue in memory cannot fail.
            Kind::Data if !connection.ended => drop(connection.waiting.write_all(payload)),
            Kind::End => connection.ended = true,
            kind => return Err(FrameError::Unexpected(kind)),
        }
        Ok(())
    }

    /// Every connection has room for a further frame.
    pub fn have_room(&self) -> bool {
        self.0.iter().all(|(_, connection)| connection.waiting.len() < WAITING_MAX)
    }

    /// The connection whose input is this stream of the guest.
    pub fn by_input(&mut self, stream: u32) -> Option<&mut Connection> {
        self.open().map(|(_, connection)| connection).find(|connection| connection.input == stream)
    }

    /// The connection whose output is this stream of the guest.
    pub fn by_output(&mut self, stream: u32) -> Option<(ConnectionId, &mut Connection)> {
        self.open().find(|(_, connection)| connection.output == stream)
    }

    fn open(&mut self) -> impl Iterator<Item = (ConnectionId, &mut Connection)> {
        let open = self.0.iter_mut().filter(|(_, connection)| connection.opened && !connection.closed);
        open.map(|(id, connection)| (*id, connection))
    }

    /// Tells the guest what is new. `room`: output is taken again.
    pub fn announce(&mut self, room: bool, arrivals: &mut Arrivals) {
        for (_, connection) in self.open() {
            connection.announce(room, arrivals);
        }
    }
}

impl Connection {
    /// A connection of which the guest does not know yet.
    pub fn new(input: u32, output: u32) -> Self {
        Self { input, output, armed: true, ..Self::default() }
    }

    /// Tells the guest of it as of a client that connects to `port`, with as much as fits of what waits.
    pub fn open(&mut self, port: u16, arrivals: &mut Arrivals) {
        if let Some(count) = arrivals.open(self.input, port, self.waiting.make_contiguous()) {
            self.waiting.drain(..count);
        }
    }

    /// Gives the program what waits.
    pub fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        let count = drain(&mut self.waiting, buffer);
        // The end is told once: a program that has read it waits for nothing more.
        let is_end = count == 0 && self.ended;
        self.armed |= count < buffer.len() && !is_end;
        if count == 0 && !is_end && !buffer.is_empty() { Transfer::Again } else { Transfer::Done(count) }
    }

    /// The peer is gone.
    pub fn hang_up(&mut self) {
        self.ended = true;
        if !self.closed {
            self.hangup = Some(true);
        }
    }

    fn announce(&mut self, room: bool, arrivals: &mut Arrivals) {
        let news = self.ended || !self.waiting.is_empty();
        if self.armed && news && arrivals.push(EventKind::Readable, self.input) {
            self.armed = false;
        }
        if self.stopped && room && arrivals.push(EventKind::Writable, self.output) {
            self.stopped = false;
        }
        if self.hangup == Some(true) && arrivals.push(EventKind::Hangup, self.output) {
            self.hangup = Some(false);
        }
    }
}

/// Moves bytes to the front of a buffer, and says how many.
pub fn drain(queue: &mut VecDeque<u8>, buffer: &mut [u8]) -> usize {
    let mut count = 0;
    // A queue in memory has at most two pieces, and reading from it cannot fail.
    for _ in 0..2 {
        count += queue.read(&mut buffer[count..]).unwrap_or(0);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(ids: impl Iterator<Item = u16>) -> Connections {
        let mut connections = Connections::default();
        for id in ids {
            let stream = 16 + u32::from(id);
            let connection = Connection { opened: true, ..Connection::new(stream, stream) };
            connections.insert(ConnectionId(id), connection).unwrap();
        }
        connections
    }

    #[test]
    fn bytes_reach_the_connection_that_they_are_for() {
        let mut connections = with(0..3);
        for (id, bytes) in [(0, b"call"), (2, b"more"), (0, b"call")] {
            connections.take(Kind::Data, ConnectionId(id), bytes).unwrap();
        }
        connections.take(Kind::End, ConnectionId(2), &[]).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(connections.by_input(16).unwrap().read(&mut buffer), Transfer::Done(8));
        assert_eq!(&buffer[..8], b"callcall");
        assert_eq!(connections.by_input(17).unwrap().read(&mut buffer), Transfer::Again);
        assert_eq!(connections.by_input(18).unwrap().read(&mut buffer), Transfer::Done(4));
        assert_eq!(connections.by_input(18).unwrap().read(&mut buffer), Transfer::Done(0));
        assert!(matches!(connections.by_output(18), Some((ConnectionId(2), _))));
        assert!(connections.by_input(19).is_none() && connections.by_output(19).is_none());
    }

    #[test]
    fn unknown_connections_are_refused() {
        let mut connections = with(0..1);
        for kind in [Kind::Data, Kind::End] {
            let error = connections.take(kind, ConnectionId(1), b"").unwrap_err();
            assert!(error.to_string().contains("connection 1, which does not exist"), "{error}");
        }
        connections.take(Kind::End, ConnectionId::CALL, b"").unwrap();
        let late = connections.take(Kind::Data, ConnectionId::CALL, b"late");
        assert!(matches!(late, Err(FrameError::Unexpected(Kind::Data))));
    }

    #[test]
    fn connections_are_bounded_and_have_numbers_of_their_own() {
        let mut connections = with(0..CONNECTIONS_MAX as u16);
        let again = connections.insert(ConnectionId(3), Connection::default()).unwrap_err();
        assert!(again.to_string().contains("connection 3 cannot be opened: it exists"), "{again}");
        let more = connections.insert(ConnectionId(1000), Connection::default()).unwrap_err();
        assert!(more.to_string().contains("connection 1000 cannot be opened: there are too many"), "{more}");
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut connections = with(0..2);
        assert!(connections.have_room());
        connections.take(Kind::Data, ConnectionId(1), &vec![0; WAITING_MAX]).unwrap();
        assert!(!connections.have_room());
    }
}
