//! Descriptors of processes: pidfd_open(2).

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::{File, OpenFile, Ready};
use crate::kernel::{Args, Ctx};
use crate::task::Pid;
use crate::task::process::Leaving;
use crate::wait::{SysResult, WaitQueue};
use alloc::rc::Rc;
use core::any::Any;

pub const ROWS: &[Row] = &[Row::full(434, "pidfd_open", sys_pidfd_open)];

/// PIDFD_NONBLOCK, which is O_NONBLOCK.
const NONBLOCK: u64 = 0x800;
/// O_RDWR, the access mode that Linux gives such a descriptor.
const READ_WRITE: u32 = 2;

/// A process, as a descriptor: readable when it has ended.
pub struct PidFile {
    /// The process, which may have been waited for already.
    pub pid: Pid,
    left: Rc<Leaving>,
}

impl File for PidFile {
    fn ready(&self) -> Ready {
        if self.left.ended.get() { Ready::IN } else { Ready::empty() }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.left.queue)
    }

    fn label(&self) -> alloc::vec::Vec<u8> {
        b"anon_inode:[pidfd]".to_vec()
    }

    fn describe(&self) -> alloc::string::String {
        let number = if self.left.reaped.get() { -1 } else { self.pid };
        alloc::format!("Pid:\t{number}\nNSpid:\t{number}\n")
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Makes a descriptor of a process.
///
/// # Errors
/// ESRCH, EMFILE.
pub(super) fn install(ctx: &mut Ctx<'_>, pid: Pid) -> Result<u64> {
    open(ctx, pid, 0)
}

fn open(ctx: &mut Ctx<'_>, pid: Pid, flags: u32) -> Result<u64> {
    let process = ctx.kernel.tasks.process(pid).ok_or(Errno::ESRCH)?;
    let file = Rc::new(PidFile { pid, left: Rc::clone(&process.left) });
    let open = OpenFile::new(file, READ_WRITE | flags);
    ctx.files().borrow_mut().insert(open, true, 0)
}

/// The process that a descriptor names.
///
/// # Errors
/// EBADF.
pub(crate) fn pid_of(ctx: &mut Ctx<'_>, fd: u64) -> Result<Pid> {
    let open = ctx.file(fd)?;
    open.file.as_any().downcast_ref::<PidFile>().map(|file| file.pid).ok_or(Errno::EBADF)
}

/// Whether waiting by this descriptor fails with EAGAIN instead.
///
/// # Errors
/// EBADF.
pub(super) fn is_nonblocking(ctx: &mut Ctx<'_>, fd: u64) -> Result<bool> {
    Ok(ctx.file(fd)?.flags.get() & NONBLOCK as u32 != 0)
}

fn sys_pidfd_open(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [pid, flags, ..] = *args;
    if flags & !NONBLOCK != 0 || (pid as i32) <= 0 {
        return Err(Errno::EINVAL.into());
    }
    if ctx.kernel.tasks.process(pid as i32).is_none() && ctx.kernel.tasks.thread(pid as i32).is_some() {
        return Err(Errno::EINVAL.into());
    }
    Ok(open(ctx, pid as i32, flags as u32)?)
}
