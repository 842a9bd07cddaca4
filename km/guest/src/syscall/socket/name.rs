//! Socket addresses in memory of the program, and paths of unix sockets.

use crate::errno::{Errno, Result};
use crate::fs::node::meta;
use crate::fs::ops;
use crate::fs::walk::Restrict;
use crate::kernel::Ctx;
use crate::net::address::{Address, LONGEST, UnixName};
use crate::net::socket::Protocol;
use crate::net::unix::SocketFile;
use crate::syscall::at;
use core::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use linux_raw_sys::net::AF_INET;

/// Reads an address argument.
pub(super) fn read(ctx: &mut Ctx<'_>, address: u64, len: u64) -> Result<Address> {
    let len = usize::try_from(len as i32).ok().filter(|len| *len <= LONGEST).ok_or(Errno::EINVAL)?;
    let mut bytes = [0; LONGEST];
    ctx.memory().read(address, &mut bytes[..len])?;
    Address::parse(&bytes[..len])
}

/// Reads the address that a socket is to have. An IPv4 socket takes the wildcard also with AF_UNSPEC, as programs of
/// old wrote it.
pub(super) fn read_own(ctx: &mut Ctx<'_>, socket: &dyn Protocol, address: u64, len: u64) -> Result<Address> {
    const WILDCARD_BYTES: i32 = 16;
    let parsed = read(ctx, address, len)?;
    if parsed != Address::Unspecified
        || socket.common().kind.domain != AF_INET
        || (len as i32) < WILDCARD_BYTES
    {
        return Ok(parsed);
    }
    let [_, _, port_high, port_low, ip @ ..] = ctx.memory().load::<[u8; 8]>(address)?;
    if ip != [0; 4] {
        return Err(Errno::EAFNOSUPPORT);
    }
    let port = u16::from_be_bytes([port_high, port_low]);
    Ok(Address::Ip(SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, port))))
}

/// Writes the address that `socket` shows to where the program wants it, cut to the length at `len_address`, and the
/// whole length there.
pub(super) fn write(
    ctx: &mut Ctx<'_>,
    address: u64,
    len_address: u64,
    value: &Address,
    socket: &dyn Protocol,
) -> Result<()> {
    let memory = ctx.memory();
    let room: i32 = memory.load(len_address)?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let len = put(ctx, address, room, value, socket)?;
    memory.store(len_address, &len)
}

/// Writes an address into `room` bytes and returns its whole length.
pub(super) fn put(
    ctx: &mut Ctx<'_>,
    address: u64,
    room: usize,
    value: &Address,
    socket: &dyn Protocol,
) -> Result<u32> {
    let encoded = value.encode(socket.common().kind.domain);
    let bytes = encoded.as_bytes();
    ctx.memory().write(address, &bytes[..bytes.len().min(room)])?;
    Ok(bytes.len() as u32)
}

/// Before bind(2): makes the file of a unix socket with a path.
pub(super) fn make(ctx: &mut Ctx<'_>, socket: &dyn Protocol, address: Address) -> Result<Address> {
    let Address::Unix(UnixName::Path(path)) = address else { return Ok(address) };
    let is_bound = socket.local() != Address::Unix(UnixName::Unnamed);
    let mode = at::new_mode(ctx, meta::S_IFSOCK | 0o777);
    let walk = at::walk(ctx, at::AT_FDCWD as u64, &path, Restrict::NO_FOLLOW)?;
    let found = walk.find(&path)?;
    if is_bound && found.node.is_none() {
        return Err(Errno::EINVAL);
    }
    let node = ops::make_node(&walk, &found, mode, 0).map_err(|errno| match errno {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })?;
    Ok(Address::UnixAt { place: SocketFile::of(&node), path })
}

/// Before connect(2) and send(2): finds the file of a unix socket with a path.
pub(super) fn find(ctx: &mut Ctx<'_>, address: Address) -> Result<Address> {
    let Address::Unix(UnixName::Path(path)) = address else { return Ok(address) };
    let walk = at::walk(ctx, at::AT_FDCWD as u64, &path, Restrict::empty())?;
    let node = walk.find(&path)?.node()?;
    meta::check(walk.who, &node.meta.get(), 2)?;
    if node.meta.get().kind() != meta::S_IFSOCK {
        return Err(Errno::ECONNREFUSED);
    }
    Ok(Address::UnixAt { place: SocketFile::of(&node), path })
}
