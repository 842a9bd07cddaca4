//! getsockopt(2) and setsockopt(2).

use super::socket_of;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::net::options;
use crate::net::socket::Protocol;
use crate::wait::SysResult;
use linux_raw_sys::net::{AF_UNIX, SOL_SOCKET};

/// Longest value that is read.
const VALUE_MAX: usize = 4096;

/// Unix sockets have no options of their own, whatever is said of them.
fn check_level(socket: &dyn Protocol, level: u32) -> Result<()> {
    let has_none = level != SOL_SOCKET && socket.common().kind.domain == AF_UNIX;
    if has_none { Err(Errno::EOPNOTSUPP) } else { Ok(()) }
}

pub(super) fn sys_setsockopt(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let (level, name) = (args[1] as u32, args[2] as u32);
    let len = usize::try_from(args[4] as i32).map_err(|_| Errno::EINVAL)?.min(VALUE_MAX);
    check_level(socket, level)?;
    let mut value = [0; 64];
    let value = &mut value[..len.min(64)];
    ctx.memory().read(args[3], value)?;
    match level {
        SOL_SOCKET => {
            options::set(socket, name, value)?;
            socket.option_changed(name);
        }
        level => socket.set_option(level, name, value)?,
    }
    Ok(0)
}

pub(super) fn sys_getsockopt(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    let (level, name) = (args[1] as u32, args[2] as u32);
    check_level(socket, level)?;
    let memory = ctx.memory();
    let room: i32 = memory.load(args[4])?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = match level {
        SOL_SOCKET => options::get(socket, name)?,
        level => socket.option(level, name)?,
    };
    let len = value.len().min(room);
    memory.write(args[3], &value[..len])?;
    memory.store(args[4], &(len as u32))?;
    Ok(0)
}
