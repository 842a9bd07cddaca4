//! Where system calls block: [`wait_for`] one file (read(2) of a socket, pipe or terminal), [`block`] on several (poll(2)).
//! With it time-outs, and the signal mask of ppoll(2) and its relatives.

use crate::errno::{Errno, Result};
use crate::fs::file::{O_NONBLOCK, OpenFile};
use crate::kernel::Ctx;
use crate::time::{NANOS_PER_SECOND, monotonic_ns};
use crate::wait::{Interruption, Stop, SysResult, Wait, WaitKey};
use alloc::vec::Vec;

/// A `struct timespec` at `address` as nanoseconds; `None` for a null pointer.
pub(super) fn timespec(ctx: &mut Ctx<'_>, address: u64) -> Result<Option<u64>> {
    if address == 0 {
        return Ok(None);
    }
    let [seconds, nanos]: [i64; 2] = ctx.memory().load(address)?;
    match (u64::try_from(seconds), u64::try_from(nanos)) {
        (Ok(seconds), Ok(nanos)) if nanos < NANOS_PER_SECOND => {
            Ok(Some(seconds.saturating_mul(NANOS_PER_SECOND).saturating_add(nanos)))
        }
        _ => Err(Errno::EINVAL),
    }
}

/// A time-out in milliseconds, negative for none, as poll(2) and epoll_wait(2) have it.
pub(super) fn milliseconds(argument: u64) -> Option<u64> {
    u64::try_from(argument as i32).ok().map(|ms| ms * 1_000_000)
}

/// When a call with this time-out is over; the same in each of its runs.
pub(super) fn deadline(ctx: &mut Ctx<'_>, timeout_ns: Option<u64>) -> Option<u64> {
    let timeout = timeout_ns?;
    Some(*ctx.progress().deadline_ns.get_or_insert_with(|| monotonic_ns().saturating_add(timeout)))
}

/// Whether the call must end now.
pub(super) fn is_over(timeout_ns: Option<u64>, deadline_ns: Option<u64>) -> bool {
    timeout_ns == Some(0) || deadline_ns.is_some_and(|deadline| monotonic_ns() >= deadline)
}

/// Nanoseconds that are left.
pub(super) fn left(deadline_ns: u64) -> u64 {
    deadline_ns.saturating_sub(monotonic_ns())
}

/// What a call does whose file is not ready (read(2), write(2), accept(2) …): it blocks until the file's queue is woken, but
/// no longer than `timeout_ns` from its first run on. EAGAIN with O_NONBLOCK, after that time, and for files without a
/// queue.
pub(super) fn wait_for(ctx: &mut Ctx<'_>, file: &OpenFile, timeout_ns: Option<u64>) -> Stop {
    let Some(queue) = file.file.queue().filter(|_| !file.has(O_NONBLOCK)) else {
        return Errno::EAGAIN.into();
    };
    let Some(timeout) = timeout_ns else { return Stop::Block(Wait::on(queue)) };
    let now = crate::time::monotonic_ns();
    let deadline = *ctx.progress().deadline_ns.get_or_insert_with(|| now.saturating_add(timeout));
    if now >= deadline { Errno::EAGAIN.into() } else { Stop::Block(Wait::on(queue).until(Some(deadline))) }
}

/// Waits for any of the queues.
pub(super) fn block(keys: Vec<WaitKey>, deadline_ns: Option<u64>) -> Stop {
    Stop::Block(Wait { keys, deadline_ns, interruption: Interruption::Fail })
}

/// Runs `call` with the signal mask at `address` (ppoll(2)); a null pointer leaves the mask alone.
pub(super) fn with_mask(
    ctx: &mut Ctx<'_>,
    address: u64,
    size: u64,
    call: impl FnOnce(&mut Ctx<'_>) -> SysResult,
) -> SysResult {
    if address == 0 {
        return call(ctx);
    }
    if size != 8 {
        return Err(Errno::EINVAL.into());
    }
    let mask: u64 = ctx.memory().load(address)?;
    super::hooks::enter_mask(ctx, mask);
    let result = call(ctx);
    if !matches!(result, Err(Stop::Block(_))) {
        super::hooks::leave_mask(ctx);
    }
    result
}
