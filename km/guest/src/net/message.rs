//! What one send or receive carries beside its bytes.

use super::address::Address;
use crate::fs::file::OpenFile;
use crate::fs::io::{Sink, Source};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::IpAddr;
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

/// Whom SCM_CREDENTIALS names where the sender was not asked for its name.
pub const NOBODY: Peer = Peer { pid: 0, uid: 65534, gid: 65534 };

/// What a sender chooses for one datagram (ip(7), ipv6(7)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IpChoice {
    /// IP_TTL, IPV6_HOPLIMIT.
    pub hop_limit: Option<u8>,
    /// IP_TOS, IPV6_TCLASS.
    pub traffic_class: Option<u8>,
    /// Source address of IP_PKTINFO and IPV6_PKTINFO.
    pub source: Option<IpAddr>,
}

/// One item of ancillary data for a receiver (cmsg(3)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// `cmsg_level`: the protocol.
    pub level: u32,
    /// `cmsg_type`.
    pub kind: u32,
    /// What it says.
    pub data: Vec<u8>,
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
    /// The sender gave SCM_CREDENTIALS itself.
    pub names_sender: bool,
    /// What goes into the IP header.
    pub ip: IpChoice,
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
    /// Result: what the protocol tells of the message.
    pub control: Vec<Control>,
    /// Result: when the message came, as CLOCK_REALTIME has it.
    pub arrived_ns: Option<u64>,
}

impl<'a> Outgoing<'a> {
    /// Bytes for the connected peer.
    pub fn plain(data: &'a mut dyn Source, sender: Peer) -> Self {
        let ip = IpChoice::default();
        Self { data, to: None, flags: 0, files: Vec::new(), sender, names_sender: false, ip }
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
            control: Vec::new(),
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
