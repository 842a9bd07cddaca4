//! Datagrams to peers beyond the machine and from there: the monitor has one connected socket for each pair of socket and
//! peer, made when the first datagram leaves.

use super::Udp;
use crate::errno::{Errno, Result};
use crate::host::stream::{Stream, Watcher};
use crate::net::inbox::Message;
use crate::net::tcp::wire::{Manner, Wire};
use alloc::collections::VecDeque;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use km_abi::outbound::{Endpoint, Transport};

/// Peers of one socket at once. The one that was used least recently makes room for another.
const FLOWS_MAX: usize = 16;

/// The ways of a socket to its peers, the one that was used last at the end.
#[derive(Default)]
pub(super) struct Flows(RefCell<VecDeque<Rc<Flow>>>);

/// The way to one peer.
struct Flow {
    peer: SocketAddr,
    socket: Weak<Udp>,
    stream: RefCell<Option<Rc<Stream>>>,
    /// It has an error that ends it.
    is_over: Cell<bool>,
}

impl Flows {
    /// Ends all of them; what was sent leaves.
    pub(super) fn close(&self) {
        self.0.take().iter().for_each(|flow| flow.close());
    }

    fn find(&self, peer: SocketAddr) -> Option<Rc<Flow>> {
        let mut flows = self.0.borrow_mut();
        flows.retain(|flow| !flow.is_over.get());
        let at = flows.iter().position(|flow| flow.peer == peer)?;
        let flow = flows.remove(at)?;
        flows.push_back(Rc::clone(&flow));
        Some(flow)
    }

    fn add(&self, flow: &Rc<Flow>) {
        let mut flows = self.0.borrow_mut();
        if flows.len() == FLOWS_MAX
            && let Some(oldest) = flows.pop_front()
        {
            oldest.close();
        }
        flows.push_back(Rc::clone(flow));
    }

    fn each(&self, mut work: impl FnMut(&Flow)) {
        let flows = self.0.borrow().clone();
        flows.iter().for_each(|flow| work(flow));
    }
}

impl Flow {
    fn close(&self) {
        if let Some(stream) = self.stream.take() {
            stream.close(Manner::Orderly);
        }
    }

    /// Puts what has come into the socket's inbox.
    fn fetch(&self, socket: &Udp) {
        let stream = self.stream.borrow().clone();
        let Some(stream) = stream else { return };
        while let Ok(bytes) = stream.receive_datagram() {
            let came = Message::arrived(bytes, self.peer, socket.local.get(), &socket.net.budget);
            // Without memory for it the datagram is lost, as udp(7) has it.
            if let Ok(message) = came {
                socket.deliver(message);
            }
        }
    }
}

impl Watcher for Flow {
    fn came(&self) {
        if let Some(socket) = self.socket.upgrade() {
            self.fetch(&socket);
        }
    }

    fn drained(&self) {
        if let Some(socket) = self.socket.upgrade() {
            socket.common.wake_writers();
        }
    }

    fn gone(&self) {
        self.is_over.set(true);
    }

    fn failed(&self, errno: Errno) {
        // A peer that does not listen now may do so later; any other error ends the way, and the next datagram makes another.
        if errno != Errno::ECONNREFUSED {
            self.is_over.set(true);
            self.close();
        }
        let Some(socket) = self.socket.upgrade() else { return };
        // In a clone, what was open before is not missed.
        if errno != Errno::ECONNRESET && socket.remote.get() == Some(self.peer) {
            socket.common.error.set(Some(errno));
            socket.common.queue.wake();
        }
    }
}

impl Udp {
    /// Hands a datagram to the monitor.
    pub(super) fn send_beyond(&self, to: SocketAddr, message: &Message) -> Result<()> {
        let flow = self.flows.find(to).unwrap_or_else(|| self.flow(to));
        let stream = flow.stream.borrow().clone().ok_or(Errno::ENETUNREACH)?;
        let sent = stream.send_datagram(message.rest());
        if sent.is_err() {
            self.common.no_space.set(true);
        }
        sent
    }

    fn flow(&self, peer: SocketAddr) -> Rc<Flow> {
        let flow = Rc::new(Flow {
            peer,
            socket: self.me.clone(),
            stream: RefCell::default(),
            is_over: Cell::new(false),
        });
        let watcher = Rc::downgrade(&flow);
        let stream = self.net.host.connect(&Endpoint::new(Transport::Udp, peer), watcher);
        *flow.stream.borrow_mut() = Some(stream);
        self.flows.add(&flow);
        flow
    }

    /// Puts what has come from beyond the machine into the inbox.
    pub(super) fn fetch_beyond(&self) {
        self.flows.each(|flow| flow.fetch(self));
    }

    /// Whether the monitor takes no datagram to the peer now.
    pub(super) fn is_stopped_beyond(&self) -> bool {
        let Some(peer) = self.remote.get() else { return false };
        let mut stopped = false;
        self.flows.each(|flow| {
            stopped |=
                flow.peer == peer && flow.stream.borrow().as_ref().is_some_and(|stream| !stream.has_room());
        });
        stopped
    }
}
