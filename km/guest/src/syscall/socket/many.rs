//! sendmmsg(2) and recvmmsg(2). Between runs of a call, `done` counts the messages and `stage` the bytes of the current one.

use super::{socket_of, transfer};
use crate::errno::Errno;
use crate::kernel::{Args, Ctx};
use crate::syscall::waiting;
use crate::wait::{Stop, SysResult};
use linux_raw_sys::net::MSG_DONTWAIT;

/// `sizeof(struct mmsghdr)`, from one message to the next.
const STRIDE: u64 = 64;
/// Offset of `msg_len` in it.
const LEN: u64 = 56;
/// Most messages of one call (UIO_MAXIOV).
const COUNT_MAX: u64 = 1024;
/// Wait for the first message only.
const MSG_WAITFORONE: u32 = 0x10000;

/// Calls `one` with the address of each structure and the bytes that are done of it, and counts. An error after the first
/// message ends the call without being reported.
fn each(
    ctx: &mut Ctx<'_>,
    args: &Args,
    mut one: impl FnMut(&mut Ctx<'_>, u64, u64, &mut usize) -> SysResult,
) -> SysResult {
    let count = u64::from(args[2] as u32).min(COUNT_MAX);
    while ctx.progress().done < count {
        let index = ctx.progress().done;
        let address = args[1].wrapping_add(index * STRIDE);
        let mut bytes = core::mem::take(&mut ctx.progress().stage) as usize;
        match one(ctx, address, index, &mut bytes) {
            Ok(len) => ctx.memory().store(address.wrapping_add(LEN), &(len as u32))?,
            Err(Stop::Errno(_)) if index > 0 => return Ok(index),
            Err(stop) => {
                ctx.progress().stage = bytes as u64;
                return Err(stop);
            }
        }
        ctx.progress().done += 1;
    }
    Ok(ctx.progress().done)
}

pub(super) fn sys_sendmmsg(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    transfer::check_layout(args[3])?;
    let file = ctx.file(args[0])?;
    let socket = socket_of(&file)?;
    each(ctx, args, |ctx, address, _, bytes| {
        let mut message = transfer::load(ctx, socket, address, args[3] as u32, *bytes)?;
        let result = transfer::send(ctx, &file, &mut message);
        *bytes = message.done;
        result
    })
}

/// The time-out is looked at between messages only, as in Linux (recvmmsg(2), BUGS).
pub(super) fn sys_recvmmsg(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    transfer::check_layout(args[3])?;
    let timeout_ns = waiting::timespec(ctx, args[4])?;
    let file = ctx.file(args[0])?;
    socket_of(&file)?;
    let started = ctx.progress().deadline_ns;
    let deadline_ns = waiting::deadline(ctx, timeout_ns).or(started);
    each(ctx, args, |ctx, address, index, bytes| {
        let is_late = index > 0 && waiting::is_over(timeout_ns, deadline_ns);
        if is_late {
            return Err(Errno::EAGAIN.into());
        }
        let mut flags = args[3] as u32;
        if index > 0 && flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        transfer::receive_header(ctx, &file, address, flags & !MSG_WAITFORONE, bytes)
    })
}
