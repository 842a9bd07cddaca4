//! The connections that a slot's machine has opened: asked for at the broker, which hands them over as descriptors. Their bytes
//! then pass between descriptor and machine without a detour.
//!
//! ```text
//! Asked ──Grant + descriptor──► Open ──error──► Over
//!   └─────Grant with an error───────────────────┘
//! ```

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use km_abi::hypercall::{EventKind, FIRST_OUTBOUND};
use km_abi::outbound::{DATAGRAM_MAX, Endpoint, OUTBOUND_MAX, Transport};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown, sockopt};
use zerocopy::IntoBytes;

use crate::memory::{GuestMemory, MemoryError};
use crate::protocol::{Ask, Grant, Wish, packet};
use crate::vm::streams::ENETUNREACH;
use crate::vm::{Arrivals, Transfer};

/// Bytes that go along with the news that a connection has some.
const AHEAD_MAX: usize = 16 << 10;
/// Bytes of the length in front of a datagram.
const LENGTH: usize = 2;
/// No more connections (errno(3)).
const EMFILE: u32 = 24;
/// The socket is not connected (errno(3)).
const ENOTCONN: u32 = 107;
/// An error without a number (errno(3)).
const EIO: u32 = 5;
/// The option is not known (errno(3)).
const ENOPROTOOPT: u32 = 92;

/// A slot's outbound connections, over the machines that it holds one after the other.
#[derive(Debug, Default)]
pub struct Outbound {
    /// The broker; nothing is reached without one.
    broker: Option<OwnedFd>,
    /// Number of the next question: none is used twice.
    next: u64,
    connections: Vec<Connection>,
    /// For what goes along with the news of it.
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Connection {
    stream: u32,
    id: u64,
    transport: Transport,
    state: State,
    /// The guest waits for bytes: they go along with the news of them.
    armed: bool,
    /// The guest has such bytes, and wants to hear that there are more.
    alert: bool,
    /// The guest's last write was taken in part, and it has not been told of room for the rest.
    stopped: bool,
    /// The guest's last write was taken in part: the rest is in the machine.
    owes: bool,
    /// The peer sends no more, and the guest knows.
    ended: bool,
    /// The guest was told that nothing more comes and goes.
    hung_up: bool,
    /// Much comes at a time: the guest fetches it itself, to where it belongs.
    is_bulk: bool,
}

#[derive(Debug)]
enum State {
    Asked,
    Open(OwnedFd),
    /// It is over, with an error that is to be told, if it was not.
    Over(Option<u32>),
}

impl Outbound {
    /// The connections of a slot with this broker.
    #[must_use]
    pub fn new(broker: Option<OwnedFd>) -> Self {
        Self { broker, ..Self::default() }
    }

    /// There is no connection: nothing is to be looked at.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// Ends what a machine has left. The broker ends it as well, when it hears of the machine's end.
    pub fn clear(&mut self) {
        self.connections.clear();
    }

    /// Asks for a connection.
    pub fn connect(&mut self, stream: u32, to: Endpoint) -> Transfer {
        let Some((transport, _)) = to.read() else { return Transfer::Unknown };
        if stream < FIRST_OUTBOUND || self.find(stream).is_some() {
            return Transfer::Unknown;
        }
        let Some(broker) = &self.broker else { return Transfer::Failed(ENETUNREACH) };
        if self.connections.len() >= OUTBOUND_MAX {
            return Transfer::Failed(EMFILE);
        }
        let id = self.next;
        if packet::send_plain(broker, &Ask { id, wish: Wish::Connect(to) }.encode()).is_err() {
            return Transfer::Failed(ENETUNREACH);
        }
        self.next += 1;
        self.connections.push(Connection {
            stream,
            id,
            transport,
            state: State::Asked,
            armed: true,
            alert: false,
            stopped: false,
            owes: false,
            ended: false,
            hung_up: false,
            is_bulk: false,
        });
        Transfer::Done(0)
    }

    /// Sends bytes of the program.
    pub fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer {
        match self.find(stream) {
            Some(connection) => connection.write(bytes),
            None => Transfer::Unknown,
        }
    }

    /// Gives the program bytes.
    pub fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Transfer {
        match self.find(stream) {
            Some(connection) => connection.read(buffer),
            None => Transfer::Unknown,
        }
    }

    /// Receives into the program's memory; `None` where that cannot be: datagrams, and what is not connected.
    ///
    /// # Errors
    /// A range that is not within that memory.
    pub fn read_into(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        let Some(connection) = self.find(stream) else { return Ok(None) };
        let Some(socket) = connection.stream_socket() else { return Ok(None) };
        let read = moved(|| memory.receive(socket, gpa, len))?;
        connection.has_read(read, len);
        Ok(Some(read))
    }

    /// Sends from the program's memory, where what is not taken stays; `None` as above.
    ///
    /// # Errors
    /// A range that is not within that memory.
    pub fn write_from(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        let Some(connection) = self.find(stream) else { return Ok(None) };
        if matches!(connection.state, State::Asked) {
            connection.stopped = true;
            return Ok(Some(Transfer::Done(0)));
        }
        let Some(socket) = connection.stream_socket() else { return Ok(None) };
        let written = match moved(|| memory.send(socket, gpa, len))? {
            Transfer::Again => Transfer::Done(0),
            written => written,
        };
        if let Transfer::Done(count) = written {
            connection.stopped = count < len;
            connection.owes = false;
        }
        Ok(Some(written))
    }

    /// The program sends no more.
    pub fn shutdown_write(&mut self, stream: u32) -> Transfer {
        match self.find(stream) {
            Some(connection) if connection.stopped => Transfer::Again,
            Some(Connection { state: State::Open(socket), .. }) => outcome(shutdown(socket, Shutdown::Write)),
            Some(_) => Transfer::Failed(ENOTCONN),
            None => Transfer::Unknown,
        }
    }

    /// The program has closed it: what was sent leaves, then the end.
    pub fn close(&mut self, stream: u32) -> Transfer {
        let Some(at) = self.connections.iter().position(|one| one.stream == stream) else {
            return Transfer::Unknown;
        };
        if self.connections[at].stopped && !matches!(self.connections[at].state, State::Over(_)) {
            return Transfer::Again;
        }
        let connection = self.connections.swap_remove(at);
        let id = connection.id;
        // The broker has a descriptor of it as well: the peer sees the end when both are closed.
        drop(connection);
        if let Some(broker) = &self.broker {
            let _ = packet::send_plain(broker, &Ask { id, wish: Wish::Closed }.encode());
        }
        Transfer::Done(0)
    }

    /// Sets an option that changes what goes over the network; others are the library OS's own.
    pub fn set_option(&mut self, stream: u32, level: u32, name: u32, value: u32) -> Transfer {
        match self.find(stream) {
            Some(Connection { state: State::Open(socket), .. }) => set_option(socket, level, name, value),
            Some(_) => Transfer::Failed(ENOTCONN),
            None => Transfer::Unknown,
        }
    }

    /// Tells the guest what is new, without waiting.
    pub fn announce(&mut self, arrivals: &mut Arrivals) {
        if self.connections.is_empty() {
            return;
        }
        self.take_grants(arrivals);
        let mut about: Vec<(usize, PollFlags)> = Vec::new();
        {
            let (places, mut fds): (Vec<_>, Vec<_>) = self.polled().unzip();
            if poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0) {
                about.extend(places.into_iter().zip(fds).map(|(at, fd)| (at, fd.revents())));
            }
        }
        for (at, events) in about {
            if !events.is_empty() {
                self.connections[at].announce(events, &mut self.buffer, arrivals);
            }
        }
        for connection in &mut self.connections {
            connection.tell_failure(arrivals);
        }
    }

    /// Bytes of the program wait in the machine until they can leave.
    pub fn owes(&self) -> bool {
        self.connections.iter().any(|one| one.owes && !matches!(one.state, State::Over(_)))
    }

    /// What is to be waited for, beside the slot's stream.
    pub fn poll_fds(&self) -> impl Iterator<Item = PollFd<'_>> {
        self.wanted().map(|(fd, events)| PollFd::from_borrowed_fd(fd, PollFlags::from_bits_retain(events)))
    }

    /// The same, with poll(2)'s bits for each descriptor.
    pub fn wanted(&self) -> impl Iterator<Item = (BorrowedFd<'_>, u16)> {
        let broker = self.broker.as_ref().filter(|_| self.asks());
        let broker = broker.map(|broker| (broker.as_fd(), PollFlags::IN.bits()));
        broker.into_iter().chain(self.connections.iter().filter_map(|one| {
            let (socket, events) = one.wanted()?;
            Some((socket.as_fd(), events.bits()))
        }))
    }

    /// The open connections of which something is expected.
    fn polled(&self) -> impl Iterator<Item = (usize, PollFd<'_>)> {
        self.connections.iter().enumerate().filter_map(|(at, one)| Some((at, one.poll_fd()?)))
    }

    /// An answer of the broker is due.
    fn asks(&self) -> bool {
        self.connections.iter().any(|one| matches!(one.state, State::Asked))
    }

    fn find(&mut self, stream: u32) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|one| one.stream == stream)
    }

    /// Takes the broker's answers. Those for a machine that has ended are nobody's, and their descriptors are closed.
    fn take_grants(&mut self, arrivals: &mut Arrivals) {
        // The news of a connection needs room for its own end; without it the answer waits.
        let has_room = |(events, bytes): (usize, usize)| events > 0 && bytes >= size_of::<Endpoint>();
        while self.asks() && has_room(arrivals.left()) {
            let Some(broker) = &self.broker else { return };
            let packet = match packet::receive_now(broker) {
                Ok(packet) if !packet.bytes.is_empty() => packet,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // It is gone, or does not keep to the protocol.
                _ => return self.lose_broker(),
            };
            let Ok(grant) = Grant::decode(&packet.bytes) else { return self.lose_broker() };
            let Some(connection) = self.connections.iter_mut().find(|one| one.id == grant.id) else {
                continue;
            };
            connection.granted(grant.outcome, packet.fds.into_iter().next(), arrivals);
        }
    }

    fn lose_broker(&mut self) {
        self.broker = None;
        for connection in &mut self.connections {
            if matches!(connection.state, State::Asked) {
                connection.state = State::Over(Some(ENETUNREACH));
            }
        }
    }
}

impl Connection {
    fn granted(&mut self, outcome: Result<Endpoint, u32>, socket: Option<OwnedFd>, arrivals: &mut Arrivals) {
        self.state = match (outcome, socket) {
            (Ok(local), Some(socket)) => {
                arrivals.bring(EventKind::Connected, self.stream, local.as_bytes());
                State::Open(socket)
            }
            (Ok(_), None) => State::Over(Some(ENETUNREACH)),
            (Err(errno), _) => State::Over(Some(errno)),
        };
    }

    fn poll_fd(&self) -> Option<PollFd<'_>> {
        let (socket, events) = self.wanted()?;
        Some(PollFd::from_borrowed_fd(socket.as_fd(), events))
    }

    /// What is expected of it.
    fn wanted(&self) -> Option<(&OwnedFd, PollFlags)> {
        let State::Open(socket) = &self.state else { return None };
        let mut events = PollFlags::empty();
        let listens = self.armed || self.alert;
        events.set(PollFlags::IN | PollFlags::RDHUP, listens && !self.ended);
        events.set(PollFlags::OUT, self.stopped);
        // Without a wish a broken connection would be told of again and again.
        (!self.hung_up && (listens || self.stopped || self.ended)).then_some((socket, events))
    }

    fn announce(&mut self, events: PollFlags, buffer: &mut Vec<u8>, arrivals: &mut Arrivals) {
        let gone = events.intersects(PollFlags::HUP | PollFlags::ERR);
        if self.ended && gone {
            self.hung_up = true;
            if events.contains(PollFlags::ERR) {
                self.probe(arrivals);
            }
        } else if gone || events.intersects(PollFlags::IN | PollFlags::RDHUP) {
            if self.armed && self.is_bulk {
                self.armed = !arrivals.push(EventKind::Readable, self.stream);
            } else if self.armed {
                self.look_ahead(buffer, arrivals);
            } else if self.alert {
                self.probe(arrivals);
            }
        }
        if self.stopped && events.intersects(PollFlags::OUT | PollFlags::ERR | PollFlags::HUP) {
            self.stopped = !arrivals.push(EventKind::Writable, self.stream);
        }
    }

    /// Fetches what has come and tells of it: the guest needs no further exit for a short message.
    fn look_ahead(&mut self, buffer: &mut Vec<u8>, arrivals: &mut Arrivals) {
        let (events, room) = arrivals.left();
        let needed = if self.transport == Transport::Udp { LENGTH + DATAGRAM_MAX } else { 1 };
        if events == 0 || room < needed {
            return;
        }
        let most = if self.transport == Transport::Udp { needed } else { room.min(AHEAD_MAX) };
        buffer.resize(most, 0);
        match self.read(buffer) {
            Transfer::Done(0) if self.transport == Transport::Tcp => {
                arrivals.push(EventKind::Ended, self.stream);
            }
            Transfer::Done(count) => {
                self.armed = false;
                // A read that was filled may have left bytes, which the guest has to ask for.
                self.alert = count < most || self.transport == Transport::Udp;
                let kind = if self.alert { EventKind::Arrived } else { EventKind::Readable };
                arrivals.bring(kind, self.stream, &buffer[..count]);
            }
            Transfer::Failed(errno) => self.fail(errno, arrivals),
            _ => {}
        }
    }

    /// Tells what there is, without taking it: bytes, the end, or an error.
    fn probe(&mut self, arrivals: &mut Arrivals) {
        let State::Open(socket) = &self.state else { return };
        let mut byte = [0];
        match recv(socket, &mut byte, RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Ok((_, 0)) if self.transport == Transport::Tcp => {
                self.ended = self.ended || arrivals.push(EventKind::Ended, self.stream);
            }
            Ok(_) => {
                if self.alert && arrivals.push(EventKind::Readable, self.stream) {
                    self.alert = false;
                }
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => self.fail(number(errno), arrivals),
        }
    }

    fn fail(&mut self, errno: u32, arrivals: &mut Arrivals) {
        if self.transport == Transport::Tcp {
            self.state = State::Over(Some(errno));
            self.tell_failure(arrivals);
        } else {
            arrivals.tell(EventKind::Failed, self.stream, errno);
        }
    }

    fn tell_failure(&mut self, arrivals: &mut Arrivals) {
        if let State::Over(Some(errno)) = self.state
            && arrivals.tell(EventKind::Failed, self.stream, errno)
        {
            self.state = State::Over(None);
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        let State::Open(socket) = &self.state else {
            self.stopped = matches!(self.state, State::Asked);
            self.owes = self.stopped;
            return if self.stopped { Transfer::Done(0) } else { Transfer::Broken };
        };
        let written = match self.transport {
            Transport::Tcp => write_stream(socket, bytes),
            Transport::Udp => write_datagrams(socket, bytes),
        };
        if let Transfer::Done(count) = written {
            self.stopped = count < bytes.len();
            self.owes = self.stopped;
        }
        written
    }

    fn read(&mut self, buffer: &mut [u8]) -> Transfer {
        let State::Open(socket) = &self.state else {
            return if matches!(self.state, State::Asked) { Transfer::Again } else { Transfer::Broken };
        };
        let read = match self.transport {
            Transport::Tcp => read_stream(socket, buffer),
            Transport::Udp => read_datagrams(socket, buffer),
        };
        self.has_read(read, buffer.len());
        read
    }

    /// The socket of a stream of bytes that is connected.
    fn stream_socket(&self) -> Option<BorrowedFd<'_>> {
        match &self.state {
            State::Open(socket) if self.transport == Transport::Tcp => Some(socket.as_fd()),
            _ => None,
        }
    }

    /// Takes note of a read of at most `most` bytes.
    fn has_read(&mut self, read: Transfer, most: usize) {
        self.ended |= read == Transfer::Done(0) && self.transport == Transport::Tcp && most > 0;
        if let Transfer::Done(count) = read {
            self.is_bulk = self.transport == Transport::Tcp && count >= AHEAD_MAX;
        }
        let is_short = match read {
            Transfer::Done(count) => count < most,
            _ => true,
        };
        if is_short {
            (self.armed, self.alert) = (!self.ended, false);
        }
    }
}

/// What became of a transfer between a socket and guest memory.
fn moved(
    mut transfer: impl FnMut() -> Result<io::Result<usize>, MemoryError>,
) -> Result<Transfer, MemoryError> {
    loop {
        match transfer()? {
            Ok(count) => return Ok(Transfer::Done(count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Transfer::Again),
            Err(error) => {
                let errno = error.raw_os_error().map_or(EIO, i32::unsigned_abs);
                return Ok(Transfer::Failed(errno));
            }
        }
    }
}

fn write_stream(socket: &OwnedFd, bytes: &[u8]) -> Transfer {
    let mut done = 0;
    while done < bytes.len() {
        match send(socket, &bytes[done..], SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(count) => done += count,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(_) if done > 0 => break,
            Err(errno) => return failed(errno),
        }
    }
    Transfer::Done(done)
}

/// Sends whole datagrams. One that the kernel does not take is lost, as on any way to the peer; so is one that is none.
fn write_datagrams(socket: &OwnedFd, bytes: &[u8]) -> Transfer {
    let mut rest = bytes;
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes(*length));
        let Some(datagram) = after.get(..length) else { break };
        match send(socket, datagram, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) => return Transfer::Done(bytes.len() - rest.len()),
            // What an earlier datagram met is told to the reader.
            Err(Errno::CONNREFUSED) => continue,
            Ok(_) | Err(_) => rest = &after[length..],
        }
    }
    Transfer::Done(bytes.len())
}

fn read_stream(socket: &OwnedFd, buffer: &mut [u8]) -> Transfer {
    loop {
        match recv(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Ok((_, count)) => return Transfer::Done(count),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Transfer::Again,
            Err(errno) => return failed(errno),
        }
    }
}

fn read_datagrams(socket: &OwnedFd, buffer: &mut [u8]) -> Transfer {
    let mut done = 0;
    while let Some((length, room)) = buffer[done..].split_first_chunk_mut::<LENGTH>() {
        if room.len() < DATAGRAM_MAX {
            break;
        }
        match recv(socket, &mut *room, RecvFlags::DONTWAIT) {
            Ok((_, count)) => {
                let count = count.min(DATAGRAM_MAX);
                *length = (count as u16).to_le_bytes();
                done += LENGTH + count;
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if done == 0 => return Transfer::Again,
            Err(errno) if done == 0 => return failed(errno),
            Err(_) => break,
        }
    }
    if done == 0 { Transfer::Again } else { Transfer::Done(done) }
}

/// The options that the system-call filter lets through, by level and name.
fn set_option(socket: &OwnedFd, level: u32, name: u32, value: u32) -> Transfer {
    let seconds = Duration::from_secs(value.into());
    outcome(match (level.cast_signed(), name.cast_signed()) {
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => sockopt::set_tcp_nodelay(socket, value != 0),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => sockopt::set_tcp_keepidle(socket, seconds),
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL) => sockopt::set_tcp_keepintvl(socket, seconds),
        (libc::IPPROTO_TCP, libc::TCP_KEEPCNT) => sockopt::set_tcp_keepcnt(socket, value),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => sockopt::set_tcp_user_timeout(socket, value),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => sockopt::set_socket_keepalive(socket, value != 0),
        // The one form that has an effect here: what was not sent is thrown away, and the peer sees a reset.
        (libc::SOL_SOCKET, libc::SO_LINGER) => sockopt::set_socket_linger(socket, Some(Duration::ZERO)),
        _ => return Transfer::Failed(ENOPROTOOPT),
    })
}

fn outcome(result: rustix::io::Result<()>) -> Transfer {
    result.map_or_else(failed, |()| Transfer::Done(0))
}

fn failed(errno: Errno) -> Transfer {
    Transfer::Failed(number(errno))
}

fn number(errno: Errno) -> u32 {
    errno.raw_os_error().unsigned_abs()
}

/// The broker's end of a pair for tests, and the slot's.
#[cfg(test)]
fn broker() -> (OwnedFd, Outbound) {
    let (broker, slot) = packet::control_pair().unwrap();
    (broker, Outbound::new(Some(slot)))
}

#[cfg(test)]
mod tests;
