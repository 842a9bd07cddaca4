//! CPU exceptions of the program: pages that are made when they are touched, and signals for everything else.

use super::{Kernel, legacy, vsyscall};
use crate::fs::io::Source;
use crate::mm::user::{UserMemory, UserRanges};
use crate::mm::{Access, FaultError};
use crate::signal::frame::LastException;
use crate::signal::info::{Info, code};
use crate::signal::{Signal, deliver, float, instruction};
use crate::task::watchpoints::Stepped;
use crate::task::{Status, Tid};
use alloc::rc::Rc;
use alloc::vec::Vec;
use km_hal::context::RFLAGS_TRAP;
use km_hal::cpu;

/// Vector of page faults.
const PAGE_FAULT: u8 = 14;
/// Error-code bit of a page fault: it was a write.
const WRITE: u64 = 1 << 1;
/// Error-code bit of a page fault: it was an instruction fetch.
const FETCH: u64 = 1 << 4;

/// Error-code bit of a page fault: rights were missing, not the page.
const RIGHTS: u64 = 1;
/// Error-code bits of a page fault that are the program's doing.
const ACCESS: u64 = WRITE | FETCH | 4;
/// Vector of single steps and of `icebp`.
const DEBUG: u8 = 1;
/// The one byte of `icebp`. Its exception comes behind it, and at it where KVM emulates it.
const ICEBP: u8 = 0xf1;
/// End of the addresses that a program can have (Linux's TASK_SIZE_MAX).
const USER_END: u64 = 0x7fff_ffff_f000;

impl Kernel {
    pub(super) fn exception(&mut self, tid: Tid, vector: u8, error: u64, address: u64) {
        if vector == PAGE_FAULT {
            return self.page_fault(tid, error, address);
        }
        let (vector, error) = self.as_on_hardware(tid, vector, error);
        if vector == instruction::PROTECTION && error == legacy::GATE_ERROR {
            let rip = self.tasks.thread_mut(tid).context.rip;
            if self.code_at(tid, rip).starts_with(&legacy::INSTRUCTION) {
                return self.legacy_call(tid);
            }
        }
        let Some(mut info) = self.signal_of(tid, vector) else { return };
        if vector == DEBUG && self.tasks.thread_mut(tid).traced {
            match self.stepped(tid) {
                Stepped::Wanted => {}
                Stepped::Met => info.code = code::TRAP_HWBKPT,
                Stepped::OnTheWay => return,
            }
        }
        let thread = self.tasks.thread_mut(tid);
        thread.fault = LastException { vector: u64::from(vector), error, ..thread.fault };
        self.force_signal(tid, info);
    }

    /// The exception as Linux's CPUs raise it for the instruction at hand.
    fn as_on_hardware(&mut self, tid: Tid, vector: u8, error: u64) -> (u8, u64) {
        if !matches!(vector, instruction::INVALID_OPCODE | instruction::PROTECTION) {
            return (vector, error);
        }
        let rip = self.tasks.thread_mut(tid).context.rip;
        instruction::as_on_hardware(vector, error, &self.code_at(tid, rip))
    }

    /// The bytes of an instruction, as far as they can be read.
    fn code_at(&mut self, tid: Tid, address: u64) -> Vec<u8> {
        let mut code = alloc::vec![0; instruction::LONGEST];
        let memory = UserMemory::new(Rc::clone(&self.tasks.process_of_mut(tid).space));
        let len = UserRanges::one(memory, address, code.len() as u64).take(&mut code).unwrap_or(0);
        code.truncate(len);
        code
    }

    /// The signal of an exception; `None` for a floating-point exception without a reason, which Linux ignores.
    fn signal_of(&mut self, tid: Tid, vector: u8) -> Option<Info> {
        let thread = self.tasks.thread_mut(tid);
        let (rip, steps) = (thread.context.rip, thread.context.rflags & RFLAGS_TRAP != 0);
        // The byte before may lie in a page that cannot be read.
        let mut is_icebp_at = |address| self.code_at(tid, address).first() == Some(&ICEBP);
        match vector {
            DEBUG => {
                let is_icebp = !steps && (is_icebp_at(rip.wrapping_sub(1)) || is_icebp_at(rip));
                let code = if is_icebp { code::TRAP_BRKPT } else { code::TRAP_TRACE };
                Some(Info::fault(Signal::TRAP, code, rip))
            }
            float::X87 | float::SIMD => {
                self.make_live(tid);
                let state = &mut self.tasks.thread_mut(tid).vectors.state;
                cpu::save(state);
                Some(Info::fault(Signal::FPE, float::reason(vector, state)?, rip))
            }
            vector => Some(deliver::exception(vector, rip)),
        }
    }

    fn page_fault(&mut self, tid: Tid, error: u64, address: u64) {
        if error & FETCH != 0 && vsyscall::holds(address) {
            return self.vsyscall(tid, address);
        }
        let access = match error {
            error if error & FETCH != 0 => Access::Execute,
            error if error & WRITE != 0 => Access::Write,
            _ => Access::Read,
        };
        let process = self.tasks.process_of_mut(tid);
        process.faults += 1;
        let result = process.space.borrow_mut().fault(address, access);
        if result.is_err() {
            // What lies beyond is not told: it looks as if rights were missing.
            let error = if address >= USER_END { error & ACCESS | RIGHTS } else { error };
            self.tasks.thread_mut(tid).fault =
                LastException { vector: u64::from(PAGE_FAULT), error, address };
        }
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
