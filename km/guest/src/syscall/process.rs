//! Processes and threads: making, replacing, ending them.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::load::stack;
use crate::task::clone::{CloneFlags, CloneRequest, NAMESPACES};
use crate::task::exec::ExecRequest;
use crate::task::limits::resource;
use crate::task::trace::{Extent, TraceEvent};
use crate::task::{Status, Tid};
use crate::wait::{Interruption, Stop, SysResult, Wait};
use alloc::rc::Rc;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::full(56, "clone", sys_clone),
    Row::full(57, "fork", sys_fork),
    Row::full(58, "vfork", sys_vfork),
    Row::full(59, "execve", sys_execve),
    Row::full(60, "exit", sys_exit),
    Row::full(218, "set_tid_address", sys_set_tid_address),
    Row::full(231, "exit_group", sys_exit_group),
    Row::full(322, "execveat", sys_execveat),
    Row::partial(435, "clone3", sys_clone3, "set_tid and cgroup"),
];

/// The exit signal of fork(2) and vfork(2).
const SIGCHLD: u32 = 17;
/// AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH of execveat(2).
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_EMPTY_PATH: u64 = 0x1000;
/// CLONE_NEWNS, lowest of the bits that make namespaces.
const NEW_MOUNTS: u64 = 0x2_0000;
/// Bytes of the longest path, its NUL included.
const PATH_MAX: usize = 4096;

fn sys_clone(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [flags, stack, parent_tid, child_tid, tls, _] = *args;
    let exit_signal = (flags & 0xff) as u32;
    let flags = flags & !0xff & 0xffff_ffff;
    if flags & CloneFlags::PIDFD.bits() != 0 && flags & CloneFlags::PARENT_SETTID.bits() != 0 {
        return Err(Errno::EINVAL.into());
    }
    start(ctx, flags, |flags| CloneRequest { flags, stack, tls, parent_tid, child_tid, exit_signal })
}

fn sys_fork(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    start(ctx, 0, plain)
}

fn sys_vfork(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    start(ctx, (CloneFlags::VM | CloneFlags::VFORK).bits(), plain)
}

fn plain(flags: CloneFlags) -> CloneRequest {
    CloneRequest { flags, stack: 0, tls: 0, parent_tid: 0, child_tid: 0, exit_signal: SIGCHLD }
}

/// `struct clone_args` of clone3(2), whose size tells its version.
fn sys_clone3(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, size, ..] = *args;
    if size < 64 {
        return Err(Errno::EINVAL.into());
    }
    if size > 4096 {
        return Err(Errno::E2BIG.into());
    }
    let mut bytes = alloc::vec![0; size.max(88) as usize];
    ctx.memory().read(address, &mut bytes[..size as usize])?;
    if bytes[88..].iter().any(|byte| *byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    let word = |index: usize| {
        bytes[index * 8..].iter().take(8).rev().fold(0u64, |word, byte| word << 8 | u64::from(*byte))
    };
    let [
        flags,
        pidfd,
        child_tid,
        parent_tid,
        exit_signal,
        stack,
        stack_size,
        tls,
        set_tid,
        set_tid_size,
        cgroup,
    ] = core::array::from_fn(word);
    let foreign = flags & (CloneFlags::THREAD | CloneFlags::PARENT).bits() != 0 && exit_signal != 0;
    let forbidden = flags & CloneFlags::DETACHED.bits() != 0;
    if set_tid != 0
        || foreign
        || forbidden
        || set_tid_size != 0
        || cgroup != 0
        || exit_signal > 64
        || flags & 0xff != 0 && flags & 0x80 == 0
    {
        return Err(Errno::EINVAL.into());
    }
    if (stack == 0) != (stack_size == 0) {
        return Err(Errno::EINVAL.into());
    }
    let top = stack.checked_add(stack_size).ok_or(Errno::EINVAL)?;
    let pidfd_wanted = flags & CloneFlags::PIDFD.bits() != 0;
    start(ctx, flags, |flags| CloneRequest {
        flags,
        stack: top,
        tls,
        parent_tid: if pidfd_wanted { pidfd } else { parent_tid },
        child_tid,
        exit_signal: exit_signal as u32,
    })
}

/// Makes the child on the first run of the call. A vfork parent's call then blocks until the child lets go of its
/// memory.
fn start(ctx: &mut Ctx<'_>, flags: u64, request: impl FnOnce(CloneFlags) -> CloneRequest) -> SysResult {
    if ctx.progress().stage != 0 {
        return await_vfork(ctx);
    }
    if flags & NEW_MOUNTS != 0 && flags & CloneFlags::FS.bits() != 0 {
        return Err(Errno::EINVAL.into());
    }
    if flags & NAMESPACES != 0 {
        return Err(Errno::EPERM.into());
    }
    let flags = CloneFlags::from_bits(flags).ok_or(Errno::EINVAL)?;
    let request = request(flags);
    let number = ctx.clone_task(&request)?;
    if flags.contains(CloneFlags::PIDFD) {
        let fd = super::pidfd::install(ctx, number)?;
        ctx.memory().store(request.parent_tid, &(fd as i32))?;
    }
    if flags.contains(CloneFlags::VFORK) {
        ctx.progress().stage = number as u64;
        // The tracer's stop comes before the waiting.
        let stopped = ctx.thread().wait.is_some();
        return if stopped { Err(Stop::Block(Wait::stopped())) } else { await_vfork(ctx) };
    }
    Ok(number as u64)
}

fn await_vfork(ctx: &mut Ctx<'_>) -> SysResult {
    let number = ctx.progress().stage as Tid;
    let child = ctx.kernel.tasks.process(number).filter(|child| child.borrows_space);
    match child.map(|child| Rc::clone(&child.left)) {
        Some(left) => Err(Stop::Block(Wait { interruption: Interruption::Never, ..Wait::on(&left.queue) })),
        None => {
            ctx.kernel.trace_event(ctx.tid, TraceEvent::VforkDone, number as u64);
            Ok(number as u64)
        }
    }
}

fn sys_execve(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [path, argv, envp, ..] = *args;
    exec(ctx, crate::fs::program::AT_FDCWD, path, [argv, envp], 0)
}

fn sys_execveat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [dir, path, argv, envp, flags, _] = *args;
    exec(ctx, i64::from(dir as i32), path, [argv, envp], flags)
}

fn exec(ctx: &mut Ctx<'_>, dir: i64, path: u64, vectors: [u64; 2], flags: u64) -> SysResult {
    let path = ctx.memory().string(path, PATH_MAX)?;
    if path.is_empty() && flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT.into());
    }
    if flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let follow = flags & AT_SYMLINK_NOFOLLOW == 0;
    let (args, env) = match strings(ctx, vectors, path.len()) {
        Ok(vectors) => vectors,
        // An error of the file (ENOENT, EACCES …) comes before one of the arguments.
        Err(errno) => {
            let pid = ctx.process().pid;
            crate::fs::program::open(ctx.kernel, pid, dir, &path, follow)?;
            return Err(errno.into());
        }
    };
    ctx.kernel.exec(ctx.tid, ExecRequest { dir, path, follow, args, env })?;
    Err(Stop::Replaced)
}

type Strings = Vec<Vec<u8>>;

/// The strings of `argv` and `envp`, checked in the order in which Linux reads them: both arrays, then the environment's strings,
/// then the arguments, each from its last one.
fn strings(ctx: &mut Ctx<'_>, arrays: [u64; 2], path_len: usize) -> Result<(Strings, Strings)> {
    let room = stack::strings_max(ctx.process().limits.current(resource::STACK));
    let [args, env] = arrays;
    let (args, env) = (pointers(ctx, args, room)?, pointers(ctx, env, room)?);
    let taken = 8 * (args.len().max(1) + env.len()) + path_len + 1;
    let mut left = room.checked_sub(taken).ok_or(Errno::E2BIG)?;
    let memory = ctx.memory();
    let mut read = |pointers: &[u64]| -> Result<Strings> {
        let mut strings = Vec::with_capacity(pointers.len());
        for pointer in pointers.iter().rev() {
            let string = memory.string(*pointer, stack::STRING_MAX);
            let string =
                string.map_err(|errno| if errno == Errno::ENAMETOOLONG { Errno::E2BIG } else { errno })?;
            left = left.checked_sub(string.len() + 1).ok_or(Errno::E2BIG)?;
            strings.push(string);
        }
        strings.reverse();
        Ok(strings)
    };
    let env = read(&env)?;
    Ok((read(&args)?, env))
}

/// The pointers of an array that ends with a null pointer. A null array is an empty one.
fn pointers(ctx: &mut Ctx<'_>, array: u64, room: usize) -> Result<Vec<u64>> {
    let memory = ctx.memory();
    let mut pointers = Vec::new();
    if array == 0 {
        return Ok(pointers);
    }
    loop {
        let at = array.checked_add(8 * pointers.len() as u64).ok_or(Errno::EFAULT)?;
        match memory.load(at)? {
            0 => return Ok(pointers),
            _ if 8 * pointers.len() >= room => return Err(Errno::E2BIG),
            pointer => pointers.push(pointer),
        }
    }
}

fn sys_exit(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let status = Status::Exited(args[0] as i32);
    if !ctx.kernel.trace_dying(ctx.tid, Extent::Thread, status) {
        ctx.kernel.exit_thread(ctx.tid, status);
    }
    Err(Stop::Replaced)
}

fn sys_exit_group(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (pid, status) = (ctx.process().pid, Status::Exited(args[0] as i32));
    if !ctx.kernel.trace_dying(ctx.tid, Extent::Process, status) {
        ctx.kernel.exit_process(pid, status);
    }
    Err(Stop::Replaced)
}

fn sys_set_tid_address(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let tid = ctx.tid;
    ctx.thread().clear_child_tid = args[0];
    Ok(tid as u64)
}
