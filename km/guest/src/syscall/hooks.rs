//! What families of calls need of signals.

use crate::errno::{Errno, Result};
use crate::kernel::Ctx;
use crate::signal::info::{Info, code};
use crate::signal::{SigSet, Signal};
use crate::task::limits::resource;

/// A write met a pipe or socket without a reader: SIGPIPE for the calling thread.
pub(super) fn broken_pipe(ctx: &mut Ctx<'_>) {
    let process = ctx.process();
    let info = Info::from_sender(Signal::PIPE, code::USER, process.pid, process.credentials.real_uid);
    ctx.kernel.signal_thread(ctx.tid, info);
}

/// Bytes that a file may have (RLIMIT_FSIZE).
pub(super) fn size_limit(ctx: &mut Ctx<'_>) -> u64 {
    ctx.process().limits.current(resource::FSIZE)
}

/// Checks that a file may grow to a size.
pub(super) fn check_size(ctx: &mut Ctx<'_>, size: u64) -> Result<()> {
    if size <= size_limit(ctx) {
        return Ok(());
    }
    ctx.kernel.signal_thread(ctx.tid, Info::kernel(Signal::XFSZ));
    Err(Errno::EFBIG)
}

/// Replaces the signal mask until the call ends or, if a handler ends it, until that returns (ppoll(2)). Only the first
/// run of a call has an effect.
pub(super) fn enter_mask(ctx: &mut Ctx<'_>, mask: u64) {
    let signals = &mut ctx.thread().signals;
    if signals.saved_mask.is_none() {
        signals.saved_mask = Some(signals.mask);
        signals.mask = SigSet::mask(mask);
    }
}

/// Undoes [`enter_mask`] at the end of a call.
pub(super) fn leave_mask(ctx: &mut Ctx<'_>) {
    let signals = &mut ctx.thread().signals;
    if let Some(mask) = signals.saved_mask.take() {
        signals.mask = mask;
    }
}
