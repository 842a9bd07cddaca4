//! Processes and threads.
//!
//! * [`process`], [`thread`], [`credentials`], [`limits`]: their state.
//! * [`Tasks`] (here) and `queue`: all of them, who can run and who waits for what.
//! * `clone`, `exec`, `exit`: how they come, change and go; [`futex`]: how they wait for words of memory.
//! * [`trace`]: those that others trace. [`watchpoints`]: their debug registers.

pub(crate) mod clone;
pub mod credentials;
pub(crate) mod exec;
pub(crate) mod exit;
pub mod futex;
pub mod limits;
pub mod process;
mod queue;
mod restack;
pub mod thread;
pub mod timers;
pub mod trace;
pub mod watchpoints;

pub use credentials::Credentials;
pub use process::{Process, Status};
pub use thread::Thread;

use crate::wait::WaitKey;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use trace::Trace;

/// A process number; the first process is 1.
pub type Pid = i32;
/// A thread number; the first thread of a process has the process's.
pub type Tid = i32;

/// Numbers are below this (`kernel.pid_max`).
const NUMBERS_END: i32 = 4_194_304;
/// Threads that a machine may have.
const THREADS_MAX: usize = 32_768;

/// All processes and threads.
#[derive(Default)]
pub struct Tasks {
    processes: BTreeMap<Pid, Process>,
    threads: BTreeMap<Tid, Thread>,
    /// Threads that are new or used up their last turn, in the order of their turns.
    ready: VecDeque<Tid>,
    /// Threads that were woken and come before those, in the order of their waking.
    woken: VecDeque<Tid>,
    /// Turns that woken threads had since one of `ready` had its turn.
    woken_in_a_row: u32,
    /// Who waits for a key.
    waiters: BTreeMap<WaitKey, Vec<Tid>>,
    /// Who waits with a deadline.
    deadlines: BTreeSet<(u64, Tid)>,
    /// Threads that are traced.
    pub traces: BTreeMap<Tid, Trace>,
    last_number: i32,
}

impl Tasks {
    /// A number that no process, thread, group or session has; `None` at the limit.
    pub fn new_number(&mut self) -> Option<i32> {
        if self.threads.len() >= THREADS_MAX {
            return None;
        }
        loop {
            self.last_number = if self.last_number + 1 >= NUMBERS_END { 300 } else { self.last_number + 1 };
            let number = self.last_number;
            let used = self.threads.contains_key(&number)
                || self.traces.contains_key(&number)
                || self.processes.values().any(|process| {
                    number == process.pid || number == process.group || number == process.session
                });
            if !used {
                return Some(number);
            }
        }
    }

    /// Adds a process under its number.
    pub fn add_process(&mut self, process: Process) {
        self.processes.insert(process.pid, process);
    }

    /// Adds a thread to its process; it can run.
    pub fn add_thread(&mut self, thread: Thread) {
        let tid = thread.tid;
        if let Some(process) = self.processes.get_mut(&thread.pid) {
            process.threads.push(tid);
        }
        self.threads.insert(tid, thread);
        self.make_ready(tid);
    }

    /// Takes a thread out of everything.
    pub fn remove_thread(&mut self, tid: Tid) -> Option<Thread> {
        self.unblock(tid);
        self.ready.retain(|ready| *ready != tid);
        self.woken.retain(|woken| *woken != tid);
        let thread = self.threads.remove(&tid)?;
        if let Some(process) = self.processes.get_mut(&thread.pid) {
            process.threads.retain(|other| *other != tid);
        }
        Some(thread)
    }

    /// Takes a process that has no threads out.
    pub fn remove_process(&mut self, pid: Pid) -> Option<Process> {
        self.processes.remove(&pid)
    }

    /// A process, a zombie included.
    #[must_use]
    pub fn process(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// A process, a zombie included.
    pub fn process_mut(&mut self, pid: Pid) -> Option<&mut Process> {
        self.processes.get_mut(&pid)
    }

    /// All processes, zombies included.
    pub fn processes(&self) -> impl Iterator<Item = &Process> {
        self.processes.values()
    }

    /// All processes, zombies included.
    pub fn processes_mut(&mut self) -> impl Iterator<Item = &mut Process> {
        self.processes.values_mut()
    }

    /// The thread with a number, if it has not ended.
    #[must_use]
    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    /// A thread, if it exists.
    pub fn find_thread_mut(&mut self, tid: Tid) -> Option<&mut Thread> {
        self.threads.get_mut(&tid)
    }

    /// All threads of the machine.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> {
        self.threads.values()
    }

    /// How many threads there are.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        self.threads.len()
    }

    /// A thread that is known to exist.
    ///
    /// # Panics
    /// When there is none: a bug of the library OS.
    pub fn thread_mut(&mut self, tid: Tid) -> &mut Thread {
        match self.threads.get_mut(&tid) {
            Some(thread) => thread,
            None => panic!("no thread {tid}"),
        }
    }

    /// The process of a thread that is known to exist.
    ///
    /// # Panics
    /// When there is none: a bug of the library OS.
    pub fn process_of_mut(&mut self, tid: Tid) -> &mut Process {
        let pid = self.thread_mut(tid).pid;
        match self.processes.get_mut(&pid) {
            Some(process) => process,
            None => panic!("no process {pid}"),
        }
    }

    /// A thread that is known to exist, and its process.
    ///
    /// # Panics
    /// When there is none: a bug of the library OS.
    pub fn pair_mut(&mut self, tid: Tid) -> (&mut Thread, &mut Process) {
        let Some(thread) = self.threads.get_mut(&tid) else { panic!("no thread {tid}") };
        match self.processes.get_mut(&thread.pid) {
            Some(process) => (thread, process),
            None => panic!("no process of thread {tid}"),
        }
    }

    /// A thread that is traced, with its process.
    pub(crate) fn traced_mut(&mut self, tid: Tid) -> Option<(&mut Thread, &mut Process, &mut Trace)> {
        let trace = self.traces.get_mut(&tid)?;
        let thread = self.threads.get_mut(&tid)?;
        Some((thread, self.processes.get_mut(&trace.pid)?, trace))
    }

    /// Gives a thread another number: the one that calls execve(2) becomes its process's first.
    pub(crate) fn renumber(&mut self, tid: Tid, new: Tid) {
        if tid == new {
            return;
        }
        self.ready
            .iter_mut()
            .chain(&mut self.woken)
            .filter(|queued| **queued == tid)
            .for_each(|queued| *queued = new);
        if let Some(mut thread) = self.threads.remove(&tid) {
            if let Some(process) = self.processes.get_mut(&thread.pid) {
                process.threads.iter_mut().filter(|other| **other == tid).for_each(|other| *other = new);
            }
            thread.tid = new;
            self.threads.insert(new, thread);
        }
    }
}
