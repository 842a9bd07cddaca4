//! epoll_create(2), epoll_ctl(2), epoll_wait(2) and their variants.

use super::row::Row;
use super::waiting;
use crate::epoll::{Epoll, EpollEvent, nesting};
use crate::errno::{Errno, Result};
use crate::fs::file::{O_RDWR, OpenFile};
use crate::kernel::{Args, Ctx};
use crate::mm::user::is_nameable;
use crate::wait::SysResult;
use alloc::rc::Rc;
use linux_raw_sys::general as raw;
use zerocopy::IntoBytes;

pub const ROWS: &[Row] = &[
    Row::full(213, "epoll_create", sys_epoll_create),
    Row::refused(214, "epoll_ctl_old", Errno::ENOSYS, "never was in Linux"),
    Row::refused(215, "epoll_wait_old", Errno::ENOSYS, "never was in Linux"),
    Row::full(232, "epoll_wait", sys_epoll_wait),
    Row::full(233, "epoll_ctl", sys_epoll_ctl),
    Row::full(281, "epoll_pwait", sys_epoll_pwait),
    Row::full(291, "epoll_create1", sys_epoll_create1),
    Row::full(441, "epoll_pwait2", sys_epoll_pwait2),
];

/// Most events of one call (EP_MAX_EVENTS).
const EVENTS_MAX: i32 = i32::MAX / size_of::<EpollEvent>() as i32;

fn sys_epoll_create(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[0] as i32 <= 0 {
        return Err(Errno::EINVAL.into());
    }
    sys_epoll_create1(ctx, &[0; 6])
}

fn sys_epoll_create1(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[0] as u32;
    if flags & !raw::EPOLL_CLOEXEC != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = OpenFile::new(Rc::new(Epoll::default()), O_RDWR);
    Ok(ctx.files().borrow_mut().insert(file, flags != 0, 0)?)
}

/// Calls `work` with the instance behind a descriptor.
fn with_instance<T>(file: &OpenFile, work: impl FnOnce(&Epoll) -> Result<T>) -> Result<T> {
    work(file.file.as_any().downcast_ref().ok_or(Errno::EINVAL)?)
}

fn sys_epoll_ctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (operation, fd) = (args[1] as u32, args[2] as u32);
    let event = match operation {
        raw::EPOLL_CTL_DEL => EpollEvent { events: 0, data: 0 },
        _ => ctx.memory().load(args[3])?,
    };
    let instance = ctx.file(args[0])?;
    let file = ctx.file(u64::from(fd))?;
    if file.file.queue().is_none() {
        return Err(Errno::EPERM.into());
    }
    if Rc::ptr_eq(&instance, &file) {
        return Err(Errno::EINVAL.into());
    }
    with_instance(&instance, |epoll| match operation {
        raw::EPOLL_CTL_ADD => {
            nesting::check(epoll, &file)?;
            epoll.add(fd, &file, event)
        }
        raw::EPOLL_CTL_MOD => epoll.modify(fd, &file, event),
        raw::EPOLL_CTL_DEL => epoll.remove(fd, &file),
        _ => Err(Errno::EINVAL),
    })?;
    Ok(0)
}

fn wait(ctx: &mut Ctx<'_>, args: &Args, timeout_ns: Option<u64>) -> SysResult {
    let limit = args[2] as i32;
    if !(1..=EVENTS_MAX).contains(&limit) {
        return Err(Errno::EINVAL.into());
    }
    if !is_nameable(args[1], u64::from(limit.cast_unsigned()) * size_of::<EpollEvent>() as u64) {
        return Err(Errno::EFAULT.into());
    }
    let instance = ctx.file(args[0])?;
    let events = with_instance(&instance, |epoll| Ok(epoll.collect(limit.cast_unsigned() as usize)))?;
    let deadline_ns = waiting::deadline(ctx, timeout_ns);
    if events.is_empty() && !waiting::is_over(timeout_ns, deadline_ns) {
        let keys = instance.file.queue().map(crate::wait::WaitQueue::key).into_iter().collect();
        return Err(waiting::block(keys, deadline_ns));
    }
    ctx.memory().write(args[1], events.as_slice().as_bytes())?;
    Ok(events.len() as u64)
}

fn sys_epoll_wait(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    wait(ctx, args, waiting::milliseconds(args[3]))
}

fn sys_epoll_pwait(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    waiting::with_mask(ctx, args[4], args[5], |ctx| sys_epoll_wait(ctx, args))
}

fn sys_epoll_pwait2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = waiting::timespec(ctx, args[3])?;
    waiting::with_mask(ctx, args[4], args[5], |ctx| wait(ctx, args, timeout_ns))
}
