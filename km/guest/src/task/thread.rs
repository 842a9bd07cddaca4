//! A thread: registers, what it waits for, and what the program told the library OS about it.

use super::{Pid, Tid};
use crate::kernel::HeldFiles;
use crate::signal::ThreadSignals;
use crate::signal::frame::LastException;
use crate::wait::{Interruption, Progress, Wait, WaitQueue};
use alloc::rc::Rc;
use alloc::vec::Vec;
use km_hal::UserContext;
use km_hal::cpu::XState;

/// A system call that has not ended: its handler runs again when the thread is woken.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Number of the call.
    pub number: u64,
    /// `rax` as the program had it: what it has again when it makes the call once more.
    pub entry: u64,
    /// The six argument registers, as they were at its first run.
    pub args: [u64; 6],
}

/// State that stays in the CPU while the thread's program runs; it is stored only when another thread is loaded.
pub struct Vectors {
    /// x87, SSE and AVX registers (XSAVE).
    pub state: XState,
    /// FS base, the thread pointer.
    pub fs_base: u64,
    /// Base of the GS segment (arch_prctl(2)).
    pub gs_base: u64,
}

impl Vectors {
    /// Those of a program at its first instruction.
    #[must_use]
    pub fn fresh() -> Self {
        Self { state: XState::fresh(), fs_base: 0, gs_base: 0 }
    }
}

/// A thread; the CPU has its registers only while it is live there.
pub struct Thread {
    /// Thread number; that of a first thread is its process's.
    pub tid: Tid,
    /// Number of the process that it is a thread of.
    pub pid: Pid,
    /// Its registers; the truth whenever the library OS runs.
    pub context: UserContext,
    /// Vector state and segment bases; stale while the thread is live in the CPU.
    pub vectors: Vectors,
    /// The call that it is in.
    pub call: Option<Call>,
    /// How a signal ends the call, if one arrived before it could block.
    pub interrupted: Option<Interruption>,
    /// What its current system call keeps between runs.
    pub progress: Progress,
    /// The open files of a call that waits.
    pub(crate) held: HeldFiles,
    /// What it waits for; `None` when it can run.
    pub wait: Option<Wait>,
    /// It is in the queue of threads that can run.
    pub(super) queued: bool,
    /// Woken to leave a futex; see [`super::futex`].
    pub(crate) futex: Rc<WaitQueue>,
    /// Another thread traces it (ptrace(2)): [`super::Tasks::traces`] has it.
    pub traced: bool,
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
    /// What its last CPU exception left, for the frame of a handler.
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
            held: HeldFiles::default(),
            wait: None,
            queued: false,
            futex: Rc::default(),
            traced: false,
            name: Vec::new(),
            clear_child_tid: 0,
            robust_list: 0,
            rseq: None,
            cpu_ns: 0,
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
        self.held = HeldFiles::default();
    }

    /// Takes a name, cut to what PR_SET_NAME keeps.
    pub fn set_name(&mut self, name: &[u8]) {
        self.name = name[..name.len().min(15)].to_vec();
    }
}
