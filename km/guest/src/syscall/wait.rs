//! Waiting for children: wait4(2), waitid(2).

use super::resource::{Rusage, rusage_of_child};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::{Pid, Process, Status, Tasks, Tid};
use crate::wait::{Stop, SysResult, Wait};

pub const ROWS: &[Row] = &[Row::full(61, "wait4", sys_wait4), Row::full(247, "waitid", sys_waitid)];

const WNOHANG: u64 = 1;
const WUNTRACED: u64 = 2;
const WEXITED: u64 = 4;
const WCONTINUED: u64 = 8;
const WNOWAIT: u64 = 0x0100_0000;
/// __WNOTHREAD: children of the calling thread only.
const WNOTHREAD: u64 = 0x2000_0000;
/// __WALL: children of every kind.
const WALL: u64 = 0x4000_0000;
/// __WCLONE: children that end with another signal than SIGCHLD, and none of the others.
const WCLONE: u64 = 0x8000_0000;
const KINDS: u64 = WNOTHREAD | WALL | WCLONE;
/// The exit signal of ordinary children; others need __WALL or __WCLONE.
const SIGCHLD: i32 = 17;

/// Which children are meant.
#[derive(Clone, Copy)]
enum Which {
    Any,
    One(Pid),
    Group(Pid),
}

impl Which {
    /// Whether it means the thread `tid`, or the process of that number, in a process group.
    fn includes(self, tid: Tid, group: Pid) -> bool {
        match self {
            Self::Any => true,
            Self::One(pid) => tid == pid,
            Self::Group(meant) => group == meant,
        }
    }
}

/// What of a child is reported.
struct Report {
    pid: Pid,
    uid: u32,
    status: Status,
    usage: Rusage,
}

/// Whether the options ask for children of this kind.
fn is_meant(child: &Process, caller: Tid, options: u64) -> bool {
    let other_signal = child.exit_signal != SIGCHLD.cast_unsigned();
    let kind = options & WALL != 0 || other_signal == (options & WCLONE != 0);
    kind && (options & WNOTHREAD == 0 || child.maker == caller)
}

/// Looks for a child with something to report. `None` when there are such children but nothing has changed; ECHILD
/// without any.
fn look(ctx: &mut Ctx<'_>, which: Which, options: u64) -> Result<Option<Report>> {
    let (parent, caller) = (ctx.process().pid, ctx.tid);
    let mut any = false;
    let mut found = None;
    let own = |child: &&Process| child.parent == parent && is_meant(child, caller, options);
    let tasks = &ctx.kernel.tasks;
    for child in tasks.processes().filter(own).filter(|child| which.includes(child.pid, child.group)) {
        any = true;
        if let Some(status) = reportable(child, options).filter(|_| !is_withheld(tasks, child, parent)) {
            found = Some((child.pid, status));
            break;
        }
    }
    for (tid, trace) in tasks.traces.iter().filter(|(_, trace)| trace.tracer.1 == parent) {
        let Some(process) = tasks.process(trace.pid) else { continue };
        let of_caller = options & WNOTHREAD == 0 || trace.tracer.0 == caller;
        if found.is_some() || !of_caller || !which.includes(*tid, process.group) {
            continue;
        }
        any = true;
        let end = process.zombie.filter(|_| *tid == process.pid && !is_withheld(tasks, process, parent));
        let end = trace.ended.or(end).filter(|_| options & WEXITED != 0);
        found = trace.report.or(end).map(|status| (*tid, status));
    }
    match found {
        None if !any => Err(Errno::ECHILD),
        None => Ok(None),
        Some((pid, status)) => Ok(report(ctx, pid, status, options)),
    }
}

/// Whether what a child has to report is not for this process to know, or not yet: stops are told to the tracer alone, and an
/// end to the tracer first, once it has waited for all threads.
fn is_withheld(tasks: &Tasks, child: &Process, waiter: Pid) -> bool {
    let mut of_child = tasks.traces.iter().filter(|(_, trace)| trace.pid == child.pid);
    match child.zombie {
        Some(_) => of_child.any(|(tid, trace)| trace.tracer.1 != waiter || *tid != child.pid),
        None => of_child.any(|(_, trace)| trace.tracer.1 == waiter),
    }
}

fn reportable(child: &Process, options: u64) -> Option<Status> {
    let wanted = |status: &Status| match status {
        Status::Stopped(_) => options & WUNTRACED != 0,
        _ => options & WCONTINUED != 0,
    };
    let ended = child.zombie.filter(|_| options & WEXITED != 0);
    ended.or_else(|| child.change.filter(|_| child.zombie.is_none()).filter(wanted))
}

fn report(ctx: &mut Ctx<'_>, pid: Pid, status: Status, options: u64) -> Option<Report> {
    let keep = options & WNOWAIT != 0;
    if let Some(report) = report_traced(ctx, pid, status, keep) {
        return Some(report);
    }
    let child = ctx.kernel.tasks.process_mut(pid)?;
    let report = Report { pid, uid: child.credentials.real_uid, status, usage: rusage_of_child(child) };
    if !keep && child.zombie.is_some() {
        ctx.kernel.reap(pid);
    } else if !keep {
        child.change = None;
    }
    Some(report)
}

/// The report of a traced thread. That of a child that has ended is its parent's.
fn report_traced(ctx: &mut Ctx<'_>, tid: Tid, status: Status, keep: bool) -> Option<Report> {
    let waiter = ctx.process().pid;
    let trace = ctx.kernel.tasks.traces.get_mut(&tid).filter(|trace| trace.tracer.1 == waiter)?;
    let (is_stop, is_own_end) = (trace.report.is_some(), trace.ended.is_some());
    if is_stop && !keep {
        trace.report = None;
    }
    let process = ctx.kernel.tasks.process(ctx.kernel.tasks.traces[&tid].pid)?;
    if !is_stop && !is_own_end && process.parent == waiter {
        return None;
    }
    let report =
        Report { pid: tid, uid: process.credentials.real_uid, status, usage: rusage_of_child(process) };
    if !is_stop && !keep {
        ctx.kernel.end_trace(tid, None);
    }
    Some(report)
}

fn sys_wait4(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [which, status, options, usage, ..] = *args;
    // An int, which some C libraries extend by its sign: __WCLONE is the highest bit.
    let options = options & 0xffff_ffff;
    if options & !(WNOHANG | WUNTRACED | WCONTINUED | KINDS) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let which = match which as i32 {
        i32::MIN => return Err(Errno::ESRCH.into()),
        -1 => Which::Any,
        0 => Which::Group(ctx.process().group),
        pid if pid > 0 => Which::One(pid),
        group => Which::Group(-group),
    };
    let Some(report) = look(ctx, which, options | WEXITED)? else { return no_report(ctx, options) };
    let memory = ctx.memory();
    if status != 0 {
        memory.store(status, &report.status.encode())?;
    }
    if usage != 0 {
        memory.store(usage, &report.usage)?;
    }
    Ok(report.pid as u64)
}

fn no_report(ctx: &mut Ctx<'_>, options: u64) -> SysResult {
    if options & WNOHANG != 0 { Ok(0) } else { Err(Stop::Block(Wait::on(&ctx.process().children))) }
}

/// waitid(2). Linux writes to `info` whatever comes of the call, so a bad address there wins over every other error.
fn sys_waitid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// Bytes up to the last field that it writes.
    const WRITTEN: usize = 28;
    let result = wait_for_id(ctx, args);
    if matches!(result, Err(Stop::Errno(_))) && args[2] != 0 {
        ctx.memory().write(args[2], &child_info(None)[..WRITTEN])?;
    }
    result
}

fn wait_for_id(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [kind, id, info, options, usage, _] = *args;
    let options = options & 0xffff_ffff;
    let known = WNOHANG | WUNTRACED | WEXITED | WCONTINUED | WNOWAIT | KINDS;
    if options & !known != 0 || options & (WEXITED | WUNTRACED | WCONTINUED) == 0 {
        return Err(Errno::EINVAL.into());
    }
    let kind = kind as i32;
    let which = match (kind, id as i32) {
        (0, _) => Which::Any,
        (1, pid) if pid > 0 => Which::One(pid),
        (2, 0) => Which::Group(ctx.process().group),
        (2, group) if group > 0 => Which::Group(group),
        (3, fd) if fd >= 0 => Which::One(super::pidfd::pid_of(ctx, id)?),
        _ => return Err(Errno::EINVAL.into()),
    };
    let report = look(ctx, which, options)?;
    if report.is_none() && kind == 3 && super::pidfd::is_nonblocking(ctx, id)? {
        return Err(Errno::EAGAIN.into());
    }
    if report.is_none() && options & WNOHANG == 0 {
        return no_report(ctx, options);
    }
    let memory = ctx.memory();
    if info != 0 {
        memory.write(info, &child_info(report.as_ref()))?;
    }
    if let Some(report) = report.filter(|_| usage != 0) {
        memory.store(usage, &report.usage)?;
    }
    Ok(0)
}

/// The siginfo_t of a child; zeros when there is nothing to report.
fn child_info(report: Option<&Report>) -> [u8; 128] {
    let mut bytes = [0; 128];
    if let Some(report) = report {
        let (code, status) = report.status.code_and_status();
        let words = [(0, SIGCHLD), (8, code), (16, report.pid), (20, report.uid as i32), (24, status)];
        for (offset, word) in words {
            bytes[offset..offset + 4].copy_from_slice(&word.to_le_bytes());
        }
    }
    bytes
}
