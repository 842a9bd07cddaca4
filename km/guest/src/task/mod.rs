//! Processes and threads.

use crate::fs::FsContext;
use crate::fs::fd::FdTable;
use crate::mm::AddressSpace;
use crate::wait::{Progress, Wait};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;

/// A process number; the first process is 1.
pub type Pid = i32;
/// A thread number; the first thread of a process has the process's.
pub type Tid = i32;

/// User, groups and capabilities of a process (credentials(7)).
#[derive(Clone, Debug, Default)]
pub struct Credentials {
    /// Effective user; real and saved ones follow it until set*uid are there.
    pub uid: u32,
    /// Effective group.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: alloc::vec::Vec<u32>,
}

/// A process: an address space, descriptors, a place in the file system, credentials.
pub struct Process {
    /// Its number.
    pub pid: Pid,
    /// Its parent's number, 0 for the first.
    pub parent: Pid,
    /// Mappings and page tables.
    pub space: Rc<RefCell<AddressSpace>>,
    /// Open files.
    pub files: Rc<RefCell<FdTable>>,
    /// Root, working directory and umask.
    pub fs: Rc<RefCell<FsContext>>,
    /// Who it is.
    pub credentials: Credentials,
}

/// A thread.
pub struct Thread {
    /// Its number.
    pub tid: Tid,
    /// Its process.
    pub pid: Pid,
    /// What its current system call keeps between runs.
    pub progress: Progress,
    /// What it waits for; `None` when it can run.
    pub wait: Option<Wait>,
}

/// All processes and threads.
#[derive(Default)]
pub struct Tasks {
    processes: BTreeMap<Pid, Process>,
    threads: BTreeMap<Tid, Thread>,
}

impl Tasks {
    /// A process, if there is one with this number.
    #[must_use]
    pub fn process(&self, pid: Pid) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// A thread, if there is one with this number.
    #[must_use]
    pub fn thread(&self, tid: Tid) -> Option<&Thread> {
        self.threads.get(&tid)
    }

    /// All processes by number.
    pub fn processes(&self) -> impl Iterator<Item = &Process> + '_ {
        self.processes.values()
    }

    /// All threads by number.
    pub fn threads(&self) -> impl Iterator<Item = &Thread> + '_ {
        self.threads.values()
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
}
