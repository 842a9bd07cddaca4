//! TCP sockets: loopback connections, those that the monitor opens, and those that it carries outward.
//!
//! ```text
//! Closed ──listen──► Listening ──shutdown(READ)──► Closed
//!   │ connect                │ accept, Net::open
//!   ▼                        ▼
//! Connecting ──room in the backlog──► Connected(wire) ──RST──► the same, with `reset`
//! Reaching ──the monitor has it──────►
//! ```
//! [`wire`] carries bytes, [`listener`] is the passive side, [`options`] is getsockopt(2) and setsockopt(2).

mod connect;
pub mod listener;
mod options;
mod poll;
pub mod urgent;
pub mod wire;

use super::Shared;
use super::address::Address;
use super::inet::{self, Scope};
use super::message::{Incoming, Outgoing, Peer};
use super::socket::{Common, Halves, Protocol, SocketKind};
use crate::errno::{Errno, Result};
use crate::fs::file::Ready;
use crate::fs::io::Sink;
use crate::host::stream::{Stream, Watcher};
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::net::{IpAddr, SocketAddr};
use linux_raw_sys::net as raw;
use listener::TcpListener;
use options::TcpOptions;
use wire::{Manner, Peek, Wire};

enum TcpState {
    Closed,
    Listening(Rc<TcpListener>),
    /// Waits for room in a listener's backlog.
    Connecting,
    /// Waits for the monitor to connect it to a peer beyond the machine.
    Reaching(Rc<Stream>),
    Connected(Rc<dyn Wire>),
}

/// A TCP socket in any of the states that the module draws.
pub struct Tcp {
    me: Weak<Self>,
    net: Rc<Shared>,
    /// What every socket has.
    pub common: Common,
    options: TcpOptions,
    state: RefCell<TcpState>,
    local: Cell<SocketAddr>,
    remote: Cell<Option<SocketAddr>>,
    /// The port in [`Shared::tcp_ports`] that is this socket's.
    claimed: Cell<Option<u16>>,
    /// The program has chosen that port.
    has_chosen_port: Cell<bool>,
    /// Neither direction works any more.
    is_reset: Cell<bool>,
    /// A connect(2) has begun whose result the program has not seen.
    is_reporting: Cell<bool>,
    /// What shutdown(2) has closed.
    shut: Cell<Halves>,
}

impl Tcp {
    /// Made by [`super::Net::socket`]; closed, without an address.
    pub fn new(net: &Rc<Shared>, kind: SocketKind, owner: Peer) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            net: Rc::clone(net),
            common: Common::new(kind, owner, &net.budget),
            options: TcpOptions::default(),
            state: RefCell::new(TcpState::Closed),
            local: Cell::new(inet::unbound(kind.domain)),
            remote: Cell::new(None),
            claimed: Cell::new(None),
            has_chosen_port: Cell::new(false),
            is_reset: Cell::new(false),
            is_reporting: Cell::new(false),
            shut: Cell::new(Halves::empty()),
        })
    }

    fn wire(&self) -> Option<Rc<dyn Wire>> {
        match &*self.state.borrow() {
            TcpState::Connected(wire) => Some(Rc::clone(wire)),
            _ => None,
        }
    }

    fn wire_has_room(&self) -> bool {
        self.wire().is_some_and(|wire| wire.has_room())
    }

    /// The listener, while it listens.
    pub fn listener(&self) -> Option<Rc<TcpListener>> {
        match &*self.state.borrow() {
            TcpState::Listening(listener) => Some(Rc::clone(listener)),
            _ => None,
        }
    }

    /// The peer, or what carries its bytes, has ended the connection.
    pub fn reset(&self, errno: Errno) {
        self.common.error.set(Some(errno));
        self.is_reset.set(true);
        self.common.queue.wake();
    }

    /// A connection is on its way.
    fn is_on_its_way(&self) -> bool {
        matches!(*self.state.borrow(), TcpState::Connecting | TcpState::Reaching(_))
    }

    fn scope_of(&self, ip: IpAddr) -> Scope {
        Scope { ip, only_v6: self.options.only_v6() }
    }

    fn claim(&self, address: SocketAddr) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let port = self.net.tcp_ports.claim(&me, self.scope_of(address.ip()), address.port())?;
        self.claimed.set(Some(port));
        self.local.set(SocketAddr::new(address.ip(), port));
        Ok(())
    }

    /// Whether nothing of the connection is left but bytes to be read.
    fn is_over(&self, wire: &dyn Wire) -> bool {
        self.is_reset.get() || (self.shut.get().contains(Halves::WRITE) && wire.peer_finished())
    }

    /// Releases an ephemeral port when the connection ends; a port that the program has bound stays its own.
    fn forget_port(&self) {
        if !self.has_chosen_port.get() {
            self.release_port();
            self.local.set(SocketAddr::new(self.local.get().ip(), 0));
        }
    }

    fn release_port(&self) {
        if let Some(port) = self.claimed.take() {
            self.net.tcp_ports.release(self, port);
        }
    }
}

impl Tcp {
    /// Registers for events of the monitor's stream that carries the connection.
    pub fn follow(&self, stream: &Stream) {
        stream.watch(self.me.clone());
    }
}

/// Bytes that one call sends with an urgent one at their end.
const URGENT_MAX: usize = 64 << 10;

impl Tcp {
    /// The urgent byte alone (recv(2) with MSG_OOB).
    fn receive_urgent(&self, message: &mut Incoming<'_>) -> Result<usize> {
        let wire = self.wire().ok_or(Errno::EINVAL)?;
        let urgent = wire.urgent().ok_or(Errno::EINVAL)?;
        if self.common.options.is_on(raw::SO_OOBINLINE) {
            return Err(Errno::EINVAL);
        }
        let byte = urgent.take(if message.peeks() { Peek::Yes } else { Peek::No })?;
        message.result_flags |= raw::MSG_OOB;
        if message.data.room() == 0 {
            message.result_flags |= raw::MSG_TRUNC;
            return Ok(0);
        }
        message.data.put(&[byte])
    }
}

impl Watcher for Tcp {
    fn came(&self) {
        self.common.wake_readers();
    }

    fn drained(&self) {
        self.common.wake_writers();
    }

    fn gone(&self) {
        self.reset(Errno::ECONNRESET);
    }

    fn connected(&self, local: SocketAddr) {
        self.reached(local);
    }

    fn failed(&self, errno: Errno) {
        self.missed(errno);
    }
}

impl Protocol for Tcp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, _caller: Peer, address: &Address) -> Result<()> {
        let address = inet::expect_ip(self.common.kind.domain, address)?;
        if !inet::is_local(address.ip(), self.net.outward) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        let is_fresh = matches!(*self.state.borrow(), TcpState::Closed);
        if !is_fresh || self.claimed.get().is_some() || (address.is_ipv4() && self.options.only_v6()) {
            return Err(Errno::EINVAL);
        }
        self.has_chosen_port.set(address.port() != 0);
        self.claim(address)
    }

    fn connect(&self, _caller: Peer, address: &Address) -> Result<()> {
        self.connect_to(address)
    }

    fn listen(&self, _caller: Peer, backlog: usize) -> Result<()> {
        self.start_listening(backlog)
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>> {
        let listener = self.listener().ok_or(Errno::EINVAL)?;
        Ok(listener.accept()?)
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags & options::MSG_FASTOPEN != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        self.common.take_error()?;
        if self.is_reset.get() || self.shut.get().contains(Halves::WRITE) {
            return Err(Errno::EPIPE);
        }
        let Some(wire) = self.wire() else {
            let waits = self.is_on_its_way();
            return Err(if waits { Errno::EAGAIN } else { Errno::EPIPE });
        };
        let result = if message.flags & raw::MSG_OOB == 0 {
            wire.send(message.data)
        } else {
            let mut bytes = alloc::vec![0; message.data.left().min(URGENT_MAX)];
            let count = message.data.take(&mut bytes)?;
            if count == 0 { Ok(0) } else { wire.send_urgent(&bytes[..count]) }
        };
        if message.data.left() > 0 {
            self.common.no_space.set(true);
        }
        if result == Err(Errno::EAGAIN) {
            // The very bytes have met it.
            self.common.take_error()?;
        }
        result
    }

    fn receive(&self, message: &mut Incoming<'_>) -> Result<usize> {
        if message.flags & raw::MSG_OOB != 0 {
            return self.receive_urgent(message);
        }
        if message.flags & raw::MSG_ERRQUEUE != 0 {
            return Err(Errno::EAGAIN);
        }
        let peek = if message.peeks() { Peek::Yes } else { Peek::No };
        let came = match self.wire() {
            Some(wire) if message.flags & raw::MSG_TRUNC != 0 => {
                wire.receive(&mut Discard { left: message.data.room() }, peek)
            }
            Some(wire) => wire.receive(message.data, peek),
            None if self.is_on_its_way() => Err(Errno::EAGAIN),
            None if self.is_reset.get() => Err(Errno::EAGAIN),
            None => return Err(Errno::ENOTCONN),
        };
        match came {
            Err(Errno::EAGAIN) => {
                self.common.take_error()?;
                let ended = self.is_reset.get() || self.shut.get().contains(Halves::READ);
                if ended { Ok(0) } else { Err(Errno::EAGAIN) }
            }
            result => result,
        }
    }

    fn shutdown(&self, halves: Halves) -> Result<()> {
        if self.is_listening() {
            if halves.contains(Halves::READ) {
                self.stop_listening();
                self.forget_port();
            }
            return Ok(());
        }
        let wire = self.wire().filter(|wire| !self.is_over(&**wire)).ok_or(Errno::ENOTCONN)?;
        self.shut.set(self.shut.get() | halves);
        if halves.contains(Halves::WRITE) {
            wire.finish();
        }
        self.common.queue.wake();
        Ok(())
    }

    fn local(&self) -> Address {
        Address::Ip(self.local.get())
    }

    fn peer(&self) -> Result<Address> {
        let is_connected = self.wire().is_some_and(|wire| !self.is_over(&*wire));
        self.remote.get().filter(|_| is_connected).map(Address::Ip).ok_or(Errno::ENOTCONN)
    }

    fn ready(&self) -> Ready {
        self.readiness()
    }

    fn close(&self) {
        self.release_port();
        if self.is_listening() {
            return self.stop_listening();
        }
        let state = self.state.replace(TcpState::Closed);
        if let TcpState::Reaching(stream) = &state {
            stream.close(Manner::Abort);
        }
        if let TcpState::Connected(wire) = state {
            let aborts = self.common.options.linger.get() == Some(0);
            wire.close(if aborts { Manner::Abort } else { Manner::Orderly });
        }
    }

    fn is_at_mark(&self) -> bool {
        self.wire().is_some_and(|wire| wire.urgent().is_some_and(urgent::Urgent::is_next))
    }

    fn is_listening(&self) -> bool {
        matches!(*self.state.borrow(), TcpState::Listening(_))
    }

    fn readable_bytes(&self) -> usize {
        self.wire().map_or(0, |wire| wire.readable_bytes())
    }

    fn unsent_bytes(&self) -> usize {
        self.wire().map_or(0, |wire| wire.unsent_bytes())
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        self.set_tcp_option(level, name, value)?;
        self.pass_on(level, name);
        Ok(())
    }

    fn option_changed(&self, name: u32) {
        self.pass_on(raw::SOL_SOCKET, name);
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>> {
        self.tcp_option(level, name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A [`Sink`] for bytes that nobody wants (MSG_TRUNC of a stream).
struct Discard {
    left: usize,
}

impl Sink for Discard {
    fn room(&self) -> usize {
        self.left
    }

    fn put(&mut self, bytes: &[u8]) -> Result<usize> {
        let count = bytes.len().min(self.left);
        self.left -= count;
        Ok(count)
    }
}
