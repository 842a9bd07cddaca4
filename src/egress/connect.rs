//! Making the connections themselves, and the errors that programs see.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use km_abi::outbound::{Endpoint, LOCAL_V4, LOCAL_V6, RESOLVER, Transport};
use nix::errno::Errno;
use tokio::net::TcpStream;

/// Ports of Linux for connections outward: the first, and how many (net.ipv4.ip_local_port_range).
const LOCAL_PORTS: (u16, u64) = (32_768, 28_232);

/// A connection that is there, non-blocking and close-on-exec, and its own port.
pub(crate) type Connected = (OwnedFd, u16);

/// Connects a stream.
pub(crate) async fn tcp(to: SocketAddr, limit: Duration) -> Result<Connected, Errno> {
    let stream = tokio::time::timeout(limit, TcpStream::connect(to)).await;
    let stream = stream.map_err(|_| Errno::ETIMEDOUT)?.and_then(TcpStream::into_std).map_err(seen)?;
    let port = stream.local_addr().map_err(seen)?.port();
    Ok((stream.into(), port))
}

/// Connects a socket for datagrams, which waits for nobody.
pub(crate) fn udp(to: SocketAddr) -> Result<Connected, Errno> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let connect = || -> io::Result<Connected> {
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(to)?;
        let port = socket.local_addr()?.port();
        Ok((socket.into(), port))
    };
    connect().map_err(seen)
}

/// The kernel's own error; but what this process lacks is no matter of the program's, and where the host has no IPv6 there
/// is no route.
fn seen(error: io::Error) -> Errno {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::ENOBUFS) => Errno::EADDRNOTAVAIL,
        Some(Errno::EAFNOSUPPORT) => Errno::ENETUNREACH,
        Some(Errno::UnknownErrno) | None => Errno::EIO,
        Some(errno) => errno,
    }
}

/// The end that the program sees as its own, of a connection to `to`.
pub(crate) fn local(transport: Transport, to: SocketAddr, port: u16) -> Endpoint {
    let ip = if to.is_ipv4() { IpAddr::V4(LOCAL_V4) } else { IpAddr::V6(LOCAL_V6) };
    Endpoint::new(transport, SocketAddr::new(ip, port))
}

/// The end that the program sees as its own, of its connection number `id` to the resolver: there are no ports behind it.
pub(crate) fn local_of_resolver(transport: Transport, id: u64) -> Endpoint {
    Endpoint::new(transport, SocketAddr::new(RESOLVER.ip(), port_of(id)))
}

/// The own port that is shown for connection number `id` where there is none behind it.
pub(crate) fn port_of(id: u64) -> u16 {
    let (first, count) = LOCAL_PORTS;
    first.saturating_add((id % count) as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn errors_are_the_kernels() {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(tcp(closed, Duration::from_secs(5)).await.map(|_| ()), Err(Errno::ECONNREFUSED));
        let full = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(tcp(full.local_addr().unwrap(), Duration::from_secs(5)).await.is_ok());
        assert_eq!(seen(io::Error::from(Errno::EMFILE)), Errno::EADDRNOTAVAIL);
        assert_eq!(seen(io::Error::other("x")), Errno::EIO);
    }

    #[test]
    fn the_host_is_not_told() {
        let to = "8.8.8.8:443".parse().unwrap();
        assert_eq!(
            local(Transport::Tcp, to, 4000).read(),
            Some((Transport::Tcp, "192.0.0.2:4000".parse().unwrap()))
        );
        let to = "[2606::1]:443".parse().unwrap();
        assert_eq!(local(Transport::Tcp, to, 1).read().unwrap().1, "[fd6b:6d00::2]:1".parse().unwrap());
        let all = [0, 1, LOCAL_PORTS.1 - 1, LOCAL_PORTS.1, u64::MAX];
        let port = |id| local_of_resolver(Transport::Udp, id).read().unwrap().1.port();
        assert!(all.iter().all(|id| (32_768..=60_999).contains(&port(*id))));
    }
}
