//! Sending over unix sockets.

use super::{STREAM, Unix};
use crate::errno::{Errno, Result};
use crate::net::address::{Address, UnixName};
use crate::net::inbox::{Message, PIECE_MAX};
use crate::net::message::{NOBODY, Outgoing};
use crate::net::socket::Halves;
use alloc::rc::Rc;
use linux_raw_sys::net::SO_PASSCRED;

/// Datagrams that wait in a socket (net.unix.max_dgram_qlen of Debian).
const QUEUE_MAX: usize = 512;

impl Unix {
    /// Whether a stream's peer takes more bytes.
    pub(super) fn fits_stream(&self, peer: &Self) -> bool {
        peer.inbox.borrow().bytes() < self.common.options.longest_message()
    }

    /// Whether datagrams must wait.
    pub(super) fn has_full_queue(&self) -> bool {
        let inbox = self.inbox.borrow();
        inbox.count() >= QUEUE_MAX || inbox.bytes() >= self.common.options.message_limit()
    }

    /// A connected datagram socket accepts messages of its peer only (EPERM for others).
    pub(super) fn check_may_send(&self, target: &Self) -> Result<()> {
        match &*target.peer.borrow() {
            Some(peer) if !peer.ptr_eq(&self.me) => Err(Errno::EPERM),
            _ => Ok(()),
        }
    }

    pub(super) fn send_connected(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.to.is_some() {
            return Err(if self.was_connected.get() { Errno::EISCONN } else { Errno::EOPNOTSUPP });
        }
        if self.shut.get().contains(Halves::WRITE) {
            return Err(Errno::EPIPE);
        }
        if !self.was_connected.get() {
            return Err(Errno::ENOTCONN);
        }
        let peer = self.peer().ok_or(Errno::EPIPE)?;
        if self.common.kind.kind == STREAM {
            self.send_stream(message, &peer)
        } else {
            self.send_whole(message, &peer)
        }
    }

    /// A message says who sent it in three cases: one of the two asks for it now (unix(7), SO_PASSCRED), the receiver is not
    /// accepted yet and may ask for it later, or the sender has named itself.
    fn signed(&self, mut message: Message, names_sender: bool, to: &Self) -> Message {
        let asks = |socket: &Self| socket.common.options.is_on(SO_PASSCRED);
        if !names_sender && !asks(self) && !asks(to) && to.is_accepted.get() {
            message.sender = NOBODY;
        }
        message
    }

    fn send_stream(&self, message: &mut Outgoing<'_>, peer: &Self) -> Result<usize> {
        let mut done = 0;
        while message.data.left() > 0 {
            if !self.fits_stream(peer) {
                self.wait_for_room(peer);
                break;
            }
            let piece = match Message::of(message, PIECE_MAX, &self.net.budget) {
                Ok(piece) => self.signed(piece, message.names_sender, peer),
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            done += piece.size();
            peer.inbox.borrow_mut().push(piece);
        }
        if done > 0 {
            peer.common.wake_readers();
        }
        if done == 0 && message.data.left() > 0 { Err(Errno::EAGAIN) } else { Ok(done) }
    }

    /// Sends a message that stays one.
    fn send_whole(&self, message: &mut Outgoing<'_>, peer: &Self) -> Result<usize> {
        if message.data.left() > self.common.options.longest_message() {
            return Err(Errno::EMSGSIZE);
        }
        if peer.has_full_queue() {
            self.wait_for_room(peer);
            return Err(Errno::EAGAIN);
        }
        let len = message.data.left();
        let names_sender = message.names_sender;
        let mut message = self.signed(Message::of(message, len, &self.net.budget)?, names_sender, peer);
        let name = self.name.borrow().clone();
        message.from = (name != UnixName::Unnamed).then_some(Address::Unix(name));
        let len = message.size();
        peer.inbox.borrow_mut().push(message);
        peer.common.wake_readers();
        Ok(len)
    }

    pub(super) fn send_datagram(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if self.shut.get().contains(Halves::WRITE) {
            return Err(Errno::EPIPE);
        }
        let target = match message.to.take() {
            Some(to) => self.find(&to)?,
            None => self.connected_target()?,
        };
        self.check_may_send(&target)?;
        if target.shut.get().contains(Halves::READ) {
            return Err(Errno::EPIPE);
        }
        self.send_whole(message, &target)
    }

    fn connected_target(&self) -> Result<Rc<Self>> {
        if self.peer.borrow().is_none() {
            return Err(Errno::ENOTCONN);
        }
        match self.peer().filter(|peer| peer.shut.get() != Halves::all() || peer.key.borrow().is_some()) {
            Some(peer) => Ok(peer),
            None => {
                *self.peer.borrow_mut() = None;
                Err(Errno::ECONNREFUSED)
            }
        }
    }
}
