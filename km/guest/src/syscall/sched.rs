//! Scheduling: one CPU, turns in order. Policies and priorities are kept for show.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::Process;
use crate::task::credentials::CAP_SYS_NICE;
use crate::wait::{Stop, SysResult, Wait};
use km_abi::layout::PAGE_SIZE;

pub const ROWS: &[Row] = &[
    Row::full(24, "sched_yield", sys_sched_yield),
    Row::partial(140, "getpriority", sys_getpriority, "the value that was set, without effect"),
    Row::partial(
        141,
        "setpriority",
        sys_setpriority,
        "kept and inherited, without effect; lowering it is refused",
    ),
    Row::partial(142, "sched_setparam", sys_sched_setparam, "only priority 0"),
    Row::full(143, "sched_getparam", sys_sched_getparam),
    Row::partial(144, "sched_setscheduler", sys_sched_setscheduler, "no real-time policies"),
    Row::full(145, "sched_getscheduler", sys_sched_getscheduler),
    Row::full(146, "sched_get_priority_max", sys_sched_get_priority_max),
    Row::full(147, "sched_get_priority_min", sys_sched_get_priority_min),
    Row::full(148, "sched_rr_get_interval", sys_sched_rr_get_interval),
    Row::partial(203, "sched_setaffinity", sys_sched_setaffinity, "CPU 0 must be among them"),
    Row::full(204, "sched_getaffinity", sys_sched_getaffinity),
    Row::partial(251, "ioprio_set", sys_ioprio_set, "kept for whole processes and inherited, without effect"),
    Row::full(252, "ioprio_get", sys_ioprio_get),
    Row::refused(314, "sched_setattr", Errno::EPERM, "no real-time policies"),
    Row::partial(315, "sched_getattr", sys_sched_getattr, "always SCHED_OTHER"),
];

/// SCHED_OTHER, SCHED_BATCH and SCHED_IDLE: what sched_setscheduler(2) accepts.
const FAIR_POLICIES: [u64; 3] = [0, 3, 5];

/// Refuses numbers of threads that do not exist.
fn check_thread(ctx: &mut Ctx<'_>, tid: u64) -> Result<()> {
    match tid as i32 {
        0 => Ok(()),
        tid if tid < 0 => Err(Errno::EINVAL),
        tid => ctx.kernel.tasks.thread(tid).map(|_| ()).ok_or(Errno::ESRCH),
    }
}

/// Goes to the end of the queue: the call ends at the thread's next turn.
fn sys_sched_yield(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    if ctx.kernel.tasks.has_ready() && ctx.progress().stage == 0 {
        ctx.progress().stage = 1;
        // Woken at once: what counts is that others come first.
        let mut wait = Wait::on(&ctx.thread().futex);
        wait.deadline_ns = Some(0);
        return Err(Stop::Block(wait));
    }
    Ok(0)
}

fn priority_limit(policy: u64, limit: u64) -> SysResult {
    match policy & 0xffff_ffff {
        0 | 3 | 5 | 6 => Ok(0),
        1 | 2 => Ok(limit),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sys_sched_get_priority_max(_: &mut Ctx<'_>, args: &Args) -> SysResult {
    priority_limit(args[0], 99)
}

fn sys_sched_get_priority_min(_: &mut Ctx<'_>, args: &Args) -> SysResult {
    priority_limit(args[0], 1)
}

/// What ioprio_set(2) takes: IOPRIO_WHO_* counts from 1 where getpriority(2) counts from 0.
fn by_priority(args: &Args) -> Args {
    let mut args = *args;
    args[0] = (args[0] as i32).wrapping_sub(1) as u64;
    args
}

fn sys_ioprio_set(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const NONE: u64 = 0;
    const REAL_TIME: u64 = 1;
    const BEST_EFFORT: u64 = 2;
    const IDLE: u64 = 3;
    /// Where the class is; below it are hints and the level.
    const CLASS_SHIFT: u32 = 13;
    let priority = args[2] & 0xffff_ffff;
    let level = priority & 7;
    match priority >> CLASS_SHIFT & 7 {
        REAL_TIME if !ctx.process().credentials.can(CAP_SYS_NICE) => return Err(Errno::EPERM.into()),
        REAL_TIME | BEST_EFFORT | IDLE => {}
        NONE if level == 0 => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    let args = by_priority(args);
    check_who(ctx, &args)?;
    let who = ctx.process().credentials.clone();
    let meant = meant(ctx, &args);
    let mut result = Err(Errno::ESRCH.into());
    for process in ctx.kernel.tasks.processes_mut().filter(|process| meant(process)) {
        let own = [who.uid, who.real_uid].contains(&process.credentials.real_uid);
        if !own && !who.can(CAP_SYS_NICE) {
            return Err(Errno::EPERM.into());
        }
        process.settings.io_priority = priority as u16;
        result = Ok(0);
    }
    result
}

/// The highest priority of those that are meant: the lowest number. Among several, who has none counts as best effort of a
/// level that follows from the nice value.
fn sys_ioprio_get(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const BEST_EFFORT: u16 = 2 << 13;
    let args = by_priority(args);
    check_who(ctx, &args)?;
    let alone = args[0] as i32 == 0;
    let meant = meant(ctx, &args);
    let found = ctx.kernel.tasks.processes().filter(|process| meant(process));
    let counted = |process: &Process| match process.settings.io_priority {
        0 if !alone => BEST_EFFORT | ((process.settings.nice + 20) / 5) as u16,
        priority => priority,
    };
    let best = found.map(counted).min();
    best.map(u64::from).ok_or(Errno::ESRCH.into())
}

fn sys_getpriority(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_who(ctx, args)?;
    let meant = meant(ctx, args);
    let nice =
        ctx.kernel.tasks.processes().filter(|process| meant(process)).map(|process| process.settings.nice);
    // The raw call answers 20 - nice.
    nice.min().map(|nice| (20 - nice) as u64).ok_or(Errno::ESRCH.into())
}

/// The processes that `which` and `who` of getpriority(2) mean.
fn meant(ctx: &mut Ctx<'_>, args: &Args) -> impl Fn(&Process) -> bool + use<> {
    let (kind, who) = (args[0] as i32, args[1] as i32);
    let process = ctx.process();
    let own = match kind {
        0 => process.pid,
        1 => process.group,
        _ => process.credentials.real_uid.cast_signed(),
    };
    let who = if who == 0 { own } else { who };
    let who = ctx.kernel.tasks.thread(who).filter(|_| kind == 0).map_or(who, |thread| thread.pid);
    move |process| match kind {
        0 => process.pid == who,
        1 => process.group == who,
        _ => process.credentials.real_uid == who.cast_unsigned(),
    }
}

fn sys_setpriority(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_who(ctx, args)?;
    let nice = (args[2] as i32).clamp(-20, 19);
    let meant = meant(ctx, args);
    let mut result = Err(Errno::ESRCH.into());
    for process in ctx.kernel.tasks.processes_mut().filter(|process| meant(process)) {
        result = if nice < process.settings.nice {
            Err(Errno::EACCES.into())
        } else {
            process.settings.nice = nice;
            Ok(0)
        };
    }
    result
}

fn check_who(ctx: &mut Ctx<'_>, args: &Args) -> Result<()> {
    match args[0] as i32 {
        0 => check_thread(ctx, args[1]).map_err(|_| Errno::ESRCH),
        1 | 2 => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// Refuses to change how processes of other users run.
fn check_owner(ctx: &mut Ctx<'_>, tid: u64) -> Result<()> {
    let who = ctx.process().credentials.clone();
    let tasks = &ctx.kernel.tasks;
    let owner = tasks.thread(tid as i32).and_then(|thread| tasks.process(thread.pid));
    let is_own = owner
        .is_none_or(|process| [process.credentials.uid, process.credentials.real_uid].contains(&who.uid));
    if is_own || who.can(CAP_SYS_NICE) { Ok(()) } else { Err(Errno::EPERM) }
}

/// The priority that a program gives a thread.
///
/// # Errors
/// EINVAL, EFAULT, ESRCH, in this order.
fn given_priority(ctx: &mut Ctx<'_>, tid: u64, address: u64) -> Result<i32> {
    if address == 0 || (tid as i32) < 0 {
        return Err(Errno::EINVAL);
    }
    let priority = ctx.memory().load(address)?;
    check_thread(ctx, tid)?;
    Ok(priority)
}

fn sys_sched_setparam(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if given_priority(ctx, args[0], args[1])? != 0 {
        return Err(Errno::EINVAL.into());
    }
    check_owner(ctx, args[0])?;
    Ok(0)
}

fn sys_sched_getparam(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[1] == 0 {
        return Err(Errno::EINVAL.into());
    }
    check_thread(ctx, args[0])?;
    ctx.memory().store(args[1], &0i32)?;
    Ok(0)
}

fn sys_sched_setscheduler(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if (args[1] as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let priority = given_priority(ctx, args[0], args[2])?;
    match args[1] & 0xbfff_ffff {
        policy if FAIR_POLICIES.contains(&policy) && priority == 0 => {
            check_owner(ctx, args[0])?;
            Ok(0)
        }
        1 | 2 if (1..=99).contains(&priority) => Err(Errno::EPERM.into()),
        _ => Err(Errno::EINVAL.into()),
    }
}

fn sys_sched_getscheduler(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_thread(ctx, args[0])?;
    Ok(0)
}

fn sys_sched_rr_get_interval(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_thread(ctx, args[0])?;
    ctx.memory().store(args[1], &[0u64, 10_000_000])?;
    Ok(0)
}

fn sys_sched_setaffinity(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// Bytes of the kernel's own set: more are not looked at.
    const SET_BYTES: usize = 8;
    let mut set = [0; SET_BYTES];
    let given = (args[1] as u32 as usize).min(SET_BYTES);
    ctx.memory().read(args[2], &mut set[..given])?;
    if (args[0] as i32) < 0 {
        return Err(Errno::ESRCH.into());
    }
    check_thread(ctx, args[0])?;
    check_owner(ctx, args[0])?;
    if set[0] & 1 == 1 { Ok(0) } else { Err(Errno::EINVAL.into()) }
}

fn sys_sched_getaffinity(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_thread(ctx, args[0])?;
    if args[1] < 8 || !args[1].is_multiple_of(8) {
        return Err(Errno::EINVAL.into());
    }
    ctx.memory().store(args[2], &1u64)?;
    Ok(8)
}

fn sys_sched_getattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// `struct sched_attr` as it was first, and as it is.
    const FIRST_BYTES: usize = 48;
    const BYTES: usize = 56;
    let [tid, address, size, flags, ..] = *args;
    let room = size as u32 as usize;
    let fits = (FIRST_BYTES..=PAGE_SIZE as usize).contains(&room);
    if flags as u32 != 0 || !fits || address == 0 || (tid as i32) < 0 {
        return Err(Errno::EINVAL.into());
    }
    check_thread(ctx, tid)?;
    let own = ctx.process().pid;
    let tasks = &ctx.kernel.tasks;
    let pid = tasks.thread(tid as i32).map_or(own, |thread| thread.pid);
    let nice = tasks.process(pid).map_or(0, |process| process.settings.nice);
    // size, policy; flags; nice, priority; runtime, deadline, period; least and greatest use
    let mut bytes = alloc::vec![0; room];
    bytes[..4].copy_from_slice(&(room.min(BYTES) as u32).to_ne_bytes());
    bytes[16..20].copy_from_slice(&nice.to_ne_bytes());
    ctx.memory().write(address, &bytes)?;
    Ok(0)
}
