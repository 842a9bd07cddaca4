//! Pipes and what moves bytes between open files without the program: pipe(2), splice(2), tee(2), sendfile(2),
//! copy_file_range(2).

use super::open::install;
use super::row::Row;
use super::rw::{read_once, write_once};
use super::waiting::wait_for;
use crate::errno::{Errno, Result};
use crate::fs::attributes::Attributes;
use crate::fs::file::{O_APPEND, O_NONBLOCK, OpenFile, Ready};
use crate::fs::io::{Collect, Source};
use crate::fs::node::data::SIZE_MAX;
use crate::fs::node::meta::{S_IFDIR, S_IFREG};
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
    let attributes = Attributes::by(&ctx.process().credentials);
    let pipe = Pipe::new(ctx.kernel.vfs.nameless.new_ino(), attributes);
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
    /// An open file at its own offset, or at the position that `pointer` leads to.
    fn new(ctx: &mut Ctx<'_>, file: Rc<OpenFile>, pointer: u64) -> Result<Self> {
        let start = if pointer == 0 { file.offset.get() } else { ctx.memory().load(pointer)? };
        Ok(Self { file, pointer, start })
    }

    /// Whether it has a position if one is given.
    fn has_position(&self) -> bool {
        self.pointer == 0 || self.file.file.seekable()
    }

    /// Checks that `len` bytes from its position on can be named.
    fn check_range(&self, len: u64) -> Result<()> {
        let is_wrong = self.start > SIZE_MAX || len > SIZE_MAX || self.start + len > SIZE_MAX;
        if self.file.file.seekable() && is_wrong { Err(Errno::EINVAL) } else { Ok(()) }
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
    let ready = to.file.file.ready();
    let has_room = ready.intersects(Ready::OUT | Ready::ERR);
    if !has_room {
        // At its end there is nothing to wait for.
        return if is_at_end(&from.file, from.start + done) {
            Ok(0)
        } else {
            Err((Errno::EAGAIN, &*to.file))
        };
    }
    // What a socket or a terminal gave cannot be put back: take no more than there is room for.
    let limit = pipe_end(&to.file).map_or(limit, |end| limit.min(end.pipe().room()));
    let mut collect = Collect { bytes: alloc::vec::Vec::new(), limit };
    let read = read_once(ctx, &from.file, from.start + done, &mut collect);
    read.map_err(|errno| (errno, &*from.file))?;
    let mut source = collect.bytes.as_slice();
    let written = match source {
        [] => Ok(0),
        _ => write_once(ctx, &to.file, to.start + done, &mut source),
    };
    let count = *written.as_ref().unwrap_or(&0);
    if let Some(end) = from.file.file.as_any().downcast_ref::<PipeEnd>() {
        crate::fs::pipe::put_back(end, &collect.bytes[count..]);
    }
    written.map_err(|errno| (errno, &*to.file))
}

/// Whether nothing follows position `at` of a file, or an empty pipe has no writer.
fn is_at_end(file: &OpenFile, at: u64) -> bool {
    match (file.file.node().and_then(|node| node.data()), pipe_end(file)) {
        (Some(data), _) => data.size() <= at,
        (_, Some(end)) => end.pipe().is_empty() && end.pipe().ends().1 == 0,
        _ => false,
    }
}

/// Whether bytes can be moved to or from a file without the program: event files take none.
fn moves(file: &OpenFile) -> bool {
    file.file.node().is_some_and(|node| !node.meta.get().is_dir())
        || !file.file.label().starts_with(b"anon_inode:")
}

fn sys_sendfile(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [out, source, pointer, len, ..] = *args;
    if pointer != 0 {
        ctx.memory().load::<u64>(pointer)?;
    }
    let source = ctx.file(source)?;
    source.check_readable()?;
    let from = MoveEnd::new(ctx, source, pointer)?;
    if !from.has_position() {
        return Err(Errno::ESPIPE.into());
    }
    if from.start > SIZE_MAX || len > SIZE_MAX {
        return Err(Errno::EINVAL.into());
    }
    let out = ctx.file(out)?;
    out.check_writable()?;
    let to = MoveEnd::new(ctx, out, 0)?;
    if from.file.file.node().is_none_or(|node| node.meta.get().is_dir()) || !from.file.file.seekable() {
        return Err(Errno::EINVAL.into());
    }
    if to.file.has(O_APPEND) {
        return Err(Errno::EINVAL.into());
    }
    if !moves(&to.file) && !is_at_end(&from.file, from.start) {
        return Err(Errno::EINVAL.into());
    }
    transfer(ctx, &from, &to, len, to.file.has(O_NONBLOCK))
}

const SPLICE_F_NONBLOCK: u64 = 2;
const SPLICE_FLAGS: u64 = 0xf;
/// The argument is an `unsigned int`.
const SPLICE_ALL_BITS: u64 = 0xffff_ffff;

fn pipe_end(file: &OpenFile) -> Option<&PipeEnd> {
    file.file.as_any().downcast_ref::<PipeEnd>()
}

fn sys_splice(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [from, from_pointer, to, to_pointer, len, flags] = *args;
    if len == 0 {
        return Ok(0);
    }
    if flags & SPLICE_ALL_BITS & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let (from, to) = (ctx.file(from)?, ctx.file(to)?);
    let (from_pipe, to_pipe) = (pipe_end(&from).is_some(), pipe_end(&to).is_some());
    if from_pipe && from_pointer != 0 || to_pipe && to_pointer != 0 {
        return Err(Errno::ESPIPE.into());
    }
    let to = MoveEnd::new(ctx, to, to_pointer)?;
    let from = MoveEnd::new(ctx, from, from_pointer)?;
    from.file.check_readable()?;
    to.file.check_writable()?;
    match (pipe_end(&from.file), pipe_end(&to.file)) {
        (None, None) => return Err(Errno::EINVAL.into()),
        (Some(one), Some(other)) if Rc::ptr_eq(one.pipe(), other.pipe()) => return Err(Errno::EINVAL.into()),
        (_, None) if to.file.has(O_APPEND) || !to.has_position() || !moves(&to.file) => {
            return Err(Errno::EINVAL.into());
        }
        (None, _) if !from.has_position() || !moves(&from.file) => return Err(Errno::EINVAL.into()),
        _ => {}
    }
    from.check_range(len)?;
    to.check_range(len)?;
    // Moves what is in the pipe and does not wait for more.
    let available = pipe_end(&from.file).map(|end| end.pipe().len()).filter(|&len| len > 0);
    let len = available.map_or(len, |available| len.min(available as u64));
    let len = pipe_end(&to.file).map_or(len, |end| len.min(end.pipe().capacity() as u64));
    transfer(ctx, &from, &to, len, flags & SPLICE_F_NONBLOCK != 0)
}

fn sys_tee(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [from, to, len, flags, ..] = *args;
    if flags & SPLICE_ALL_BITS & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    if len == 0 {
        return Ok(0);
    }
    let (from, to) = (ctx.file(from)?, ctx.file(to)?);
    from.check_readable()?;
    to.check_writable()?;
    let (Some(one), Some(other)) = (pipe_end(&from), pipe_end(&to)) else { return Err(Errno::EINVAL.into()) };
    if Rc::ptr_eq(one.pipe(), other.pipe()) {
        return Err(Errno::EINVAL.into());
    }
    match duplicate(one, other, len.min(TRANSFER_MAX) as usize) {
        Ok(count) => Ok(count as u64),
        Err(Errno::EAGAIN) if flags & SPLICE_F_NONBLOCK == 0 => {
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
    if args[3] & SPLICE_ALL_BITS & !SPLICE_FLAGS != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = ctx.file(args[0])?;
    if pipe_end(&file).is_none() {
        return Err(Errno::EBADF.into());
    }
    let mut ranges = UserRanges::vector(ctx.memory(), args[1], args[2])?;
    if ranges.left() == 0 {
        return Ok(0);
    }
    let result = if file.check_writable().is_ok() {
        // As far as the memory is there: pages are taken one after another, and a part of one as well.
        let room = pipe_end(&file).map_or(0, |end| end.pipe().room()).max(1);
        let mut bytes = alloc::vec![0; ranges.left().min(room)];
        let count = ranges.take(&mut bytes)?;
        file.file.write(0, &mut &bytes[..count])
    } else {
        file.file.read(0, &mut ranges)
    };
    match result {
        Err(Errno::EAGAIN) if args[3] & SPLICE_F_NONBLOCK == 0 => Err(wait_for(ctx, &file, None)),
        result => Ok(result? as u64),
    }
}

fn sys_copy_file_range(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [from, from_pointer, to, to_pointer, len, flags] = *args;
    let (from, to) = (ctx.file(from)?, ctx.file(to)?);
    let from = MoveEnd::new(ctx, from, from_pointer)?;
    let to = MoveEnd::new(ctx, to, to_pointer)?;
    if flags & 0xffff_ffff != 0 {
        return Err(Errno::EINVAL.into());
    }
    let kind = |end: &MoveEnd| end.file.file.node().map_or(0, |node| node.meta.get().kind());
    if [kind(&from), kind(&to)].contains(&S_IFDIR) {
        return Err(Errno::EISDIR.into());
    }
    if [kind(&from), kind(&to)] != [S_IFREG; 2] {
        return Err(Errno::EINVAL.into());
    }
    from.file.check_readable()?;
    to.file.check_writable()?;
    if to.file.has(O_APPEND) {
        return Err(Errno::EBADF.into());
    }
    let (Some(one), Some(other)) = (from.file.file.node(), to.file.file.node()) else {
        return Err(Errno::EINVAL.into());
    };
    if !Rc::ptr_eq(&one.volume, &other.volume) {
        return Err(Errno::EXDEV.into());
    }
    let (Some(data), Some(_)) = (one.data(), other.data()) else { return Err(Errno::EINVAL.into()) };
    if from.start.checked_add(len).is_none() || to.start.checked_add(len).is_none() {
        return Err(Errno::EOVERFLOW.into());
    }
    let len = len.min(data.size().saturating_sub(from.start));
    let (start, end) = (from.start.max(to.start), from.start.min(to.start).saturating_add(len));
    if Rc::ptr_eq(one, other) && start < end {
        return Err(Errno::EINVAL.into());
    }
    if from.start > SIZE_MAX || to.start > SIZE_MAX {
        return Err(Errno::EINVAL.into());
    }
    transfer(ctx, &from, &to, len, true)
}
