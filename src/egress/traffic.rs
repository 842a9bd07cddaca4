//! What the kernel counted on a connection.

use std::os::fd::BorrowedFd;

use nix::sys::socket::getsockopt;

/// The beginning of the kernel's `struct tcp_info` (linux/tcp.h, as of Linux 4.19, which is the oldest that has all of it). The
/// one of `libc` may be longer than the kernel's, which nix would not take.
#[derive(Clone, Copy)]
#[repr(C)]
struct TcpInfo {
    state: [u8; 8],
    words: [u32; 24],
    rates: [u64; 2],
    bytes_acked: u64,
    bytes_received: u64,
    segments: [u32; 2],
    notsent_bytes: u32,
    rest: [u32; 3],
    delivery: [u64; 4],
    delivered: [u32; 2],
    bytes_sent: u64,
    bytes_retrans: u64,
}

const _: () = assert!(size_of::<TcpInfo>() == 216);

/// The option TCP_INFO, read as [`TcpInfo`]: numbers alone, so any bytes of the kernel's are one.
#[derive(Clone, Copy, Debug)]
struct Info;

nix::getsockopt_impl!(
    Info,
    libc::IPPROTO_TCP,
    libc::TCP_INFO,
    TcpInfo,
    nix::sys::socket::sockopt::GetStruct<TcpInfo>
);

/// Bytes that the program wrote and bytes that came for it. Nothing for datagrams, of which the kernel keeps no account.
pub(crate) fn of_tcp(socket: BorrowedFd<'_>) -> (u64, u64) {
    let Ok(info) = getsockopt(&socket, Info) else { return (0, 0) };
    let sent = info.bytes_sent.saturating_sub(info.bytes_retrans).saturating_add(info.notsent_bytes.into());
    (sent, info.bytes_received)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;

    #[test]
    fn bytes_are_counted_both_ways() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut theirs, _) = listener.accept().unwrap();
        assert_eq!(of_tcp(ours.as_fd()), (0, 0));
        ours.write_all(&[1; 1000]).unwrap();
        theirs.read_exact(&mut [0; 1000]).unwrap();
        theirs.write_all(&[1; 77]).unwrap();
        ours.read_exact(&mut [0; 77]).unwrap();
        assert_eq!(of_tcp(ours.as_fd()), (1000, 77));
        let (pair, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert_eq!(of_tcp(pair.as_fd()), (0, 0));
    }
}
