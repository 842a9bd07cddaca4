//! Making the connections themselves, and the errors that programs see.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use km_abi::outbound::{Endpoint, LOCAL_V4, LOCAL_V6, RESOLVER, Transport};
use nix::errno::Errno;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::net::TcpStream;

/// Ports of Linux for connections outward: the first, and how many (net.ipv4.ip_local_port_range).
const LOCAL_PORTS: (u16, u64) = (32_768, 28_232);

/// A connection that is there, non-blocking and close-on-exec, and its own port.
pub(crate) type Connected = (OwnedFd, u16);

/// How far a stream has come at once.
pub(crate) enum Begun {
    /// The peer has answered already: one of this host, mostly.
    Connected(Connected),
    /// The peer has not answered.
    OnItsWay(OwnedFd),
}

/// Begins to connect a stream, without waiting.
pub(crate) fn begin(to: SocketAddr) -> Result<Begun, Errno> {
    let begin = || -> io::Result<Begun> {
        let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
        match rustix::net::connect(&socket, &to) {
            Ok(()) => return connected(socket),
            Err(rustix::io::Errno::INPROGRESS) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = [PollFd::new(&socket, PollFlags::OUT)];
        let has_answered = poll(&mut ready, Some(&Timespec::default()))? > 0;
        if has_answered { connected(socket) } else { Ok(Begun::OnItsWay(socket)) }
    };
    begin().map_err(seen)
}

fn connected(socket: OwnedFd) -> io::Result<Begun> {
    rustix::net::sockopt::socket_error(&socket)??;
    let local = SocketAddr::try_from(rustix::net::getsockname(&socket)?)?;
    Ok(Begun::Connected((socket, local.port())))
}

/// Waits for the peer.
pub(crate) async fn finish(socket: OwnedFd, limit: Duration) -> Result<Connected, Errno> {
    let stream = TcpStream::from_std(socket.into()).map_err(seen)?;
    tokio::time::timeout(limit, stream.writable()).await.map_err(|_| Errno::ETIMEDOUT)?.map_err(seen)?;
    if let Some(error) = stream.take_error().map_err(seen)? {
        return Err(seen(error));
    }
    let port = stream.local_addr().map_err(seen)?.port();
    Ok((stream.into_std().map_err(seen)?.into(), port))
}

/// Connects a stream.
pub(crate) async fn tcp(to: SocketAddr, limit: Duration) -> Result<Connected, Errno> {
    match begin(to)? {
        Begun::Connected(connected) => Ok(connected),
        Begun::OnItsWay(socket) => finish(socket, limit).await,
    }
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
