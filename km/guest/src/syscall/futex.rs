//! futex(2) and the lists that threads leave behind.

mod lock;
mod several;

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::futex::{FutexKey, WakeOp};
use crate::time::{Clock, Deadline, Timespec, monotonic_ns};
use crate::wait::{Stop, SysResult, Wait};

pub const ROWS: &[Row] = &[
    Row::partial(202, "futex", sys_futex, "locks with priority inheritance go to who waits longest"),
    Row::full(449, "futex_waitv", sys_futex_waitv),
    Row::full(273, "set_robust_list", sys_set_robust_list),
    Row::full(274, "get_robust_list", sys_get_robust_list),
];

mod command {
    pub const LOCK_PI: u64 = 6;
    pub const UNLOCK_PI: u64 = 7;
    pub const TRYLOCK_PI: u64 = 8;
    pub const WAIT_REQUEUE_PI: u64 = 11;
    pub const CMP_REQUEUE_PI: u64 = 12;
    pub const LOCK_PI2: u64 = 13;
    pub const WAIT: u64 = 0;
    pub const WAKE: u64 = 1;
    pub const REQUEUE: u64 = 3;
    pub const CMP_REQUEUE: u64 = 4;
    pub const WAKE_OP: u64 = 5;
    pub const WAIT_BITSET: u64 = 9;
    pub const WAKE_BITSET: u64 = 10;
}

use several::sys_futex_waitv;

const PRIVATE: u64 = 128;
const CLOCK_REALTIME: u64 = 256;
/// Commands that take a time of a clock of the caller's choice.
const TIMED: [u64; 3] = [command::WAIT_BITSET, command::LOCK_PI2, command::WAIT_REQUEUE_PI];
/// Bytes of `struct robust_list_head`.
const ROBUST_HEAD: u64 = 24;

fn sys_futex(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [word, operation, value, fourth, second, last] = *args;
    let operation = operation & 0xffff_ffff;
    let count = u64::from((value as u32).min(i32::MAX as u32));
    let more = u64::from((fourth as u32).min(i32::MAX as u32));
    if !word.is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    let command = operation & !(PRIVATE | CLOCK_REALTIME);
    if operation & CLOCK_REALTIME != 0 && !TIMED.contains(&command) {
        return Err(Errno::ENOSYS.into());
    }
    match command {
        command::WAIT => wait(ctx, args, u32::MAX),
        command::WAIT_BITSET => wait(ctx, args, last as u32),
        command::WAKE => wake(ctx, word, operation, count, u32::MAX),
        command::WAKE_BITSET => wake(ctx, word, operation, count, last as u32),
        command::REQUEUE | command::CMP_REQUEUE if (value as i32) < 0 || (fourth as i32) < 0 => {
            Err(Errno::EINVAL.into())
        }
        command::REQUEUE => requeue(ctx, operation, [word, second], [count, more]),
        command::CMP_REQUEUE => requeue_if(ctx, operation, [word, second], [count, more], Some(last as u32)),
        command::WAKE_OP => wake_op(ctx, operation, [word, second], [count, more], last),
        command::LOCK_PI | command::LOCK_PI2 => lock::acquire(ctx, args),
        command::TRYLOCK_PI => lock::try_acquire(ctx, word, operation),
        command::UNLOCK_PI => lock::release(ctx, word, operation),
        command::WAIT_REQUEUE_PI => lock::moved::wait(ctx, args),
        command::CMP_REQUEUE_PI => lock::moved::requeue(ctx, args),
        _ => Err(Errno::ENOSYS.into()),
    }
}

fn key(ctx: &mut Ctx<'_>, word: u64, operation: u64) -> Result<FutexKey> {
    let memory = ctx.memory();
    if operation & PRIVATE != 0 { Ok(memory.private_key(word)) } else { memory.shared_key(word) }
}

fn wake(ctx: &mut Ctx<'_>, word: u64, operation: u64, count: u64, bitset: u32) -> SysResult {
    if bitset == 0 {
        return Err(Errno::EINVAL.into());
    }
    let key = key(ctx, word, operation)?;
    let kernel = &mut *ctx.kernel;
    Ok(kernel.futexes.wake(&mut kernel.tasks, key, count, bitset)?)
}

/// Joins the queue on the first run; later runs find out why they run.
fn wait(ctx: &mut Ctx<'_>, args: &Args, bitset: u32) -> SysResult {
    let [word, operation, value, timeout, ..] = *args;
    if bitset == 0 {
        return Err(Errno::EINVAL.into());
    }
    if ctx.progress().stage == 0 {
        if timeout != 0 {
            let deadline = deadline(ctx, operation, timeout)?;
            ctx.progress().wait_until(deadline);
        }
        let key = key(ctx, word, operation)?;
        if ctx.memory().load::<u32>(word)? != value as u32 {
            return Err(Errno::EAGAIN.into());
        }
        let tid = ctx.tid;
        ctx.kernel.futexes.join(tid, key, bitset);
        ctx.progress().stage = 1;
    } else if !ctx.kernel.futexes.is_waiting(ctx.tid) {
        return Ok(0);
    }
    Err(until_woken(ctx))
}

/// Sleeps until the thread is taken from its queue; once its time is over, it leaves the queue instead.
fn until_woken(ctx: &mut Ctx<'_>) -> Stop {
    let deadline_ns = ctx.progress().deadline_ns;
    if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= monotonic_ns()) {
        ctx.kernel.futexes.leave(ctx.tid);
        return Errno::ETIMEDOUT.into();
    }
    Stop::Block(Wait::on(&ctx.thread().futex).until(deadline_ns))
}

/// FUTEX_WAIT has a relative time, FUTEX_WAIT_BITSET an absolute one of either clock.
fn deadline(ctx: &mut Ctx<'_>, operation: u64, timeout: u64) -> Result<Deadline> {
    let time_ns = ctx.memory().load::<Timespec>(timeout)?.to_ns()?;
    Ok(match operation & !PRIVATE {
        command::WAIT => Deadline::after(Clock::Monotonic, time_ns),
        command::WAIT_BITSET => Deadline { clock: Clock::Monotonic, at_ns: time_ns },
        _ => Deadline { clock: Clock::Realtime, at_ns: time_ns },
    })
}

fn requeue(ctx: &mut Ctx<'_>, operation: u64, words: [u64; 2], counts: [u64; 2]) -> SysResult {
    requeue_if(ctx, operation, words, counts, None)
}

/// The same where the first word has a value still.
fn requeue_if(
    ctx: &mut Ctx<'_>,
    operation: u64,
    words: [u64; 2],
    counts: [u64; 2],
    value: Option<u32>,
) -> SysResult {
    if !words[1].is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    let from = key(ctx, words[0], operation)?;
    let to = key(ctx, words[1], operation)?;
    if value.is_some() && value != Some(ctx.memory().load(words[0])?) {
        return Err(Errno::EAGAIN.into());
    }
    let kernel = &mut *ctx.kernel;
    let woken = kernel.futexes.wake(&mut kernel.tasks, from, counts[0], u32::MAX)?;
    let moved = if from == to { 0 } else { kernel.futexes.requeue(from, to, counts[1])? };
    Ok(woken + moved)
}

fn wake_op(ctx: &mut Ctx<'_>, operation: u64, words: [u64; 2], counts: [u64; 2], encoded: u64) -> SysResult {
    if !words[1].is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    let first = key(ctx, words[0], operation)?;
    let second = key(ctx, words[1], operation)?;
    let op = WakeOp::decode(encoded)?;
    let memory = ctx.memory();
    let old: u32 = memory.load(words[1])?;
    memory.store(words[1], &op.apply(old))?;
    let kernel = &mut *ctx.kernel;
    let mut woken = kernel.futexes.wake(&mut kernel.tasks, first, counts[0], u32::MAX)?;
    if op.holds(old) {
        woken += kernel.futexes.wake(&mut kernel.tasks, second, counts[1], u32::MAX)?;
    }
    Ok(woken)
}

fn sys_set_robust_list(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[1] != ROBUST_HEAD {
        return Err(Errno::EINVAL.into());
    }
    ctx.thread().robust_list = args[0];
    Ok(0)
}

fn sys_get_robust_list(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [tid, head, len, ..] = *args;
    let tid = if tid as i32 == 0 { ctx.tid } else { tid as i32 };
    let list = ctx.kernel.tasks.thread(tid).ok_or(Errno::ESRCH)?.robust_list;
    let memory = ctx.memory();
    memory.store(head, &list)?;
    memory.store(len, &ROBUST_HEAD)?;
    Ok(0)
}
