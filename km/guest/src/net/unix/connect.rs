//! Connecting, listening and parting.

use super::Unix;
use crate::errno::{Errno, Result};
use crate::net::address::Address;
use crate::net::message::Peer;
use crate::net::socket::Halves;
use alloc::rc::Rc;

/// Most connections that may wait for accept(2) (net.core.somaxconn).
const BACKLOG_MAX: usize = 4096;

impl Unix {
    pub(super) fn start_listening(&self, caller: Peer, backlog: usize) -> Result<()> {
        if self.is_datagram() {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.was_connected.get() || self.key.borrow().is_none() {
            return Err(Errno::EINVAL);
        }
        self.peer_credentials.set(Some(caller));
        self.listening.borrow_mut().get_or_insert_default().backlog = backlog.min(BACKLOG_MAX);
        self.wake_waiting();
        Ok(())
    }

    pub(super) fn take_arrived(&self) -> Result<Rc<Self>> {
        let mut listening = self.listening.borrow_mut();
        let no_listener = if self.is_datagram() { Errno::EOPNOTSUPP } else { Errno::EINVAL };
        let listening = listening.as_mut().ok_or(no_listener)?;
        if self.shut.get().contains(Halves::READ) {
            return Err(Errno::EINVAL);
        }
        let child = listening.arrived.pop_front().ok_or(Errno::EAGAIN)?;
        child.is_accepted.set(true);
        self.wake_waiting();
        Ok(child)
    }

    /// connect(2) of streams and sequenced packets; EAGAIN while the backlog is full.
    pub(super) fn connect_stream(&self, caller: Peer, address: &Address) -> Result<()> {
        let listener = self.find(address)?;
        if self.listening.borrow().is_some() {
            return Err(Errno::EINVAL);
        }
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let mut listening = listener.listening.borrow_mut();
        let queue = listening.as_mut().ok_or(Errno::ECONNREFUSED)?;
        if listener.shut.get().contains(Halves::READ) {
            return Err(Errno::ECONNREFUSED);
        }
        if queue.arrived.len() > queue.backlog {
            self.wait_for_room(&listener);
            return Err(Errno::EAGAIN);
        }
        if self.was_connected.get() {
            return Err(Errno::EISCONN);
        }
        let child = Self::new(&self.net, listener.common.kind, listener.common.owner);
        child.common.options.inherit(&listener.common.options);
        *child.name.borrow_mut() = listener.name.borrow().clone();
        child.is_accepted.set(false);
        child.join(&me, caller);
        self.join(&child, listener.peer_credentials.get().unwrap_or(listener.common.owner));
        queue.arrived.push_back(child);
        self.common.queue.wake();
        listener.common.wake_readers();
        Ok(())
    }

    /// connect(2) of datagram sockets.
    pub(super) fn choose_peer(&self, address: &Address) -> Result<()> {
        if *address == Address::Unspecified {
            *self.peer.borrow_mut() = None;
            return Ok(());
        }
        let target = self.find(address)?;
        self.check_may_send(&target)?;
        self.join(&target, target.common.owner);
        Ok(())
    }

    /// Tells the peer that this end is gone.
    pub(super) fn leave(&self, errno: Option<Errno>) {
        self.shut(Halves::all());
        let peer = self.peer();
        if self.is_datagram() {
            return;
        }
        if let Some(peer) = peer {
            if errno.is_some() {
                peer.common.error.set(errno);
            }
            peer.shut(Halves::all());
        }
    }
}
