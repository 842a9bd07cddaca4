//! What the families of files need of signals.

use crate::kernel::Ctx;

/// A write met a pipe or socket without a reader: SIGPIPE for the calling thread.
pub(super) fn broken_pipe(ctx: &mut Ctx<'_>) {
    let _ = ctx;
}

/// Blocks other signals until the call ends, or until the handler that ends it returns (ppoll(2)). Only the first run of a
/// call has an effect.
pub(super) fn enter_mask(ctx: &mut Ctx<'_>, mask: u64) {
    let _ = (ctx, mask);
}

/// Undoes [`enter_mask`] at the end of a call.
pub(super) fn leave_mask(ctx: &mut Ctx<'_>) {
    let _ = ctx;
}
