//! Unix sockets (unix(7)): streams, datagrams and sequenced packets, by path, abstract name or as a pair.
//!
//! A connected socket knows its peer; what is sent goes straight into the peer's inbox.

mod connect;
pub mod names;
mod send;

use super::Shared;
use super::address::{Address, UnixName};
use super::inbox::Inbox;
use super::message::{Incoming, Outgoing, Peer};
use super::socket::{Common, Halves, Protocol, SocketKind};
use crate::errno::{Errno, Result};
use crate::fs::file::Ready;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use linux_raw_sys::net as raw;
pub use names::SocketFile;
use names::SocketKey;

pub(super) const STREAM: u32 = raw::SOCK_STREAM;
pub(super) const DATAGRAM: u32 = raw::SOCK_DGRAM;
pub(super) const PACKET: u32 = raw::SOCK_SEQPACKET;

/// What a listening socket has.
#[derive(Default)]
struct Listening {
    backlog: usize,
    arrived: VecDeque<Rc<Unix>>,
}

/// A unix socket of any type; what is sent to it waits in its own inbox.
pub struct Unix {
    me: Weak<Self>,
    net: Rc<Shared>,
    common: Common,
    name: RefCell<UnixName>,
    key: RefCell<Option<SocketKey>>,
    listening: RefCell<Option<Listening>>,
    peer: RefCell<Option<Weak<Unix>>>,
    /// A stream had a peer.
    was_connected: Cell<bool>,
    peer_name: RefCell<UnixName>,
    peer_credentials: Cell<Option<Peer>>,
    inbox: RefCell<Inbox>,
    /// Sockets whose senders wait for room in this inbox or backlog.
    waiting: RefCell<Vec<Weak<Unix>>>,
    /// Some process has it; false while a connection waits for accept(2).
    is_accepted: Cell<bool>,
    shut: Cell<Halves>,
}

impl Unix {
    /// Made by [`super::Net::socket`]; without a name or a peer.
    pub fn new(net: &Rc<Shared>, kind: SocketKind, owner: Peer) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            net: Rc::clone(net),
            common: Common::new(kind, owner, &net.budget),
            name: RefCell::new(UnixName::Unnamed),
            key: RefCell::default(),
            listening: RefCell::default(),
            peer: RefCell::default(),
            was_connected: Cell::new(false),
            peer_name: RefCell::new(UnixName::Unnamed),
            peer_credentials: Cell::new(None),
            inbox: RefCell::default(),
            waiting: RefCell::default(),
            is_accepted: Cell::new(true),
            shut: Cell::new(Halves::empty()),
        })
    }

    /// Two sockets that are each other's peers (socketpair(2)).
    pub fn pair(net: &Rc<Shared>, kind: SocketKind, owner: Peer) -> (Rc<Self>, Rc<Self>) {
        let (first, second) = (Self::new(net, kind, owner), Self::new(net, kind, owner));
        first.join(&second, owner);
        second.join(&first, owner);
        (first, second)
    }

    fn join(&self, peer: &Rc<Self>, credentials: Peer) {
        *self.peer.borrow_mut() = Some(Rc::downgrade(peer));
        *self.peer_name.borrow_mut() = peer.name.borrow().clone();
        self.peer_credentials.set(Some(credentials));
        self.was_connected.set(true);
    }

    fn is_datagram(&self) -> bool {
        self.common.kind.kind == DATAGRAM
    }

    /// The peer, unless it is gone.
    fn peer(&self) -> Option<Rc<Self>> {
        self.peer.borrow().as_ref().and_then(Weak::upgrade)
    }

    fn shut(&self, halves: Halves) {
        self.shut.set(self.shut.get() | halves);
        self.common.queue.wake();
    }

    /// Lets those look again who wait for room here.
    fn wake_waiting(&self) {
        for socket in self.waiting.take().iter().filter_map(Weak::upgrade) {
            socket.common.queue.wake_for(Ready::OUT.bits());
        }
    }

    fn wait_for_room(&self, at: &Self) {
        let mut waiting = at.waiting.borrow_mut();
        if !waiting.iter().any(|known| known.ptr_eq(&self.me)) {
            waiting.push(self.me.clone());
        }
    }

    fn has_room(&self) -> bool {
        let Some(peer) = self.peer() else { return true };
        let is_full = if self.is_datagram() { peer.has_full_queue() } else { !self.fits_stream(&peer) };
        if is_full {
            self.wait_for_room(&peer);
        }
        !is_full
    }

    fn receive_from_inbox(&self, message: &mut Incoming<'_>) -> Result<usize> {
        let result = if self.common.kind.kind == STREAM {
            self.inbox.borrow_mut().receive_stream(message, self.common.options.is_on(raw::SO_PASSCRED))
        } else {
            self.inbox.borrow_mut().receive(message)
        };
        if result.is_ok() && !message.peeks() {
            self.wake_waiting();
        }
        if self.common.kind.kind != DATAGRAM && result.is_ok() {
            let name = self.peer_name.borrow().clone();
            message.from = (name != UnixName::Unnamed).then_some(Address::Unix(name));
        }
        result
    }
}

impl Protocol for Unix {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, _caller: Peer, address: &Address) -> Result<()> {
        self.take_name(address)
    }

    fn connect(&self, caller: Peer, address: &Address) -> Result<()> {
        if self.is_datagram() { self.choose_peer(address) } else { self.connect_stream(caller, address) }
    }

    fn listen(&self, caller: Peer, backlog: usize) -> Result<()> {
        self.start_listening(caller, backlog)
    }

    fn accept(&self) -> Result<Rc<dyn Protocol>> {
        Ok(self.take_arrived()?)
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags & raw::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.is_datagram() { self.send_datagram(message) } else { self.send_connected(message) }
    }

    fn receive(&self, message: &mut Incoming<'_>) -> Result<usize> {
        if message.flags & raw::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        match self.receive_from_inbox(message) {
            Err(Errno::EAGAIN) => {}
            result => return result,
        }
        self.common.take_error()?;
        if self.shut.get().contains(Halves::READ) {
            return Ok(0);
        }
        match self.common.kind.kind {
            STREAM if !self.was_connected.get() => Err(Errno::EINVAL),
            PACKET if !self.was_connected.get() => Err(Errno::ENOTCONN),
            _ => Err(Errno::EAGAIN),
        }
    }

    fn shutdown(&self, halves: Halves) -> Result<()> {
        self.shut(halves);
        if !self.is_datagram()
            && let Some(peer) = self.peer()
        {
            let mut mirrored = Halves::empty();
            mirrored.set(Halves::READ, halves.contains(Halves::WRITE));
            mirrored.set(Halves::WRITE, halves.contains(Halves::READ));
            peer.shut(mirrored);
        }
        Ok(())
    }

    fn local(&self) -> Address {
        Address::Unix(self.name.borrow().clone())
    }

    fn peer(&self) -> Result<Address> {
        let is_connected = self.peer.borrow().is_some();
        if is_connected { Ok(Address::Unix(self.peer_name.borrow().clone())) } else { Err(Errno::ENOTCONN) }
    }

    fn ready(&self) -> Ready {
        if let Some(listening) = &*self.listening.borrow() {
            return if listening.arrived.is_empty() { Ready::empty() } else { Ready::IN };
        }
        let shut = self.shut.get();
        let mut ready = Ready::empty();
        if !self.inbox.borrow().is_empty() {
            ready |= Ready::IN;
        }
        if shut.contains(Halves::READ) {
            ready |= Ready::IN | Ready::RDHUP;
        }
        let never_connected = !self.is_datagram() && !self.was_connected.get();
        if shut == Halves::all() || never_connected {
            ready |= Ready::HUP;
        }
        if self.has_room() {
            ready |= Ready::OUT;
        }
        if self.common.error.get().is_some() {
            ready |= Ready::ERR;
        }
        ready
    }

    fn close(&self) {
        self.drop_name();
        if let Some(listening) = self.listening.take() {
            for child in listening.arrived {
                child.leave(Some(Errno::ECONNRESET));
            }
        }
        let has_unread = !self.inbox.borrow().is_empty();
        self.leave(has_unread.then_some(Errno::ECONNRESET));
        self.wake_waiting();
        // Taken out before it is dropped: files in messages may hold sockets, whose drop must not find this one
        // borrowed.
        let inbox = self.inbox.take();
        drop(inbox);
    }

    fn is_listening(&self) -> bool {
        self.listening.borrow().is_some()
    }

    fn peer_credentials(&self) -> Option<Peer> {
        self.peer_credentials.get()
    }

    fn readable_bytes(&self) -> usize {
        let inbox = self.inbox.borrow();
        if self.is_datagram() { inbox.first_len() } else { inbox.bytes() }
    }

    fn unsent_bytes(&self) -> usize {
        match self.peer() {
            Some(peer) if !self.is_datagram() => peer.inbox.borrow().bytes(),
            _ => 0,
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
