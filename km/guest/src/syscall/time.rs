//! Clocks and sleeping.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::time::{
    Clock, Deadline, NANOS_PER_SECOND, Timespec, Timeval, boottime_ns, monotonic_ns, realtime_ns,
};
use crate::wait::{Stop, SysResult, Wait};
use zerocopy::{FromBytes, Immutable, IntoBytes};

pub const ROWS: &[Row] = &[
    Row::full(35, "nanosleep", sys_nanosleep),
    Row::full(96, "gettimeofday", sys_gettimeofday),
    Row::full(201, "time", sys_time),
    Row::full(228, "clock_gettime", sys_clock_gettime),
    Row::full(229, "clock_getres", sys_clock_getres),
    Row::full(230, "clock_nanosleep", sys_clock_nanosleep),
    Row::partial(159, "adjtimex", sys_adjtimex, READ_ONLY),
    Row::refused(164, "settimeofday", Errno::EPERM, "the clock is the host's"),
    Row::refused(227, "clock_settime", Errno::EPERM, "the clock is the host's"),
    Row::partial(305, "clock_adjtime", sys_clock_adjtime, READ_ONLY),
];

const READ_ONLY: &str = "reading only: the clock is the host's";

mod clock {
    pub const REALTIME: i32 = 0;
    pub const MONOTONIC: i32 = 1;
    pub const PROCESS_CPUTIME: i32 = 2;
    pub const THREAD_CPUTIME: i32 = 3;
    pub const MONOTONIC_RAW: i32 = 4;
    pub const REALTIME_COARSE: i32 = 5;
    pub const MONOTONIC_COARSE: i32 = 6;
    pub const BOOTTIME: i32 = 7;
    pub const REALTIME_ALARM: i32 = 8;
    pub const BOOTTIME_ALARM: i32 = 9;
    pub const TAI: i32 = 11;
}

/// A clock's value in nanoseconds.
///
/// # Errors
/// EINVAL for what is no clock.
pub(crate) fn clock_ns(ctx: &mut Ctx<'_>, id: i32) -> Result<u64> {
    use clock::*;
    match id {
        REALTIME | REALTIME_COARSE | REALTIME_ALARM | TAI => Ok(realtime_ns()),
        MONOTONIC | MONOTONIC_RAW | MONOTONIC_COARSE => Ok(monotonic_ns()),
        BOOTTIME | BOOTTIME_ALARM => Ok(boottime_ns()),
        PROCESS_CPUTIME => {
            let pid = ctx.process().pid;
            Ok(ctx.kernel.process_cpu_ns(pid))
        }
        THREAD_CPUTIME => Ok(ctx.kernel.cpu_ns(ctx.tid)),
        id if id < 0 => cpu_clock_ns(ctx, id),
        _ => Err(Errno::EINVAL),
    }
}

/// A clock that names a process or thread: its complement is shifted, bit 2 says thread (clock_getcpuclockid(3)).
fn cpu_clock_ns(ctx: &mut Ctx<'_>, id: i32) -> Result<u64> {
    let number = !(id >> 3);
    if id & 3 == 3 || number < 0 {
        return Err(Errno::EINVAL);
    }
    if id & 4 == 0 {
        let pid = if number == 0 { ctx.process().pid } else { number };
        ctx.kernel.tasks.process(pid).ok_or(Errno::EINVAL)?;
        return Ok(ctx.kernel.process_cpu_ns(pid));
    }
    let tid = if number == 0 { ctx.tid } else { number };
    ctx.kernel.tasks.thread(tid).ok_or(Errno::EINVAL)?;
    Ok(ctx.kernel.cpu_ns(tid))
}

fn sys_clock_gettime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let now_ns = clock_ns(ctx, args[0] as i32)?;
    ctx.memory().store(args[1], &Timespec::from_ns(now_ns))?;
    Ok(0)
}

fn sys_clock_getres(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let id = args[0] as i32;
    clock_ns(ctx, id)?;
    let coarse = matches!(id, clock::REALTIME_COARSE | clock::MONOTONIC_COARSE);
    if args[1] != 0 {
        ctx.memory().store(args[1], &Timespec::from_ns(if coarse { 4_000_000 } else { 1 }))?;
    }
    Ok(0)
}

fn sys_gettimeofday(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let memory = ctx.memory();
    if args[0] != 0 {
        memory.store(args[0], &Timeval::from_ns(realtime_ns()))?;
    }
    if args[1] != 0 {
        memory.store(args[1], &[0i32; 2])?;
    }
    Ok(0)
}

fn sys_time(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let seconds = realtime_ns() / NANOS_PER_SECOND;
    if args[0] != 0 {
        ctx.memory().store(args[0], &seconds)?;
    }
    Ok(seconds)
}

fn sys_nanosleep(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sleep(ctx, clock::MONOTONIC, args[0], false, args[1])
}

fn sys_clock_nanosleep(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const ABSTIME: u64 = 1;
    let [id, flags, request, remaining, ..] = *args;
    let id = id as i32;
    match id {
        clock::THREAD_CPUTIME => return Err(Errno::EINVAL.into()),
        clock::MONOTONIC_RAW | clock::REALTIME_COARSE | clock::MONOTONIC_COARSE | clock::PROCESS_CPUTIME => {
            return Err(Errno::EOPNOTSUPP.into());
        }
        _ => {
            if id < 0 {
                // CPU clocks, of which there are many: whether there is this one is looked at last.
                ctx.memory().load::<Timespec>(request)?;
            }
            clock_ns(ctx, id)?
        }
    };
    sleep(ctx, id, request, flags & ABSTIME != 0, remaining)
}

/// When a wall clock shows `time_ns`, or has gone on by so much. A distance on CLOCK_REALTIME is one on CLOCK_MONOTONIC.
fn deadline(id: i32, absolute: bool, time_ns: u64) -> Deadline {
    let clock = match id {
        clock::BOOTTIME | clock::BOOTTIME_ALARM => Clock::Boottime,
        clock::MONOTONIC => Clock::Monotonic,
        _ if absolute => Clock::Realtime,
        _ => Clock::Monotonic,
    };
    if absolute { Deadline { clock, at_ns: time_ns } } else { Deadline::after(clock, time_ns) }
}

fn sleep(ctx: &mut Ctx<'_>, id: i32, request: u64, absolute: bool, remaining: u64) -> SysResult {
    let time_ns = ctx.memory().load::<Timespec>(request)?.to_ns()?;
    if id < 0 && absolute {
        // How fast a CPU clock goes is not known, so its distance is taken anew at every run.
        let left_ns = time_ns.saturating_sub(clock_ns(ctx, id)?);
        ctx.progress().deadline_ns = Some(monotonic_ns().saturating_add(left_ns));
    } else if ctx.progress().deadline_ns.is_none() {
        ctx.progress().wait_until(deadline(id, absolute, time_ns));
    }
    let (now_ns, deadline_ns) = (monotonic_ns(), ctx.progress().deadline_ns.unwrap_or_default());
    if deadline_ns <= now_ns {
        return Ok(0);
    }
    // A signal's handler ends the sleep: what is left is stored before it can run.
    if !absolute && remaining != 0 {
        ctx.memory().store(remaining, &Timespec::from_ns(deadline_ns - now_ns))?;
    }
    Err(Stop::Block(Wait::on(&ctx.thread().futex).until(Some(deadline_ns))))
}

/// `struct timex` (adjtimex(2)) of a clock that nobody disciplines.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Timex {
    modes: u32,
    _padding: u32,
    offset: i64,
    frequency: i64,
    maximum_error_us: i64,
    estimated_error_us: i64,
    status: u64,
    constant: i64,
    precision_us: i64,
    tolerance: i64,
    time: Timeval,
    tick_us: i64,
    /// ppsfreq to stbcnt, the offset to TAI, and room for more.
    others: [u64; 13],
}

fn sys_adjtimex(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// ADJ_OFFSET_SS_READ: the rest of what adjtime(3) asked for, without a change.
    const OFFSET_READ: u32 = 0xa001;
    /// STA_UNSYNC: nobody vouches for the clock.
    const UNSYNCHRONIZED: u64 = 0x40;
    /// TIME_ERROR: what is returned with it.
    const NOT_SYNCHRONIZED: u64 = 5;
    /// The largest error that the kernel keeps (NTP_PHASE_LIMIT).
    const ERROR_MAX_US: i64 = 16_000_000;
    let memory = ctx.memory();
    let modes = memory.load::<Timex>(args[0])?.modes;
    // The singleshot form, and whatever else would change something.
    if modes != 0 && modes != OFFSET_READ {
        return Err(Errno::EPERM.into());
    }
    let answer = Timex {
        modes,
        _padding: 0,
        offset: 0,
        frequency: 0,
        maximum_error_us: ERROR_MAX_US,
        estimated_error_us: ERROR_MAX_US,
        status: UNSYNCHRONIZED,
        constant: 2,
        precision_us: 1,
        tolerance: 32_768_000,
        time: Timeval::from_ns(realtime_ns()),
        tick_us: 10_000,
        others: [0; 13],
    };
    memory.store(args[0], &answer)?;
    Ok(NOT_SYNCHRONIZED)
}

fn sys_clock_adjtime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    ctx.memory().load::<Timex>(args[1])?;
    match args[0] as i32 {
        clock::REALTIME => sys_adjtimex(ctx, &[args[1], 0, 0, 0, 0, 0]),
        id if id < 0 || clock_ns(ctx, id).is_err() => Err(Errno::EINVAL.into()),
        _ => Err(Errno::EOPNOTSUPP.into()),
    }
}
