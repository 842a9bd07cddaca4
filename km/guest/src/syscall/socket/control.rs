//! Ancillary data of messages (cmsg(3)): open files, credentials, packet information.

use super::sender;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::kernel::Ctx;
use crate::net::address::Address;
use crate::net::ip_control;
use crate::net::message::{IpChoice, Peer};
use crate::net::options::Options;
use crate::net::socket::Protocol;
use crate::task::credentials::{CAP_SETGID, CAP_SETUID};
use crate::time::NANOS_PER_SECOND;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use linux_raw_sys::net as raw;
use zerocopy::{FromBytes, IntoBytes};

/// `sizeof(struct cmsghdr)`, the header of each item (cmsg(3)).
const HEADER: usize = 16;
/// Most open files in one message (SCM_MAX_FD).
const FILES_MAX: usize = 253;
/// Longest ancillary data (net.core.optmem_max).
const LONGEST: u64 = 20480;

/// What a sender gives along.
pub(super) struct Given {
    pub files: Vec<Rc<OpenFile>>,
    pub sender: Peer,
    /// The sender is who SCM_CREDENTIALS says.
    pub names_sender: bool,
    pub ip: IpChoice,
}

impl Given {
    /// Nothing but the sender's name.
    pub(super) fn by(sender: Peer) -> Self {
        Self { files: Vec::new(), sender, names_sender: false, ip: IpChoice::default() }
    }
}

/// Reads the ancillary data of a message that is sent by `socket`, to `to` if it says so.
pub(super) fn read(
    ctx: &mut Ctx<'_>,
    socket: &dyn Protocol,
    to: Option<&Address>,
    address: u64,
    len: u64,
) -> Result<Given> {
    let mut given = Given::by(sender(ctx));
    if address == 0 || len == 0 {
        return Ok(given);
    }
    if len > LONGEST {
        return Err(Errno::ENOBUFS);
    }
    let mut bytes = alloc::vec![0; len as usize];
    ctx.memory().read(address, &mut bytes)?;
    let mut rest = &bytes[..];
    while rest.len() >= HEADER {
        let len = usize::try_from(u64::read_from_prefix(rest).map_or(0, |(len, _)| len)).unwrap_or(0);
        if len < HEADER || len > rest.len() {
            return Err(Errno::EINVAL);
        }
        let (level, kind, data) = (word(&rest[8..]), word(&rest[12..]), &rest[HEADER..len]);
        match way(socket, to) {
            Way::Local => take(ctx, &mut given, level, kind, data)?,
            Way::Connection if level != raw::SOL_SOCKET => {}
            Way::Connection => ip_control::choose(&mut given.ip, false, level, kind, data)?,
            Way::Datagram { is_six } => ip_control::choose(&mut given.ip, is_six, level, kind, data)?,
        }
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(given)
}

/// Whose ancillary data it is.
enum Way {
    /// Of unix and netlink sockets.
    Local,
    /// Of TCP, which knows what all sockets know.
    Connection,
    /// Of datagrams by IPv4 or IPv6.
    Datagram { is_six: bool },
}

fn way(socket: &dyn Protocol, to: Option<&Address>) -> Way {
    let kind = socket.common().kind;
    let is_mapped = |address: &Address| match address {
        Address::Ip(SocketAddr::V6(address)) => address.ip().to_ipv4_mapped().is_some(),
        Address::Ip(SocketAddr::V4(_)) => true,
        _ => false,
    };
    match (kind.domain, kind.kind) {
        (raw::AF_INET | raw::AF_INET6, raw::SOCK_STREAM) => Way::Connection,
        (raw::AF_INET, _) => Way::Datagram { is_six: false },
        (raw::AF_INET6, _) => {
            let is_four = to.map_or_else(|| socket.peer().is_ok_and(|peer| is_mapped(&peer)), is_mapped);
            Way::Datagram { is_six: !is_four }
        }
        _ => Way::Local,
    }
}

fn word(bytes: &[u8]) -> u32 {
    bytes.first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

fn take(ctx: &mut Ctx<'_>, given: &mut Given, level: u32, kind: u32, data: &[u8]) -> Result<()> {
    match (level, kind) {
        (raw::SOL_SOCKET, raw::SCM_RIGHTS) => {
            for fd in data.chunks_exact(4) {
                if given.files.len() == FILES_MAX {
                    return Err(Errno::EINVAL);
                }
                given.files.push(ctx.handle(u64::from(word(fd)))?);
            }
            Ok(())
        }
        (raw::SOL_SOCKET, raw::SCM_CREDENTIALS) => {
            given.names_sender = true;
            given.sender = claim(ctx, Peer::read_from_bytes(data).map_err(|_| Errno::EINVAL)?)?;
            Ok(())
        }
        (raw::SOL_SOCKET, _) => Err(Errno::EINVAL),
        // Of other protocols: passed over.
        _ => Ok(()),
    }
}

/// Checks SCM_CREDENTIALS that a sender gives (unix(7)): its own process, with one of its users and groups or with any
/// that it may change to.
fn claim(ctx: &mut Ctx<'_>, claimed: Peer) -> Result<Peer> {
    let process = ctx.process();
    let own = &process.credentials;
    if claimed.uid == u32::MAX || claimed.gid == u32::MAX {
        return Err(Errno::EINVAL);
    }
    let user = own.can(CAP_SETUID) || [own.uid, own.real_uid, own.saved_uid].contains(&claimed.uid);
    let group = own.can(CAP_SETGID) || [own.gid, own.real_gid, own.saved_gid].contains(&claimed.gid);
    if claimed.pid == process.pid && user && group { Ok(claimed) } else { Err(Errno::EPERM) }
}

/// Ancillary data as it is built for a receiver.
pub(super) struct Writer {
    bytes: Vec<u8>,
    room: usize,
    is_cut: bool,
}

impl Writer {
    /// For a buffer of `room` bytes.
    pub(super) fn new(room: u64) -> Self {
        Self { bytes: Vec::new(), room: room.min(LONGEST) as usize, is_cut: false }
    }

    /// Writes it, and returns its length and MSG_CTRUNC if something did not fit.
    pub(super) fn finish(self, ctx: &mut Ctx<'_>, address: u64) -> Result<(u64, u32)> {
        ctx.memory().write(address, &self.bytes)?;
        Ok((self.bytes.len() as u64, if self.is_cut { raw::MSG_CTRUNC } else { 0 }))
    }

    /// Adds an item, or as much of it as there is room for.
    pub(super) fn put(&mut self, level: u32, kind: u32, data: &[u8]) {
        let left = self.room - self.bytes.len();
        let len = left.min(HEADER + data.len());
        self.is_cut |= len < HEADER + data.len();
        let Some(fits) = len.checked_sub(HEADER) else { return };
        self.bytes.extend_from_slice((len as u64).as_bytes());
        self.bytes.extend_from_slice(level.as_bytes());
        self.bytes.extend_from_slice(kind.as_bytes());
        self.bytes.extend_from_slice(&data[..fits]);
        let padded = self.bytes.len().next_multiple_of(8).min(self.room);
        self.bytes.resize(padded, 0);
    }

    /// Adds SCM_CREDENTIALS.
    pub(super) fn credentials(&mut self, sender: Peer) {
        self.put(raw::SOL_SOCKET, raw::SCM_CREDENTIALS, sender.as_bytes());
    }

    /// When the message came, as the option `stamp` asks for it (SO_TIMESTAMP, SO_TIMESTAMPNS).
    pub(super) fn arrival(&mut self, realtime_ns: u64, stamp: u32) {
        let (seconds, nanos) = (realtime_ns / NANOS_PER_SECOND, realtime_ns % NANOS_PER_SECOND);
        let fraction = if Options::stamps_in_micros(stamp) { nanos / 1000 } else { nanos };
        self.put(raw::SOL_SOCKET, stamp, [seconds, fraction].as_bytes());
    }

    /// Open files, as many as there is room and descriptors for; the others are closed.
    pub(super) fn files(&mut self, ctx: &mut Ctx<'_>, files: Vec<Rc<OpenFile>>, close_on_exec: bool) {
        let fits = (self.room - self.bytes.len()).saturating_sub(HEADER) / 4;
        let total = files.len();
        let mut numbers = Vec::new();
        for file in files.into_iter().take(fits) {
            match ctx.files().borrow_mut().insert(file, close_on_exec, 0) {
                Ok(fd) => numbers.push(fd as u32),
                Err(_) => break,
            }
        }
        self.is_cut |= numbers.len() < total;
        if !numbers.is_empty() {
            self.put(raw::SOL_SOCKET, raw::SCM_RIGHTS, numbers.as_slice().as_bytes());
        }
    }
}
