//! Addresses of the node itself.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use ipnet::IpNet;
use nix::ifaddrs::getifaddrs;

/// The addresses of the interfaces that there are now.
///
/// # Errors
/// When the kernel does not tell them.
pub fn addresses() -> io::Result<Vec<IpNet>> {
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|one| IpAddr::V4(one.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|one| IpAddr::V6(one.ip())))
    };
    Ok(getifaddrs()?.filter_map(address).map(IpNet::from).collect())
}

/// The kernel delivers what is sent there to this node: its answer from a node's own address is that address. This knows interfaces that
/// came later, and routes of type `local`. No packet is sent.
#[must_use]
pub fn is_own(to: SocketAddr) -> bool {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let local = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    local.is_ok_and(|local| local.ip() == to.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_addresses_are_found_either_way() {
        let all = addresses().unwrap();
        assert!(all.iter().any(|net| net.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST))), "{all:?}");
        for net in all.iter().filter(|net| net.addr().is_ipv4()) {
            assert!(is_own(SocketAddr::new(net.addr(), 9)), "{net}");
        }
        assert!(!is_own("192.0.2.1:9".parse().unwrap()));
    }
}
