//! [`Kernel`]: the state that system calls work on, and [`Ctx`]: what a handler sees of it. A few values that code deep
//! below reaches without a way to the kernel (armed timers, woken queues, the random generator …) are in
//! [`crate::state`] instead.
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
mod layer;
mod legacy;
mod pressure;
mod run;
mod signals;
mod vsyscall;

use crate::errno::{Errno, Result};
use crate::fs::fd::FdTable;
use crate::fs::file::{O_PATH, OpenFile};
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
    /// All processes and threads, and whose turn it is.
    pub tasks: Tasks,
    /// The mounted file systems.
    pub vfs: crate::fs::Vfs,
    /// Sockets with a name, and streams of the monitor.
    pub net: crate::net::Net,
    /// Open files that send signals.
    pub async_files: crate::fs::sigio::AsyncFiles,
    /// Timers that send signals.
    pub timers: crate::task::timers::Timers,
    /// Threads that wait for words of memory (futex(2)).
    pub futexes: Futexes,
    /// Objects of System V IPC.
    pub ipc: crate::ipc::Ipc,
    /// The process that was to be started.
    pub config: BootConfig,
    /// Another number in every clone, 0 at boot.
    pub generation: u64,
    /// Generators in programs' memory, as the search before the snapshot found them; a clone gives each a new key.
    generators: Vec<crate::mm::generator::Generator>,
    /// Pages of the vDSO, the clock page first.
    pub vdso: Option<Rc<crate::mm::shared::FixedPages>>,
    /// The thread whose turn it is.
    pub(crate) current: Option<Tid>,
    /// The thread whose vector state and segment bases are in the CPU; they are stored when another one's are loaded.
    live: Option<Tid>,
    /// When the current thread's turn began, CLOCK_MONOTONIC.
    turn_began_ns: u64,
    /// Memory of processes that have ended. It is freed once the CPU uses other page tables: those in use cannot be
    /// freed, and a switch of tables only for that would be expensive.
    pub(crate) ended_spaces: Vec<Rc<RefCell<crate::mm::AddressSpace>>>,
    /// Numbers of unknown system calls that were logged.
    logged: BTreeSet<u64>,
}

/// The six argument registers: rdi, rsi, rdx, r10, r8, r9.
pub type Args = [u64; 6];

/// What a handler works with: the kernel, and the thread that called.
pub struct Ctx<'a> {
    /// All state but what [`crate::state`] keeps.
    pub kernel: &'a mut Kernel,
    /// The thread that called.
    pub tid: Tid,
    /// What the call's descriptors led to when it asked first.
    pub held: HeldFiles,
}

/// The open files that a call works on, by descriptor. They stay open to the call, and the same, if another thread closes
/// or replaces the descriptor while the call waits. No call that waits has more than two.
#[derive(Default)]
pub struct HeldFiles([Option<(u32, Rc<OpenFile>)>; 2]);

impl HeldFiles {
    fn get(&self, fd: u64) -> Option<Rc<OpenFile>> {
        self.0.iter().flatten().find(|held| held.0 == fd as u32).map(|held| Rc::clone(&held.1))
    }

    fn put(&mut self, fd: u64, file: &Rc<OpenFile>) {
        if let Some(free) = self.0.iter_mut().find(|held| held.is_none()) {
            *free = Some((fd as u32, Rc::clone(file)));
        }
    }
}

impl Ctx<'_> {
    /// The thread that called; it exists while its call runs.
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
    /// EBADF, for a handle that is good for paths only (O_PATH) as well.
    pub fn file(&mut self, fd: u64) -> Result<Rc<OpenFile>> {
        let file = self.handle(fd)?;
        if file.has(O_PATH) { Err(Errno::EBADF) } else { Ok(file) }
    }

    /// The same for calls that take handles too: those that name, duplicate and describe.
    ///
    /// # Errors
    /// EBADF.
    pub fn handle(&mut self, fd: u64) -> Result<Rc<OpenFile>> {
        if let Some(held) = self.held.get(fd) {
            return Ok(held);
        }
        let file = self.process().files.borrow().get(fd).ok_or(Errno::EBADF)?;
        self.held.put(fd, &file);
        Ok(file)
    }

    /// What this call kept from its last run.
    pub fn progress(&mut self) -> &mut Progress {
        &mut self.thread().progress
    }
}
