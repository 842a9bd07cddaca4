//! Ancillary data of messages (cmsg(3)): open files, credentials, packet information.

use super::sender;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::kernel::Ctx;
use crate::net::message::Peer;
use crate::task::credentials::{CAP_SETGID, CAP_SETUID};
use crate::time::NANOS_PER_SECOND;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
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
}

/// Reads the ancillary data of a message that is sent.
pub(super) fn read(ctx: &mut Ctx<'_>, address: u64, len: u64) -> Result<Given> {
    let mut given = Given { files: Vec::new(), sender: sender(ctx) };
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
        let (level, kind) = (word(&rest[8..]), word(&rest[12..]));
        take(ctx, &mut given, level, kind, &rest[HEADER..len])?;
        rest = rest.get(len.next_multiple_of(8)..).unwrap_or_default();
    }
    Ok(given)
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
                given.files.push(ctx.file(u64::from(word(fd)))?);
            }
            Ok(())
        }
        (raw::SOL_SOCKET, raw::SCM_CREDENTIALS) => {
            given.sender = claim(ctx, Peer::read_from_bytes(data).map_err(|_| Errno::EINVAL)?)?;
            Ok(())
        }
        (raw::SOL_SOCKET, _) => Err(Errno::EINVAL),
        // Ignored: packet information chooses among networks, and there is one.
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

    fn put(&mut self, level: u32, kind: u32, data: &[u8]) {
        let len = HEADER + data.len();
        if self.bytes.len() + len > self.room {
            self.is_cut = true;
            return;
        }
        self.bytes.extend_from_slice((len as u64).as_bytes());
        self.bytes.extend_from_slice(level.as_bytes());
        self.bytes.extend_from_slice(kind.as_bytes());
        self.bytes.extend_from_slice(data);
        let padded = self.bytes.len().next_multiple_of(8).min(self.room);
        self.bytes.resize(padded, 0);
    }

    /// Adds SCM_CREDENTIALS.
    pub(super) fn credentials(&mut self, sender: Peer) {
        self.put(raw::SOL_SOCKET, raw::SCM_CREDENTIALS, sender.as_bytes());
    }

    /// When the message came (SO_TIMESTAMP, SO_TIMESTAMPNS).
    pub(super) fn arrival(&mut self, realtime_ns: u64, in_micros: bool) {
        let (seconds, nanos) = (realtime_ns / NANOS_PER_SECOND, realtime_ns % NANOS_PER_SECOND);
        if in_micros {
            self.put(raw::SOL_SOCKET, raw::SO_TIMESTAMP_OLD, [seconds, nanos / 1000].as_bytes());
        } else {
            self.put(raw::SOL_SOCKET, raw::SO_TIMESTAMPNS_OLD, [seconds, nanos].as_bytes());
        }
    }

    /// Where the message was sent to (IP_PKTINFO, IPV6_RECVPKTINFO).
    pub(super) fn destination(&mut self, to: SocketAddr, domain: u32) {
        const LOOPBACK_INDEX: u32 = 1;
        match to.ip() {
            IpAddr::V4(ip) if domain == raw::AF_INET => {
                let fields = [LOOPBACK_INDEX.to_ne_bytes(), ip.octets(), ip.octets()];
                self.put(raw::SOL_IP, raw::IP_PKTINFO, fields.as_flattened());
            }
            ip => {
                let ip = match ip {
                    IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                    IpAddr::V6(ip) => ip,
                };
                let fields = [&ip.octets()[..], &LOOPBACK_INDEX.to_ne_bytes()].concat();
                self.put(raw::SOL_IPV6, raw::IPV6_PKTINFO, &fields);
            }
        }
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
