//! POSIX message queues: mq_open(2), mq_unlink(2), mq_timedsend(2), mq_timedreceive(2), mq_notify(2), mq_getsetattr(2).
//! The C library takes the slash off names (mq_overview(7), "Library interfaces and system calls").

use super::at;
use super::open::install;
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_ACCMODE, O_NONBLOCK, O_RDWR, O_WRONLY, OpenFile};
use crate::fs::node::meta::{MAY_READ, MAY_WRITE};
use crate::fs::open::{O_CREAT, O_DIRECT, O_EXCL};
use crate::fs::walk::{NAME_MAX, PATH_MAX};
use crate::ipc::mq::{NewQueue, Notification, PRIORITIES, PosixQueue, QueueFile, Queues, Size};
use crate::kernel::{Args, Ctx};
use crate::signal::Signal;
use crate::signal::info::{Info, Origin, code};
use crate::task::credentials::CAP_SYS_RESOURCE;
use crate::task::limits::resource;
use crate::time::{Clock, Deadline, Timespec, monotonic_ns};
use crate::wait::{Stop, SysResult, Wait};
use alloc::rc::Rc;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::partial(240, "mq_open", sys_mq_open, "queues are no files of a mounted file system"),
    Row::full(241, "mq_unlink", sys_mq_unlink),
    Row::full(242, "mq_timedsend", sys_mq_timedsend),
    Row::full(243, "mq_timedreceive", sys_mq_timedreceive),
    Row::partial(244, "mq_notify", sys_mq_notify, "SIGEV_THREAD is ENOSYS"),
    Row::full(245, "mq_getsetattr", sys_mq_getsetattr),
];

/// `struct mq_attr`: mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs, and four reserved ones.
type Attributes = [i64; 8];

fn name(ctx: &mut Ctx<'_>, address: u64) -> Result<Vec<u8>> {
    let name = ctx.memory().string(address, PATH_MAX)?;
    match name.as_slice() {
        b"" => Err(Errno::ENOENT),
        b"." | b".." => Err(Errno::EACCES),
        name if name.contains(&b'/') => Err(Errno::EACCES),
        long if long.len() > NAME_MAX => Err(Errno::ENAMETOOLONG),
        _ => Ok(name),
    }
}

fn sys_mq_open(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, flags, mode, attributes, ..] = *args;
    let flags = flags as u32;
    // Read even where nothing is made.
    let size = if attributes != 0 {
        let [_, messages, bytes, ..] = ctx.memory().load::<Attributes>(attributes)?;
        Size { messages, bytes }
    } else {
        Size::default()
    };
    let name = name(ctx, address)?;
    let who = at::who(ctx);
    let process = ctx.process();
    if process.files.borrow().is_full() {
        return Err(Errno::EMFILE.into());
    }
    let umask = process.fs.borrow().umask;
    let limit = process.limits.get(resource::MSGQUEUE as u64)?.current;
    let queues = &mut ctx.kernel.ipc.mq;
    let queue = match queues.get(&name) {
        None if flags & O_CREAT == 0 => return Err(Errno::ENOENT.into()),
        None => {
            let unlimited = who.can(CAP_SYS_RESOURCE);
            let new = NewQueue { mode: mode as u32 & !umask, size, unlimited, limit, who: &who };
            queues.create(name, &new)?
        }
        Some(_) if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL => return Err(Errno::EEXIST.into()),
        Some(queue) => {
            let want = match flags & O_ACCMODE {
                0 => MAY_READ,
                O_WRONLY => MAY_WRITE,
                O_RDWR => MAY_READ | MAY_WRITE,
                _ => return Err(Errno::EINVAL.into()),
            };
            Queues::check(&queue, &who, want)?;
            queue
        }
    };
    if flags & O_DIRECT != 0 {
        return Err(Errno::EINVAL.into());
    }
    // Every descriptor of a queue is closed by execve(2).
    install(ctx, OpenFile::new(Rc::new(QueueFile(queue)), flags & (O_ACCMODE | O_NONBLOCK)), true)
}

fn sys_mq_unlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let name = name(ctx, args[0])?;
    let who = at::who(ctx);
    ctx.kernel.ipc.mq.unlink(&name, &who)?;
    Ok(0)
}

/// The open file and the queue behind a descriptor; EBADF for any other file.
fn queue(ctx: &mut Ctx<'_>, fd: u64) -> Result<(Rc<OpenFile>, Rc<PosixQueue>)> {
    let file = ctx.file(fd)?;
    let queue = file.file.as_any().downcast_ref::<QueueFile>().map(|file| Rc::clone(&file.0));
    Ok((file, queue.ok_or(Errno::EBADF)?))
}

/// When waiting ends: a time of CLOCK_REALTIME; `None` for a null pointer.
fn until(ctx: &mut Ctx<'_>, address: u64) -> Result<Option<u64>> {
    if address == 0 { Ok(None) } else { ctx.memory().load::<Timespec>(address)?.to_ns().map(Some) }
}

/// Waits until the queue changes; with a handler's SA_RESTART the call goes on, time-out or not (signal(7)).
fn wait(ctx: &mut Ctx<'_>, queue: &PosixQueue, until_ns: Option<u64>) -> Stop {
    if let Some(at_ns) = until_ns {
        let deadline = Deadline { clock: Clock::Realtime, at_ns };
        if deadline.monotonic_ns() <= monotonic_ns() {
            return Errno::ETIMEDOUT.into();
        }
        ctx.progress().wait_until(deadline);
    }
    Stop::Block(Wait { deadline_ns: ctx.progress().deadline_ns, ..Wait::on(&queue.queue) })
}

fn sys_mq_timedsend(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [fd, address, len, priority, timeout, _] = *args;
    let until_ns = until(ctx, timeout)?;
    let priority = priority as u32;
    if priority >= PRIORITIES {
        return Err(Errno::EINVAL.into());
    }
    let (file, queue) = queue(ctx, fd)?;
    file.check_writable()?;
    if len > queue.size().bytes.cast_unsigned() {
        return Err(Errno::EMSGSIZE.into());
    }
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len as usize).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len as usize, 0);
    ctx.memory().read(address, &mut bytes)?;
    match queue.send((priority, bytes)) {
        Ok(None) => Ok(0),
        Ok(Some(told)) => {
            tell(ctx, &told);
            Ok(0)
        }
        Err(Errno::EAGAIN) if !file.has(O_NONBLOCK) => Err(wait(ctx, &queue, until_ns)),
        Err(errno) => Err(errno.into()),
    }
}

/// Sends the signal of a notification.
fn tell(ctx: &mut Ctx<'_>, told: &Notification) {
    let Some(signal) = told.signal else { return };
    let process = ctx.process();
    let origin = Origin::Sender { pid: process.pid, uid: process.credentials.real_uid, value: told.value };
    ctx.kernel.signal_process(told.pid, Info { signal, code: code::MESGQ, origin });
}

fn sys_mq_timedreceive(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [fd, address, len, priority_at, timeout, _] = *args;
    let until_ns = until(ctx, timeout)?;
    let (file, queue) = queue(ctx, fd)?;
    file.check_readable()?;
    if len < queue.size().bytes.cast_unsigned() {
        return Err(Errno::EMSGSIZE.into());
    }
    let tid = ctx.tid;
    let received = queue.receive(tid);
    ctx.kernel.ipc.mq.leave(tid);
    let (priority, bytes) = match received {
        Err(Errno::EAGAIN) if !file.has(O_NONBLOCK) => {
            let stop = wait(ctx, &queue, until_ns);
            if matches!(stop, Stop::Block(_)) {
                ctx.kernel.ipc.mq.wait(tid, &queue);
            }
            return Err(stop);
        }
        received => received?,
    };
    let memory = ctx.memory();
    if priority_at != 0 {
        memory.store(priority_at, &priority)?;
    }
    memory.write(address, &bytes)?;
    Ok(bytes.len() as u64)
}

fn sys_mq_notify(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const SIGEV_SIGNAL: i32 = 0;
    const SIGEV_NONE: i32 = 1;
    const SIGEV_THREAD: i32 = 2;
    let [fd, event, ..] = *args;
    let asked = if event == 0 {
        None
    } else {
        let value: u64 = ctx.memory().load(event)?;
        let [number, kind]: [i32; 2] = ctx.memory().load(event.wrapping_add(8))?;
        let signal = match kind {
            // Signal 0 is one that is never sent, as with kill(2).
            SIGEV_SIGNAL if number == 0 => None,
            SIGEV_SIGNAL => Some(Signal::new(number as u64).ok_or(Errno::EINVAL)?),
            SIGEV_NONE => None,
            SIGEV_THREAD => return Err(Errno::ENOSYS.into()),
            _ => return Err(Errno::EINVAL.into()),
        };
        Some((signal, value))
    };
    let (_, queue) = queue(ctx, fd)?;
    let process = ctx.process();
    let pid = process.pid;
    match asked {
        None => queue.forget(pid),
        Some((signal, value)) => {
            let table = process.files.borrow().owner();
            queue.notify(Notification { pid, table, signal, value })?;
        }
    }
    Ok(0)
}

fn sys_mq_getsetattr(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [fd, new, old, ..] = *args;
    let flags = if new == 0 {
        None
    } else {
        let [flags, ..] = ctx.memory().load::<Attributes>(new)?;
        Some(u32::try_from(flags).ok().filter(|flags| flags & !O_NONBLOCK == 0).ok_or(Errno::EINVAL)?)
    };
    let (file, queue) = queue(ctx, fd)?;
    let Size { messages, bytes } = queue.size();
    let before = i64::from(file.flags.get() & O_NONBLOCK);
    if let Some(flags) = flags {
        file.flags.set(file.flags.get() & !O_NONBLOCK | flags);
    }
    if old != 0 {
        let attributes: Attributes = [before, messages, bytes, queue.count(), 0, 0, 0, 0];
        ctx.memory().store(old, &attributes)?;
    }
    Ok(0)
}
