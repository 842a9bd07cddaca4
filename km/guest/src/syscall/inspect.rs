//! Looking into other processes: process_vm_readv(2), process_vm_writev(2), kcmp(2), pidfd_getfd(2), process_madvise(2).
//! All of them ask whether the caller could trace the other process (ptrace(2), "Ptrace access mode checking").

use super::open::install;
use super::pidfd;
use super::row::Row;
use crate::epoll::Epoll;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::fs::io::{Sink, Source};
use crate::kernel::{Args, Ctx};
use crate::mm::Advice;
use crate::mm::user::{UserMemory, UserRanges, VECTOR_MAX};
use crate::task::{Pid, Process};
use crate::wait::SysResult;
use alloc::rc::Rc;
use core::cmp::Ordering;

pub const ROWS: &[Row] = &[
    Row::full(310, "process_vm_readv", sys_process_vm_readv),
    Row::full(311, "process_vm_writev", sys_process_vm_writev),
    Row::full(312, "kcmp", sys_kcmp),
    Row::full(438, "pidfd_getfd", sys_pidfd_getfd),
    Row::full(440, "process_madvise", sys_process_madvise),
];

/// The process of a thread, if the caller could trace it.
///
/// # Errors
/// ESRCH when there is none or it has ended, EPERM when it is not the caller's to look into.
pub(super) fn inspected<'a>(ctx: &'a mut Ctx<'_>, tid: i32) -> Result<&'a Process> {
    let pid = ctx.process().pid;
    let tasks = &ctx.kernel.tasks;
    let own = tasks.process(pid).ok_or(Errno::ESRCH)?;
    let other = tasks.thread(tid).and_then(|thread| tasks.process(thread.pid)).ok_or(Errno::ESRCH)?;
    if own.may_trace(other) { Ok(other) } else { Err(Errno::EPERM) }
}

/// A page at a time, as Linux does it: what was moved before a fault counts.
fn copy(from: &mut UserRanges, to: &mut UserRanges) -> Result<u64> {
    let mut buffer = [0; 4096];
    let mut total = 0;
    loop {
        let len = from.left().min(to.room()).min(buffer.len());
        if len == 0 {
            return Ok(total);
        }
        let moved = from.take(&mut buffer[..len]).and_then(|taken| to.put(&buffer[..taken]));
        match moved {
            Ok(moved) => total += moved as u64,
            Err(_) if total > 0 => return Ok(total),
            Err(errno) => return Err(errno),
        }
        if from.has_met_fault() || to.has_met_fault() {
            return Ok(total);
        }
    }
}

/// The caller's ranges, and those of the other process; `None` when there is nothing to move.
fn ranges(ctx: &mut Ctx<'_>, args: &Args) -> Result<Option<(UserRanges, UserRanges)>> {
    let [tid, own, own_count, other, other_count, flags] = *args;
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    let memory = ctx.memory();
    let own = UserRanges::vector(memory.clone(), own, own_count)?;
    if own.room() == 0 {
        return Ok(None);
    }
    // Here Linux looks at all bits of the count.
    if other_count > VECTOR_MAX {
        return Err(Errno::EINVAL);
    }
    let other = UserRanges::vector(memory, other, other_count)?;
    if other.room() == 0 {
        return Ok(None);
    }
    let space = Rc::clone(&inspected(ctx, tid as i32)?.space);
    Ok(Some((own, other.of(UserMemory::new(space)))))
}

fn sys_process_vm_readv(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    match ranges(ctx, args)? {
        Some((mut own, mut other)) => Ok(copy(&mut other, &mut own)?),
        None => Ok(0),
    }
}

fn sys_process_vm_writev(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    match ranges(ctx, args)? {
        Some((mut own, mut other)) => Ok(copy(&mut own, &mut other)?),
        None => Ok(0),
    }
}

/// What kcmp(2) answers for two addresses: equal, less, or greater.
fn order(first: usize, second: usize) -> u64 {
    match first.cmp(&second) {
        Ordering::Equal => 0,
        Ordering::Less => 1,
        Ordering::Greater => 2,
    }
}

fn address<T: ?Sized>(shared: &Rc<T>) -> usize {
    Rc::as_ptr(shared).addr()
}

fn file_of(ctx: &mut Ctx<'_>, tid: i32, fd: u64) -> Result<Rc<OpenFile>> {
    let files = Rc::clone(&inspected(ctx, tid)?.files);
    let file = files.borrow().get(fd);
    file.ok_or(Errno::EBADF)
}

fn sys_kcmp(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const FILE: i32 = 0;
    const VM: i32 = 1;
    const FILES: i32 = 2;
    const FS: i32 = 3;
    const SIGHAND: i32 = 4;
    const IO: i32 = 5;
    const SYSVSEM: i32 = 6;
    const EPOLL_TFD: i32 = 7;
    let [first, second, kind, ..] = *args;
    let (first, second) = (first as i32, second as i32);
    let exist = [first, second].iter().all(|tid| ctx.kernel.tasks.thread(*tid).is_some());
    if !exist {
        return Err(Errno::ESRCH.into());
    }
    // Both are looked into, whatever is compared.
    let pids = [inspected(ctx, first)?.pid, inspected(ctx, second)?.pid];
    let mut compare = |of: fn(&Process) -> usize| -> SysResult {
        Ok(order(of(inspected(ctx, first)?), of(inspected(ctx, second)?)))
    };
    match kind as i32 {
        FILE => {
            let files = [file_of(ctx, first, args[3])?, file_of(ctx, second, args[4])?];
            Ok(order(address(&files[0]), address(&files[1])))
        }
        VM => compare(|process| address(&process.space)),
        FILES => compare(|process| address(&process.files)),
        FS => compare(|process| address(&process.fs)),
        // Threads of a process share their handlers, and nothing else does.
        SIGHAND => Ok(order(pids[0] as usize, pids[1] as usize)),
        // No process has what these two compare (I/O contexts), or it is kept with the semaphores (undo lists).
        IO => Ok(0),
        SYSVSEM => Ok(order(undoing(ctx, pids[0]), undoing(ctx, pids[1]))),
        EPOLL_TFD => {
            let [epoll, target, skip]: [u32; 3] = ctx.memory().load(args[4])?;
            let file = file_of(ctx, first, args[3])?;
            let instance = file_of(ctx, second, u64::from(epoll))?;
            let instance: &Epoll = instance.file.as_any().downcast_ref().ok_or(Errno::EINVAL)?;
            let watched = instance.target(target, skip as usize).ok_or(Errno::ENOENT)?;
            Ok(order(address(&file), address(&watched)))
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

/// A process with a list of semaphores to undo has one of its own; all others have none.
fn undoing(ctx: &Ctx<'_>, pid: Pid) -> usize {
    if ctx.kernel.ipc.undoes(pid) { pid as usize } else { 0 }
}

fn sys_pidfd_getfd(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [pidfd, fd, flags, ..] = *args;
    if flags & 0xffff_ffff != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = pidfd::pid_of(ctx, pidfd)?;
    let file = file_of(ctx, pid, fd)?;
    install(ctx, file, true)
}

fn sys_process_madvise(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_COLLAPSE: what may be said of another's memory.
    const KNOWN: [i32; 4] = [3, 20, 21, 25];
    let [pidfd, vector, count, advice, flags, _] = *args;
    if flags & 0xffff_ffff != 0 {
        return Err(Errno::EINVAL.into());
    }
    let ranges = UserRanges::vector(ctx.memory(), vector, count)?;
    let pid = pidfd::pid_of(ctx, pidfd)?;
    if !KNOWN.contains(&(advice as i32)) {
        return Err(Errno::EINVAL.into());
    }
    let space = Rc::clone(&inspected(ctx, pid)?.space);
    let mut done = 0;
    for (address, len) in ranges.pieces() {
        match space.borrow_mut().advise(address, len, Advice::Ignore) {
            Ok(()) => done += len,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(done)
}
