//! What one send or receive carries beside its bytes.

use super::address::Address;
use crate::fs::file::OpenFile;
use crate::fs::io::{Sink, Source};
use alloc::rc::Rc;
use alloc::vec::Vec;
use linux_raw_sys::net::{MSG_DONTWAIT, MSG_PEEK};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Who sends or connects (`struct ucred`, unix(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
pub struct Peer {
    /// Process number, as in SCM_CREDENTIALS.
    pub pid: i32,
    /// User number.
    pub uid: u32,
    /// Group number.
    pub gid: u32,
}

/// A message on its way out.
pub struct Outgoing<'a> {
    /// What is sent; a stream may take a part of it.
    pub data: &'a mut dyn Source,
    /// Where to, if the caller said so.
    pub to: Option<Address>,
    /// `MSG_*` bits of the call (send(2)).
    pub flags: u32,
    /// Open files that go along (SCM_RIGHTS).
    pub files: Vec<Rc<OpenFile>>,
    /// The sender, or who it says it is (SCM_CREDENTIALS).
    pub sender: Peer,
}

/// Where a message that comes in goes to.
pub struct Incoming<'a> {
    /// Takes what is received.
    pub data: &'a mut dyn Sink,
    /// `MSG_*` bits of the caller.
    pub flags: u32,
    /// Result: the sender's address, where the protocol has one per message.
    pub from: Option<Address>,
    /// Result: `MSG_*` bits for the caller.
    pub result_flags: u32,
    /// Result: open files that came along.
    pub files: Vec<Rc<OpenFile>>,
    /// Result: who sent it (SO_PASSCRED).
    pub sender: Option<Peer>,
    /// Result: the address that the message was sent to.
    pub to: Option<core::net::SocketAddr>,
    /// Result: when the message came, as CLOCK_REALTIME has it.
    pub arrived_ns: Option<u64>,
}

impl<'a> Outgoing<'a> {
    /// Bytes for the connected peer.
    pub fn plain(data: &'a mut dyn Source, sender: Peer) -> Self {
        Self { data, to: None, flags: 0, files: Vec::new(), sender }
    }
}

impl<'a> Incoming<'a> {
    /// Bytes, with everything else dropped.
    pub fn plain(data: &'a mut dyn Sink) -> Self {
        Self {
            data,
            flags: 0,
            from: None,
            result_flags: 0,
            files: Vec::new(),
            sender: None,
            to: None,
            arrived_ns: None,
        }
    }

    /// Whether the message stays in the queue.
    pub fn peeks(&self) -> bool {
        self.flags & MSG_PEEK != 0
    }
}

/// Whether the flags of a call ask it not to wait.
pub fn does_not_wait(flags: u32) -> bool {
    flags & MSG_DONTWAIT != 0
}
