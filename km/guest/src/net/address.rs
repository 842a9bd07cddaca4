//! Socket addresses: what `sockaddr` structures say, parsed and encoded.
//!
//! An IPv6 socket shows an IPv4 address as `::ffff:a.b.c.d`.

use super::unix::SocketFile;
use crate::errno::{Errno, Result};
use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use linux_raw_sys::net::{AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, AF_UNSPEC};

/// Longest encoded address (`struct sockaddr_storage`).
pub const LONGEST: usize = 128;
/// Longest path of a unix socket, its NUL included.
const UNIX_PATH: usize = 108;

/// An address of some family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// AF_UNSPEC: none, or "undo" to connect(2).
    Unspecified,
    /// AF_INET or AF_INET6 (ip(7), ipv6(7)).
    Ip(SocketAddr),
    /// AF_UNIX, by path or abstract name; a path is not looked up yet.
    Unix(UnixName),
    /// AF_UNIX with a path that was looked up.
    UnixAt {
        /// The file that the path led to.
        place: SocketFile,
        /// Its path as the program gave it.
        path: Vec<u8>,
    },
    /// AF_NETLINK, by port number.
    Netlink {
        /// Port number; 0 is the kernel.
        port: u32,
        /// Bit mask of multicast groups (netlink(7)).
        groups: u32,
    },
}

/// The name of a unix socket (unix(7)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnixName {
    /// Not bound (unix(7), "unnamed").
    Unnamed,
    /// A path in the file system.
    Path(Vec<u8>),
    /// A name in the abstract name space, without its leading NUL.
    Abstract(Vec<u8>),
}

impl Address {
    /// Reads a `sockaddr` of exactly `bytes`.
    ///
    /// # Errors
    /// EINVAL when it is too short for its family, EAFNOSUPPORT for families that are not there.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let family = bytes.first_chunk().map(|family| u16::from_ne_bytes(*family)).ok_or(Errno::EINVAL)?;
        match u32::from(family) {
            AF_UNSPEC => Ok(Self::Unspecified),
            AF_UNIX => unix(&bytes[2..]),
            AF_INET => v4(bytes).ok_or(Errno::EINVAL),
            AF_INET6 => v6(bytes).ok_or(Errno::EINVAL),
            AF_NETLINK => netlink(bytes).ok_or(Errno::EINVAL),
            _ => Err(Errno::EAFNOSUPPORT),
        }
    }

    /// The bytes of the `sockaddr` that a socket of `domain` shows.
    pub fn encode(&self, domain: u32) -> Encoded {
        let mut out = Encoded::default();
        match self {
            Self::Unspecified => {}
            Self::Ip(SocketAddr::V4(address)) if domain == AF_INET => out.v4(*address),
            Self::Ip(SocketAddr::V4(address)) => {
                out.v6(SocketAddrV6::new(address.ip().to_ipv6_mapped(), address.port(), 0, 0));
            }
            Self::Ip(SocketAddr::V6(address)) => out.v6(*address),
            Self::Unix(name) => out.unix(name),
            Self::UnixAt { path, .. } => out.path(path),
            Self::Netlink { port, groups } => {
                out.put(&AF_NETLINK.to_ne_bytes());
                out.put(&port.to_ne_bytes());
                out.put(&groups.to_ne_bytes());
            }
        }
        out
    }
}

/// A `sockaddr` as bytes, and how many of them count.
#[derive(Clone, Copy, Debug)]
pub struct Encoded {
    bytes: [u8; LONGEST],
    len: usize,
}

impl Default for Encoded {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], len: 0 }
    }
}

impl Encoded {
    /// The bytes that count.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }

    fn v4(&mut self, address: SocketAddrV4) {
        self.put(&(AF_INET as u16).to_ne_bytes());
        self.put(&address.port().to_be_bytes());
        self.put(&address.ip().octets());
        self.put(&[0; 8]);
    }

    fn v6(&mut self, address: SocketAddrV6) {
        self.put(&(AF_INET6 as u16).to_ne_bytes());
        self.put(&address.port().to_be_bytes());
        self.put(&address.flowinfo().to_ne_bytes());
        self.put(&address.ip().octets());
        self.put(&address.scope_id().to_ne_bytes());
    }

    fn path(&mut self, path: &[u8]) {
        self.put(&(AF_UNIX as u16).to_ne_bytes());
        self.put(path);
        self.put(&[0]);
    }

    fn unix(&mut self, name: &UnixName) {
        if let UnixName::Path(path) = name {
            return self.path(path);
        }
        self.put(&(AF_UNIX as u16).to_ne_bytes());
        match name {
            UnixName::Unnamed | UnixName::Path(_) => {}
            UnixName::Abstract(name) => {
                self.put(&[0]);
                self.put(name);
            }
        }
    }
}

fn v4(bytes: &[u8]) -> Option<Address> {
    if bytes.len() < 16 {
        return None;
    }
    let port = u16::from_be_bytes(*bytes[2..].first_chunk()?);
    let octets: [u8; 4] = *bytes[4..].first_chunk()?;
    Some(Address::Ip(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::from(octets), port))))
}

fn v6(bytes: &[u8]) -> Option<Address> {
    let port = u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?);
    let flow = u32::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let octets: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
    // The scope is missing in the structure of RFC 2133.
    let scope = bytes.get(24..).and_then(<[u8]>::first_chunk).map_or(0, |scope| u32::from_ne_bytes(*scope));
    Some(Address::Ip(SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::from(octets), port, flow, scope))))
}

fn unix(path: &[u8]) -> Result<Address> {
    if path.len() > UNIX_PATH {
        return Err(Errno::EINVAL);
    }
    let name = match path {
        [] => UnixName::Unnamed,
        [0, name @ ..] => UnixName::Abstract(name.to_vec()),
        path => UnixName::Path(path.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
    };
    Ok(Address::Unix(name))
}

fn netlink(bytes: &[u8]) -> Option<Address> {
    let port = u32::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let groups = u32::from_ne_bytes(*bytes.get(8..)?.first_chunk()?);
    Some(Address::Netlink { port, groups })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_a_round_trip() {
        for (text, domain) in [("127.0.0.1:80", AF_INET), ("[::1]:8080", AF_INET6)] {
            let address = Address::Ip(text.parse().unwrap());
            assert_eq!(Address::parse(address.encode(domain).as_bytes()).unwrap(), address);
        }
        for name in [UnixName::Unnamed, UnixName::Path(b"/a".to_vec()), UnixName::Abstract(b"b\0c".to_vec())]
        {
            let address = Address::Unix(name);
            assert_eq!(Address::parse(address.encode(AF_UNIX).as_bytes()).unwrap(), address);
        }
    }

    #[test]
    fn an_ipv6_socket_shows_ipv4_mapped() {
        let address = Address::Ip("127.0.0.1:80".parse().unwrap());
        let shown = address.encode(AF_INET6);
        assert_eq!(shown.as_bytes().len(), 28);
        assert_eq!(&shown.as_bytes()[8..24], &Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets());
    }

    #[test]
    fn short_and_foreign_ones_are_refused() {
        assert_eq!(Address::parse(&[2]), Err(Errno::EINVAL));
        assert_eq!(Address::parse(&[2, 0, 0, 80, 127, 0, 0, 1]), Err(Errno::EINVAL));
        assert_eq!(Address::parse(&[10; 20]), Err(Errno::EAFNOSUPPORT));
        assert_eq!(Address::parse(&[10, 0, 0, 80, 0, 0, 0, 0]), Err(Errno::EINVAL));
        assert_eq!(Address::parse(&[1; 111]), Err(Errno::EAFNOSUPPORT));
    }
}
