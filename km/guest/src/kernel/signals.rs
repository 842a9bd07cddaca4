//! Where signals meet the way of a trap.

use super::Kernel;
use crate::task::{Pid, Status, Tid};

/// Whether a signal is there that ends a waiting call.
pub(super) fn deliverable(_kernel: &Kernel, _tid: Tid) -> bool {
    false
}

/// Whether a signal is there that ends the thread's process.
pub(super) fn dies(_kernel: &Kernel, _tid: Tid) -> bool {
    false
}

/// Lets the signals of a thread have their effects, up to the first handler.
pub(super) fn deliver(_kernel: &mut Kernel, _tid: Tid) {}

/// Raises the signal of an exception.
pub(super) fn force(kernel: &mut Kernel, tid: Tid, signal: u32, _code: i32, _address: u64) {
    let pid = kernel.tasks.thread_mut(tid).pid;
    kernel.exit_process(pid, Status::Signaled(signal));
}

/// Tells a parent that a child ended, stopped or went on; `true` when the parent never waits for children.
pub(crate) fn child_changed(_kernel: &mut Kernel, _parent: Pid, _child: Pid, _status: Status) -> bool {
    false
}
