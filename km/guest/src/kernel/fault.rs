//! CPU exceptions of the program: pages that are made when they are touched, and signals for everything else.

use super::Kernel;
use crate::mm::{Access, FaultError};
use crate::signal::Signal;
use crate::signal::deliver;
use crate::signal::frame::LastException;
use crate::signal::info::{Info, code};
use crate::task::{Status, Tid};

/// Vector of page faults.
const PAGE_FAULT: u8 = 14;
/// Error-code bit of a page fault: it was a write.
const WRITE: u64 = 1 << 1;
/// Error-code bit of a page fault: it was an instruction fetch.
const FETCH: u64 = 1 << 4;

impl Kernel {
    pub(super) fn exception(&mut self, tid: Tid, vector: u8, error: u64, address: u64) {
        self.tasks.thread_mut(tid).fault = LastException { vector: u64::from(vector), error, address };
        if vector == PAGE_FAULT {
            return self.page_fault(tid, error, address);
        }
        let rip = self.tasks.thread_mut(tid).context.rip;
        self.force_signal(tid, deliver::exception(vector, rip));
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
            Err(FaultError::Unmapped) => {
                self.force_signal(tid, Info::fault(Signal::SEGV, code::SEGV_MAPERR, address))
            }
            Err(FaultError::Denied) => {
                self.force_signal(tid, Info::fault(Signal::SEGV, code::SEGV_ACCERR, address))
            }
            Err(FaultError::BeyondFile) => {
                self.force_signal(tid, Info::fault(Signal::BUS, code::BUS_ADRERR, address))
            }
            Err(FaultError::OutOfMemory) => self.out_of_memory(tid),
        }
    }

    /// Out of memory: ends the process that needs the page, as Linux's OOM killer does.
    fn out_of_memory(&mut self, tid: Tid) {
        let process = self.tasks.process_of_mut(tid);
        let (pid, path) =
            (process.pid, alloc::string::String::from_utf8_lossy(&process.program.path).into_owned());
        crate::log!("out of memory: killed process {pid} ({path})");
        self.exit_process(pid, Status::OutOfMemory);
    }
}
