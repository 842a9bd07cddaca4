//! Opening and closing, duplicates, and settings of descriptors: open(2), close(2), dup(2), fcntl(2).

use super::at::{self, AT_FDCWD};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_APPEND, O_ASYNC, O_NOATIME, O_NONBLOCK, O_PATH, OpenFile};
use crate::fs::locks::{self, Locks, Owner, Range};
use crate::fs::node::Node;
use crate::fs::node::data::{
    F_SEAL_EXEC, F_SEAL_FUTURE_WRITE, F_SEAL_GROW, F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_WRITE,
};
use crate::fs::open::{self, O_CLOEXEC, O_CREAT, O_DIRECT, O_DIRECTORY, O_TMPFILE, O_TRUNC};
use crate::fs::pipe::PipeEnd;
use crate::fs::sigio::owner::{GROUP, PROCESS, THREAD};
use crate::fs::walk::Restrict;
use crate::kernel::{Args, Ctx};
use crate::mm::vma::{Backing, Traits, Vma};
use crate::signal::SIGNAL_MAX;
use crate::task::Tid;
use crate::wait::{Stop, SysResult, Wait};
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(2, "open", sys_open),
    Row::full(3, "close", sys_close),
    Row::full(32, "dup", sys_dup),
    Row::full(33, "dup2", sys_dup2),
    Row::partial(72, "fcntl", sys_fcntl, "leases are EINVAL"),
    Row::full(73, "flock", sys_flock),
    Row::full(85, "creat", sys_creat),
    Row::full(257, "openat", sys_openat),
    Row::full(292, "dup3", sys_dup3),
    Row::full(436, "close_range", sys_close_range),
    Row::full(437, "openat2", sys_openat2),
];

fn sys_open(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    open_at(ctx, AT_FDCWD as u64, args[0], args[1] as u32, args[2] as u32, Restrict::empty())
}

fn sys_creat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    open_at(ctx, AT_FDCWD as u64, args[0], O_CREAT | O_TRUNC | 1, args[1] as u32, Restrict::empty())
}

fn sys_openat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    open_at(ctx, args[0], args[1], args[2] as u32, args[3] as u32, Restrict::empty())
}

/// Flags that openat2(2) knows; open(2) ignores the others.
const FLAGS_KNOWN: u32 = 0o37_777_703 | O_PATH | O_TMPFILE;

fn sys_openat2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let size = args[3];
    if size < 24 {
        return Err(Errno::EINVAL.into());
    }
    if size > 4096 {
        return Err(Errno::E2BIG.into());
    }
    let [flags, mode, resolve] = ctx.memory().load::<[u64; 3]>(args[2])?;
    let mut rest = alloc::vec![0; size as usize - 24];
    ctx.memory().read(args[2] + 24, &mut rest)?;
    if rest.iter().any(|&byte| byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    let restrict = Restrict::from_bits(resolve & !0x20).filter(|restrict| restrict.bits() < 0x20);
    let both = Restrict::BENEATH | Restrict::IN_ROOT;
    let restrict = restrict.filter(|restrict| !restrict.contains(both)).ok_or(Errno::EINVAL)?;
    let creates = flags as u32 & (O_CREAT | (O_TMPFILE & !O_DIRECTORY)) != 0;
    if flags & !u64::from(FLAGS_KNOWN) != 0 || mode & !0o7777 != 0 || mode != 0 && !creates {
        return Err(Errno::EINVAL.into());
    }
    open_at(ctx, args[0], args[1], flags as u32, mode as u32, restrict)
}

fn open_at(
    ctx: &mut Ctx<'_>,
    dirfd: u64,
    address: u64,
    flags: u32,
    mode: u32,
    restrict: Restrict,
) -> SysResult {
    let path = at::path(ctx, address)?;
    let mode = at::new_mode(ctx, mode & 0o7777);
    let file = {
        let mut walk = at::walk(ctx, dirfd, &path, restrict)?;
        open::open(&mut walk, &path, flags, mode)?
    };
    install(ctx, file, flags & O_CLOEXEC != 0)
}

/// Gives a new open file the lowest free descriptor.
pub(super) fn install(ctx: &mut Ctx<'_>, file: Rc<OpenFile>, close_on_exec: bool) -> SysResult {
    Ok(ctx.process().files.borrow_mut().insert(file, close_on_exec, 0)?)
}

fn sys_close(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let files = ctx.files();
    let closed = files.borrow_mut().remove(args[0]).ok_or(Errno::EBADF)?;
    drop(closed);
    Ok(0)
}

const CLOSE_RANGE_UNSHARE: u64 = 2;
const CLOSE_RANGE_CLOEXEC: u64 = 4;

fn sys_close_range(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (first, last, flags) = (args[0] as u32 as usize, args[1] as u32 as usize, args[2]);
    if first > last || flags & !(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & CLOSE_RANGE_UNSHARE != 0 {
        let own = ctx.files().borrow().clone();
        ctx.process().files = Rc::new(core::cell::RefCell::new(own));
    }
    let files = ctx.files();
    let numbers: alloc::vec::Vec<usize> =
        files.borrow().numbers().filter(|fd| (first..=last).contains(fd)).collect();
    for fd in numbers {
        if flags & CLOSE_RANGE_CLOEXEC != 0 {
            files.borrow_mut().set_close_on_exec(fd as u64, true);
        } else {
            let closed = files.borrow_mut().remove(fd as u64);
            drop(closed);
        }
    }
    Ok(0)
}

fn sys_dup(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.handle(args[0])?;
    install(ctx, file, false)
}

fn sys_dup2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.handle(args[0])?;
    if args[0] as u32 == args[1] as u32 {
        return Ok(args[1]);
    }
    put_at(ctx, file, args[1], false)
}

fn sys_dup3(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[0] as u32 == args[1] as u32 || args[2] & !u64::from(O_CLOEXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = ctx.handle(args[0])?;
    put_at(ctx, file, args[1], args[2] != 0)
}

fn put_at(ctx: &mut Ctx<'_>, file: Rc<OpenFile>, fd: u64, close_on_exec: bool) -> SysResult {
    let files = ctx.files();
    let replaced = files.borrow_mut().replace(fd as u32 as usize, file, close_on_exec);
    drop(replaced.map_err(|errno| if errno == Errno::EMFILE { Errno::EBADF } else { errno })?);
    Ok(u64::from(fd as u32))
}

/// Flags that F_SETFL changes.
const SETTABLE: u32 = O_APPEND | O_NONBLOCK | O_DIRECT | O_NOATIME | O_ASYNC;
/// The number of fcntl(2).
const FCNTL: u64 = 72;
/// F_GETLEASE, and what it says of a file without one.
const F_GETLEASE: u32 = 1025;
/// Signals for changes of a directory.
const F_NOTIFY: u32 = 1026;
const F_UNLCK: u64 = 2;

fn sys_fcntl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.handle(args[0])?;
    let (command, argument) = (args[1] as u32, args[2]);
    if file.has(O_PATH) && !matches!(command, 0 | 1 | 2 | 3 | 1030) {
        return Err(Errno::EBADF.into());
    }
    match command {
        0 | 1030 => duplicate(ctx, file, argument, command == 1030),
        1 => Ok(u64::from(ctx.files().borrow().descriptor(args[0]).is_some_and(|entry| entry.close_on_exec))),
        2 => {
            ctx.files().borrow_mut().set_close_on_exec(args[0], argument & 1 != 0);
            Ok(0)
        }
        3 => Ok(u64::from(file.flags.get())),
        4 => {
            let before = file.flags.replace(file.flags.get() & !SETTABLE | argument as u32 & SETTABLE);
            if (before ^ file.flags.get()) & O_ASYNC != 0 {
                ctx.kernel.async_files.set(&file, args[0], file.has(O_ASYNC));
            }
            Ok(0)
        }
        5..=7 | 36..=38 => lock(ctx, &file, command, argument),
        8 | 9 | 15 | 16 => owner(ctx, &file, command, argument),
        10 if argument > u64::from(SIGNAL_MAX) => Err(Errno::EINVAL.into()),
        10 => {
            file.signal.set(argument as u8);
            Ok(0)
        }
        11 => Ok(u64::from(file.signal.get())),
        F_GETLEASE => Ok(F_UNLCK),
        F_NOTIFY => {
            ctx.kernel.async_files.notify(&file, args[0], argument as u32)?;
            if argument != 0 && file.owner.get() == [0, 0] {
                file.owner.set([PROCESS, ctx.process().pid]);
            }
            Ok(0)
        }
        1031 => Ok(pipe(&file)?.set_capacity(argument)? as u64),
        1032 => Ok(pipe(&file)?.capacity() as u64),
        1033 => add_seals(ctx, &file, argument as u32),
        1034 => Ok(u64::from(file_data(&file)?.seals.get())),
        // Hints about how long data lives.
        1035..=1038 => Ok(0),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Who gets the signals of a descriptor: F_SETOWN, F_GETOWN (8, 9) and their _EX forms (15, 16).
fn owner(ctx: &mut Ctx<'_>, file: &OpenFile, command: u32, argument: u64) -> SysResult {
    let [kind, number] = match (command, argument as i32) {
        (9, _) => {
            let [kind, number] = file.owner.get();
            return Ok(i64::from(if kind == GROUP { -number } else { number }).cast_unsigned());
        }
        (16, _) => {
            ctx.memory().store(argument, &file.owner.get())?;
            return Ok(0);
        }
        (8, i32::MIN) => return Err(Errno::EINVAL.into()),
        (8, number) if number < 0 => [GROUP, -number],
        (8, number) => [PROCESS, number],
        _ => ctx.memory().load(argument)?,
    };
    let tasks = &ctx.kernel.tasks;
    let known = match kind {
        THREAD => tasks.thread(number).is_some(),
        PROCESS => tasks.process(number).is_some(),
        GROUP => tasks.processes().any(|process| process.group == number),
        _ => return Err(Errno::EINVAL.into()),
    };
    if number != 0 && !known {
        return Err(Errno::ESRCH.into());
    }
    file.owner.set([kind, number]);
    Ok(0)
}

fn duplicate(ctx: &mut Ctx<'_>, file: Rc<OpenFile>, lowest: u64, close_on_exec: bool) -> SysResult {
    let files = ctx.files();
    let mut files = files.borrow_mut();
    if lowest as u32 as usize >= files.limit {
        return Err(Errno::EINVAL.into());
    }
    Ok(files.insert(file, close_on_exec, lowest as u32 as usize)?)
}

fn file_pipe(file: &OpenFile) -> Result<&PipeEnd> {
    file.file.as_any().downcast_ref::<PipeEnd>().ok_or(Errno::EBADF)
}

fn pipe(file: &OpenFile) -> Result<&crate::fs::pipe::Pipe> {
    file_pipe(file).map(|end| &**end.pipe())
}

fn file_data(file: &OpenFile) -> Result<&crate::fs::node::data::Data> {
    let node =
        file.file.node().filter(|node| matches!(node.volume.kind, crate::fs::node::volume::FsKind::Tmpfs));
    node.and_then(|node| node.data()).ok_or(Errno::EINVAL)
}

/// Whether some mapping may change a file, now or after an mprotect(2).
fn is_mapped_writable(ctx: &Ctx<'_>, file: &OpenFile) -> bool {
    let Some(id) = file.file.node().map(|node| (node.volume.dev, node.ino)) else { return false };
    let writes = |vma: &Vma| {
        let shared = vma.shared() && !vma.traits.contains(Traits::NEVER_WRITE);
        shared && matches!(&vma.backing, Backing::File { pages, .. } if pages.id() == id)
    };
    ctx.kernel.tasks.processes().any(|process| process.space.borrow().mappings().iter().any(writes))
}

fn add_seals(ctx: &Ctx<'_>, file: &OpenFile, seals: u32) -> SysResult {
    /// With F_SEAL_EXEC, a file that may be executed is also sealed against every change.
    const CHANGES: u32 = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE;
    file.check_writable().map_err(|_| Errno::EPERM)?;
    if seals & !(F_SEAL_SEAL | CHANGES | F_SEAL_EXEC) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let data = file_data(file)?;
    if data.seals.get() & F_SEAL_SEAL != 0 {
        return Err(Errno::EPERM.into());
    }
    let may_run = file.file.node().is_some_and(|node| node.meta.get().mode & 0o111 != 0);
    let seals = if seals & F_SEAL_EXEC != 0 && may_run { seals | CHANGES } else { seals };
    if seals & F_SEAL_WRITE != 0 && is_mapped_writable(ctx, file) {
        return Err(Errno::EBUSY.into());
    }
    data.seals.set(data.seals.get() | seals);
    Ok(0)
}

fn locks_of(file: &OpenFile) -> Result<&Locks> {
    file.file.node().map(|node| &node.locks).ok_or(Errno::EBADF)
}

/// F_GETLK, F_SETLK, F_SETLKW (5 to 7) and their OFD forms (36 to 38) with a `struct flock`.
fn lock(ctx: &mut Ctx<'_>, file: &Rc<OpenFile>, command: u32, address: u64) -> SysResult {
    let raw: [u64; 4] = ctx.memory().load(address)?;
    let (kind, whence, pid) = (raw[0] as u16, (raw[0] >> 16) as u16, raw[3] as i32);
    let of_file = command >= 36;
    if of_file && pid != 0 {
        return Err(Errno::EINVAL.into());
    }
    let owner = if of_file { Owner::Open(file.identity()) } else { ctx.files().borrow().owner() };
    let pid = if of_file { -1 } else { ctx.process().pid };
    let (start, end) = lock_range(file, whence, raw[1].cast_signed(), raw[2].cast_signed())?;
    let wanted = Range { start, end, exclusive: kind == 1, owner, pid };
    let locks = locks_of(file)?;
    match (command, kind) {
        (5 | 36, 0 | 1) => {
            let answer =
                locks.conflict(&wanted).map_or([raw[0] & !0xffff | 2, raw[1], raw[2], raw[3]], describe);
            ctx.memory().store(address, &answer)?;
            Ok(0)
        }
        (6 | 7 | 37 | 38, 2) => {
            locks.unlock_range(&wanted);
            Ok(0)
        }
        (6 | 7 | 37 | 38, 0 | 1) => {
            ctx.kernel.vfs.lock_queue.leave(ctx.tid);
            let permitted = if kind == 1 { file.check_writable() } else { file.check_readable() };
            permitted?;
            match (locks.lock_range(wanted), command) {
                (Ok(()), _) => {}
                (Err(_), 7) => {
                    let node = file.file.node().ok_or(Errno::EBADF)?;
                    wait_for_range(ctx, node, wanted)?;
                    return Err(Stop::Block(Wait::on(locks.queue())));
                }
                (Err(_), 38) => return Err(Stop::Block(Wait::on(locks.queue()))),
                (Err(errno), _) => return Err(errno.into()),
            }
            ctx.files().borrow_mut().has_locks = true;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// Notes that the caller waits for a range. EDEADLK if its holder waits for the caller, directly or through others.
fn wait_for_range(ctx: &Ctx<'_>, node: &Rc<Node>, wanted: Range) -> Result<()> {
    let waits = |tid: Tid| {
        let call = ctx.kernel.tasks.thread(tid).and_then(|thread| thread.call);
        call.is_some_and(|call| call.number == FCNTL)
    };
    ctx.kernel.vfs.lock_queue.join(locks::LockWaiter { tid: ctx.tid, node: Rc::clone(node), wanted }, waits)
}

/// The `struct flock` that F_GETLK returns for a conflicting lock.
fn describe(held: Range) -> [u64; 4] {
    let len = if held.end == u64::MAX { 0 } else { held.end - held.start };
    [u64::from(held.exclusive), held.start, len, u64::from(held.pid.cast_unsigned())]
}

fn lock_range(file: &OpenFile, whence: u16, start: i64, len: i64) -> Result<(u64, u64)> {
    let size = file.file.node().and_then(|node| node.data()).map_or(0, crate::fs::node::data::Data::size);
    let base = match whence {
        0 => 0,
        1 => file.offset.get(),
        2 => size,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add_signed(start).ok_or(Errno::EINVAL)?;
    let other =
        start.checked_add_signed(len).ok_or(if len > 0 { Errno::EOVERFLOW } else { Errno::EINVAL })?;
    Ok(match len {
        0 => (start, u64::MAX),
        _ if len < 0 => (other, start),
        _ => (start, other),
    })
}

fn sys_flock(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const LOCK_NB: u64 = 4;
    /// Locks of a kind that Linux has given up: nothing is locked, and that is well.
    const LOCK_MAND: u64 = 32;
    if args[1] & LOCK_MAND != 0 {
        return Ok(0);
    }
    let file = ctx.file(args[0])?;
    let wanted = args[1] & 0xffff_ffff & !LOCK_NB;
    // Nobody else opens what has no name: a lock on it holds nobody up.
    let Some(locks) = file.file.node().map(|node| &node.locks) else {
        return if matches!(wanted, 1 | 2 | 8) { Ok(0) } else { Err(Errno::EINVAL.into()) };
    };
    let exclusive = match wanted {
        8 => {
            locks.unlock_whole(file.identity());
            return Ok(0);
        }
        1 => false,
        2 => true,
        _ => return Err(Errno::EINVAL.into()),
    };
    match locks.lock_whole(file.identity(), exclusive) {
        Err(_) if args[1] & LOCK_NB == 0 => Err(Stop::Block(Wait::on(locks.queue()))),
        result => Ok(result.map(|()| 0)?),
    }
}
