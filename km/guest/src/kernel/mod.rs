//! All state of the library OS, and what a system-call handler sees of it.
//!
//! ```text
//! trap ──► run.rs: the call, exception or kick ──► settle: woken keys, deadlines, signals
//!            ▲                                        │ whose turn? none: idle.rs
//!            └── program ◄── registers, vectors ◄─────┘
//! ```

mod boot;
mod crash;
mod fault;
mod idle;
mod inlay;
mod pressure;
mod run;
mod signals;

use crate::errno::{Errno, Result};
use crate::fs::fd::FdTable;
use crate::fs::file::OpenFile;
use crate::mm::user::UserMemory;
use crate::task::futex::Futexes;
use crate::task::{Process, Tasks, Thread, Tid};
use crate::wait::Progress;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use km_abi::records::BootConfig;

/// The library OS of one machine.
#[derive(Default)]
pub struct Kernel {
    /// Processes and threads.
    pub tasks: Tasks,
    /// The mounted file systems.
    pub vfs: crate::fs::Vfs,
    /// Sockets and connections.
    pub net: crate::net::Net,
    /// Timers that send signals.
    pub timers: crate::task::timers::Timers,
    /// Who waits for words of memory.
    pub futexes: Futexes,
    /// The process that was to be started.
    pub config: BootConfig,
    /// Another number in every clone, 0 at boot.
    pub generation: u64,
    /// Generators that a clone makes fresh, from the moment of the snapshot on.
    generators: Vec<crate::mm::generator::Generator>,
    /// Pages of the vDSO, the clock page first.
    pub vdso: Option<Rc<crate::mm::shared::FixedPages>>,
    /// The thread whose turn it is.
    pub(crate) current: Option<Tid>,
    /// The thread whose vector state and segment bases are in the CPU.
    live: Option<Tid>,
    /// When the current thread's turn began, CLOCK_MONOTONIC.
    turn_began_ns: u64,
    /// Memory of processes that have ended. It goes once another's is in use: tables in use cannot be freed, and every
    /// change of tables is dear.
    pub(crate) ended_spaces: Vec<Rc<RefCell<crate::mm::AddressSpace>>>,
    /// Numbers of unknown system calls that were logged.
    logged: BTreeSet<u64>,
}

/// The six argument registers: rdi, rsi, rdx, r10, r8, r9.
pub type Args = [u64; 6];

/// What a handler works with: the kernel, and the thread that called.
pub struct Ctx<'a> {
    /// Everything.
    pub kernel: &'a mut Kernel,
    /// The calling thread.
    pub tid: Tid,
}

impl Ctx<'_> {
    /// The calling thread.
    pub fn thread(&mut self) -> &mut Thread {
        self.kernel.tasks.thread_mut(self.tid)
    }

    /// The process of the calling thread.
    pub fn process(&mut self) -> &mut Process {
        self.kernel.tasks.process_of_mut(self.tid)
    }

    /// Memory of the calling process.
    pub fn memory(&mut self) -> UserMemory {
        UserMemory::new(Rc::clone(&self.process().space))
    }

    /// The descriptor table of the calling thread's process.
    pub fn files(&mut self) -> Rc<RefCell<FdTable>> {
        Rc::clone(&self.process().files)
    }

    /// The open file behind a descriptor argument.
    ///
    /// # Errors
    /// EBADF.
    pub fn file(&mut self, fd: u64) -> Result<Rc<OpenFile>> {
        self.process().files.borrow().get(fd).ok_or(Errno::EBADF)
    }

    /// What this call kept from its last run.
    pub fn progress(&mut self) -> &mut Progress {
        &mut self.thread().progress
    }
}
