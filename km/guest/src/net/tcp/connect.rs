//! connect(2) of TCP sockets.
//!
//! Within one machine a connection is there at once, yet the first call says EINPROGRESS as Linux does to a program that
//! does not wait, and the next one tells the result. Beyond the machine it is there when the monitor says so.

use super::listener::TcpListener;
use super::wire::Wire;
use super::{Tcp, TcpState, wire};
use crate::errno::{Errno, Result};
use crate::net::address::Address;
use crate::net::inet;
use alloc::rc::Rc;
use core::net::SocketAddr;
use km_abi::outbound::{Endpoint, Transport};

impl Tcp {
    pub(super) fn connect_to(&self, address: &Address) -> Result<()> {
        if *address == Address::Unspecified {
            self.disconnect();
            return Ok(());
        }
        let address = inet::expect_ip(self.common.kind.domain, address)?;
        if self.is_reporting.get() {
            return self.report();
        }
        match &*self.state.borrow() {
            TcpState::Closed => {}
            TcpState::Connected(_) | TcpState::Listening(_) => return Err(Errno::EISCONN),
            TcpState::Connecting | TcpState::Reaching(_) => return Err(Errno::EALREADY),
        }
        self.begin(address)
    }

    /// What came of a connection that was begun.
    fn report(&self) -> Result<()> {
        if self.is_on_its_way() {
            return Err(Errno::EALREADY);
        }
        self.is_reporting.set(false);
        if matches!(*self.state.borrow(), TcpState::Connected(_)) {
            return Ok(());
        }
        self.is_reset.set(false);
        self.common.take_error()?;
        Err(Errno::ECONNABORTED)
    }

    fn begin(&self, to: SocketAddr) -> Result<()> {
        if to.is_ipv4() && self.options.only_v6() {
            return Err(Errno::ENETUNREACH);
        }
        let to = SocketAddr::new(inet::route(to.ip(), self.net.outward)?, to.port());
        self.choose_source(to)?;
        self.remote.set(Some(to));
        self.is_reset.set(false);
        self.is_reporting.set(true);
        let found = self.net.tcp_ports.matching(to.ip(), to.port(), |one| one.listener().is_some());
        match found.first().and_then(|socket| socket.listener()) {
            Some(listener) => self.knock(&listener),
            None if self.net.outward && inet::is_beyond(to) => self.reach(to),
            None => self.refuse(),
        }
        Err(Errno::EINPROGRESS)
    }

    /// Has the monitor connect it to a peer beyond the machine.
    fn reach(&self, to: SocketAddr) {
        let stream = self.net.host.connect(&Endpoint::new(Transport::Tcp, to), self.me.clone());
        *self.state.borrow_mut() = TcpState::Reaching(stream);
    }

    /// The monitor has connected it.
    pub(super) fn reached(&self, local: SocketAddr) {
        let state = self.state.replace(TcpState::Closed);
        let TcpState::Reaching(stream) = state else {
            *self.state.borrow_mut() = state;
            return;
        };
        *self.state.borrow_mut() = TcpState::Connected(stream);
        if !self.has_chosen_port.get() {
            self.release_port();
        }
        self.local.set(local);
        self.pass_all_on();
        self.common.queue.wake();
    }

    /// What the monitor carries has an error, on its way or later.
    pub(super) fn missed(&self, errno: Errno) {
        let is_on_its_way = matches!(*self.state.borrow(), TcpState::Reaching(_));
        if is_on_its_way && let TcpState::Reaching(stream) = self.state.replace(TcpState::Closed) {
            stream.close(wire::Manner::Orderly);
            self.remote.set(None);
            self.forget_port();
        }
        self.reset(errno);
    }

    /// Sees to a local address and port.
    fn choose_source(&self, to: SocketAddr) -> Result<()> {
        let mut local = self.local.get();
        if local.ip().is_unspecified() {
            local.set_ip(inet::source_for(to.ip()));
        }
        if self.claimed.get().is_none() {
            self.claim(SocketAddr::new(local.ip(), 0))
        } else {
            self.local.set(local);
            Ok(())
        }
    }

    /// Goes into the listener's queue, or waits for room in it.
    fn knock(&self, listener: &TcpListener) {
        if listener.has_room() {
            self.join(listener);
        } else {
            *self.state.borrow_mut() = TcpState::Connecting;
            listener.wait(self.me.clone());
        }
    }

    /// Queues the other end of a new connection at the listener, and is connected from then on.
    pub(super) fn join(&self, listener: &TcpListener) {
        let Some(remote) = self.remote.get() else { return };
        let (near, far) = wire::pair(&self.net.budget);
        near.attach(&self.me);
        let far = Rc::new(far);
        let wire = Rc::clone(&far) as Rc<dyn wire::Wire>;
        let Some(child) = listener.child(remote, self.local.get(), wire) else { return self.refuse() };
        far.attach(&Rc::downgrade(&child));
        *self.state.borrow_mut() = TcpState::Connected(Rc::new(near));
        listener.push(child);
        self.common.queue.wake();
    }

    /// Nobody listens there, or no longer.
    pub(super) fn refuse(&self) {
        *self.state.borrow_mut() = TcpState::Closed;
        self.remote.set(None);
        self.forget_port();
        self.reset(Errno::ECONNREFUSED);
    }

    /// Ends the connection; the socket can connect again (connect(2) to AF_UNSPEC).
    fn disconnect(&self) {
        match self.state.replace(TcpState::Closed) {
            TcpState::Connected(wire) => wire.close(wire::Manner::Abort),
            TcpState::Reaching(stream) => stream.close(wire::Manner::Abort),
            _ => {}
        }
        self.remote.set(None);
        self.is_reset.set(false);
        self.is_reporting.set(false);
        self.common.error.set(None);
    }
}
