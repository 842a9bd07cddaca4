//! poll(2) and ppoll(2).

use super::row::Row;
use super::waiting;
use crate::epoll::poll_bits;
use crate::errno::{Errno, Result};
use crate::fs::file::O_PATH;
use crate::kernel::{Args, Ctx};
use crate::wait::{SysResult, WaitKey};
use alloc::vec::Vec;
use linux_raw_sys::general as raw;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const ROWS: &[Row] = &[Row::full(7, "poll", sys_poll), Row::full(271, "ppoll", sys_ppoll)];

/// `struct pollfd` (poll(2)).
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct PollFd {
    fd: i32,
    events: u16,
    revents: u16,
}

fn sys_poll(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    // Linux takes the lower half of the number alone.
    wait(ctx, args[0], u64::from(args[1] as u32), waiting::milliseconds(args[2]))
}

/// The time that is left is written back, as the system call does (the C library hides it).
fn sys_ppoll(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let timeout_ns = waiting::timespec(ctx, args[2])?;
    waiting::with_mask(ctx, args[3], args[4], |ctx| {
        let result = wait(ctx, args[0], u64::from(args[1] as u32), timeout_ns);
        if let (Ok(_), Some(deadline)) = (&result, waiting::deadline(ctx, timeout_ns)) {
            let left = waiting::left(deadline);
            // A time-out in read-only memory is no error (poll_select_finish of Linux).
            let _ = ctx.memory().store(args[2], &[left / 1_000_000_000, left % 1_000_000_000]);
        }
        result
    })
}

fn load(ctx: &mut Ctx<'_>, address: u64, count: u64) -> Result<Vec<PollFd>> {
    let count = u32::try_from(count).map_err(|_| Errno::EINVAL)? as usize;
    if count > ctx.files().borrow().limit {
        return Err(Errno::EINVAL);
    }
    let mut list = alloc::vec![PollFd { fd: 0, events: 0, revents: 0 }; count];
    ctx.memory().read(address, list.as_mut_slice().as_mut_bytes())?;
    Ok(list)
}

fn wait(ctx: &mut Ctx<'_>, address: u64, count: u64, timeout_ns: Option<u64>) -> SysResult {
    let mut list = load(ctx, address, count)?;
    let files = ctx.files();
    let mut ready = 0;
    for entry in &mut list {
        entry.revents = u16::try_from(events(&files.borrow(), entry)).unwrap_or(0);
        ready += u64::from(entry.revents != 0);
    }
    let deadline_ns = waiting::deadline(ctx, timeout_ns);
    if ready == 0 && !waiting::is_over(timeout_ns, deadline_ns) {
        return Err(waiting::block(keys(&files.borrow(), &list), deadline_ns));
    }
    ctx.memory().write(address, list.as_slice().as_bytes())?;
    Ok(ready)
}

fn events(files: &crate::fs::fd::FdTable, entry: &PollFd) -> u32 {
    let Ok(fd) = u32::try_from(entry.fd) else { return 0 };
    match files.descriptor(u64::from(fd)) {
        None => raw::POLLNVAL,
        Some(descriptor) if descriptor.file.has(O_PATH) => raw::POLLNVAL,
        Some(descriptor) => {
            let wanted = u32::from(entry.events) | raw::POLLERR | raw::POLLHUP;
            poll_bits(descriptor.file.file.ready()) & wanted
        }
    }
}

fn keys(files: &crate::fs::fd::FdTable, list: &[PollFd]) -> Vec<WaitKey> {
    let fds = list.iter().filter_map(|entry| u64::try_from(entry.fd).ok());
    fds.filter_map(|fd| Some(files.descriptor(fd)?.file.file.queue()?.key())).collect()
}
