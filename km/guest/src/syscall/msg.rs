//! Message queues of System V: msgget(2), msgsnd(2), msgrcv(2), msgctl(2).

use super::ipc::{self, command};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::ipc::msg::{MESSAGE_MAX, Message, MessageQueue, QUEUE_BYTES, Wanted};
use crate::ipc::now_s;
use crate::ipc::registry::Object;
use crate::kernel::{Args, Ctx};
use crate::task::credentials::CAP_SYS_RESOURCE;
use crate::wait::{Interruption, Stop, SysResult, Wait};
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(68, "msgget", sys_msgget),
    Row::full(69, "msgsnd", sys_msgsnd),
    Row::full(70, "msgrcv", sys_msgrcv),
    Row::full(71, "msgctl", sys_msgctl),
];

/// Most queues (MSGMNI).
pub const QUEUES_MAX: u64 = 32_000;
const MSG_STAT: u64 = 11;
const MSG_INFO: u64 = 12;
const MSG_STAT_ANY: u64 = 13;
/// A message that is too long is cut.
const MSG_NOERROR: u64 = 0o10_000;
/// Any type but the given one.
const MSG_EXCEPT: u64 = 0o20_000;
/// The message at a place of the queue, which stays there.
const MSG_COPY: u64 = 0o40_000;

fn sys_msgget(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let who = ctx.process().credentials.clone();
    let queues = &mut ctx.kernel.ipc.msg;
    let is_full = queues.len() as u64 >= QUEUES_MAX;
    let id = queues.open(
        &who,
        args[0] as i32,
        args[1] as u32,
        |_| Ok(()),
        |permissions| {
            if is_full { Err(Errno::ENOSPC) } else { Ok(MessageQueue::new(permissions)) }
        },
    )?;
    Ok(id as u64)
}

/// The queue that a call works on; EIDRM if it went while the call waited.
fn queue(ctx: &mut Ctx<'_>, id: u64, wanted: u32) -> Result<Rc<MessageQueue>> {
    let has_waited = ctx.progress().stage != 0;
    let queue = ipc::removed(ctx.kernel.ipc.msg.get(id as i32), has_waited)?;
    queue.permissions().get().check(&ctx.process().credentials, wanted)?;
    Ok(queue)
}

/// Waits until the queue changes; a handler ends the call, whatever SA_RESTART says (signal(7)).
fn until_changed(ctx: &mut Ctx<'_>, queue: &MessageQueue) -> Stop {
    ctx.progress().stage = 1;
    Stop::Block(Wait { interruption: Interruption::Fail, ..Wait::on(&queue.queue) })
}

fn sys_msgsnd(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [id, address, len, flags, ..] = *args;
    let memory = ctx.memory();
    let kind: i64 = memory.load(address)?;
    if len > MESSAGE_MAX || (id as i32) < 0 || kind < 1 {
        return Err(Errno::EINVAL.into());
    }
    let mut bytes = alloc::vec![0; len as usize];
    memory.read(address.wrapping_add(8), &mut bytes)?;
    let queue = queue(ctx, id, ipc::WRITE)?;
    let pid = ctx.process().pid;
    match queue.send(Message { kind, bytes }, pid) {
        Ok(()) => Ok(0),
        Err(Errno::EAGAIN) if flags & ipc::NO_WAIT == 0 => Err(until_changed(ctx, &queue)),
        Err(errno) => Err(errno.into()),
    }
}

fn wanted(kind: i64, flags: u64) -> Result<Wanted> {
    if flags & MSG_COPY != 0 {
        if flags & MSG_EXCEPT != 0 || flags & ipc::NO_WAIT == 0 {
            return Err(Errno::EINVAL);
        }
        return Ok(Wanted::Place(usize::try_from(kind).unwrap_or(usize::MAX)));
    }
    Ok(match kind {
        0 => Wanted::Any,
        kind if kind < 0 => Wanted::UpTo(kind.checked_neg().unwrap_or(i64::MAX)),
        kind if flags & MSG_EXCEPT != 0 => Wanted::Except(kind),
        kind => Wanted::Kind(kind),
    })
}

fn sys_msgrcv(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [id, address, room, kind, flags, _] = *args;
    if (id as i32) < 0 || room.cast_signed() < 0 {
        return Err(Errno::EINVAL.into());
    }
    let wanted = wanted(kind.cast_signed(), flags)?;
    let queue = queue(ctx, id, ipc::READ)?;
    let pid = ctx.process().pid;
    let message = match queue.receive(wanted, room, flags & MSG_NOERROR != 0, pid) {
        Err(Errno::ENOMSG) if flags & ipc::NO_WAIT == 0 => return Err(until_changed(ctx, &queue)),
        message => message?,
    };
    let memory = ctx.memory();
    let count = message.bytes.len().min(room as usize);
    memory.store(address, &message.kind)?;
    memory.write(address.wrapping_add(8), &message.bytes[..count])?;
    Ok(count as u64)
}

fn sys_msgctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (id, command, argument) = (args[0] as i32, args[1] & 0xffff_ffff, args[2]);
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        command::INFO | MSG_INFO => info(ctx, command, argument),
        command::STAT => {
            let queue = ctx.kernel.ipc.msg.get(id)?;
            stat(ctx, &queue, argument, true)?;
            Ok(0)
        }
        MSG_STAT | MSG_STAT_ANY => {
            let (id, queue) = ctx.kernel.ipc.msg.at_place(id)?;
            stat(ctx, &queue, argument, command == MSG_STAT)?;
            Ok(id as u64)
        }
        command::SET => set(ctx, id, argument),
        command::REMOVE => {
            let queue = ctx.kernel.ipc.msg.get(id)?;
            queue.permissions().get().check_owner(&ctx.process().credentials)?;
            ctx.kernel.ipc.msg.remove(id);
            queue.queue.wake();
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn set(ctx: &mut Ctx<'_>, id: i32, address: u64) -> SysResult {
    /// Where `msg_qbytes` is in `struct msqid64_ds`.
    const LIMIT_AT: u64 = 88;
    let mut given = [0; 48];
    let memory = ctx.memory();
    memory.read(address, &mut given)?;
    let limit: u64 = memory.load(address.wrapping_add(LIMIT_AT))?;
    let queue = ctx.kernel.ipc.msg.get(id)?;
    queue.permissions().get().check_owner(&ctx.process().credentials)?;
    if limit > QUEUE_BYTES && !ctx.process().credentials.can(CAP_SYS_RESOURCE) {
        return Err(Errno::EPERM.into());
    }
    ipc::set_permissions(ctx, &*queue, &given)?;
    queue.limit.set(limit);
    queue.changed_s.set(now_s());
    queue.queue.wake();
    Ok(0)
}

fn stat(ctx: &mut Ctx<'_>, queue: &Rc<MessageQueue>, address: u64, checked: bool) -> Result<()> {
    let permissions = queue.permissions().get();
    if checked {
        permissions.check(&ctx.process().credentials, ipc::READ)?;
    }
    let (count, bytes) = queue.usage();
    let [sent, received, changed] =
        [&queue.sent_s, &queue.received_s, &queue.changed_s].map(|time| time.get() as u64);
    let users = ipc::pair(queue.last_sender.get(), queue.last_receiver.get());
    let words = [sent, received, changed, bytes, count, queue.limit.get(), users, 0, 0];
    ctx.memory().write(address, &ipc::structure(permissions, &words))
}

fn info(ctx: &mut Ctx<'_>, command: u64, address: u64) -> SysResult {
    let queues = &ctx.kernel.ipc.msg;
    let (used, last) = (queues.len() as i32, queues.last_place());
    let (count, bytes) = queues
        .iter()
        .map(|(_, queue)| queue.usage())
        .fold((0, 0), |sum, usage| (sum.0 + usage.0 as i32, sum.1 + usage.1 as i32));
    let (limit, most) = (QUEUE_BYTES as i32, QUEUES_MAX as i32);
    // Pool, map, longest message, bytes of a queue, queues, segment size, messages, segments.
    let (pool, map, messages) =
        if command == MSG_INFO { (used, count, bytes) } else { (most * limit / 1024, limit, limit) };
    let words = [pool, map, MESSAGE_MAX as i32, limit, most, 16, messages, 0xffff];
    ctx.memory().write(address, &ipc::numbers(&words))?;
    Ok(last)
}
