//! A thread: registers, what it waits for, and what the program told the library OS about it.

use super::{Pid, Tid};
use crate::signal::ThreadSignals;
use crate::signal::frame::LastException;
use crate::time::monotonic_ns;
use crate::wait::{Interruption, Progress, Wait, WaitQueue};
use alloc::rc::Rc;
use alloc::vec::Vec;
use km_hal::UserContext;
use km_hal::cpu::XState;

/// A system call that has not ended: its handler runs again when the thread is woken.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
}

/// What of a thread is in the CPU while its program runs, and is stored only at a switch.
pub struct Vectors {
    /// Vector registers.
    pub state: XState,
    /// FS base, the thread pointer.
    pub fs_base: u64,
    /// GS base.
    pub gs_base: u64,
}

impl Vectors {
    /// Those of a program at its first instruction.
    #[must_use]
    pub fn fresh() -> Self {
        Self { state: XState::fresh(), fs_base: 0, gs_base: 0 }
    }
}

/// A thread.
pub struct Thread {
    /// Its number.
    pub tid: Tid,
    /// Its process.
    pub pid: Pid,
    /// Its registers; the truth whenever the library OS runs.
    pub context: UserContext,
    /// Vector state and segment bases; stale while the thread is live in the CPU.
    pub vectors: Vectors,
    /// The call that it is in.
    pub call: Option<Call>,
    /// The call met a signal before it could block: how that ends it.
    pub interrupted: Option<Interruption>,
    /// What its current system call keeps between runs.
    pub progress: Progress,
    /// What it waits for; `None` when it can run.
    pub wait: Option<Wait>,
    /// It is in the queue of threads that can run.
    pub(super) queued: bool,
    /// Woken to leave a futex; see [`super::futex`].
    pub(crate) futex: Rc<WaitQueue>,
    /// Name (PR_SET_NAME), at most 15 bytes.
    pub name: Vec<u8>,
    /// Where 0 is stored and a futex woken when it ends (set_tid_address(2)).
    pub clear_child_tid: u64,
    /// Head of the list of robust futexes, 0 without.
    pub robust_list: u64,
    /// rseq(2): address and length of the registered area, and its signature.
    pub rseq: Option<(u64, u32, u32)>,
    /// CPU time used, in nanoseconds, up to the last switch.
    pub cpu_ns: u64,
    /// CLOCK_MONOTONIC when it was made.
    pub started_ns: u64,
    /// Its last exception.
    pub fault: LastException,
    /// Mask, pending signals, alternate stack.
    pub signals: ThreadSignals,
}

impl Thread {
    /// A thread of `pid` that is about to execute its first instruction with `context`.
    #[must_use]
    pub fn new(tid: Tid, pid: Pid, context: UserContext, vectors: Vectors) -> Self {
        Self {
            tid,
            pid,
            context,
            vectors,
            call: None,
            interrupted: None,
            progress: Progress::default(),
            wait: None,
            queued: false,
            futex: Rc::default(),
            name: Vec::new(),
            clear_child_tid: 0,
            robust_list: 0,
            rseq: None,
            cpu_ns: 0,
            started_ns: monotonic_ns(),
            fault: LastException::default(),
            signals: ThreadSignals::default(),
        }
    }

    /// Ends the current call with a value for `rax`.
    pub fn finish_call(&mut self, value: u64) {
        self.context.rax = value;
        self.forget_call();
    }

    /// Ends the current call without a value.
    pub fn forget_call(&mut self) {
        self.call = None;
        self.interrupted = None;
        self.progress = Progress::default();
    }

    /// Takes a name, cut to what PR_SET_NAME keeps.
    pub fn set_name(&mut self, name: &[u8]) {
        self.name = name[..name.len().min(15)].to_vec();
    }
}
