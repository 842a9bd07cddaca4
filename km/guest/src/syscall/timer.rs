//! Timers that send signals: alarm(2), setitimer(2), timer_create(2).

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::signal::Signal;
use crate::task::timers::{Base, Notice, Setting, TimerId};
use crate::time::{Clock, NANOS_PER_SECOND, Timespec, Timeval};
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[
    Row::full(36, "getitimer", sys_getitimer),
    Row::full(37, "alarm", sys_alarm),
    Row::full(38, "setitimer", sys_setitimer),
    Row::full(222, "timer_create", sys_timer_create),
    Row::full(223, "timer_settime", sys_timer_settime),
    Row::full(224, "timer_gettime", sys_timer_gettime),
    Row::full(225, "timer_getoverrun", sys_timer_getoverrun),
    Row::full(226, "timer_delete", sys_timer_delete),
];

/// Period and next expiration, as every structure of this family has them.
fn intervals(ctx: &mut Ctx<'_>, id: TimerId) -> Result<(u64, u64)> {
    let pid = ctx.process().pid;
    let cpu_ns = ctx.kernel.process_cpu_ns(pid);
    Ok(ctx.kernel.timers.get(pid, id)?.remaining(cpu_ns))
}

fn set(ctx: &mut Ctx<'_>, id: TimerId, setting: Setting) -> Result<()> {
    let pid = ctx.process().pid;
    let cpu_ns = ctx.kernel.process_cpu_ns(pid);
    ctx.kernel.timers.set(pid, id, setting, cpu_ns)
}

/// One of the three interval timers (getitimer(2)), made if it is not there yet.
fn interval_id(ctx: &mut Ctx<'_>, which: u64) -> Result<TimerId> {
    let which = u8::try_from(which & 0xffff_ffff).ok().filter(|which| *which < 3).ok_or(Errno::EINVAL)?;
    let pid = ctx.process().pid;
    ctx.kernel.timers.interval(pid, which);
    Ok(TimerId::Interval(which))
}

/// Round up: a timer that is due in 1 ns must not read as disarmed.
fn micros(ns: u64) -> Timeval {
    Timeval::from_ns(if ns == 0 { 0 } else { ns.max(1000) })
}

fn store_old(ctx: &mut Ctx<'_>, id: TimerId, address: u64) -> Result<()> {
    let (value_ns, interval_ns) = intervals(ctx, id)?;
    let memory = ctx.memory();
    memory.store(address, &micros(interval_ns))?;
    memory.store(address.wrapping_add(16), &micros(value_ns))
}

fn sys_getitimer(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let id = interval_id(ctx, args[0])?;
    store_old(ctx, id, args[1])?;
    Ok(0)
}

fn sys_setitimer(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [which, new, old, ..] = *args;
    let memory = ctx.memory();
    let setting = if new == 0 {
        Setting { value_ns: 0, interval_ns: 0, absolute: false }
    } else {
        let interval: Timeval = memory.load(new)?;
        let value: Timeval = memory.load(new.wrapping_add(16))?;
        Setting { value_ns: value.to_ns()?, interval_ns: interval.to_ns()?, absolute: false }
    };
    let id = interval_id(ctx, which)?;
    if old != 0 {
        store_old(ctx, id, old)?;
    }
    set(ctx, id, setting)?;
    Ok(0)
}

fn sys_alarm(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let id = interval_id(ctx, 0)?;
    let (left_ns, _) = intervals(ctx, id)?;
    let value_ns = (args[0] & 0xffff_ffff) * NANOS_PER_SECOND;
    set(ctx, id, Setting { value_ns, interval_ns: 0, absolute: false })?;
    // To the nearest second, but never 0 for one that was armed.
    let seconds = (left_ns + NANOS_PER_SECOND / 2) / NANOS_PER_SECOND;
    Ok(if left_ns == 0 { 0 } else { seconds.max(1) })
}

fn base_of(ctx: &mut Ctx<'_>, clock: u64) -> Result<Base> {
    match clock as i32 {
        0 | 8 | 11 => Ok(Base::Clock(Clock::Realtime)),
        1 => Ok(Base::Clock(Clock::Monotonic)),
        7 | 9 => Ok(Base::Clock(Clock::Boottime)),
        2 | 3 => Ok(Base::Cpu),
        clock if clock < 0 => super::time::clock_ns(ctx, clock).map(|_| Base::Cpu),
        _ => Err(Errno::EINVAL),
    }
}

fn sys_timer_create(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const SIGEV_SIGNAL: i32 = 0;
    const SIGEV_NONE: i32 = 1;
    const SIGEV_THREAD: i32 = 2;
    const SIGEV_THREAD_ID: i32 = 4;
    let [clock, event, id, ..] = *args;
    let memory = ctx.memory();
    // Which CPU clock a negative number means is looked at last.
    let is_bad = (clock as i32) < 0 && !memory.is_writable(id, 4);
    let base = base_of(ctx, clock).map_err(|errno| if is_bad { Errno::EFAULT } else { errno })?;
    let pid = ctx.process().pid;
    let given = if event == 0 {
        None
    } else {
        let value: u64 = memory.load(event)?;
        let [number, kind, tid]: [i32; 3] = memory.load(event.wrapping_add(8))?;
        let signal = Signal::new(number as u64);
        let thread = match kind {
            SIGEV_SIGNAL | SIGEV_NONE | SIGEV_THREAD => None,
            SIGEV_THREAD_ID => {
                let same = ctx.kernel.tasks.thread(tid).is_some_and(|thread| thread.pid == pid);
                Some(tid).filter(|_| same).ok_or(Errno::EINVAL)?.into()
            }
            _ => return Err(Errno::EINVAL.into()),
        };
        if kind != SIGEV_NONE && signal.is_none() {
            return Err(Errno::EINVAL.into());
        }
        Some(Notice { signal: signal.filter(|_| kind != SIGEV_NONE), thread, value })
    };
    let by_default = |number: i32| Notice { signal: Some(Signal::ALRM), thread: None, value: number as u64 };
    let number = ctx.kernel.timers.create(pid, base, |number| given.unwrap_or(by_default(number)))?;
    if let Err(errno) = memory.store(id, &number) {
        ctx.kernel.timers.delete(pid, TimerId::Posix(number))?;
        return Err(errno.into());
    }
    Ok(0)
}

fn store_timer(ctx: &mut Ctx<'_>, id: TimerId, address: u64) -> Result<()> {
    let (value_ns, interval_ns) = intervals(ctx, id)?;
    let memory = ctx.memory();
    memory.store(address, &Timespec::from_ns(interval_ns))?;
    memory.store(address.wrapping_add(16), &Timespec::from_ns(value_ns))
}

fn sys_timer_settime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const ABSTIME: u64 = 1;
    let [id, flags, new, old, ..] = *args;
    if new == 0 {
        return Err(Errno::EINVAL.into());
    }
    let id = TimerId::Posix(id as i32);
    let memory = ctx.memory();
    let interval: Timespec = memory.load(new)?;
    let value: Timespec = memory.load(new.wrapping_add(16))?;
    let absolute = flags & ABSTIME != 0;
    let setting = Setting { value_ns: value.to_ns()?, interval_ns: interval.to_ns()?, absolute };
    if old != 0 {
        store_timer(ctx, id, old)?;
    }
    set(ctx, id, setting)?;
    Ok(0)
}

fn sys_timer_gettime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    store_timer(ctx, TimerId::Posix(args[0] as i32), args[1])?;
    Ok(0)
}

fn sys_timer_getoverrun(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let pid = ctx.process().pid;
    Ok(ctx.kernel.timers.get(pid, TimerId::Posix(args[0] as i32))?.overrun() as u64)
}

fn sys_timer_delete(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let pid = ctx.process().pid;
    ctx.kernel.timers.delete(pid, TimerId::Posix(args[0] as i32))?;
    Ok(0)
}
