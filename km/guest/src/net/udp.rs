//! UDP sockets. Over loopback a datagram goes straight into the inbox of whoever is bound to its address; beyond the machine
//! the monitor carries it, with a stream of datagrams for each pair of socket and peer ([`beyond`]).

mod beyond;

use super::Shared;
use super::address::Address;
use super::inbox::{Inbox, Message};
use super::inet::{self, Scope};
use super::ip_control;
use super::ip_options::IpOptions;
use super::message::{Control, Incoming, Outgoing, Peer};
use super::socket::{Common, Halves, Protocol, SocketKind};
use crate::errno::{Errno, Result};
use crate::fs::file::Ready;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use beyond::Flows;
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::net::SocketAddr;
use linux_raw_sys::net as raw;

/// Longest datagram: 65,535 less the headers of IPv4 and UDP.
const LONGEST: usize = 65_507;

/// UDP_CORK (udp(7)): what is sent is gathered for one datagram.
const UDP_CORK: u32 = 1;

/// A UDP socket; datagrams to its port wait in its inbox.
pub struct Udp {
    me: Weak<Self>,
    net: Rc<Shared>,
    common: Common,
    options: IpOptions,
    local: Cell<SocketAddr>,
    remote: Cell<Option<SocketAddr>>,
    claimed: Cell<Option<u16>>,
    /// The address from bind(2), which the socket has again after it is disconnected.
    chosen: Cell<Option<SocketAddr>>,
    inbox: RefCell<Inbox>,
    /// UDP_CORK is on.
    is_corked: Cell<bool>,
    /// The datagram that is gathered by UDP_CORK or MSG_MORE; it has its addresses from the first piece.
    gathered: RefCell<Option<Message>>,
    /// What was refused: datagrams that came back (MSG_ERRQUEUE).
    errors: RefCell<Inbox>,
    /// How many datagrams found the inbox full.
    lost: Cell<u32>,
    shut: Cell<Halves>,
    /// Its ways to peers beyond the machine.
    flows: Flows,
}

impl Udp {
    /// Made by [`super::Net::socket`]; without a port before it is bound or sends.
    pub fn new(net: &Rc<Shared>, kind: SocketKind, owner: Peer) -> Rc<Self> {
        Rc::new_cyclic(|me| Self {
            me: me.clone(),
            net: Rc::clone(net),
            common: Common::new(kind, owner, &net.budget),
            options: IpOptions::default(),
            local: Cell::new(inet::unbound(kind.domain)),
            remote: Cell::new(None),
            claimed: Cell::new(None),
            chosen: Cell::new(None),
            inbox: RefCell::default(),
            is_corked: Cell::new(false),
            gathered: RefCell::default(),
            errors: RefCell::default(),
            lost: Cell::new(0),
            shut: Cell::new(Halves::empty()),
            flows: Flows::default(),
        })
    }

    fn claim(&self, address: SocketAddr) -> Result<()> {
        let me = self.me.upgrade().ok_or(Errno::EBADF)?;
        let scope = Scope { ip: address.ip(), only_v6: self.options.only_v6() };
        let port = self.net.udp_ports.claim(&me, scope, address.port())?;
        self.claimed.set(Some(port));
        self.local.set(SocketAddr::new(address.ip(), port));
        Ok(())
    }

    /// connect(2) to AF_UNSPEC: the address is again what bind(2) chose, if it was called.
    fn disconnect(&self) {
        self.remote.set(None);
        self.flows.close();
        match self.chosen.get() {
            Some(address) => self.local.set(address),
            None => {
                self.release_port();
                self.local.set(inet::unbound(self.common.kind.domain));
            }
        }
    }

    /// Where datagrams to `to` go, whose port may be 0.
    fn destination(&self, to: &Address) -> Result<SocketAddr> {
        let to = match to {
            // Datagrams of IPv6 sockets go to addresses of IPv4 in their own form as well.
            Address::Ip(to) if to.is_ipv4() && self.options.only_v6() => return Err(Errno::EAFNOSUPPORT),
            Address::Ip(to) if to.is_ipv4() => *to,
            to => inet::expect_ip(self.common.kind.domain, to)?,
        };
        if to.is_ipv4() && self.options.only_v6() {
            return Err(Errno::ENETUNREACH);
        }
        Ok(SocketAddr::new(inet::route(to.ip(), self.net.outward)?, to.port()))
    }

    /// The address that the receiver of a datagram to `to` sees.
    fn source(&self, to: SocketAddr) -> Result<SocketAddr> {
        if self.claimed.get().is_none() {
            self.claim(inet::unbound(self.common.kind.domain))?;
        }
        let mut source = self.local.get();
        if source.ip().is_unspecified() {
            source.set_ip(inet::source_for(to.ip()));
        }
        Ok(source)
    }

    /// The socket that gets datagrams from `from` to `to`: one that is connected to the sender before any other.
    fn receiver(&self, from: SocketAddr, to: SocketAddr) -> Option<Rc<Self>> {
        let takes = |socket: &Self| {
            let Some(remote) = socket.remote.get() else { return true };
            remote.ip() == from.ip() && (remote.port() == 0 || remote.port() == from.port())
        };
        let found = self.net.udp_ports.matching(to.ip(), to.port(), takes);
        found.iter().find(|socket| socket.remote.get().is_some()).or(found.first()).cloned()
    }

    fn release_port(&self) {
        if let Some(port) = self.claimed.take() {
            self.net.udp_ports.release(self, port);
        }
    }

    /// A message with what is sent first, or what was gathered with what is sent behind it.
    fn gather(&self, outgoing: &mut Outgoing<'_>) -> Result<Message> {
        let len = outgoing.data.left();
        let gathered = self.gathered.take();
        if gathered.as_ref().map_or(0, Message::size) + len > LONGEST {
            return Err(Errno::EMSGSIZE);
        }
        if let Some(mut message) = gathered {
            message.append(outgoing, len)?;
            return Ok(message);
        }
        self.common.take_error()?;
        let to = match outgoing.to.take() {
            Some(Address::Ip(to)) if to.port() == 0 => return Err(Errno::EINVAL),
            Some(to) => self.destination(&to)?,
            None => self.remote.get().ok_or(Errno::EDESTADDRREQ)?,
        };
        // An IPv6 socket sends to a peer of IPv4 as if each call named it, and port 0 cannot be named.
        if to.port() == 0 && to.is_ipv4() && self.common.kind.domain == raw::AF_INET6 {
            return Err(Errno::EINVAL);
        }
        let mut from = self.source(to)?;
        if let Some(ip) = outgoing.ip.source {
            from.set_ip(inet::route(ip, self.net.outward)?);
        }
        let (hop_limit, class) = self.options.header(to.is_ipv4());
        let choice = outgoing.ip;
        let mut message = Message::of(outgoing, len, &self.net.budget)?;
        message.from = Some(Address::Ip(from));
        message.to = Some(to);
        message.header = (choice.hop_limit.unwrap_or(hop_limit), choice.traffic_class.unwrap_or(class));
        Ok(message)
    }

    /// Hands a datagram to the socket that it is for.
    ///
    /// # Errors
    /// EAGAIN where the monitor takes no more now.
    fn dispatch(&self, message: Message) -> Result<()> {
        let (Some(Address::Ip(from)), Some(to)) = (&message.from, message.to) else { return Ok(()) };
        match self.receiver(*from, to) {
            Some(receiver) => receiver.deliver(message),
            None if self.net.outward && inet::is_beyond(to) => return self.send_beyond(to, &message),
            None => self.refused(message, to),
        }
        Ok(())
    }

    /// No socket has the address: a connected sender gets ECONNREFUSED (udp(7)), and one that wants to know more gets its
    /// datagram back (IP_RECVERR). Any other gets nothing.
    fn refused(&self, mut message: Message, to: SocketAddr) {
        let wants_more = if to.is_ipv4() {
            self.options.is_on_v4(raw::IP_RECVERR)
        } else {
            self.options.is_on_v6(raw::IPV6_RECVERR)
        };
        if wants_more && self.errors.borrow().bytes() + message.size() <= self.common.options.message_limit()
        {
            message.from = Some(Address::Ip(to));
            self.errors.borrow_mut().push(message);
        }
        if wants_more || self.remote.get().is_some() {
            self.common.error.set(Some(Errno::ECONNREFUSED));
            self.common.queue.wake();
        }
    }

    /// Receives what came back (MSG_ERRQUEUE). The error that waits is that of the next one, if there is one.
    fn receive_refused(&self, message: &mut Incoming<'_>) -> Result<usize> {
        let mut errors = self.errors.borrow_mut();
        let to = errors.first().and_then(|first| first.to);
        let count = errors.receive(message)?;
        message.control.extend(to.map(|to| ip_control::refusal(self.common.kind.domain, to)));
        message.result_flags |= raw::MSG_ERRQUEUE;
        self.common.error.set((!errors.is_empty()).then_some(Errno::ECONNREFUSED));
        Ok(count)
    }

    /// Receives the first datagram, with what the options ask for.
    fn receive_first(&self, message: &mut Incoming<'_>) -> Result<usize> {
        let mut inbox = self.inbox.borrow_mut();
        if let Some(first) = inbox.first() {
            if first.lost_before > 0 && self.common.options.is_on(raw::SO_RXQ_OVFL) {
                let data = first.lost_before.to_ne_bytes().to_vec();
                message.control.push(Control { level: raw::SOL_SOCKET, kind: raw::SO_RXQ_OVFL, data });
            }
            message.control.extend(ip_control::told(&self.options, self.common.kind.domain, first));
        }
        let count = inbox.receive(message)?;
        self.common.last_arrival_ns.set(message.arrived_ns);
        Ok(count)
    }

    fn cork(&self, on: bool) {
        self.is_corked.set(on);
        if !on && let Some(message) = self.gathered.take() {
            // It is lost where there is no room, as on any way to the peer.
            let _ = self.dispatch(message);
        }
    }

    fn deliver(&self, mut message: Message) {
        // A full socket loses datagrams, as udp(7) has it.
        if self.inbox.borrow().bytes() + message.size() > self.common.options.message_limit() {
            self.lost.set(self.lost.get().wrapping_add(1));
        } else {
            message.lost_before = self.lost.get();
            self.inbox.borrow_mut().push(message);
            self.common.wake_readers();
        }
    }
}

impl Protocol for Udp {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, _caller: Peer, address: &Address) -> Result<()> {
        let address = inet::expect_ip(self.common.kind.domain, address)?;
        if !inet::is_local(address.ip(), self.net.outward) {
            return Err(Errno::EADDRNOTAVAIL);
        }
        if self.claimed.get().is_some() || (address.is_ipv4() && self.options.only_v6()) {
            return Err(Errno::EINVAL);
        }
        self.claim(address)?;
        self.chosen.set(Some(self.local.get()));
        Ok(())
    }

    fn connect(&self, _caller: Peer, address: &Address) -> Result<()> {
        if *address == Address::Unspecified {
            self.disconnect();
            return Ok(());
        }
        let to = self.destination(address)?;
        let source = self.source(to)?;
        self.local.set(source);
        self.remote.set(Some(to));
        Ok(())
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        if message.flags & raw::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if self.shut.get().contains(Halves::WRITE) {
            return Err(Errno::EPIPE);
        }
        let len = message.data.left();
        let is_gathering = self.is_corked.get() || message.flags & raw::MSG_MORE != 0;
        let datagram = self.gather(message)?;
        if is_gathering {
            *self.gathered.borrow_mut() = Some(datagram);
        } else {
            self.dispatch(datagram)?;
        }
        Ok(len)
    }

    fn receive(&self, message: &mut Incoming<'_>) -> Result<usize> {
        if message.flags & raw::MSG_OOB != 0 {
            return Err(Errno::EOPNOTSUPP);
        }
        if message.flags & raw::MSG_ERRQUEUE != 0 {
            return self.receive_refused(message);
        }
        self.common.take_error()?;
        self.fetch_beyond();
        match self.receive_first(message) {
            Err(Errno::EAGAIN) if self.shut.get().contains(Halves::READ) => Ok(0),
            result => result,
        }
    }

    fn shutdown(&self, halves: Halves) -> Result<()> {
        if self.remote.get().is_none() {
            return Err(Errno::ENOTCONN);
        }
        self.shut.set(self.shut.get() | halves);
        self.common.queue.wake();
        Ok(())
    }

    fn local(&self) -> Address {
        Address::Ip(self.local.get())
    }

    fn peer(&self) -> Result<Address> {
        self.remote.get().filter(|remote| remote.port() != 0).map(Address::Ip).ok_or(Errno::ENOTCONN)
    }

    fn ready(&self) -> Ready {
        let shut = self.shut.get();
        let mut ready = Ready::empty();
        if self.is_stopped_beyond() {
            self.common.no_space.set(true);
        } else {
            ready |= Ready::OUT;
        }
        if !self.inbox.borrow().is_empty() {
            ready |= Ready::IN;
        }
        if shut.contains(Halves::READ) {
            ready |= Ready::IN | Ready::RDHUP;
        }
        if shut == Halves::all() {
            ready |= Ready::HUP;
        }
        if self.common.error.get().is_some() || !self.errors.borrow().is_empty() {
            ready |= Ready::ERR;
        }
        ready
    }

    fn close(&self) {
        self.release_port();
        self.gathered.take();
        self.flows.close();
    }

    fn readable_bytes(&self) -> usize {
        self.inbox.borrow().first_len()
    }

    fn set_option(&self, level: u32, name: u32, value: &[u8]) -> Result<()> {
        match level {
            raw::SOL_UDP => match (name, super::options::int(value)?) {
                (UDP_CORK, on) => {
                    self.cork(on != 0);
                    Ok(())
                }
                _ => Err(Errno::ENOPROTOOPT),
            },
            level => self.options.set(&self.common, self.claimed.get().is_some(), level, name, value),
        }
    }

    fn option(&self, level: u32, name: u32) -> Result<Vec<u8>> {
        match level {
            raw::SOL_UDP if name == UDP_CORK => Ok(super::options::bytes(i32::from(self.is_corked.get()))),
            raw::SOL_UDP => Err(Errno::ENOPROTOOPT),
            level => self.options.get(&self.common, level, name),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
