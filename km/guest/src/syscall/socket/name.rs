//! Socket addresses in memory of the program, and paths of unix sockets.

use crate::errno::{Errno, Result};
use crate::fs::node::meta;
use crate::fs::ops;
use crate::fs::walk::Restrict;
use crate::kernel::Ctx;
use crate::net::address::{Address, LONGEST, UnixName};
use crate::net::socket::Protocol;
use crate::net::unix::Place;
use crate::syscall::at;

/// Reads an address argument.
pub(super) fn read(ctx: &mut Ctx<'_>, address: u64, len: u64) -> Result<Address> {
    let len = usize::try_from(len as i32).ok().filter(|len| *len <= LONGEST).ok_or(Errno::EINVAL)?;
    let mut bytes = [0; LONGEST];
    ctx.memory().read(address, &mut bytes[..len])?;
    Address::parse(&bytes[..len])
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
    if socket.local() != Address::Unix(UnixName::Unnamed) {
        return Err(Errno::EINVAL);
    }
    let umask = ctx.process().fs.borrow().umask;
    let walk = at::walk(ctx, at::AT_FDCWD as u64, &path, Restrict::NO_FOLLOW)?;
    let found = walk.find(&path)?;
    let mode = meta::S_IFSOCK | 0o777 & !umask;
    let node = ops::make_node(&walk, &found, mode, 0).map_err(|errno| match errno {
        Errno::EEXIST => Errno::EADDRINUSE,
        other => other,
    })?;
    Ok(Address::UnixAt { place: Place::of(&node), path })
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
    Ok(Address::UnixAt { place: Place::of(&node), path })
}
