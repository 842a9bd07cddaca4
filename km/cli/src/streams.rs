//! The streams of a machine that `km run` holds: this process's own three, forwarded connections, and those that the program
//! opens.

use anyhow::{Context, Result};
use km_abi::hypercall::{EventKind, FIRST_CONNECTION, FIRST_OUTBOUND};
use km_abi::outbound::Endpoint;
use km_vmm::memory::{GuestMemory, MemoryError};
use km_vmm::vm::{Arrivals, GuestStreams, Transfer};
use km_vmm::worker::outbound::Outbound;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll, ppoll};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::time::Duration;

/// Connections that may be open at once; more wait in the listener.
const CONNECTIONS_MAX: usize = 256;
/// Longest single wait; the caller waits again.
const WAIT_MAX: Duration = Duration::from_secs(1 << 20);

/// A port of this host that leads to a port of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    host: u16,
    guest: u16,
}

impl FromStr for Forward {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, guest) = text.split_once(':').unwrap_or((text, text));
        let port = |part: &str| part.parse().map_err(|_| format!("{part:?} is no port; write HOST:GUEST"));
        Ok(Self { host: port(host)?, guest: port(guest)? })
    }
}

/// Whether and how the guest is told of a stream.
#[derive(Clone, Copy, Debug)]
struct Interest {
    /// It wants to hear when there is something to read.
    armed: bool,
    /// It wants to hear when there is room again.
    stopped: bool,
}

impl Default for Interest {
    fn default() -> Self {
        Self { armed: true, stopped: false }
    }
}

struct Connection {
    socket: TcpStream,
    interest: Interest,
}

/// Standard streams and connections.
pub struct Streams {
    stdin: Interest,
    stdin_open: bool,
    listeners: Vec<(TcpListener, u16)>,
    connections: BTreeMap<u32, Connection>,
    next: u32,
    /// What the program has opened itself.
    outbound: Outbound,
}

impl Streams {
    /// Listens where ports are forwarded.
    ///
    /// # Errors
    /// A port is in use.
    pub fn new(forwards: &[Forward], outbound: Outbound) -> Result<Self> {
        let listen = |forward: &Forward| -> Result<(TcpListener, u16)> {
            let listener = TcpListener::bind(("127.0.0.1", forward.host))
                .with_context(|| format!("listen on 127.0.0.1:{}", forward.host))?;
            listener.set_nonblocking(true)?;
            Ok((listener, forward.guest))
        };
        Ok(Self {
            stdin: Interest::default(),
            stdin_open: true,
            listeners: forwards.iter().map(listen).collect::<Result<_>>()?,
            connections: BTreeMap::new(),
            next: FIRST_CONNECTION,
            outbound,
        })
    }

    /// Waits until there is news or the time is up.
    ///
    /// # Errors
    /// As poll(2).
    pub fn wait(&mut self, time: Option<Duration>, arrivals: &mut Arrivals) -> Result<()> {
        self.poll_for(time, arrivals).context("wait for streams")
    }

    fn poll_for(&mut self, time: Option<Duration>, arrivals: &mut Arrivals) -> Result<(), Errno> {
        let stdin = io::stdin();
        let mut fds = Vec::new();
        let mut sources = Vec::new();
        if self.stdin.armed && self.stdin_open {
            fds.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN));
            sources.push(Source::Stdin);
        }
        if self.connections.len() < CONNECTIONS_MAX {
            for (index, (listener, _)) in self.listeners.iter().enumerate() {
                fds.push(PollFd::new(listener.as_fd(), PollFlags::POLLIN));
                sources.push(Source::Listener(index));
            }
        }
        for (&stream, connection) in &self.connections {
            let mut wanted = PollFlags::empty();
            wanted.set(PollFlags::POLLIN, connection.interest.armed);
            wanted.set(PollFlags::POLLOUT, connection.interest.stopped);
            if !wanted.is_empty() {
                fds.push(PollFd::new(connection.socket.as_fd(), wanted));
                sources.push(Source::Connection(stream));
            }
        }
        for (fd, wanted) in self.outbound.wanted() {
            fds.push(PollFd::new(fd, PollFlags::from_bits_truncate(wanted.cast_signed())));
        }
        let limit = time.map(|time| TimeSpec::from_duration(time.min(WAIT_MAX)));
        match ppoll(&mut fds, limit, None) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(()),
            Err(error) => return Err(error),
        }
        let happened: Vec<(Source, PollFlags)> = sources
            .into_iter()
            .zip(fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty())))
            .filter(|(_, flags)| !flags.is_empty())
            .collect();
        drop(fds);
        for (source, flags) in happened {
            self.announce(source, flags, arrivals);
        }
        self.outbound.announce(arrivals);
        Ok(())
    }

    fn announce(&mut self, source: Source, flags: PollFlags, arrivals: &mut Arrivals) {
        let gone = PollFlags::POLLHUP | PollFlags::POLLERR;
        match source {
            Source::Stdin => {
                self.stdin.armed = !arrivals.push(EventKind::Readable, 0);
            }
            Source::Listener(index) => self.accept(index, arrivals),
            Source::Connection(stream) => {
                let Some(connection) = self.connections.get_mut(&stream) else { return };
                let interest = &mut connection.interest;
                if interest.stopped && flags.intersects(PollFlags::POLLOUT | gone) {
                    interest.stopped = !arrivals.push(EventKind::Writable, stream);
                }
                if interest.armed && flags.intersects(PollFlags::POLLIN | gone) {
                    interest.armed = !arrivals.push(EventKind::Readable, stream);
                }
            }
        }
    }

    fn accept(&mut self, index: usize, arrivals: &mut Arrivals) {
        let (listener, port) = &self.listeners[index];
        let Ok((socket, _)) = listener.accept() else { return };
        if socket.set_nonblocking(true).is_err() || arrivals.open(self.next, *port, &[]).is_none() {
            return;
        }
        // Small answers should not wait for more.
        let _ = socket.set_nodelay(true);
        self.connections.insert(self.next, Connection { socket, interest: Interest::default() });
        self.next = self.next.wrapping_add(1).max(FIRST_CONNECTION);
    }
}

#[derive(Clone, Copy)]
enum Source {
    Stdin,
    Listener(usize),
    Connection(u32),
}

impl GuestStreams for Streams {
    fn connect(&mut self, stream: u32, to: Endpoint) -> Transfer {
        self.outbound.connect(stream, to)
    }

    fn set_option(&mut self, stream: u32, level: u32, name: u32, value: u32) -> Transfer {
        self.outbound.set_option(stream, level, name, value)
    }

    fn write(&mut self, stream: u32, bytes: &[u8]) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.outbound.write(stream, bytes);
        }
        match stream {
            1 => write_all(&mut io::stdout().lock(), bytes),
            2 => write_all(&mut io::stderr().lock(), bytes),
            _ => {
                let Some(connection) = self.connections.get_mut(&stream) else { return Transfer::Unknown };
                let count = match connection.socket.write(bytes) {
                    Ok(count) => count,
                    Err(error) if would_block(&error) => 0,
                    Err(_) => return Transfer::Broken,
                };
                connection.interest.stopped = count < bytes.len();
                Transfer::Done(count)
            }
        }
    }

    fn read(&mut self, stream: u32, buffer: &mut [u8]) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.outbound.read(stream, buffer);
        }
        let (result, interest) = if stream == 0 {
            if !stdin_ready() {
                self.stdin.armed = true;
                return Transfer::Again;
            }
            // Not through the standard library's buffer: what it holds, poll(2) does not see.
            let result = nix::unistd::read(io::stdin(), buffer).map_err(io::Error::from);
            self.stdin_open = !matches!(result, Ok(0) | Err(_));
            (result, &mut self.stdin)
        } else {
            let Some(connection) = self.connections.get_mut(&stream) else { return Transfer::Unknown };
            (connection.socket.read(buffer), &mut connection.interest)
        };
        match result {
            Ok(count) => {
                interest.armed = count > 0 && count < buffer.len();
                Transfer::Done(count)
            }
            Err(error) if would_block(&error) => {
                interest.armed = true;
                Transfer::Again
            }
            Err(_) => Transfer::Broken,
        }
    }

    fn read_into(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        self.outbound.read_into(stream, memory, gpa, len)
    }

    fn write_from(
        &mut self,
        stream: u32,
        memory: &GuestMemory,
        gpa: u64,
        len: usize,
    ) -> Result<Option<Transfer>, MemoryError> {
        self.outbound.write_from(stream, memory, gpa, len)
    }

    fn shutdown_write(&mut self, stream: u32) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.outbound.shutdown_write(stream);
        }
        let Some(connection) = self.connections.get(&stream) else { return Transfer::Unknown };
        match connection.socket.shutdown(Shutdown::Write) {
            Ok(()) => Transfer::Done(0),
            Err(_) => Transfer::Broken,
        }
    }

    fn close(&mut self, stream: u32) -> Transfer {
        if stream >= FIRST_OUTBOUND {
            return self.outbound.close(stream);
        }
        match self.connections.remove(&stream) {
            Some(_) => Transfer::Done(0),
            None => Transfer::Unknown,
        }
    }

    fn poll(&mut self, arrivals: &mut Arrivals) {
        // Not being able to look is not news; the next wait reports it.
        let _ = self.poll_for(Some(Duration::ZERO), arrivals);
    }
}

fn stdin_ready() -> bool {
    let stdin = io::stdin();
    let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    matches!(poll(&mut fds, PollTimeout::ZERO), Ok(count) if count > 0)
}

fn would_block(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

fn write_all(to: &mut dyn Write, bytes: &[u8]) -> Transfer {
    match to.write_all(bytes).and_then(|()| to.flush()) {
        Ok(()) => Transfer::Done(bytes.len()),
        Err(_) => Transfer::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_are_two_ports() {
        assert_eq!("8080:80".parse(), Ok(Forward { host: 8080, guest: 80 }));
        assert_eq!("80".parse(), Ok(Forward { host: 80, guest: 80 }));
        for wrong in ["", "a:1", "1:", "70000:1", "1:2:3"] {
            assert!(wrong.parse::<Forward>().is_err(), "{wrong}");
        }
    }
}
