//! Files to wait for, and memory with a descriptor: eventfd(2), timerfd_create(2), memfd_create(2).

use super::open::install;
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::eventfd::EventFd;
use crate::fs::file::{O_LARGEFILE, O_NONBLOCK, O_RDWR, OpenFile};
use crate::fs::node::data::{Data, F_SEAL_EXEC, F_SEAL_SEAL};
use crate::fs::node::meta::{Meta, S_IFREG};
use crate::fs::node::{Body, Node};
use crate::fs::open::O_CLOEXEC;
use crate::fs::regular::RegularFile;
use crate::fs::timerfd::{Setting, TimerFd};
use crate::kernel::{Args, Ctx};
use crate::time::Clock;
use crate::wait::SysResult;
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(283, "timerfd_create", sys_timerfd_create),
    Row::full(284, "eventfd", sys_eventfd),
    Row::full(286, "timerfd_settime", sys_timerfd_settime),
    Row::full(287, "timerfd_gettime", sys_timerfd_gettime),
    Row::full(290, "eventfd2", sys_eventfd2),
    Row::partial(319, "memfd_create", sys_memfd_create, "no huge pages (MFD_HUGETLB is ENOMEM)"),
];

const EFD_SEMAPHORE: u32 = 1;

fn sys_eventfd(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_eventfd2(ctx, &[args[0], 0, 0, 0, 0, 0])
}

fn sys_eventfd2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[1] as u32;
    if flags & !(EFD_SEMAPHORE | O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let event = EventFd::new(u64::from(args[0] as u32), flags & EFD_SEMAPHORE != 0);
    let file = OpenFile::new(Rc::new(event), O_RDWR | flags & O_NONBLOCK);
    install(ctx, file, flags & O_CLOEXEC != 0)
}

fn sys_timerfd_create(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[1] as u32;
    let clock = match args[0] as u32 {
        0 | 8 => Clock::Realtime,
        1 => Clock::Monotonic,
        7 | 9 => Clock::Boottime,
        _ => return Err(Errno::EINVAL.into()),
    };
    if matches!(args[0] as u32, 8 | 9) {
        // Alarm clocks need CAP_WAKE_ALARM.
        return Err(Errno::EPERM.into());
    }
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = OpenFile::new(Rc::new(TimerFd::new(clock)), O_RDWR | flags & O_NONBLOCK);
    install(ctx, file, flags & O_CLOEXEC != 0)
}

const TFD_TIMER_ABSTIME: u64 = 1;
const TFD_TIMER_CANCEL_ON_SET: u64 = 2;

fn timer(file: &OpenFile) -> Result<&TimerFd> {
    file.file.as_any().downcast_ref().ok_or(Errno::EINVAL)
}

fn sys_timerfd_settime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let raw: [i64; 4] = ctx.memory().load(args[2])?;
    if args[1] & 0xffff_ffff & !(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let interval_ns = nanoseconds(raw[0], raw[1])?;
    let first_ns = nanoseconds(raw[2], raw[3])?;
    let file = ctx.file(args[0])?;
    let timer = timer(&file)?;
    let old = timer.get();
    let absolute = args[1] & TFD_TIMER_ABSTIME != 0;
    timer.set(Setting {
        first_ns,
        interval_ns,
        absolute,
        cancel_on_set: args[1] & TFD_TIMER_CANCEL_ON_SET != 0,
    });
    if args[3] != 0 {
        store_setting(ctx, args[3], old)?;
    }
    Ok(0)
}

fn sys_timerfd_gettime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let setting = timer(&file)?.get();
    store_setting(ctx, args[1], setting)?;
    Ok(0)
}

fn nanoseconds(s: i64, ns: i64) -> Result<u64> {
    if s < 0 || !(0..1_000_000_000).contains(&ns) {
        return Err(Errno::EINVAL);
    }
    Ok(s.cast_unsigned().saturating_mul(1_000_000_000).saturating_add(ns.cast_unsigned()))
}

/// A `struct itimerspec` of time left and interval.
fn store_setting(ctx: &mut Ctx<'_>, address: u64, (left, interval): (u64, u64)) -> Result<()> {
    const SECOND: u64 = 1_000_000_000;
    let raw = [interval / SECOND, interval % SECOND, left / SECOND, left % SECOND];
    ctx.memory().store(address, &raw)
}

const MFD_CLOEXEC: u64 = 1;
const MFD_ALLOW_SEALING: u64 = 2;
const MFD_HUGETLB: u64 = 4;
const MFD_NOEXEC_SEAL: u64 = 8;
const MFD_EXEC: u64 = 16;
/// Bits 26 to 31: the binary logarithm of the size of huge pages, 0 for the default.
const MFD_HUGE_SHIFT: u32 = 26;
const MFD_HUGE_SIZES: u64 = 0x3f << MFD_HUGE_SHIFT;

fn sys_memfd_create(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[1] & 0xffff_ffff;
    let is_huge = flags & MFD_HUGETLB != 0;
    let sizes = if is_huge { MFD_HUGE_SIZES } else { 0 };
    let known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB | MFD_NOEXEC_SEAL | MFD_EXEC | sizes;
    if flags & !known != 0 || flags & (MFD_NOEXEC_SEAL | MFD_EXEC) == MFD_NOEXEC_SEAL | MFD_EXEC {
        return Err(Errno::EINVAL.into());
    }
    let name = ctx
        .memory()
        .string(args[0], 250)
        .map_err(|errno| if errno == Errno::ENAMETOOLONG { Errno::EINVAL } else { errno })?;
    if is_huge {
        // Pages of 2 MiB and 1 GiB are what x86-64 has; none are reserved, so the file could hold nothing.
        let has_size = matches!((flags & MFD_HUGE_SIZES) >> MFD_HUGE_SHIFT, 0 | 21 | 30);
        return Err(if has_size { Errno::ENOMEM } else { Errno::ENODEV }.into());
    }
    let (uid, gid) = (ctx.process().credentials.uid, ctx.process().credentials.gid);
    let mode = if flags & MFD_NOEXEC_SEAL != 0 { 0o666 } else { 0o777 };
    let mut meta = Meta::new(S_IFREG | mode, uid, gid);
    meta.nlink = 0;
    let data = Data::default();
    if flags & (MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL) == 0 {
        data.seals.set(F_SEAL_SEAL);
    }
    if flags & MFD_NOEXEC_SEAL != 0 {
        data.seals.set(F_SEAL_EXEC);
    }
    let vfs = &ctx.kernel.vfs;
    let node = Node::new(&vfs.nameless, meta, Body::File(data));
    node.set_place(&vfs.nameless_dir, &[b"memfd:", name.as_slice()].concat());
    // Counts as no writer, so that it can be executed while it is open (fexecve(3)).
    let file = OpenFile::new(Rc::new(RegularFile::new(node, 0)), O_RDWR | O_LARGEFILE);
    install(ctx, file, flags & MFD_CLOEXEC != 0)
}
