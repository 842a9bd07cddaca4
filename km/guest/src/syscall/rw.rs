//! Reading and writing: read(2), write(2) and their relatives, lseek(2).

use super::row::Row;
use super::socket::sender;
use super::waiting::wait_for;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_APPEND, O_NOATIME, OpenFile, Ready};
use crate::fs::generated::GeneratedFile;
use crate::fs::inotify::{event, notify};
use crate::fs::io::{Limited, Sink, Source};
use crate::fs::node::Node;
use crate::fs::node::data::SIZE_MAX;
use crate::fs::pty::background;
use crate::fs::synthetic::View;
use crate::kernel::{Args, Ctx};
use crate::mm::user::{UserRanges, is_nameable};
use crate::net::message::Outgoing;
use crate::net::socket::Socket;
use crate::wait::{Stop, SysResult};
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(0, "read", sys_read),
    Row::full(1, "write", sys_write),
    Row::full(8, "lseek", sys_lseek),
    Row::full(17, "pread64", sys_pread64),
    Row::full(18, "pwrite64", sys_pwrite64),
    Row::full(19, "readv", sys_readv),
    Row::full(20, "writev", sys_writev),
    Row::full(295, "preadv", sys_preadv),
    Row::full(296, "pwritev", sys_pwritev),
    Row::partial(
        327,
        "preadv2",
        sys_preadv2,
        "RWF_HIPRI and the RWF_*SYNC flags change nothing: files are memory",
    ),
    Row::partial(
        328,
        "pwritev2",
        sys_pwritev2,
        "RWF_HIPRI and the RWF_*SYNC flags change nothing: files are memory",
    ),
];

/// Flags of preadv2(2) and pwritev2(2).
const RWF_NOWAIT: u64 = 0x08;
const RWF_APPEND: u64 = 0x10;
const RWF_ALL: u64 = 0x1f;

/// A transfer between an open file and memory of the program.
struct Transfer {
    file: Rc<OpenFile>,
    ranges: UserRanges,
    /// The one range that it has lies in a program's half of the addresses; for vectors that was looked at already.
    is_nameable: bool,
    /// `None`: at the file's own offset, which moves.
    position: Option<u64>,
    flags: u64,
}

fn one(ctx: &mut Ctx<'_>, args: &Args, position: Option<u64>) -> Result<Transfer> {
    let file = ctx.file(args[0])?;
    let ranges = UserRanges::one(ctx.memory(), args[1], args[2]);
    Ok(Transfer { file, ranges, is_nameable: is_nameable(args[1], args[2]), position, flags: 0 })
}

fn vector(ctx: &mut Ctx<'_>, args: &Args, position: Option<u64>, flags: u64) -> Result<Transfer> {
    let file = ctx.file(args[0])?;
    let ranges = UserRanges::vector(ctx.memory(), args[1], args[2])?;
    Ok(Transfer { file, ranges, is_nameable: true, position, flags })
}

/// An explicit position (pread(2)), which must not be negative.
fn position(value: u64) -> Result<Option<u64>> {
    if value > SIZE_MAX { Err(Errno::EINVAL) } else { Ok(Some(value)) }
}

/// The position of preadv2(2), of which -1 means the file's own offset.
fn position_or_own(value: u64) -> Result<Option<u64>> {
    if value == u64::MAX { Ok(None) } else { position(value) }
}

/// Checks that a file has positions if one is given. Linux looks at that before it asks for the access mode.
fn check_seekable(file: &OpenFile, position: Option<u64>) -> Result<()> {
    let is_wrong = position.is_some() && !file.file.seekable();
    if is_wrong { Err(Errno::ESPIPE) } else { Ok(()) }
}

/// What lies beyond a program's half of the addresses is refused before anything is moved, even where nothing would be.
fn check_memory(is_nameable: bool) -> Result<()> {
    if is_nameable { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Checks that a transfer from a given position on ends at one that there is.
fn check_position(position: Option<u64>, len: usize) -> Result<()> {
    let Some(start) = position else { return Ok(()) };
    if start.saturating_add(len as u64) > SIZE_MAX { Err(Errno::EINVAL) } else { Ok(()) }
}

fn read_with(ctx: &mut Ctx<'_>, transfer: Transfer) -> SysResult {
    let Transfer { file, mut ranges, is_nameable, position, flags } = transfer;
    check_seekable(&file, position)?;
    file.check_readable()?;
    check_memory(is_nameable)?;
    background::check_read(ctx, &*file.file)?;
    check_position(position, ranges.left())?;
    let offset = position.unwrap_or_else(|| file.offset.get());
    match read_once(ctx, &file, offset, &mut ranges) {
        Ok(count) => {
            if position.is_none() && file.file.seekable() {
                file.offset.set(offset.saturating_add(count as u64));
            }
            Ok(count as u64)
        }
        Err(Errno::EAGAIN) if flags & RWF_NOWAIT == 0 => Err(wait_for(ctx, &file, file.file.timeouts_ns().0)),
        Err(errno) => Err(errno.into()),
    }
}

/// Reads from an open file for the calling thread.
///
/// # Errors
/// As the file itself: see `read` of its kind.
pub(super) fn read_once(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    offset: u64,
    out: &mut dyn Sink,
) -> Result<usize> {
    file.file.prepare(View { kernel: &*ctx.kernel, tid: ctx.tid }, offset)?;
    let is_asked = out.room() > 0;
    let count = file.file.read(offset, out)?;
    if let Some(node) = file.file.node().filter(|_| is_asked) {
        note_access(file, node);
        if count > 0 {
            notify(node, event::ACCESS);
        }
    }
    Ok(count)
}

/// An open file's data was read: its time of access changes unless O_NOATIME says otherwise.
pub(super) fn note_access(file: &OpenFile, node: &Rc<Node>) {
    if !file.has(O_NOATIME) {
        node.accessed();
    }
}

/// A blocking write goes on until everything is written; what earlier runs wrote is in the progress.
fn write_with(ctx: &mut Ctx<'_>, transfer: Transfer) -> SysResult {
    let Transfer { file, mut ranges, is_nameable, position, flags } = transfer;
    check_seekable(&file, position)?;
    file.check_writable()?;
    check_memory(is_nameable)?;
    background::check_write(ctx, &*file.file)?;
    check_position(position, ranges.left())?;
    let done = ctx.progress().done;
    if done > 0 && has_error(&file) {
        // The next call gets the error; this one has written something.
        return Ok(done);
    }
    ranges.skip(done as usize);
    let append = file.has(O_APPEND) || flags & RWF_APPEND != 0;
    let offset = position.filter(|_| !append).unwrap_or_else(|| write_offset(&file, append));
    match write_once(ctx, &file, offset, &mut ranges) {
        Ok(count) => {
            if position.is_none() && file.file.seekable() {
                file.offset.set(offset.saturating_add(count as u64));
            }
            let total = done + count as u64;
            ctx.progress().done = total;
            // A short write although there is room is the object's own result (an eventfd, a datagram): do not wait.
            let goes_on = ranges.left() > 0 && count > 0 && !ranges.has_met_fault();
            let full = goes_on && !file.file.ready().contains(Ready::OUT);
            if !full || flags & RWF_NOWAIT != 0 {
                return Ok(total);
            }
            let stop = wait_for(ctx, &file, file.file.timeouts_ns().1);
            if matches!(stop, Stop::Block(_)) { Err(stop) } else { Ok(total) }
        }
        Err(Errno::EAGAIN) if flags & RWF_NOWAIT == 0 => {
            let stop = wait_for(ctx, &file, file.file.timeouts_ns().1);
            if done > 0 && !matches!(stop, Stop::Block(_)) { Ok(done) } else { Err(stop) }
        }
        Err(errno) => {
            // A pipe sends the signal after a part too, a socket does not.
            if errno == Errno::EPIPE && (done == 0 || socket(&file).is_none()) {
                super::hooks::broken_pipe(ctx);
            }
            if done > 0 { Ok(done) } else { Err(errno.into()) }
        }
    }
}

fn socket(file: &OpenFile) -> Option<&Socket> {
    file.file.as_any().downcast_ref()
}

/// Whether a socket has an error to report.
fn has_error(file: &OpenFile) -> bool {
    socket(file).is_some_and(|socket| socket.protocol.common().error.get().is_some())
}

/// Where a write without a position begins: at the file's own offset, or at its end.
pub(super) fn write_offset(file: &OpenFile, append: bool) -> u64 {
    let size = file.file.node().and_then(|node| node.data().map(crate::fs::node::data::Data::size));
    match size {
        Some(size) if append => size,
        _ => file.offset.get(),
    }
}

/// Writes to an open file for the calling thread.
///
/// # Errors
/// As the file itself: see `write` of its kind.
pub(super) fn write_once(
    ctx: &mut Ctx<'_>,
    file: &OpenFile,
    offset: u64,
    from: &mut dyn Source,
) -> Result<usize> {
    if file.file.node().is_some_and(|node| node.data().is_some()) && from.left() > 0 {
        let limit = super::hooks::size_limit(ctx);
        super::hooks::check_size(ctx, offset.saturating_add(u64::from(offset >= limit)))?;
        let limit = usize::try_from(limit - offset).unwrap_or(usize::MAX);
        return file.file.write(offset, &mut Limited { source: from, limit });
    }
    if let Some(socket) = socket(file) {
        let sender = sender(ctx);
        return socket.protocol.send(&mut Outgoing::plain(from, sender));
    }
    let Some(generated) = file.file.as_any().downcast_ref::<GeneratedFile>() else {
        return file.file.write(offset, from);
    };
    let mut text = alloc::vec![0; from.left().min(4096)];
    let count = from.take(&mut text)?;
    generated.store(ctx.kernel, ctx.tid, &text[..count])?;
    Ok(count)
}

fn sys_read(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = one(ctx, args, None)?;
    read_with(ctx, transfer)
}

fn sys_write(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = one(ctx, args, None)?;
    write_with(ctx, transfer)
}

fn sys_pread64(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = one(ctx, args, position(args[3])?)?;
    read_with(ctx, transfer)
}

fn sys_pwrite64(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = one(ctx, args, position(args[3])?)?;
    write_with(ctx, transfer)
}

fn sys_readv(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, None, 0)?;
    read_with(ctx, transfer)
}

fn sys_writev(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, None, 0)?;
    write_with(ctx, transfer)
}

fn sys_preadv(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, position(args[3])?, 0)?;
    read_with(ctx, transfer)
}

fn sys_pwritev(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, position(args[3])?, 0)?;
    write_with(ctx, transfer)
}

fn check_flags(flags: u64) -> Result<u64> {
    if flags & !RWF_ALL != 0 { Err(Errno::EOPNOTSUPP) } else { Ok(flags) }
}

fn sys_preadv2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, position_or_own(args[3])?, check_flags(args[5])?)?;
    read_with(ctx, transfer)
}

fn sys_pwritev2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let transfer = vector(ctx, args, position_or_own(args[3])?, check_flags(args[5])?)?;
    write_with(ctx, transfer)
}

/// lseek(2). A directory's offset is the cookie of getdents64(2).
fn sys_lseek(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    if file.file.stays_at_start() {
        return Ok(0);
    }
    if !file.file.seekable() {
        return Err(Errno::ESPIPE.into());
    }
    let target = seek_target(&file, args[1].cast_signed(), args[2] as u32)?;
    file.offset.set(target);
    Ok(target)
}

fn seek_target(file: &OpenFile, offset: i64, whence: u32) -> Result<u64> {
    let data = file.file.node().and_then(|node| node.data());
    let size = data.map_or(0, crate::fs::node::data::Data::size);
    let base = match whence {
        0 => 0,
        1 => file.offset.get(),
        2 => size,
        3 | 4 => {
            let data = data.ok_or(Errno::EINVAL)?;
            let start = u64::try_from(offset).ok().filter(|&start| start < size).ok_or(Errno::ENXIO)?;
            let hole = whence == 4;
            return if hole { Ok(data.next_hole(start)) } else { data.next_data(start).ok_or(Errno::ENXIO) };
        }
        _ => return Err(Errno::EINVAL),
    };
    let target = base.checked_add_signed(offset).filter(|&target| target <= SIZE_MAX);
    target.ok_or(Errno::EINVAL)
}
