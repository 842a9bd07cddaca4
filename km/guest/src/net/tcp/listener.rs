//! The passive side of TCP: a queue of connections that wait for accept(2), and sockets that wait for room in it.

use super::wire::Wire;
use super::{Tcp, TcpState};
use crate::errno::{Errno, Result};
use crate::net::socket::Protocol;
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;

/// Most connections that may wait for accept(2) (net.core.somaxconn).
const BACKLOG_MAX: usize = 4096;

/// What a listening socket has.
pub struct TcpListener {
    socket: Weak<Tcp>,
    backlog: Cell<usize>,
    arrived: RefCell<VecDeque<Rc<Tcp>>>,
    waiting: RefCell<VecDeque<Weak<Tcp>>>,
}

impl Tcp {
    pub(super) fn start_listening(&self, backlog: usize) -> Result<()> {
        if let Some(listener) = self.listener() {
            listener.backlog.set(backlog.min(BACKLOG_MAX));
            return Ok(());
        }
        if !matches!(*self.state.borrow(), TcpState::Closed) {
            return Err(Errno::EINVAL);
        }
        let local = self.local.get();
        match self.claimed.get() {
            None => self.claim(local)?,
            Some(port) if self.net.tcp_ports.conflicts(self, self.scope_of(local.ip()), port) => {
                return Err(Errno::EADDRINUSE);
            }
            Some(_) => {}
        }
        *self.state.borrow_mut() = TcpState::Listening(Rc::new(TcpListener {
            socket: self.me.clone(),
            backlog: Cell::new(backlog.min(BACKLOG_MAX)),
            arrived: RefCell::default(),
            waiting: RefCell::default(),
        }));
        self.is_reset.set(false);
        Ok(())
    }

    /// Whoever waits to be accepted meets a RST.
    pub(super) fn stop_listening(&self) {
        let TcpState::Listening(listener) = self.state.replace(TcpState::Closed) else { return };
        for child in listener.arrived.take() {
            child.common.options.linger.set(Some(0));
            child.close();
        }
        for client in listener.waiting.take().iter().filter_map(Weak::upgrade) {
            client.refuse();
        }
        self.common.queue.wake();
    }
}

impl TcpListener {
    /// Whether nobody waits for accept(2).
    pub fn is_empty(&self) -> bool {
        self.arrived.borrow().is_empty()
    }

    /// Connections that wait for accept(2).
    #[must_use]
    pub fn arrived(&self) -> Vec<Rc<Tcp>> {
        self.arrived.borrow().iter().map(Rc::clone).collect()
    }

    /// Connections that wait, and how many may.
    pub fn fill(&self) -> (usize, usize) {
        (self.arrived.borrow().len(), self.backlog.get())
    }

    pub(super) fn has_room(&self) -> bool {
        self.arrived.borrow().len() <= self.backlog.get()
    }

    pub(super) fn wait(&self, client: Weak<Tcp>) {
        self.waiting.borrow_mut().push_back(client);
    }

    /// The socket of a new connection, as accept(2) will give it.
    pub fn child(&self, local: SocketAddr, remote: SocketAddr, wire: Rc<dyn Wire>) -> Option<Rc<Tcp>> {
        let parent = self.socket.upgrade()?;
        let child = Tcp::new(&parent.net, parent.common.kind, parent.common.owner);
        child.common.options.inherit(&parent.common.options);
        child.options.inherit(&parent.options);
        child.local.set(local);
        child.remote.set(Some(remote));
        *child.state.borrow_mut() = TcpState::Connected(wire);
        Some(child)
    }

    /// Puts a connection into the queue.
    pub fn push(&self, child: Rc<Tcp>) {
        self.arrived.borrow_mut().push_back(child);
        if let Some(socket) = self.socket.upgrade() {
            socket.common.wake_readers();
        }
    }

    pub(super) fn accept(&self) -> Result<Rc<Tcp>> {
        let child = self.arrived.borrow_mut().pop_front().ok_or(Errno::EAGAIN)?;
        while self.has_room() {
            let Some(client) = self.waiting.borrow_mut().pop_front() else { break };
            if let Some(client) = client.upgrade().filter(|client| client.is_connecting()) {
                client.join(self);
            }
        }
        Ok(child)
    }
}

impl Tcp {
    /// Whether it waits for room in a listener's queue.
    #[must_use]
    pub fn is_connecting(&self) -> bool {
        matches!(*self.state.borrow(), TcpState::Connecting)
    }
}
