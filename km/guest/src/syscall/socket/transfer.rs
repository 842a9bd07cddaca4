//! Sending and receiving: sendto(2), recvfrom(2), sendmsg(2), recvmsg(2).

use super::header::MessageHeader;
use super::{control, name, sender, socket_of};
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::fs::io::Source;
use crate::kernel::{Args, Ctx};
use crate::mm::user::{TRANSFER_MAX, UserRanges, is_nameable};
use crate::net::address::Address;
use crate::net::message::{Incoming, Outgoing, does_not_wait};
use crate::net::socket::{Common, Protocol};
use crate::syscall::{hooks, waiting};
use crate::wait::{Stop, SysResult};
use linux_raw_sys::net as raw;

const STREAM: u32 = raw::SOCK_STREAM;

/// A message that a call sends.
pub(super) struct Sending {
    pub ranges: UserRanges,
    pub to: Option<Address>,
    pub given: control::Given,
    pub flags: u32,
    /// Bytes that earlier runs of the call have sent.
    pub done: usize,
}

/// [`waiting::wait_for`], or EAGAIN where a flag of the call says so (MSG_DONTWAIT).
fn wait_with_flags(ctx: &mut Ctx<'_>, file: &OpenFile, flags: u32, timeout_ns: Option<u64>) -> Stop {
    if does_not_wait(flags) { Errno::EAGAIN.into() } else { waiting::wait_for(ctx, file, timeout_ns) }
}

/// Sends a message; a stream goes on until all of it is sent. When the call must wait, the number of bytes that are sent
/// is left in `message.done`.
pub(super) fn send(ctx: &mut Ctx<'_>, file: &OpenFile, message: &mut Sending) -> SysResult {
    let socket = socket_of(file)?;
    if message.done > 0 && socket.common().error.get().is_some() {
        // The next call gets the error; this one has sent something.
        return Ok(message.done as u64);
    }
    message.ranges.skip(message.done);
    let mut outgoing = Outgoing {
        data: &mut message.ranges,
        to: message.to.take(),
        flags: message.flags,
        // Files go with the first bytes.
        files: if message.done == 0 { core::mem::take(&mut message.given.files) } else { alloc::vec![] },
        sender: message.given.sender,
        names_sender: message.given.names_sender,
        ip: message.given.ip,
    };
    let is_stream = socket.common().kind.kind == STREAM;
    let stop = match socket.send(&mut outgoing) {
        Ok(count) => {
            message.done += count;
            if !is_stream || message.ranges.left() == 0 || message.ranges.has_met_fault() {
                return Ok(message.done as u64);
            }
            wait_with_flags(ctx, file, message.flags, file.file.timeouts_ns().1)
        }
        Err(Errno::EAGAIN) => wait_with_flags(ctx, file, message.flags, file.file.timeouts_ns().1),
        Err(errno) => {
            if errno == Errno::EPIPE
                && is_stream
                && message.flags & raw::MSG_NOSIGNAL == 0
                && message.done == 0
            {
                hooks::broken_pipe(ctx);
            }
            errno.into()
        }
    };
    match stop {
        Stop::Errno(_) if message.done > 0 => Ok(message.done as u64),
        stop => Err(stop),
    }
}

/// What a receiver gets beside the bytes.
pub(super) struct Received {
    pub len: u64,
    pub from: Option<Address>,
    pub flags: u32,
    pub files: alloc::vec::Vec<alloc::rc::Rc<OpenFile>>,
    pub sender: Option<crate::net::message::Peer>,
    pub control: alloc::vec::Vec<crate::net::message::Control>,
    pub arrived_ns: Option<u64>,
}

/// Receives a message. `done` is what earlier runs of the call received (MSG_WAITALL of a stream), and is kept up to date.
pub(super) fn receive(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    ranges: &mut UserRanges,
    flags: u32,
    done: &mut usize,
) -> core::result::Result<Received, Stop> {
    let socket = socket_of(file)?;
    ranges.skip(*done);
    let mut incoming = Incoming { flags, ..Incoming::plain(ranges) };
    let result = socket.receive(&mut incoming);
    let is_stream = socket.common().kind.kind == STREAM;
    let timeout_ns = file.file.timeouts_ns().0;
    match result {
        Ok(count) => {
            *done += count;
            let goes_on = flags & raw::MSG_WAITALL != 0 && is_stream && !incoming.peeks();
            if goes_on && count > 0 && incoming.data.room() > 0 && incoming.files.is_empty() {
                let stop = wait_with_flags(ctx, file, flags, timeout_ns);
                if matches!(stop, Stop::Block(_)) {
                    return Err(stop);
                }
            }
        }
        // Nobody waits for errors (recv(2)).
        Err(Errno::EAGAIN) if flags & raw::MSG_ERRQUEUE != 0 => return Err(Errno::EAGAIN.into()),
        Err(Errno::EAGAIN) => {
            let stop = wait_with_flags(ctx, file, flags, timeout_ns);
            if *done == 0 || matches!(stop, Stop::Block(_)) {
                return Err(stop);
            }
        }
        Err(errno) if *done == 0 => return Err(errno.into()),
        Err(_) => {}
    }
    let Incoming { from, result_flags, files, sender, control, arrived_ns, .. } = incoming;
    Ok(Received { len: *done as u64, from, flags: result_flags, files, sender, control, arrived_ns })
}

/// Keeps in the progress of the call how far it is.
fn keep(ctx: &mut Ctx<'_>, done: usize, result: &core::result::Result<(), &Stop>) {
    if let Err(Stop::Block(_)) = result {
        ctx.progress().done = done as u64;
    }
}

pub(super) fn sys_sendto(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_memory(args[1], args[2])?;
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let ranges = UserRanges::one(ctx.memory(), args[1], args[2]);
    let to = match args[4] {
        0 => None,
        _ if args[5] as i32 == 0 && socket.common().kind.domain == raw::AF_UNIX => None,
        address => {
            let to = name::read(ctx, address, args[5])?;
            Some(find(ctx, socket, to, &ranges)?)
        }
    };
    let given = control::Given::by(sender(ctx));
    let done = ctx.progress().done as usize;
    send_kept(ctx, &file, Sending { ranges, to, given, flags: args[3] as u32, done })
}

/// What lies beyond a program's half of the addresses is refused before all else.
fn check_memory(address: u64, len: u64) -> Result<()> {
    if is_nameable(address, len.min(TRANSFER_MAX)) { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Refuses the flag that means another layout of structures, MSG_CMSG_COMPAT.
pub(super) fn check_layout(flags: u64) -> Result<()> {
    const CMSG_COMPAT: u32 = 0x8000_0000;
    if flags as u32 & CMSG_COMPAT == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Finds the socket that a name leads to. A unix socket that has a peer refuses every name by itself, and one of datagrams looks
/// at the message first.
fn find(ctx: &mut Ctx<'_>, socket: &dyn Protocol, to: Address, message: &UserRanges) -> Result<Address> {
    let common = socket.common();
    if common.kind.domain == raw::AF_UNIX && common.kind.kind != raw::SOCK_DGRAM {
        return Ok(to);
    }
    name::find(ctx, to).map_err(|errno| {
        if message.left() > common.options.longest_message() {
            Errno::EMSGSIZE
        } else if !message.is_readable() {
            Errno::EFAULT
        } else {
            errno
        }
    })
}

pub(super) fn sys_sendmsg(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_layout(args[2])?;
    let file = ctx.file(args[0])?;
    let done = ctx.progress().done as usize;
    let message = load(ctx, socket_of(&file)?, args[1], args[2] as u32, done)?;
    send_kept(ctx, &file, message)
}

fn send_kept(ctx: &mut Ctx<'_>, file: &OpenFile, mut message: Sending) -> SysResult {
    let result = send(ctx, file, &mut message);
    keep(ctx, message.done, &result.as_ref().map(|_| ()));
    result
}

/// The message that a `struct msghdr` at `address` describes.
pub(super) fn load(
    ctx: &mut Ctx<'_>,
    socket: &dyn Protocol,
    address: u64,
    flags: u32,
    done: usize,
) -> Result<Sending> {
    let header = MessageHeader::load(ctx, address)?;
    let to = header.destination(ctx)?;
    let ranges = header.ranges(ctx)?;
    let to = to.map(|to| find(ctx, socket, to, &ranges)).transpose()?;
    let given = control::read(ctx, socket, to.as_ref(), header.control, header.control_len)?;
    Ok(Sending { ranges, to, given, flags, done })
}

pub(super) fn sys_recvfrom(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_memory(args[1], args[2])?;
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let mut ranges = UserRanges::one(ctx.memory(), args[1], args[2]);
    let mut done = ctx.progress().done as usize;
    let result = receive(ctx, &file, &mut ranges, args[3] as u32, &mut done);
    keep(ctx, done, &result.as_ref().map(|_| ()));
    let received = result?;
    if args[4] != 0 {
        match received.from {
            Some(from) => name::write(ctx, args[4], args[5], &from, socket)?,
            None => ctx.memory().store(args[5], &0u32)?,
        }
    }
    Ok(received.len)
}

pub(super) fn sys_recvmsg(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_layout(args[2])?;
    let file = ctx.file(args[0])?;
    let mut done = ctx.progress().done as usize;
    let result = receive_header(ctx, &file, args[1], args[2] as u32, &mut done);
    keep(ctx, done, &result.as_ref().map(|_| ()));
    result
}

/// recvmsg(2) into a `struct msghdr` at `address`.
pub(super) fn receive_header(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    address: u64,
    flags: u32,
    done: &mut usize,
) -> SysResult {
    let socket = socket_of(file)?;
    let header = MessageHeader::load(ctx, address)?;
    let mut ranges = header.ranges(ctx)?;
    let received = receive(ctx, file, &mut ranges, flags, done)?;
    let len = received.len;
    put_ancillary(ctx, socket, address, &header, received, flags)?;
    Ok(len)
}

/// Whether a receiver is told who sent: only unix and netlink sockets are.
fn names_senders(common: &Common) -> bool {
    matches!(common.kind.domain, raw::AF_UNIX | raw::AF_NETLINK) && common.options.is_on(raw::SO_PASSCRED)
}

fn put_ancillary(
    ctx: &mut Ctx<'_>,
    socket: &dyn Protocol,
    address: u64,
    header: &MessageHeader,
    received: Received,
    flags: u32,
) -> Result<()> {
    let name_len = match (header.name, &received.from) {
        (0, _) => None,
        (_, None) => Some(0),
        (place, Some(from)) => Some(name::put(ctx, place, header.name_len as usize, from, socket)?),
    };
    let mut writer = control::Writer::new(header.control_len);
    let common = socket.common();
    if let (Some(arrived_ns), Some(stamp)) = (received.arrived_ns, common.options.stamp()) {
        writer.arrival(arrived_ns, stamp);
    }
    if let Some(sender) = received.sender.filter(|_| names_senders(common)) {
        writer.credentials(sender);
    }
    for item in &received.control {
        writer.put(item.level, item.kind, &item.data);
    }
    if !received.files.is_empty() {
        writer.files(ctx, received.files, flags & raw::MSG_CMSG_CLOEXEC != 0);
    }
    let (control_len, cut) = writer.finish(ctx, header.control)?;
    let cloexec = flags & raw::MSG_CMSG_CLOEXEC;
    MessageHeader::put_results(ctx, address, name_len, control_len, received.flags | cut | cloexec)
}
