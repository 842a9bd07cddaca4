//! What TCP and UDP share: which addresses there are, and the table of ports.
//!
//! An IPv4 address is always [`IpAddr::V4`] in here, also one that an IPv6 socket wrote as `::ffff:a.b.c.d`. What lies beyond
//! loopback is reached through the monitor, or not at all.

use super::address::Address;
use super::socket::Protocol;
use crate::errno::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use km_abi::outbound::{LOCAL_V4, LOCAL_V6, RESOLVER};
use linux_raw_sys::net::{AF_INET, AF_INET6, SO_REUSEADDR, SO_REUSEPORT};

/// The ports that are given out by themselves (net.ipv4.ip_local_port_range).
const EPHEMERAL: core::ops::RangeInclusive<u16> = 32768..=60999;

/// The address that a program gave to a socket of `domain`, with IPv4 in one form.
///
/// # Errors
/// EAFNOSUPPORT for another family.
pub fn expect_ip(domain: u32, address: &Address) -> Result<SocketAddr> {
    match address {
        Address::Ip(SocketAddr::V4(address)) if domain == AF_INET => Ok(SocketAddr::V4(*address)),
        Address::Ip(SocketAddr::V6(address)) if domain == AF_INET6 => {
            Ok(SocketAddr::new(address.ip().to_canonical(), address.port()))
        }
        // An address of IPv4 is too short for a socket of IPv6, before it is of the wrong family.
        Address::Ip(SocketAddr::V4(_)) => Err(Errno::EINVAL),
        _ => Err(Errno::EAFNOSUPPORT),
    }
}

/// The wildcard of `domain`.
pub fn unbound(domain: u32) -> SocketAddr {
    let ip = if domain == AF_INET { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    SocketAddr::new(ip, 0)
}

/// Whether a socket can have the address: the loopback network, the wildcards, and what it has on the way outward.
pub fn is_local(ip: IpAddr, outward: bool) -> bool {
    ip.is_loopback() || ip.is_unspecified() || (outward && (ip == LOCAL_V4 || ip == LOCAL_V6))
}

/// Where packets to `ip` go: a wildcard means this machine (ip(7)).
///
/// # Errors
/// ENETUNREACH for everything beyond loopback, unless the machine may ask for connections `outward`.
pub fn route(ip: IpAddr, outward: bool) -> Result<IpAddr> {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(ip) if ip.is_unspecified() => Ok(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ip if ip.is_loopback() || outward => Ok(ip),
        _ => Err(Errno::ENETUNREACH),
    }
}

/// Whether the monitor carries packets to `to` where no socket of this machine has that address.
pub fn is_beyond(to: SocketAddr) -> bool {
    to == RESOLVER || !(to.ip().is_loopback() || to.ip() == LOCAL_V4 || to.ip() == LOCAL_V6)
}

/// The address that a socket takes for itself when it sends to `ip`.
pub fn source_for(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_loopback() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_loopback() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        IpAddr::V4(_) => IpAddr::V4(LOCAL_V4),
        IpAddr::V6(_) => IpAddr::V6(LOCAL_V6),
    }
}

/// What a socket listens to or sends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// One address, or the wildcard of a family.
    pub ip: IpAddr,
    /// The IPv6 wildcard does not take IPv4 (IPV6_V6ONLY).
    pub only_v6: bool,
}

impl Scope {
    /// How well it fits packets to `ip`; `None` when not at all. A wildcard stands for the machine's own addresses, so nothing that
    /// goes beyond it meets a socket of its own.
    fn fit(self, ip: IpAddr) -> Option<u8> {
        match self.ip {
            own if own == ip => Some(2),
            _ if !is_local(ip, true) => None,
            own if own.is_unspecified() && own.is_ipv4() == ip.is_ipv4() => Some(1),
            own if own.is_unspecified() && own.is_ipv6() && !self.only_v6 => Some(0),
            _ => None,
        }
    }

    fn overlaps(self, other: Self) -> bool {
        self.fit(other.ip).is_some() || other.fit(self.ip).is_some()
    }
}

struct Binding<T> {
    scope: Scope,
    socket: Weak<T>,
}

/// The ports of one protocol, and who has them.
pub struct Ports<T> {
    bound: RefCell<BTreeMap<u16, Vec<Binding<T>>>>,
    next: Cell<u16>,
}

impl<T> Default for Ports<T> {
    fn default() -> Self {
        Self { bound: RefCell::default(), next: Cell::new(*EPHEMERAL.start()) }
    }
}

impl<T: Protocol> Ports<T> {
    /// Gives `socket` the port, or a free one for 0, and says which.
    ///
    /// # Errors
    /// EADDRINUSE.
    pub fn claim(&self, socket: &Rc<T>, scope: Scope, port: u16) -> Result<u16> {
        let port = match port {
            0 => self.free_port(scope)?,
            port if self.conflicts(socket, scope, port) => return Err(Errno::EADDRINUSE),
            port => port,
        };
        let binding = Binding { scope, socket: Rc::downgrade(socket) };
        self.bound.borrow_mut().entry(port).or_default().push(binding);
        Ok(port)
    }

    /// Whether another socket keeps `socket` from having the port in this scope (also asked again by listen(2)).
    pub fn conflicts(&self, socket: &T, scope: Scope, port: u16) -> bool {
        let bound = self.bound.borrow();
        let mut others = bound.get(&port).into_iter().flatten();
        others.any(|other| {
            scope.overlaps(other.scope)
                && other.socket.upgrade().is_some_and(|other| {
                    !core::ptr::eq(&raw const *other, socket) && !can_share(socket, &*other)
                })
        })
    }

    /// Takes the port back.
    pub fn release(&self, socket: &T, port: u16) {
        let mut bound = self.bound.borrow_mut();
        if let Some(bindings) = bound.get_mut(&port) {
            bindings.retain(|binding| !core::ptr::eq(binding.socket.as_ptr(), socket));
            if bindings.is_empty() {
                bound.remove(&port);
            }
        }
    }

    /// The sockets that packets to `ip` and `port` fit and that `wanted` accepts, the best fit first.
    pub fn matching(&self, ip: IpAddr, port: u16, wanted: impl Fn(&T) -> bool) -> Vec<Rc<T>> {
        let bound = self.bound.borrow();
        let mut found: Vec<(u8, Rc<T>)> = (bound.get(&port).into_iter().flatten())
            .filter_map(|binding| Some((binding.scope.fit(ip)?, binding.socket.upgrade()?)))
            .filter(|(_, socket)| wanted(socket))
            .collect();
        found.sort_by_key(|(fit, _)| core::cmp::Reverse(*fit));
        found.into_iter().map(|(_, socket)| socket).collect()
    }

    /// All sockets that have a port, with it.
    pub fn all(&self) -> Vec<(u16, Rc<T>)> {
        let bound = self.bound.borrow();
        let sockets = bound.iter().flat_map(|(port, bindings)| bindings.iter().map(move |one| (*port, one)));
        sockets.filter_map(|(port, one)| Some((port, one.socket.upgrade()?))).collect()
    }

    /// Another number of the ephemeral range each time, whether or not it is free.
    pub fn next_ephemeral(&self) -> u16 {
        let port = self.next.get();
        self.next.set(if port == *EPHEMERAL.end() { *EPHEMERAL.start() } else { port + 1 });
        port
    }

    fn free_port(&self, scope: Scope) -> Result<u16> {
        let bound = self.bound.borrow();
        let is_free = |port: &u16| {
            bound.get(port).is_none_or(|bindings| !bindings.iter().any(|one| one.scope.overlaps(scope)))
        };
        EPHEMERAL.map(|_| self.next_ephemeral()).find(is_free).ok_or(Errno::EADDRINUSE)
    }
}

/// Whether two sockets may have the same port (socket(7), SO_REUSEADDR and SO_REUSEPORT).
fn can_share<T: Protocol>(socket: &T, other: &T) -> bool {
    let both = |name| socket.common().options.is_on(name) && other.common().options.is_on(name);
    (both(SO_REUSEADDR) && !other.is_listening())
        || (both(SO_REUSEPORT) && socket.common().owner.uid == other.common().owner.uid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_wildcard_is_every_address_of_the_machine_and_none_beyond() {
        let fit =
            |own: &str, ip: &str| Scope { ip: own.parse().unwrap(), only_v6: false }.fit(ip.parse().unwrap());
        for (own, ip, expected) in [
            ("0.0.0.0", "127.0.0.1", Some(1)),
            ("0.0.0.0", "127.9.8.7", Some(1)),
            ("0.0.0.0", "0.0.0.0", Some(2)),
            ("0.0.0.0", "10.1.2.3", None),
            ("::", "::1", Some(1)),
            ("::", "127.0.0.1", Some(0)),
            ("::", "2001:db8::1", None),
            ("::", "192.0.2.1", None),
            ("127.0.0.1", "127.0.0.2", None),
        ] {
            assert_eq!(fit(own, ip), expected, "{own} {ip}");
        }
        let local = LOCAL_V4.to_string();
        assert_eq!(fit("0.0.0.0", &local), Some(1));
        assert_eq!(fit(&local, &local), Some(2));
    }
}
