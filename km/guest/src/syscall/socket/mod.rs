//! Sockets: making, naming and connecting them. [`transfer`] moves messages, [`control`] is their ancillary data, [`option`]
//! getsockopt(2) and setsockopt(2), [`name`] addresses in memory of the program.

mod control;
mod header;
mod many;
mod name;
mod option;
mod transfer;

use super::row::Row;
use super::waiting::wait_for;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_NONBLOCK, O_RDWR, OpenFile};
use crate::kernel::{Args, Ctx};
use crate::net::address::Address;
use crate::net::message::Peer;
use crate::net::socket::{Halves, Protocol, Socket, SocketKind};
use crate::wait::SysResult;
use alloc::rc::Rc;
use linux_raw_sys::net as raw;

pub const ROWS: &[Row] = &[
    Row::partial(
        41,
        "socket",
        sys_socket,
        "AF_INET, AF_INET6, AF_UNIX and AF_NETLINK (route) without raw sockets",
    ),
    Row::partial(42, "connect", sys_connect, "beyond loopback everything is ENETUNREACH"),
    Row::full(43, "accept", sys_accept),
    Row::partial(44, "sendto", transfer::sys_sendto, "no MSG_FASTOPEN"),
    Row::partial(45, "recvfrom", transfer::sys_recvfrom, "the error queue of TCP is always empty"),
    Row::partial(
        46,
        "sendmsg",
        transfer::sys_sendmsg,
        "ancillary data: SCM_RIGHTS, SCM_CREDENTIALS, hop limit, traffic class, source address",
    ),
    Row::partial(
        47,
        "recvmsg",
        transfer::sys_recvmsg,
        "ancillary data: SCM_RIGHTS, SCM_CREDENTIALS, what IP headers say, errors, times of arrival",
    ),
    Row::full(48, "shutdown", sys_shutdown),
    Row::partial(49, "bind", sys_bind, "loopback and wildcard addresses"),
    Row::full(50, "listen", sys_listen),
    Row::full(51, "getsockname", sys_getsockname),
    Row::full(52, "getpeername", sys_getpeername),
    Row::full(53, "socketpair", sys_socketpair),
    Row::partial(
        54,
        "setsockopt",
        option::sys_setsockopt,
        "options of real networks are kept without effect",
    ),
    Row::partial(
        55,
        "getsockopt",
        option::sys_getsockopt,
        "options of real networks are kept without effect",
    ),
    Row::full(288, "accept4", sys_accept4),
    Row::partial(299, "recvmmsg", many::sys_recvmmsg, "as recvmsg"),
    Row::partial(307, "sendmmsg", many::sys_sendmmsg, "as sendmsg"),
];

/// SOCK_NONBLOCK in the type argument of socket(2).
const NONBLOCK: u32 = O_NONBLOCK;
/// SOCK_CLOEXEC in the type argument of socket(2).
const CLOEXEC: u32 = 0o2_000_000;

/// The socket behind an open file.
fn socket_of(file: &OpenFile) -> Result<&dyn Protocol> {
    let socket: Option<&Socket> = file.file.as_any().downcast_ref();
    socket.map(|socket| &*socket.protocol).ok_or(Errno::ENOTSOCK)
}

/// Who calls, with its effective user and group.
fn caller(ctx: &mut Ctx<'_>) -> Peer {
    let process = ctx.process();
    Peer { pid: process.pid, uid: process.credentials.uid, gid: process.credentials.gid }
}

/// Who sends a message, as SCM_CREDENTIALS says it: with the real user and group.
pub(super) fn sender(ctx: &mut Ctx<'_>) -> Peer {
    let process = ctx.process();
    Peer { pid: process.pid, uid: process.credentials.real_uid, gid: process.credentials.real_gid }
}

/// Makes an open file for a socket.
fn open(protocol: Rc<dyn Protocol>, flags: u32) -> Rc<OpenFile> {
    OpenFile::new(Socket::file(protocol), O_RDWR | flags & NONBLOCK)
}

fn install(ctx: &mut Ctx<'_>, file: Rc<OpenFile>, flags: u32) -> Result<u64> {
    ctx.files().borrow_mut().insert(file, flags & CLOEXEC != 0, 0)
}

/// Domain, type and flags from the arguments of socket(2).
fn kind(args: &Args) -> Result<(SocketKind, u32)> {
    let (kind, flags) = (args[1] as u32 & 0xf, args[1] as u32 & !0xf);
    if flags & !(NONBLOCK | CLOEXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    Ok((SocketKind { domain: args[0] as u32, kind, protocol: args[2] as u32 }, flags))
}

fn sys_socket(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (kind, flags) = kind(args)?;
    let owner = caller(ctx);
    let protocol = ctx.kernel.net.socket(kind, owner)?;
    Ok(install(ctx, open(protocol, flags), flags)?)
}

fn sys_socketpair(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (kind, flags) = kind(args)?;
    let owner = caller(ctx);
    // Linux stores the numbers before it makes the sockets.
    let is_bad = !ctx.memory().is_writable(args[3], 8);
    let pair = ctx.kernel.net.socket_pair(kind, owner);
    let (first, second) = pair.map_err(|errno| if is_bad { Errno::EFAULT } else { errno })?;
    let (first, second) = (open(first, flags), open(second, flags));
    let first = install(ctx, first, flags)?;
    let second = install(ctx, second, flags).inspect_err(|_| drop(ctx.files().borrow_mut().remove(first)))?;
    if let Err(errno) = ctx.memory().store(args[3], &[first as u32, second as u32]) {
        for fd in [first, second] {
            drop(ctx.files().borrow_mut().remove(fd));
        }
        return Err(errno.into());
    }
    Ok(0)
}

fn sys_bind(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let address = name::read_own(ctx, socket, args[1], args[2])?;
    let address = name::make(ctx, socket, address)?;
    let caller = caller(ctx);
    socket.bind(caller, &address)?;
    Ok(0)
}

fn sys_listen(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let caller = caller(ctx);
    // A negative backlog is a large one, as in Linux.
    socket_of(&file)?.listen(caller, args[1] as u32 as usize)?;
    Ok(0)
}

fn sys_accept(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    accept_with(ctx, args, 0)
}

fn sys_accept4(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    accept_with(ctx, args, args[3] as u32)
}

fn accept_with(ctx: &mut Ctx<'_>, args: &Args, flags: u32) -> SysResult {
    let file = ctx.file(args[0])?;
    if flags & !(NONBLOCK | CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let listener = socket_of(&file)?;
    // Check for a free descriptor first: without one the connection must stay in the queue.
    if ctx.files().borrow().is_full() {
        return Err(Errno::EMFILE.into());
    }
    let accepted = match listener.accept() {
        Err(Errno::EAGAIN) => return Err(wait_for(ctx, &file, file.file.timeouts_ns().0)),
        result => result?,
    };
    let peer = accepted.peer().unwrap_or(Address::Unspecified);
    let accepted = open(accepted, flags);
    if args[1] != 0 {
        name::write(ctx, args[1], args[2], &peer, listener)?;
    }
    Ok(install(ctx, accepted, flags)?)
}

/// The first call says EINPROGRESS and the next ones what came of it ([`Protocol::connect`]).
fn sys_connect(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let address = match name::read(ctx, args[1], args[2]) {
        // A connected stream gives EISCONN before its argument is looked at.
        Err(Errno::EINVAL) if args[2] as i32 >= 2 && is_connected_stream(socket) => Err(Errno::EISCONN),
        address => address,
    }?;
    let address = name::find(ctx, address)?;
    let caller = caller(ctx);
    let waits = !file.has(O_NONBLOCK);
    let mut result = socket.connect(caller, &address);
    if waits && result == Err(Errno::EINPROGRESS) {
        result = socket.connect(caller, &address);
    }
    match result {
        Err(Errno::EALREADY | Errno::EAGAIN) if waits => Err(wait_for(ctx, &file, file.file.timeouts_ns().1)),
        result => Ok(result.map(|()| 0)?),
    }
}

fn is_connected_stream(socket: &dyn Protocol) -> bool {
    let kind = socket.common().kind;
    kind.kind == raw::SOCK_STREAM && kind.domain != raw::AF_UNIX && socket.peer().is_ok()
}

fn sys_shutdown(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let halves = match args[1] as u32 {
        raw::SHUT_RD => Halves::READ,
        raw::SHUT_WR => Halves::WRITE,
        raw::SHUT_RDWR => Halves::all(),
        _ => return Err(Errno::EINVAL.into()),
    };
    socket.shutdown(halves)?;
    Ok(0)
}

fn sys_getsockname(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    name::write(ctx, args[1], args[2], &socket.local(), socket)?;
    Ok(0)
}

fn sys_getpeername(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let peer = socket.peer()?;
    name::write(ctx, args[1], args[2], &peer, socket)?;
    Ok(0)
}
