//! System V IPC (sysvipc(7)): shared memory, semaphores and message queues that are named by numbers; and the message
//! queues of POSIX, which have names and descriptors. There is one namespace of them in a machine, as in a container.
//!
//! * [`registry`]: what the three kinds have in common: identifiers, keys, permissions.
//! * [`shm`], [`sem`], [`msg`]: the kinds.
//! * [`mq`]: POSIX message queues.

pub mod mq;
pub mod msg;
pub mod registry;
pub mod sem;
pub mod shm;

use crate::task::{Pid, Tid};
use alloc::vec::Vec;
use registry::Registry;

/// All objects of the machine.
#[derive(Default)]
pub struct Ipc {
    /// Segments of shared memory.
    pub shm: Registry<shm::Segment>,
    /// Sets of semaphores.
    pub sem: Registry<sem::SemaphoreSet>,
    /// Message queues.
    pub msg: Registry<msg::MessageQueue>,
    /// POSIX message queues.
    pub mq: mq::Queues,
}

impl Ipc {
    /// A thread waits for nothing here any more: a signal took it out of its call, or it ended.
    pub fn leave(&self, tid: Tid) {
        self.mq.leave(tid);
        for (_, set) in self.sem.iter() {
            set.leave(tid);
        }
    }

    /// Whether a process has asked for something to be undone at its end (SEM_UNDO).
    #[must_use]
    pub fn undoes(&self, pid: Pid) -> bool {
        self.sem.iter().any(|(_, set)| set.undoes(pid))
    }

    /// Undoes what a process that ends has asked to be undone (SEM_UNDO), and returns the threads that need not wait any
    /// more.
    pub fn process_ended(&self, pid: Pid) -> Vec<Tid> {
        self.sem.iter().flat_map(|(_, set)| set.undo(pid)).collect()
    }
}

/// CLOCK_REALTIME in whole seconds, as these objects keep times.
#[must_use]
pub fn now_s() -> i64 {
    crate::fs::node::meta::Time::now().s
}
