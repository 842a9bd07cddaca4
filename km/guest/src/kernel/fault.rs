//! CPU exceptions of the program: pages that are made when they are touched, and signals for everything else.

use super::{Kernel, signals};
use crate::mm::{Access, FaultError};
use crate::task::thread::Fault;
use crate::task::{Status, Tid};

/// Vector of page faults.
const PAGE_FAULT: u8 = 14;
/// Error-code bit of a page fault: it was a write.
const WRITE: u64 = 1 << 1;
/// Error-code bit of a page fault: it was an instruction fetch.
const FETCH: u64 = 1 << 4;

const SIGILL: u32 = 4;
const SIGTRAP: u32 = 5;
const SIGBUS: u32 = 7;
const SIGFPE: u32 = 8;
const SIGKILL: u32 = 9;
const SIGSEGV: u32 = 11;
/// `si_code` of a signal whose cause has no address.
const SI_KERNEL: i32 = 0x80;

impl Kernel {
    pub(super) fn exception(&mut self, tid: Tid, vector: u8, error: u64, address: u64) {
        self.tasks.thread_mut(tid).fault = Fault { vector: u64::from(vector), error, address };
        if vector == PAGE_FAULT {
            return self.page_fault(tid, error, address);
        }
        let rip = self.tasks.thread_mut(tid).context.rip;
        let (signal, code, address) = match vector {
            0 => (SIGFPE, 1, rip),
            1 => (SIGTRAP, 2, rip),
            3 => (SIGTRAP, SI_KERNEL, 0),
            6 => (SIGILL, 2, rip),
            16 | 19 => (SIGFPE, 7, rip),
            12 => (SIGBUS, SI_KERNEL, 0),
            17 => (SIGBUS, 1, 0),
            _ => (SIGSEGV, SI_KERNEL, 0),
        };
        signals::force(self, tid, signal, code, address);
    }

    fn page_fault(&mut self, tid: Tid, error: u64, address: u64) {
        let access = match error {
            error if error & FETCH != 0 => Access::Execute,
            error if error & WRITE != 0 => Access::Write,
            _ => Access::Read,
        };
        let process = self.tasks.process_of_mut(tid);
        process.faults += 1;
        let result = process.space.borrow_mut().fault(address, access);
        match result {
            Ok(()) => {}
            Err(FaultError::Unmapped) => signals::force(self, tid, SIGSEGV, 1, address),
            Err(FaultError::Denied) => signals::force(self, tid, SIGSEGV, 2, address),
            Err(FaultError::BeyondFile) => signals::force(self, tid, SIGBUS, 2, address),
            Err(FaultError::OutOfMemory) => self.out_of_memory(tid),
        }
    }

    /// Ends the process that needs a page when there is none, as Linux's last resort does.
    fn out_of_memory(&mut self, tid: Tid) {
        let process = self.tasks.process_of_mut(tid);
        let (pid, path) =
            (process.pid, alloc::string::String::from_utf8_lossy(&process.program.path).into_owned());
        crate::log!("out of memory: killed process {pid} ({path})");
        self.exit_process(pid, Status::Signaled(SIGKILL));
    }
}
