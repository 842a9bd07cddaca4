//! The log message for a program that one of its own instructions killed: registers, and where it was, by function name
//! if there is one.

use super::Kernel;
use crate::fs::file::{FilePage, PageUse, Pages};
use crate::load::symbol;
use crate::mm::vma::{Backing, Vma};
use crate::signal::Signal;
use crate::task::Tid;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use km_abi::layout::{PAGE_SIZE, ROOTFS_GPA};
use km_hal::phys;

/// Signals that an instruction raises.
const OF_INSTRUCTIONS: [Signal; 5] = [Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::TRAP];
/// Vector of page faults.
const PAGE_FAULT: u64 = 14;

impl Kernel {
    /// Logs registers and place of a thread that a signal ends, if it is one that instructions raise.
    pub(super) fn report_crash(&mut self, tid: Tid, signal: Signal) {
        if !OF_INSTRUCTIONS.contains(&signal) {
            return;
        }
        let thread = self.tasks.thread_mut(tid);
        let (r, fault) = (thread.context, thread.fault);
        let process = self.tasks.process_of_mut(tid);
        let path = String::from_utf8_lossy(&process.program.path).into_owned();
        let place = process
            .space
            .borrow()
            .mappings()
            .find(r.rip)
            .map_or_else(|| String::from("where nothing is mapped"), |vma| describe(vma, r.rip));
        let address = match fault.vector {
            PAGE_FAULT => format!(", page fault at {:#x}", fault.address),
            vector => format!(", exception {vector}"),
        };
        crate::log!("{path} was killed by signal {}{address}, {place}", signal.number());
        crate::log!("  rip {:016x}  rsp {:016x}  rflags {:08x}  rbp {:016x}", r.rip, r.rsp, r.rflags, r.rbp);
        crate::log!("  rax {:016x}  rbx {:016x}  rcx {:016x}  rdx {:016x}", r.rax, r.rbx, r.rcx, r.rdx);
        crate::log!("  rsi {:016x}  rdi {:016x}  r8  {:016x}  r9  {:016x}", r.rsi, r.rdi, r.r8, r.r9);
        crate::log!("  r10 {:016x}  r11 {:016x}  r12 {:016x}  r13 {:016x}", r.r10, r.r11, r.r12, r.r13);
        crate::log!("  r14 {:016x}  r15 {:016x}", r.r14, r.r15);
    }
}

/// Function and file of an address, or what else is known of it.
fn describe(vma: &Vma, rip: u64) -> String {
    let Backing::File { pages, offset } = &vma.backing else { return String::from("in anonymous memory") };
    let offset = offset + (rip - vma.start);
    let file = String::from_utf8_lossy(&pages.path()).into_owned();
    match symbol::find(&|offset, buffer| read(pages, offset, buffer), offset) {
        Some(place) => {
            format!("in {}+{:#x} of {file}", String::from_utf8_lossy(&place.name), place.offset)
        }
        None => format!("at offset {offset:#x} of {file}"),
    }
}

/// Reads from the pages of a mapped file.
fn read(pages: &Rc<dyn Pages>, offset: u64, buffer: &mut [u8]) -> bool {
    let mut done = 0;
    while done < buffer.len() {
        let Some(at) = offset.checked_add(done as u64) else { return false };
        let start = (at % PAGE_SIZE) as usize;
        let len = (PAGE_SIZE as usize - start).min(buffer.len() - done);
        let part = &mut buffer[done..done + len];
        match pages.page(at / PAGE_SIZE, PageUse::Read) {
            Ok(FilePage::Frame(frame)) => frame.read(start, part),
            Ok(FilePage::Rootfs(gpa)) => {
                let from = gpa.checked_sub(ROOTFS_GPA).map(|place| place as usize + start);
                let bytes = from.and_then(|from| phys::rootfs().get(from..from + len));
                let Some(bytes) = bytes else { return false };
                part.copy_from_slice(bytes);
            }
            Err(_) => return false,
        }
        done += len;
    }
    true
}
