//! Packets of the control socket: one message and its descriptors, sent and received whole.
//!
//! The functions make one system call each and return [`std::io::ErrorKind::WouldBlock`] on a socket that is not
//! ready, so they serve a blocking thread and an event loop alike.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

// nix loses descriptors of a packet that was cut (recvmsg(2), MSG_CTRUNC), and gives them as bare numbers.
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};

use super::control::CONTROL_MAX;

/// Descriptors in one packet at most.
pub const FDS_MAX: usize = 2;

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
/// Those of sendmsg(2), `WouldBlock` among them; and `InvalidInput` for more than [`FDS_MAX`] descriptors or no byte.
pub fn send(socket: impl AsFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    if fds.len() > FDS_MAX || bytes.is_empty() || bytes.len() > CONTROL_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
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

/// Receives one packet, without waiting.
///
/// # Errors
/// As [`receive`], `WouldBlock` among them.
pub fn receive_now(socket: impl AsFd) -> io::Result<Packet> {
    receive_with(socket, RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT)
}

/// Receives one packet.
///
/// # Errors
/// Those of recvmsg(2), `WouldBlock` among them; `InvalidData` when the packet was longer than a control message or
/// carried more descriptors than [`FDS_MAX`] (those that came are closed).
pub fn receive(socket: impl AsFd) -> io::Result<Packet> {
    receive_with(socket, RecvFlags::CMSG_CLOEXEC)
}

fn receive_with(socket: impl AsFd, flags: RecvFlags) -> io::Result<Packet> {
    let mut bytes = vec![0; CONTROL_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    if got.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) || fds.len() > FDS_MAX {
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
        rustix::net::send(&a, &vec![b' '; CONTROL_MAX + 1], SendFlags::empty()).unwrap();
        assert_eq!(receive(&b).unwrap_err().kind(), io::ErrorKind::InvalidData);
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
