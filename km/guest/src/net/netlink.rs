//! Route sockets of netlink(7), as far as getaddrinfo(3), getifaddrs(3) and their like ask: the interface `lo` and its two
//! addresses, no routes, and no changes.

use super::Shared;
use super::address::Address;
use super::inbox::{Inbox, Message};
use super::ip_options::LOOPBACK_MTU;
use super::message::{Incoming, Outgoing, Peer};
use super::socket::{Common, Halves, Protocol, SocketKind};
use crate::errno::{Errno, Result};
use crate::fs::file::Ready;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use linux_raw_sys::net as raw;
use zerocopy::{FromBytes, Immutable, IntoBytes};

const ERROR: u16 = 2;
const DONE: u16 = 3;
const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const GET_ADDRESS: u16 = 22;
const GET_ROUTE: u16 = 26;
/// Lowest type of a request (NLMSG_MIN_TYPE); below are control messages, which need no answer.
const FIRST_REQUEST: u16 = 16;

/// NLM_F_MULTI: the message is one of several.
const MULTI: u16 = 2;
/// NLM_F_ACK: the sender wants an answer even without an error.
const WANTS_ACK: u16 = 4;
/// NLM_F_ROOT and NLM_F_MATCH: the sender wants all objects.
const DUMP: u16 = 0x300;

/// IFF_UP, IFF_LOOPBACK, IFF_RUNNING, IFF_LOWER_UP.
const LINK_FLAGS: u32 = 0x1_0049;
/// Bytes of the longest request; beyond is EMSGSIZE.
const REQUEST_MAX: usize = 8192;

/// `struct nlmsghdr` (netlink(7)).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct NetlinkHeader {
    len: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

/// A NETLINK_ROUTE socket: answers to its own requests wait in its inbox.
pub struct Netlink {
    net: Rc<Shared>,
    common: Common,
    port: Cell<u32>,
    inbox: RefCell<Inbox>,
}

impl Netlink {
    /// Made by [`super::Net::socket`]; it has no port before bind(2) or its first request.
    pub fn new(net: &Rc<Shared>, kind: SocketKind, owner: Peer) -> Rc<Self> {
        let (common, inbox) = (Common::new(kind, owner, &net.budget), RefCell::default());
        Rc::new(Self { net: Rc::clone(net), common, port: Cell::new(0), inbox })
    }

    /// Its port number; the first socket of a process has the process's number.
    fn own_port(&self) -> u32 {
        if self.port.get() == 0 {
            let is_first = self.net.netlink_sockets.get() == 0;
            let number = self.net.netlink_sockets.get() + 1;
            self.net.netlink_sockets.set(number);
            let own = self.common.owner.pid.cast_unsigned();
            self.port.set(if is_first { own } else { u32::MAX - number });
        }
        self.port.get()
    }

    fn answer(&self, bytes: &[u8]) -> Result<()> {
        let mut data = bytes;
        let mut outgoing = Outgoing::plain(&mut data, Peer::default());
        let mut message = Message::of(&mut outgoing, bytes.len(), &self.net.budget)?;
        message.from = Some(Address::Netlink { port: 0, groups: 0 });
        self.inbox.borrow_mut().push(message);
        self.common.wake_readers();
        Ok(())
    }

    fn handle(&self, request: NetlinkHeader, body: &[u8]) -> Result<()> {
        let family = u32::from(body.first().copied().unwrap_or(0));
        let mut out =
            Answer { bytes: Vec::new(), request: NetlinkHeader { port: self.own_port(), ..request } };
        let is_dump = request.flags & DUMP != 0;
        match request.kind {
            GET_LINK => out.link(is_dump),
            GET_ADDRESS if is_dump => out.addresses(family),
            GET_ROUTE if is_dump => {}
            GET_ADDRESS | GET_ROUTE => return self.answer(&out.error(Errno::EOPNOTSUPP)),
            _ => return self.answer(&out.error(Errno::EPERM)),
        }
        if !out.bytes.is_empty() {
            self.answer(&out.bytes)?;
            out.bytes.clear();
        }
        if is_dump {
            out.message(DONE, MULTI, &[0; 4]);
            return self.answer(&out.bytes);
        }
        if request.flags & WANTS_ACK != 0 {
            return self.answer(&out.acknowledgement(0));
        }
        Ok(())
    }
}

/// Messages in answer to a request.
struct Answer {
    bytes: Vec<u8>,
    request: NetlinkHeader,
}

impl Answer {
    fn message(&mut self, kind: u16, flags: u16, body: &[u8]) {
        let len = (size_of::<NetlinkHeader>() + body.len()) as u32;
        self.bytes.extend_from_slice(NetlinkHeader { len, kind, flags, ..self.request }.as_bytes());
        self.bytes.extend_from_slice(body);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn error(self, errno: Errno) -> Vec<u8> {
        self.acknowledgement(-errno.number())
    }

    /// NLMSG_ERROR: a code and the header of the request.
    fn acknowledgement(mut self, code: i32) -> Vec<u8> {
        let body = [code.as_bytes(), self.request.as_bytes()].concat();
        self.bytes.clear();
        self.message(ERROR, 0, &body);
        self.bytes
    }

    fn link(&mut self, is_dump: bool) {
        // struct ifinfomsg: AF_UNSPEC, ARPHRD_LOOPBACK, index 1, flags, change mask.
        let mut body = alloc::vec![0, 0];
        body.extend_from_slice(&772u16.to_ne_bytes());
        body.extend_from_slice(&1i32.to_ne_bytes());
        body.extend_from_slice(&LINK_FLAGS.to_ne_bytes());
        body.extend_from_slice(&0u32.to_ne_bytes());
        attribute(&mut body, 3, b"lo\0");
        attribute(&mut body, 13, &1000u32.to_ne_bytes());
        attribute(&mut body, 16, &[0]);
        attribute(&mut body, 4, &LOOPBACK_MTU.to_ne_bytes());
        attribute(&mut body, 1, &[0; 6]);
        attribute(&mut body, 2, &[0; 6]);
        self.message(NEW_LINK, if is_dump { MULTI } else { 0 }, &body);
    }

    fn addresses(&mut self, family: u32) {
        if family != raw::AF_INET6 {
            self.address(raw::AF_INET, 8, &[127, 0, 0, 1]);
        }
        if family != raw::AF_INET {
            self.address(raw::AF_INET6, 128, &core::net::Ipv6Addr::LOCALHOST.octets());
        }
    }

    fn address(&mut self, family: u32, prefix: u8, ip: &[u8]) {
        // struct ifaddrmsg: family, prefix length, IFA_F_PERMANENT, RT_SCOPE_HOST, index 1.
        let mut body = alloc::vec![family as u8, prefix, 0x80, 254];
        body.extend_from_slice(&1u32.to_ne_bytes());
        attribute(&mut body, 1, ip);
        if family == raw::AF_INET {
            attribute(&mut body, 2, ip);
            attribute(&mut body, 3, b"lo\0");
        }
        self.message(NEW_ADDRESS, MULTI, &body);
    }
}

/// Appends a `struct rtattr`.
fn attribute(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    body.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
    body.extend_from_slice(&kind.to_ne_bytes());
    body.extend_from_slice(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

impl Protocol for Netlink {
    fn common(&self) -> &Common {
        &self.common
    }

    fn bind(&self, _caller: Peer, address: &Address) -> Result<()> {
        match address {
            Address::Netlink { port: 0, .. } => {
                self.own_port();
            }
            Address::Netlink { port, .. } => self.port.set(*port),
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn connect(&self, _caller: Peer, address: &Address) -> Result<()> {
        match address {
            Address::Unspecified | Address::Netlink { port: 0, .. } => Ok(()),
            Address::Netlink { .. } => Err(Errno::EPERM),
            _ => Err(Errno::EINVAL),
        }
    }

    fn send(&self, message: &mut Outgoing<'_>) -> Result<usize> {
        match message.to.take() {
            None | Some(Address::Netlink { port: 0, .. }) => {}
            Some(Address::Netlink { .. }) => return Err(Errno::ECONNREFUSED),
            Some(_) => return Err(Errno::EINVAL),
        }
        let len = message.data.left();
        if len > REQUEST_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let mut bytes = alloc::vec![0; len];
        let taken = message.data.take(&mut bytes)?;
        let mut rest = &bytes[..taken];
        while let Ok((header, body)) = NetlinkHeader::read_from_prefix(rest) {
            let body_len = (header.len as usize).checked_sub(size_of::<NetlinkHeader>());
            let Some(body) = body_len.and_then(|len| body.get(..len)) else { break };
            if header.kind >= FIRST_REQUEST {
                self.handle(header, body)?;
            }
            rest = rest.get((header.len as usize).next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(len)
    }

    fn receive(&self, message: &mut Incoming<'_>) -> Result<usize> {
        self.inbox.borrow_mut().receive(message)
    }

    fn shutdown(&self, _halves: Halves) -> Result<()> {
        Err(Errno::EOPNOTSUPP)
    }

    fn local(&self) -> Address {
        Address::Netlink { port: self.port.get(), groups: 0 }
    }

    fn peer(&self) -> Result<Address> {
        Ok(Address::Netlink { port: 0, groups: 0 })
    }

    fn ready(&self) -> Ready {
        if self.inbox.borrow().is_empty() { Ready::OUT } else { Ready::OUT | Ready::IN }
    }

    fn close(&self) {}

    /// The options are accepted and have no effect: multicast groups never have messages.
    fn set_option(&self, level: u32, _name: u32, value: &[u8]) -> Result<()> {
        if level != raw::SOL_NETLINK {
            return Err(Errno::ENOPROTOOPT);
        }
        super::options::int(value).map(drop)
    }

    fn option(&self, _level: u32, _name: u32) -> Result<Vec<u8>> {
        Err(Errno::ENOPROTOOPT)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
