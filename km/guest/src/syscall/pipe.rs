//! Pipes and what moves bytes between open files without the program: pipe(2), splice(2), tee(2), sendfile(2),
//! copy_file_range(2).

use super::open::install;
use super::row::Row;
use super::rw::{read_once, write_once};
use super::waiting::wait_for;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_APPEND, O_NONBLOCK, OpenFile};
use crate::fs::io::{Collect, Source};
use crate::fs::node::data::SIZE_MAX;
use crate::fs::open::{O_CLOEXEC, O_DIRECT};
use crate::fs::pipe::{Pipe, PipeEnd, duplicate};
use crate::kernel::{Args, Ctx};
use crate::mm::user::UserRanges;
use crate::wait::{Stop, SysResult, Wait};
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(22, "pipe", sys_pipe),
    Row::full(40, "sendfile", sys_sendfile),
    Row::full(275, "splice", sys_splice),
    Row::full(276, "tee", sys_tee),
    Row::partial(278, "vmsplice", sys_vmsplice, "bytes are copied: later changes of the pages are not seen"),
    Row::full(293, "pipe2", sys_pipe2),
    Row::full(326, "copy_file_range", sys_copy_file_range),
];

/// Bytes that one step moves through the library OS.
const CHUNK: usize = 64 << 10;
/// Bytes that one call moves at most (sendfile(2)).
const TRANSFER_MAX: u64 = 0x7fff_f000;

fn sys_pipe(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_pipe2(ctx, &[args[0], 0, 0, 0, 0, 0])
}

fn sys_pipe2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[1] as u32;
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pipe = Pipe::new(ctx.kernel.vfs.nameless.new_ino());
    // Packets are made by who writes: only that end has O_DIRECT.
    let reader = OpenFile::new(PipeEnd::open(&pipe, None, 0, false), flags & O_NONBLOCK);
    let writer_flags = flags & (O_NONBLOCK | O_DIRECT) | 1;
    let writer = OpenFile::new(PipeEnd::open(&pipe, None, 1, flags & O_DIRECT != 0), writer_flags);
    let read_fd = install(ctx, reader, flags & O_CLOEXEC != 0)?;
    let result = install(ctx, writer, flags & O_CLOEXEC != 0).and_then(|write_fd| {
        ctx.memory().store(args[0], &[read_fd as u32, write_fd as u32]).map_err(|errno| {
            drop(ctx.files().borrow_mut().remove(write_fd));
            Stop::Errno(errno)
        })
    });
    if let Err(stop) = result {
        drop(ctx.files().borrow_mut().remove(read_fd));
        return Err(stop);
    }
    Ok(0)
}

/// One side of a move: an open file, and the address of an explicit position.
struct MoveEnd {
    file: Rc<OpenFile>,
    pointer: u64,
    start: u64,
}

impl MoveEnd {
    fn new(ctx: &mut Ctx<'_>, fd: u64, pointer: u64) -> Result<Self> {
        let file = ctx.file(fd)?;
        if pointer != 0 && !file.file.seekable() {
            return Err(Errno::ESPIPE);
        }
        let start = if pointer == 0 { file.offset.get() } else { ctx.memory().load(pointer)? };
        if start > SIZE_MAX { Err(Errno::EINVAL) } else { Ok(Self { file, pointer, start }) }
    }

    /// Notes that `count` bytes were moved.
    fn advance(&self, ctx: &mut Ctx<'_>, count: u64) -> Result<()> {
        let end = self.start.saturating_add(count);
        if self.pointer != 0 {
            return ctx.memory().store(self.pointer, &end);
        }
        if self.file.file.seekable() {
            self.file.offset.set(end);
        }
        Ok(())
    }
}

/// Moves up to `len` bytes; stops early when either side would wait and something was moved.
fn transfer(ctx: &mut Ctx<'_>, from: &MoveEnd, to: &MoveEnd, len: u64, nonblock: bool) -> SysResult {
    from.file.check_readable()?;
    to.file.check_writable()?;
    let len = len.min(TRANSFER_MAX);
    let mut done = 0;
    let mut stop = None;
    while done < len && stop.is_none() {
        match step(ctx, from, to, done, (len - done).min(CHUNK as u64) as usize) {
            Ok(0) => break,
            Ok(count) => done += count as u64,
            Err(reason) => stop = Some(reason),
        }
    }
    if done == 0
        && let Some((errno, waits_for)) = stop
    {
        if errno == Errno::EPIPE {
            super::hooks::broken_pipe(ctx);
        }
        if errno != Errno::EAGAIN || nonblock {
            return Err(errno.into());
        }
        return Err(wait_for(ctx, waits_for, None));
    }
    from.advance(ctx, done)?;
    to.advance(ctx, done)?;
    Ok(done)
}

/// Moves one chunk. Bytes that were read but could not be written go back to the source.
fn step<'a>(
    ctx: &mut Ctx<'_>,
    from: &'a MoveEnd,
    to: &'a MoveEnd,
    done: u64,
    limit: usize,
) -> core::result::Result<usize, (Errno, &'a OpenFile)> {
    let room = to.file.file.ready().contains(crate::fs::file::Ready::OUT);
    if !room && !to.file.file.ready().contains(crate::fs::file::Ready::ERR) {
        return Err((Errno::EAGAIN, &to.file));
    }
    let mut collect = Collect { bytes: alloc::vec::Vec::new(), limit };
    let read = read_once(ctx, &from.file, from.start + done, &mut collect);
    read.map_err(|errno| (errno, &*from.file))?;
    let mut source = collect.bytes.as_slice();
    let written =
        if source.is_empty() { Ok(0) } else { write_once(ctx, &to.file, to.start + done, &mut source) };
    let count = *written.as_ref().unwrap_or(&0);
    if let Some(end) = from.file.file.as_any().downcast_ref::<PipeEnd>() {
        crate::fs::pipe::put_back(end, &collect.bytes[count..]);
    }
    written.map_err(|errno| (errno, &*to.file))
}

fn sys_sendfile(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let from = MoveEnd::new(ctx, args[1], args[2])?;
    let to = MoveEnd::new(ctx, args[0], 0)?;
    if from.file.file.node().is_none_or(|node| node.meta.get().is_dir()) || !from.file.file.seekable() {
        return Err(Errno::EINVAL.into());
    }
    if to.file.has(O_APPEND) || args[3] > SIZE_MAX {
        return Err(Errno::EINVAL.into());
    }
    transfer(ctx, &from, &to, args[3], to.file.has(O_NONBLOCK))
}

const SPLICE_F_NONBLOCK: u64 = 2;
const SPLICE_FLAGS: u64 = 0xf;

fn pipe_end(file: &OpenFile) -> Option<&PipeEnd> {
    file.file.as_any().downcast_ref::<PipeEnd>()
}

fn sys_splice(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (len, flags) = (args[4], args[5]);
    if flags & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let from = MoveEnd::new(ctx, args[0], args[1])?;
    let to = MoveEnd::new(ctx, args[2], args[3])?;
    match (pipe_end(&from.file), pipe_end(&to.file)) {
        (None, None) => return Err(Errno::EINVAL.into()),
        (Some(one), Some(other)) if Rc::ptr_eq(one.pipe(), other.pipe()) => return Err(Errno::EINVAL.into()),
        (_, None) if to.file.has(O_APPEND) => return Err(Errno::EINVAL.into()),
        _ => {}
    }
    // Moves what is in the pipe and does not wait for more.
    let available = pipe_end(&from.file).map(|end| end.pipe().len()).filter(|&len| len > 0);
    let len = available.map_or(len, |available| len.min(available as u64));
    let len = pipe_end(&to.file).map_or(len, |end| len.min(end.pipe().capacity() as u64));
    transfer(ctx, &from, &to, len, flags & SPLICE_F_NONBLOCK != 0)
}

fn sys_tee(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (from, to) = (ctx.file(args[0])?, ctx.file(args[1])?);
    let (Some(one), Some(other)) = (pipe_end(&from), pipe_end(&to)) else { return Err(Errno::EINVAL.into()) };
    if args[3] & !SPLICE_FLAGS != 0 || Rc::ptr_eq(one.pipe(), other.pipe()) {
        return Err(Errno::EINVAL.into());
    }
    from.check_readable()?;
    to.check_writable()?;
    match duplicate(one, other, args[2].min(TRANSFER_MAX) as usize) {
        Ok(count) => Ok(count as u64),
        Err(Errno::EAGAIN) if args[3] & SPLICE_F_NONBLOCK == 0 => {
            let queue = if one.pipe().is_empty() { one.pipe().queue() } else { other.pipe().queue() };
            Err(Stop::Block(Wait::on(queue)))
        }
        Err(errno) => {
            if errno == Errno::EPIPE {
                super::hooks::broken_pipe(ctx);
            }
            Err(errno.into())
        }
    }
}

fn sys_vmsplice(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    if pipe_end(&file).is_none() {
        return Err(Errno::EBADF.into());
    }
    if args[3] & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut ranges = UserRanges::vector(ctx.memory(), args[1], args[2])?;
    if ranges.left() == 0 {
        return Ok(0);
    }
    let result = if file.check_writable().is_ok() {
        file.file.write(0, &mut ranges)
    } else {
        file.file.read(0, &mut ranges)
    };
    match result {
        Err(Errno::EAGAIN) if args[3] & SPLICE_F_NONBLOCK == 0 => Err(wait_for(ctx, &file, None)),
        result => Ok(result? as u64),
    }
}

fn sys_copy_file_range(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[5] != 0 {
        return Err(Errno::EINVAL.into());
    }
    let from = MoveEnd::new(ctx, args[0], args[1])?;
    let to = MoveEnd::new(ctx, args[2], args[3])?;
    let (Some(one), Some(other)) = (from.file.file.node(), to.file.file.node()) else {
        return Err(Errno::EINVAL.into());
    };
    if one.meta.get().is_dir() || other.meta.get().is_dir() {
        return Err(Errno::EISDIR.into());
    }
    if one.data().is_none() || other.data().is_none() {
        return Err(Errno::EINVAL.into());
    }
    if to.file.has(O_APPEND) {
        return Err(Errno::EBADF.into());
    }
    let (start, end) = (from.start.max(to.start), from.start.min(to.start).saturating_add(args[4]));
    if Rc::ptr_eq(one, other) && start < end {
        return Err(Errno::EINVAL.into());
    }
    transfer(ctx, &from, &to, args[4], true)
}
