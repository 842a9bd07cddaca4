//! Limits and use of resources.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::Credentials;
use crate::task::credentials::CAP_SYS_RESOURCE;
use crate::task::limits::{Limit, resource};
use crate::task::{Pid, Process};
use crate::time::{Timeval, boottime_ns, monotonic_ns};
use crate::wait::SysResult;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const ROWS: &[Row] = &[
    Row::full(97, "getrlimit", sys_getrlimit),
    Row::full(98, "getrusage", sys_getrusage),
    Row::full(99, "sysinfo", sys_sysinfo),
    Row::full(100, "times", sys_times),
    Row::full(160, "setrlimit", sys_setrlimit),
    Row::full(302, "prlimit64", sys_prlimit64),
];

/// `struct rusage`; the fields that Linux leaves at zero are one array.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Rusage {
    user: Timeval,
    system: Timeval,
    peak_kib: u64,
    unused: [u64; 3],
    minor_faults: u64,
    rest: [u64; 9],
}

impl Rusage {
    fn new(cpu_ns: u64, peak_bytes: u64, faults: u64) -> Self {
        Self {
            user: Timeval::from_ns(cpu_ns),
            peak_kib: peak_bytes / 1024,
            minor_faults: faults,
            ..Self::default()
        }
    }
}

/// What a child that ended used, its own children included.
pub(super) fn rusage_of_child(child: &Process) -> Rusage {
    let used = child.children_usage;
    Rusage::new(child.gone_cpu_ns + used.cpu_ns, used.peak_bytes, child.faults + used.faults)
}

fn sys_getrusage(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const CHILDREN: i32 = -1;
    const SELF: i32 = 0;
    const THREAD: i32 = 1;
    let pid = ctx.process().pid;
    let usage = match args[0] as i32 {
        SELF => {
            let cpu_ns = ctx.kernel.process_cpu_ns(pid);
            let process = ctx.process();
            let bytes = process.space.borrow().usage().1;
            Rusage::new(cpu_ns, bytes, process.faults)
        }
        CHILDREN => {
            let used = ctx.process().children_usage;
            Rusage::new(used.cpu_ns, used.peak_bytes, used.faults)
        }
        THREAD => Rusage::new(ctx.kernel.cpu_ns(ctx.tid), ctx.process().space.borrow().usage().1, 0),
        _ => return Err(Errno::EINVAL.into()),
    };
    ctx.memory().store(args[1], &usage)?;
    Ok(0)
}

fn sys_getrlimit(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let limit = ctx.process().limits.get(args[0] & 0xffff_ffff)?;
    ctx.memory().store(args[1], &limit)?;
    Ok(0)
}

fn sys_setrlimit(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let pid = ctx.process().pid;
    let limit: Limit = ctx.memory().load(args[1])?;
    set_limit(ctx, pid, args[0] & 0xffff_ffff, limit)?;
    Ok(0)
}

fn sys_prlimit64(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [pid, resource, new, old, ..] = *args;
    let pid = if pid as Pid == 0 { ctx.process().pid } else { pid as Pid };
    let resource = resource & 0xffff_ffff;
    let new: Option<Limit> = if new == 0 { None } else { Some(ctx.memory().load(new)?) };
    let (own_pid, own) = (ctx.process().pid, ctx.process().credentials.clone());
    let process = ctx.kernel.tasks.process(pid).ok_or(Errno::ESRCH)?;
    if pid != own_pid && !may_limit(&own, &process.credentials) {
        return Err(Errno::EPERM.into());
    }
    let before = process.limits.get(resource)?;
    if let Some(limit) = new {
        set_limit(ctx, pid, resource, limit)?;
    }
    if old != 0 {
        ctx.memory().store(old, &before)?;
    }
    Ok(0)
}

/// Whether a process may see and change the limits of another (prlimit(2)).
fn may_limit(own: &Credentials, other: &Credentials) -> bool {
    let same_user = [other.uid, other.real_uid, other.saved_uid].iter().all(|uid| *uid == own.real_uid);
    let same_group = [other.gid, other.real_gid, other.saved_gid].iter().all(|gid| *gid == own.real_gid);
    same_user && same_group || own.can(CAP_SYS_RESOURCE)
}

/// Changes a limit, and what keeps a copy of it.
fn set_limit(ctx: &mut Ctx<'_>, pid: Pid, number: u64, limit: Limit) -> Result<()> {
    let privileged = ctx.process().credentials.can(CAP_SYS_RESOURCE);
    let process = ctx.kernel.tasks.process_mut(pid).ok_or(Errno::ESRCH)?;
    process.limits.set(number, limit, privileged)?;
    let limits = &process.limits;
    process.files.borrow_mut().limit = limits.current(resource::NOFILE).min(1 << 20) as usize;
    let mut space = process.space.borrow_mut();
    space.limits.total = limits.current(resource::AS);
    space.limits.data = limits.current(resource::DATA);
    Ok(())
}

fn sys_sysinfo(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let page = km_abi::layout::PAGE_SIZE;
    let (total, free) = (km_hal::frames::total() * page, km_hal::frames::available() * page);
    let threads = ctx.kernel.tasks.thread_count().min(usize::from(u16::MAX)) as u64;
    // uptime, three load averages, total and free memory, shared, buffers, total and free swap, threads, high memory
    let words = [boottime_ns() / 1_000_000_000, 0, 0, 0, total, free, 0, 0, 0, 0, threads, 0, 0, 1];
    ctx.memory().store(args[0], &words)?;
    Ok(0)
}

fn sys_times(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const TICK_NS: u64 = 10_000_000;
    let pid = ctx.process().pid;
    let own = ctx.kernel.process_cpu_ns(pid) / TICK_NS;
    let children = ctx.process().children_usage.cpu_ns / TICK_NS;
    if args[0] != 0 {
        ctx.memory().store(args[0], &[own, 0, children, 0])?;
    }
    Ok(monotonic_ns() / TICK_NS)
}
