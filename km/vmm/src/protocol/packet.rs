//! Packets of the control socket: one message and its descriptors, sent and received whole.
//!
//! A packet has room for as much as the socket's send buffer, which the host chooses. So a message longer than [`PACKET_MAX`]
//! goes in a file of memory that comes along as the packet's last descriptor, and the packet is one zero byte, which no
//! message begins with. Only workers take such packets: a server must not read files that a worker gives it.
//!
//! The functions make one system call each and return [`std::io::ErrorKind::WouldBlock`] on a socket that is not
//! ready, so they serve a blocking thread and an event loop alike.

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::{SFlag, fstat};

// nix loses descriptors of a packet that was cut (recvmsg(2), MSG_CTRUNC), and gives them as bare numbers.
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::control::CONTROL_MAX;

/// Longest packet in bytes that a slot takes of its broker: a grant is smaller.
const GRANT_MAX: usize = 256;
/// Descriptors that come with one message at most.
pub const FDS_MAX: usize = 2;
/// Longest message in bytes that goes in the packet itself.
pub const PACKET_MAX: usize = 64 << 10;
/// The packet of a message that is in a file.
const IN_FILE: &[u8] = &[0];

/// A packet as it came: its bytes and its descriptors (close-on-exec). No bytes: the peer is gone.
#[derive(Debug, Default)]
pub struct Packet {
    /// One message of [`super::control`].
    pub bytes: Vec<u8>,
    /// At most [`FDS_MAX`] descriptors.
    pub fds: Vec<OwnedFd>,
}

/// The two ends of a new control socket, close-on-exec.
///
/// # Errors
/// When the process may not have more descriptors.
pub fn control_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The two ends of a new slot stream, close-on-exec.
///
/// # Errors
/// When the process may not have more descriptors.
pub fn slot_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?)
}

/// Sends `bytes` and `fds` as one packet.
///
/// # Errors
/// Those of sendmsg(2), `WouldBlock` among them; `InvalidInput` for more than [`FDS_MAX`] descriptors, no byte or more than
/// [`CONTROL_MAX`] of them; and those of a file of memory for a message beyond [`PACKET_MAX`].
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.len() > FDS_MAX || bytes.is_empty() || bytes.len() > CONTROL_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    if bytes.len() <= PACKET_MAX {
        return send_packet(socket, bytes, fds);
    }
    let mut file = File::from(memfd_create("control message", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(bytes)?;
    let all: Vec<BorrowedFd<'_>> = fds.iter().copied().chain([file.as_fd()]).collect();
    send_packet(socket, IN_FILE, &all)
}

fn send_packet(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX + 1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// Sends a packet without descriptors, from threads that may not send any, and without waiting.
///
/// # Errors
/// Those of send(2), `WouldBlock` among them.
pub fn send_plain(socket: impl AsFd, bytes: &[u8]) -> io::Result<()> {
    rustix::net::send(socket, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
    Ok(())
}

/// Receives one packet of a slot's other socket, without waiting: at most [`GRANT_MAX`] bytes, and no file is read.
///
/// # Errors
/// As [`receive_of_worker`].
pub fn receive_now(socket: impl AsFd) -> io::Result<Packet> {
    receive_packet(socket, GRANT_MAX, FDS_MAX, RecvFlags::DONTWAIT)
}

/// Receives one packet of the server, with its message if that is in a file.
///
/// # Errors
/// As [`receive_of_worker`]; and `InvalidData` when the file is none of memory, or longer than [`CONTROL_MAX`].
pub fn receive(socket: impl AsFd) -> io::Result<Packet> {
    let mut packet = receive_packet(socket, PACKET_MAX, FDS_MAX + 1, RecvFlags::empty())?;
    if packet.bytes == IN_FILE {
        let file = packet.fds.pop().ok_or(io::ErrorKind::InvalidData)?;
        packet.bytes = read_whole(&file.into())?;
    }
    if packet.fds.len() > FDS_MAX { Err(io::ErrorKind::InvalidData.into()) } else { Ok(packet) }
}

/// Receives one packet of a worker: at most [`PACKET_MAX`] bytes, and no file is read.
///
/// # Errors
/// Those of recvmsg(2), `WouldBlock` among them; `InvalidData` when the packet was longer or carried more descriptors than
/// [`FDS_MAX`] (those that came are closed).
pub fn receive_of_worker(socket: impl AsFd) -> io::Result<Packet> {
    receive_packet(socket, PACKET_MAX, FDS_MAX, RecvFlags::empty())
}

/// Reads a file once, into memory that nobody else can write.
fn read_whole(file: &File) -> io::Result<Vec<u8>> {
    let about = fstat(file)?;
    let is_file = SFlag::from_bits_truncate(about.st_mode) & SFlag::S_IFMT == SFlag::S_IFREG;
    let len = usize::try_from(about.st_size).ok().filter(|len| is_file && *len <= CONTROL_MAX);
    let mut bytes = vec![0; len.ok_or(io::ErrorKind::InvalidData)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn receive_packet(
    socket: impl AsFd,
    bytes_max: usize,
    fds_max: usize,
    flags: RecvFlags,
) -> io::Result<Packet> {
    let mut bytes = vec![0; bytes_max];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX + 1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got =
        recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags | RecvFlags::CMSG_CLOEXEC)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > fds_max {
        return Err(io::ErrorKind::InvalidData.into());
    }
    bytes.truncate(got.bytes);
    Ok(Packet { bytes, fds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn bytes_and_descriptors_arrive_together() {
        let (a, b) = control_pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        send(&a, b"one", &[writer.as_fd()]).unwrap();
        send(&a, b"two", &[]).unwrap();
        drop(writer);
        let packet = receive(&b).unwrap();
        assert_eq!((packet.bytes.as_slice(), packet.fds.len()), (&b"one"[..], 1));
        let mut sent = std::fs::File::from(packet.fds.into_iter().next().unwrap());
        sent.write_all(b"through").unwrap();
        assert!(sent.stream_position().is_err());
        drop(sent);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "through");
        assert_eq!(receive(&b).unwrap().bytes, b"two");
        drop(a);
        assert!(receive(&b).unwrap().bytes.is_empty());
    }

    #[test]
    fn packets_out_of_bounds_are_refused() {
        let (a, b) = control_pair().unwrap();
        assert!(send(&a, &vec![b' '; CONTROL_MAX + 1], &[]).is_err());
        assert!(send(&a, b"x", &[a.as_fd(), a.as_fd(), a.as_fd()]).is_err());
        rustix::net::send(&a, &vec![b' '; PACKET_MAX + 1], SendFlags::empty()).unwrap();
        assert_eq!(receive(&b).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn long_messages_arrive_with_their_descriptors() {
        let (a, b) = control_pair().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        for len in [PACKET_MAX, PACKET_MAX + 1, CONTROL_MAX] {
            let message: Vec<u8> = (0..len).map(|at| b'a' + (at % 26) as u8).collect();
            send(&a, &message, &[writer.as_fd(), writer.as_fd()]).unwrap();
            let packet = receive(&b).unwrap();
            assert!(packet.bytes == message, "{len} bytes");
            assert_eq!(packet.fds.len(), 2);
            File::from(packet.fds.into_iter().next().unwrap()).write_all(b"x").unwrap();
            reader.read_exact(&mut [0]).unwrap();
        }
    }

    #[test]
    fn only_short_files_of_memory_are_messages_and_only_to_workers() {
        let (a, b) = control_pair().unwrap();
        let (pipe, _writer) = std::io::pipe().unwrap();
        let long = File::from(memfd_create("long", MFdFlags::MFD_CLOEXEC).unwrap());
        long.set_len(CONTROL_MAX as u64 + 1).unwrap();
        for file in [pipe.as_fd(), long.as_fd(), a.as_fd()] {
            send_packet(&a, IN_FILE, &[file]).unwrap();
            assert_eq!(receive(&b).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        send_packet(&a, IN_FILE, &[]).unwrap();
        assert_eq!(receive(&b).unwrap_err().kind(), io::ErrorKind::InvalidData);
        send(&a, &vec![b' '; PACKET_MAX + 1], &[]).unwrap();
        assert_eq!(receive_of_worker(&b).unwrap().bytes, IN_FILE);
        send(&a, &vec![b' '; PACKET_MAX + 1], &[pipe.as_fd(), pipe.as_fd()]).unwrap();
        assert!(receive_of_worker(&b).is_err());
    }

    #[test]
    fn too_many_descriptors_are_refused_and_closed() {
        let (a, b) = control_pair().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        let rights = [writer.as_fd(), writer.as_fd(), writer.as_fd(), writer.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&rights)));
        sendmsg(&a, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        drop(writer);
        assert!(receive(&b).is_err());
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut { reader }, &mut rest).unwrap();
    }
}
