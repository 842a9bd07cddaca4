//! The system calls of the first Kontain FAAS, by which a program asks for its call and answers it.
//!
//! The request is what comes on standard input, so a program that waits for it is seen to wait; the reply has a stream of
//! its own, so that standard output stays a log.

use super::row::Row;
use super::rw::read_once;
use super::waiting::wait_for;
use crate::errno::{Errno, Result};
use crate::fs::io::{Sink, Source};
use crate::kernel::{Args, Ctx};
use crate::mm::user::UserRanges;
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[
    Row::partial(
        503,
        "kontain_putdata",
        sys_kontain_putdata,
        "the first reply is the answer, later ones go nowhere",
    ),
    Row::full(504, "kontain_getdata", sys_kontain_getdata),
];

/// The buffer of a call, without what earlier runs of the call have used of it.
fn buffer(ctx: &mut Ctx<'_>, args: &Args) -> Result<UserRanges> {
    let mut ranges = UserRanges::one(ctx.memory(), args[0], args[1]);
    ranges.skip(usize::try_from(ctx.progress().done).map_err(|_| Errno::EINVAL)?);
    Ok(ranges)
}

/// Fills the buffer with the next bytes of the request; fewer at its end, none behind it.
fn sys_kontain_getdata(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.kernel.net.stdio().input.open();
    let mut ranges = buffer(ctx, args)?;
    while Sink::room(&ranges) > 0 {
        match read_once(ctx, &file, 0, &mut ranges) {
            Ok(0) => break,
            Ok(count) => ctx.progress().done += count as u64,
            Err(Errno::EAGAIN) => return Err(wait_for(ctx, &file, None)),
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(ctx.progress().done)
}

/// Answers the call with the buffer, all of it.
fn sys_kontain_putdata(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let reply = alloc::rc::Rc::clone(&ctx.kernel.net.stdio().reply);
    let file = reply.open();
    let mut ranges = buffer(ctx, args)?;
    while Source::left(&ranges) > 0 {
        match file.file.write(0, &mut ranges) {
            Ok(count) => ctx.progress().done += count as u64,
            Err(Errno::EAGAIN) => return Err(wait_for(ctx, &file, None)),
            Err(errno) => return Err(errno.into()),
        }
    }
    reply.finish();
    Ok(ctx.progress().done)
}
