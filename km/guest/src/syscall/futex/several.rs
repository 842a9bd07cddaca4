//! futex_waitv(2): waiting for several words at once.

use super::until_woken;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::task::futex::FutexKey;
use crate::time::{Clock, Deadline, Timespec};
use crate::wait::SysResult;
use alloc::vec::Vec;

/// Words at most (FUTEX_WAITV_MAX).
const WORDS_MAX: u64 = 128;
/// FUTEX2_SIZE_U32, the one size that there is.
const SIZE_U32: u32 = 2;
/// FUTEX2_PRIVATE: the word is of this address space only.
const PRIVATE: u32 = 128;
const CLOCK_REALTIME: u64 = 0;
const CLOCK_MONOTONIC: u64 = 1;

/// Joins the queues on the first run; later runs find out which word woke the thread.
pub(super) fn sys_futex_waitv(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [list, count, flags, timeout, clock, _] = *args;
    if ctx.progress().stage == 0 {
        if flags as u32 != 0 || count as u32 == 0 || count & 0xffff_ffff > WORDS_MAX || list == 0 {
            return Err(Errno::EINVAL.into());
        }
        if timeout != 0 {
            let deadline = deadline(ctx, timeout, clock & 0xffff_ffff)?;
            ctx.progress().wait_until(deadline);
        }
        let keys = read_words(ctx, list, count & 0xffff_ffff)?;
        let tid = ctx.tid;
        ctx.kernel.futexes.join_all(tid, &keys);
        ctx.progress().stage = 1;
    } else if !ctx.kernel.futexes.is_waiting(ctx.tid) {
        let tid = ctx.tid;
        return Ok(ctx.kernel.futexes.take_index(tid) as u64);
    }
    Err(until_woken(ctx))
}

fn deadline(ctx: &mut Ctx<'_>, timeout: u64, clock: u64) -> Result<Deadline> {
    let at_ns = ctx.memory().load::<Timespec>(timeout)?.to_ns()?;
    match clock {
        CLOCK_MONOTONIC => Ok(Deadline { clock: Clock::Monotonic, at_ns }),
        CLOCK_REALTIME => Ok(Deadline { clock: Clock::Realtime, at_ns }),
        _ => Err(Errno::EINVAL),
    }
}

/// The queues' names for the words; EAGAIN unless each word holds what the caller expects.
fn read_words(ctx: &mut Ctx<'_>, list: u64, count: u64) -> Result<Vec<FutexKey>> {
    let memory = ctx.memory();
    let mut words = Vec::with_capacity(count as usize);
    for index in 0..count {
        let [value, word, flags]: [u64; 3] = memory.load(list.wrapping_add(index * 24))?;
        let (flags, reserved) = (flags as u32, flags >> 32);
        if reserved != 0 || flags & !PRIVATE != SIZE_U32 || !word.is_multiple_of(4) {
            return Err(Errno::EINVAL);
        }
        words.push((value, word, flags));
    }
    let mut keys = Vec::with_capacity(words.len());
    for (_, word, flags) in &words {
        memory.load::<u32>(*word)?;
        let private = flags & PRIVATE != 0;
        keys.push(if private { memory.private_key(*word) } else { memory.shared_key(*word)? });
    }
    for (value, word, _) in &words {
        if memory.load::<u32>(*word)? != *value as u32 {
            return Err(Errno::EAGAIN);
        }
    }
    Ok(keys)
}
