//! Connections that the program opens to peers beyond its machine: what the library OS asks for and is told.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Where a machine's names are resolved: a server of DNS that everybody sees at this address of the loopback network, and
/// that no program of the machine is. Queries leave the machine as connections to it.
pub const RESOLVER: SocketAddr = SocketAddr::new(IpAddr::V4(core::net::Ipv4Addr::new(127, 0, 0, 53)), 53);
/// Connections of one machine at once, at most.
pub const OUTBOUND_MAX: usize = 64;
/// Longest datagram: 65,535 less the headers of IPv4 and UDP.
pub const DATAGRAM_MAX: usize = 65_507;

/// How bytes travel, by its number in the IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u16)]
pub enum Transport {
    /// A stream.
    Tcp = 6,
    /// Datagrams.
    Udp = 17,
}

/// An end of a connection, as it may come from a hostile side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Endpoint {
    /// Address of IPv6; one of IPv4 in its mapped form (RFC 4291, 2.5.5.2).
    pub address: [u8; 16],
    /// Port.
    pub port: u16,
    /// Number of a [`Transport`].
    pub transport: u16,
    /// Zero.
    pub reserved: u32,
}

impl Endpoint {
    /// The end at `address`.
    #[must_use]
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self { address: ip.octets(), port: address.port(), transport: transport as u16, reserved: 0 }
    }

    /// Transport and address, IPv4 in its own form; nothing where the bytes are no endpoint.
    #[must_use]
    pub fn read(&self) -> Option<(Transport, SocketAddr)> {
        let transport = match self.transport {
            6 => Transport::Tcp,
            17 => Transport::Udp,
            _ => return None,
        };
        let ip = Ipv6Addr::from(self.address).to_canonical();
        (self.reserved == 0).then(|| (transport, SocketAddr::new(ip, self.port)))
    }
}

const _: () = assert!(size_of::<Endpoint>() == 24);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_survive_and_ipv4_has_one_form() {
        for text in ["192.0.2.1:80", "[2001:db8::1]:5432", "[::]:0", "255.255.255.255:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            for transport in [Transport::Tcp, Transport::Udp] {
                assert_eq!(Endpoint::new(transport, address).read(), Some((transport, address)));
            }
        }
        let mapped: SocketAddr = "[::ffff:192.0.2.1]:80".parse().unwrap();
        let read = Endpoint::new(Transport::Tcp, mapped).read().unwrap();
        assert_eq!(read.1, "192.0.2.1:80".parse().unwrap());
    }

    #[test]
    fn what_is_no_endpoint_is_not_read() {
        let end = Endpoint::new(Transport::Tcp, RESOLVER);
        assert_eq!(Endpoint { transport: 1, ..end }.read(), None);
        assert_eq!(Endpoint { reserved: 1, ..end }.read(), None);
    }
}
