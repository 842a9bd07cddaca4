//! ioctl(2): what every open file has, then what its kind has.

use super::row::Row;
use crate::fs::file::{O_ASYNC, O_NONBLOCK};
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[Row::partial(
    16,
    "ioctl",
    sys_ioctl,
    "the requests of files, terminals and sockets that servers use; others ENOTTY",
)];

const FIONREAD: u32 = 0x541b;
const FIONBIO: u32 = 0x5421;
const FIONCLEX: u32 = 0x5450;
const FIOCLEX: u32 = 0x5451;
const FIOASYNC: u32 = 0x5452;

fn sys_ioctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    match args[1] as u32 {
        FIOCLEX | FIONCLEX => {
            ctx.files().borrow_mut().set_close_on_exec(args[0], args[1] as u32 == FIOCLEX);
            Ok(0)
        }
        FIONBIO => {
            let on: i32 = ctx.memory().load(args[2])?;
            let flags = file.flags.get() & !O_NONBLOCK;
            file.flags.set(if on != 0 { flags | O_NONBLOCK } else { flags });
            Ok(0)
        }
        FIOASYNC => {
            let on = ctx.memory().load::<i32>(args[2])? != 0;
            let flags = file.flags.get() & !O_ASYNC;
            file.flags.set(if on { flags | O_ASYNC } else { flags });
            ctx.kernel.async_files.set(&file, args[0], on);
            Ok(0)
        }
        FIONREAD if file.file.readable_bytes().is_some() => {
            let left = file.file.readable_bytes().unwrap_or(0);
            let offset = if file.file.seekable() { file.offset.get() } else { 0 };
            let bytes = left.saturating_sub(offset).min(i32::MAX as u64);
            ctx.memory().store(args[2], &(bytes as u32))?;
            Ok(0)
        }
        request => file.file.ioctl(ctx, request, args[2]),
    }
}
