//! Condition variables whose waiters are moved to a lock (FUTEX_WAIT_REQUEUE_PI, FUTEX_CMP_REQUEUE_PI).

use super::{OWNER_DIED, TID_MASK, WAITERS, deadline, key, until_owner};
use crate::errno::Errno;
use crate::kernel::{Args, Ctx};
use crate::task::Tid;
use crate::wait::SysResult;

/// FUTEX_WAIT_REQUEUE_PI: returns as the owner of the lock.
pub(in super::super) fn wait(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [word, operation, value, timeout, lock, _] = *args;
    let operation = operation & 0xffff_ffff;
    if word == lock || !lock.is_multiple_of(4) {
        return Err(Errno::EINVAL.into());
    }
    if ctx.progress().stage == 0 {
        if timeout != 0 {
            let deadline = deadline(ctx, operation, timeout)?;
            ctx.progress().wait_until(deadline);
        }
        let to = key(ctx, lock, operation)?;
        let from = key(ctx, word, operation)?;
        if ctx.memory().load::<u32>(word)? != value as u32 {
            return Err(Errno::EAGAIN.into());
        }
        if from == to {
            return Err(Errno::EINVAL.into());
        }
        let tid = ctx.tid;
        ctx.kernel.futexes.join_to_move(tid, from, to);
        ctx.progress().stage = 1;
    } else if !ctx.kernel.futexes.is_waiting(ctx.tid) {
        return Ok(0);
    }
    Err(until_owner(ctx))
}

/// FUTEX_CMP_REQUEUE_PI: gives a free lock to the thread that waits longest, and makes the others wait for the lock.
pub(in super::super) fn requeue(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [word, operation, wakes, moves, lock, expected] = *args;
    let valid = wakes as u32 == 1 && moves as i32 >= 0 && word != lock && lock.is_multiple_of(4);
    if !valid {
        return Err(Errno::EINVAL.into());
    }
    let from = key(ctx, word, operation)?;
    let to = key(ctx, lock, operation)?;
    if from == to {
        return Err(Errno::EINVAL.into());
    }
    if ctx.memory().load::<u32>(word)? != expected as u32 {
        return Err(Errno::EAGAIN.into());
    }
    let Some(first) = ctx.kernel.futexes.first_to_move(from, to)? else { return Ok(0) };
    let moves = u64::from(moves as u32);
    let woken = u64::from(give(ctx, lock, first, moves > 0)?);
    // If the lock is taken, the thread that would have been woken waits for it with the others.
    let owner = (ctx.memory().load::<u32>(lock)? & TID_MASK).cast_signed();
    let moved = ctx.kernel.futexes.move_to_lock(from, (to, lock), owner, moves + 1 - woken)?;
    Ok(woken + moved)
}

/// Makes a thread that is to be moved the owner of the lock if it is free. Otherwise marks the word as waited for and
/// returns `false`.
fn give(ctx: &mut Ctx<'_>, lock: u64, tid: Tid, others: bool) -> crate::errno::Result<bool> {
    let memory = ctx.memory();
    let value: u32 = memory.load(lock)?;
    let owner = (value & TID_MASK).cast_signed();
    if owner == tid {
        return Err(Errno::EDEADLK);
    }
    if owner == 0 {
        let waiters = if others { WAITERS } else { value & WAITERS };
        memory.store(lock, &(tid.cast_unsigned() | value & OWNER_DIED | waiters))?;
        let kernel = &mut *ctx.kernel;
        kernel.futexes.release(&mut kernel.tasks, tid);
        return Ok(true);
    }
    ctx.kernel.tasks.thread(owner).ok_or(Errno::ESRCH)?;
    memory.store(lock, &(value | WAITERS))?;
    Ok(false)
}
