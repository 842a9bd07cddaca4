//! Locks whose word the kernel keeps (FUTEX_LOCK_PI and its relatives).
//!
//! The word holds the owner's thread number. There is one CPU and turns come in order, so that an owner is never kept
//! from running by a thread that waits for it: inheritance of priorities has nothing to do here.

pub(super) mod moved;

use super::{CLOCK_REALTIME, PRIVATE, command, key};
use crate::errno::{Errno, Result};
use crate::kernel::Ctx;
use crate::mm::user::UserMemory;
use crate::task::Tid;
use crate::task::futex::Inherited;
use crate::time::{Clock, Deadline, Timespec, monotonic_ns};
use crate::wait::{Interruption, Stop, SysResult, Wait};

const TID_MASK: u32 = 0x3fff_ffff;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;

/// Takes a lock that nobody has; `false` when someone else has it.
fn take(ctx: &mut Ctx<'_>, word: u64) -> Result<bool> {
    let own = ctx.tid.cast_unsigned();
    let memory = ctx.memory();
    let value: u32 = memory.load(word)?;
    let owner = value & TID_MASK;
    if owner == own {
        return Err(Errno::EDEADLK);
    }
    if owner != 0 {
        return Ok(false);
    }
    memory.store(word, &(own | value & (OWNER_DIED | WAITERS)))?;
    Ok(true)
}

/// FUTEX_TRYLOCK_PI: takes a free lock, else EAGAIN.
pub(super) fn try_acquire(ctx: &mut Ctx<'_>, word: u64, operation: u64) -> SysResult {
    key(ctx, word, operation)?;
    if take(ctx, word)? { Ok(0) } else { Err(Errno::EAGAIN.into()) }
}

/// FUTEX_LOCK_PI and FUTEX_LOCK_PI2. Unlocking makes the thread that waits longest the owner.
pub(super) fn acquire(ctx: &mut Ctx<'_>, args: &crate::kernel::Args) -> SysResult {
    let [word, operation, _, timeout, ..] = *args;
    let operation = operation & 0xffff_ffff;
    if ctx.progress().stage == 0 {
        if timeout != 0 {
            let deadline = deadline(ctx, operation, timeout)?;
            ctx.progress().wait_until(deadline);
        }
        let key = key(ctx, word, operation)?;
        if take(ctx, word)? {
            return Ok(0);
        }
        let memory = ctx.memory();
        let value: u32 = memory.load(word)?;
        let owner: Tid = (value & TID_MASK).cast_signed();
        ctx.kernel.tasks.thread(owner).ok_or(Errno::ESRCH)?;
        memory.store(word, &(value | WAITERS))?;
        let tid = ctx.tid;
        ctx.kernel.futexes.join_lock(tid, key, word, owner);
        ctx.progress().stage = 1;
    } else if !ctx.kernel.futexes.is_waiting(ctx.tid) {
        return Ok(0);
    }
    Err(until_owner(ctx))
}

/// Sleeps until the lock is the thread's own, or its time is over.
fn until_owner(ctx: &mut Ctx<'_>) -> Stop {
    let deadline_ns = ctx.progress().deadline_ns;
    if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= monotonic_ns()) {
        ctx.kernel.futexes.leave(ctx.tid);
        return Errno::ETIMEDOUT.into();
    }
    // Unlike other calls with a time-out: a signal's handler never ends the wait for a lock (ERESTARTNOINTR).
    let wait = Wait::on(&ctx.thread().futex);
    Stop::Block(Wait { deadline_ns, interruption: Interruption::Again, ..wait })
}

/// The time is absolute: of CLOCK_REALTIME for FUTEX_LOCK_PI, of CLOCK_MONOTONIC for younger commands unless they say
/// otherwise.
fn deadline(ctx: &mut Ctx<'_>, operation: u64, timeout: u64) -> Result<Deadline> {
    let at_ns = ctx.memory().load::<Timespec>(timeout)?.to_ns()?;
    let monotonic = operation & !PRIVATE != command::LOCK_PI && operation & CLOCK_REALTIME == 0;
    Ok(Deadline { clock: if monotonic { Clock::Monotonic } else { Clock::Realtime }, at_ns })
}

/// FUTEX_UNLOCK_PI: passes the lock on to the thread that waits longest, or frees it.
pub(super) fn release(ctx: &mut Ctx<'_>, word: u64, operation: u64) -> SysResult {
    let own = ctx.tid.cast_unsigned();
    let memory = ctx.memory();
    if memory.load::<u32>(word)? & TID_MASK != own {
        return Err(Errno::EPERM.into());
    }
    let key = key(ctx, word, operation)?;
    let kernel = &mut *ctx.kernel;
    let value = kernel.futexes.hand_over(&mut kernel.tasks, key).map_or(0, owned);
    memory.store(word, &value)?;
    Ok(0)
}

fn owned(lock: Inherited) -> u32 {
    lock.heir.cast_unsigned() | if lock.is_awaited { WAITERS } else { 0 }
}

impl crate::kernel::Kernel {
    /// At the end of a thread: passes on the locks that others wait for. The words do not count, since a thread may have
    /// cleared them itself before (musl does for robust mutexes).
    pub(crate) fn pass_on_locks(&mut self, owner: Tid) {
        for key in self.futexes.locks_of(owner) {
            let Some(lock) = self.futexes.hand_over(&mut self.tasks, key) else { continue };
            if self.tasks.thread(lock.heir).is_some() {
                let space = alloc::rc::Rc::clone(&self.tasks.process_of_mut(lock.heir).space);
                // A bad address harms the program alone.
                let _ = UserMemory::new(space).store(lock.word, &(owned(lock) | OWNER_DIED));
            }
        }
    }
}
