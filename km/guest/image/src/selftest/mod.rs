//! The self-test as a library OS.

extern crate alloc;

mod program;

use alloc::format;
use alloc::vec::Vec;
use core::hint::black_box;
use core::mem;
use km_hal::abi::hypercall::{End, Idle};
use km_hal::paging::{self, Flags, Pool};
use km_hal::user::{self, Fault};
use km_hal::{LibOs, Trap, UserContext, cpu, frames, hyper, phys, records};

/// Repetitions of what is measured from within; the median is reported.
const ROUNDS: usize = 1000;
/// How long the machine sleeps in nanoseconds.
const SLEEP_NS: u64 = 5_000_000;
/// Kicks that are waited for.
const KICKS: u64 = 3;
/// Count of exceptions that stands for the last one: the jump to nowhere.
const WILD: u64 = 100;
/// Bytes that no machine of the test has.
const TOO_MUCH: usize = 1 << 32;

fn say(text: &str) {
    hyper::write(1, text.as_bytes());
}

/// Says what something cost.
fn report(what: &str, tsc: u64) {
    let clock = records::clock();
    let each = ((u128::from(tsc) * u128::from(clock.mult)) >> clock.shift) as u64;
    say(&format!("{what}: {each} ns\n"));
}

/// Says what one of many equal things cost.
fn report_median(what: &str, spent: &mut [u64]) {
    spent.sort_unstable();
    report(what, spent[spent.len() / 2]);
}

/// The state of the test.
pub struct Selftest {
    calls: u64,
    pages: u64,
    exceptions: u64,
    kicks: u64,
    /// When the last entry was, and the times between entries since the last part began.
    since: u64,
    spent: Vec<u64>,
}

impl LibOs for Selftest {
    fn boot(context: &mut UserContext) -> Self {
        if let Some(way) = records::config().args.first() {
            end(way);
        }
        let root = program_space();
        memory();
        program_memory();
        vector_state();
        costs(root);
        sleep();
        *context = UserContext { rip: program::CODE, rsp: program::STACK, ..UserContext::default() };
        Self { calls: 0, pages: 0, exceptions: 0, kicks: 0, since: cpu::rdtsc(), spent: Vec::new() }
    }

    fn trap(&mut self, context: &mut UserContext, trap: Trap) {
        assert_eq!(context.rsp, program::STACK, "the program's stack pointer");
        let now = cpu::rdtsc();
        self.spent.push(now - self.since);
        self.since = now;
        match trap {
            Trap::Syscall if context.rax == program::CALL => self.calls += 1,
            Trap::Syscall => self.part(context.rax),
            Trap::Exception { vector: 14, error, address } if address >= program::TOUCHED => {
                assert_eq!((error, address), (6, program::TOUCHED + (self.pages + 1) * 4096));
                map(paging::current_root(), address, Flags::BASE | Flags::WRITE);
                self.pages += 1;
            }
            Trap::Exception { vector, .. } => self.exception(context, vector),
            Trap::Interrupt => self.interrupt(context),
        }
    }
}

impl Selftest {
    fn part(&mut self, number: u64) {
        let mut spent = mem::take(&mut self.spent);
        match number {
            1 => {
                assert_eq!(self.calls, program::CALLS);
                report_median("system call", &mut spent);
            }
            2 => {
                assert_eq!(self.pages, program::PAGES);
                report_median("page fault", &mut spent);
            }
            _ => assert_eq!(self.exceptions, 4),
        }
    }

    /// The exceptions of the third part, in order; faults are stepped over.
    fn exception(&mut self, context: &mut UserContext, vector: u8) {
        if self.exceptions == WILD {
            assert_eq!((vector, context.rip), (13, 1 << 63));
            hyper::exit(&mut [], End::Exited { status: 0 });
        }
        let (expected, length) = [(6, 2), (3, 0), (13, 1), (0, 2)][self.exceptions as usize % 4];
        assert_eq!(vector, expected, "at {:#x}", context.rip);
        context.rip += length;
        self.exceptions += 1;
    }

    fn interrupt(&mut self, context: &mut UserContext) {
        if context.rip != program::CODE + program::BYTES.len() as u64 - 2 {
            // On a slow machine a kick may come before the loop at the end is reached.
            return;
        }
        assert!(context.rflags & 0x400 != 0, "the program's direction flag");
        self.kicks += 1;
        if self.kicks == KICKS {
            say("kicked\n");
            // From now on only the event that the monitor's side has for those who rest may interrupt the loop.
            say("resting\n");
            hyper::rest(u32::MAX);
        }
        if self.kicks > KICKS {
            assert!(
                !hyper::submit(&mut []).as_slice().is_empty(),
                "interrupted at rest, and nothing happened"
            );
            say("told\n");
            // An address that cannot be jumped to must come back as an exception of the program, not of ours.
            context.rip = 1 << 63;
            self.exceptions = WILD;
        }
    }
}

/// Ends the way that the first argument names.
fn end(way: &[u8]) {
    match way {
        b"exhaust" => drop(black_box(Vec::<u8>::with_capacity(TOO_MUCH))),
        b"go on" => {
            let mut bytes = Vec::<u8>::new();
            assert!(bytes.try_reserve(TOO_MUCH).is_err() && black_box(&bytes).is_empty());
            drop(black_box(Vec::<u8>::with_capacity(1)));
            panic!("went on without the memory");
        }
        _ => panic!("no such way"),
    }
}

fn map(root: u64, va: u64, flags: Flags) -> u64 {
    let frame = frames::alloc().unwrap_or_else(|| panic!("no frame"));
    let mapped = paging::map(root, phys::page_of(va), frame, flags, &mut Pool);
    assert_eq!(mapped, Ok(None));
    frame
}

/// Page tables with the program's code.
fn program_space() -> u64 {
    let root = paging::new_root(&mut Pool).unwrap_or_else(|_| panic!("no frame"));
    let code = map(root, program::CODE, Flags::BASE);
    phys::write(code, program::BYTES);
    paging::switch(root);
    root
}

fn memory() {
    let before = frames::available();
    let frame = frames::alloc().unwrap_or_else(|| panic!("no frame"));
    phys::write_u64(frame, 7);
    assert_eq!(phys::read_u64(frame), 7);
    frames::release(frame);
    assert_eq!(frames::available(), before);
    let large = alloc::vec![1u8; 1 << 20];
    assert!(large.iter().all(|byte| *byte == 1), "the heap");
}

fn program_memory() {
    let mut first = [0; 8];
    assert_eq!(user::copy_in(program::CODE, &mut first), Ok(()));
    assert_eq!(first, program::BYTES[..8]);
    let beyond = program::CODE + 4096;
    assert_eq!(user::copy_in(beyond - 3, &mut first), Err(Fault { address: beyond, write: false }));
    let code = program::CODE + 16;
    assert_eq!(user::copy_out(code, &first), Err(Fault { address: code, write: true }));
    assert_eq!(user::zero(code, 1), Err(Fault { address: code, write: true }));
}

fn vector_state() {
    let mut state = cpu::XState::fresh();
    cpu::save(&mut state);
    cpu::restore(&state);
    // Neighbours in the heap: what the CPU has enabled beyond this machine's components would reach into them.
    let mut areas: Vec<_> = (0..8).map(|_| cpu::XState::fresh()).collect();
    cpu::save(&mut areas[0]);
    let fresh = cpu::XState::fresh();
    assert!(areas[1..].iter().all(|area| area.as_bytes() == fresh.as_bytes()));
    for base in [0x1234_5000, 0] {
        assert!(cpu::set_fs_base(base) && cpu::set_gs_base(base + 8));
        assert_eq!((cpu::fs_base(), cpu::gs_base()), (base, base + 8));
    }
}

fn costs(root: u64) {
    let mut state = cpu::XState::fresh();
    let mut measure = |what: &str, work: &mut dyn FnMut()| {
        let mut spent: Vec<u64> = (0..ROUNDS)
            .map(|_| {
                let start = cpu::rdtsc();
                work();
                cpu::rdtsc() - start
            })
            .collect();
        report_median(what, &mut spent);
    };
    measure("flush", &mut paging::flush);
    measure("exit to the monitor", &mut || drop(hyper::submit(&mut [])));
    measure("save and restore of vector state", &mut || {
        cpu::save(&mut state);
        cpu::restore(&state);
    });
    measure("word of the program", &mut || drop(user::load_u32(program::CODE)));
    assert_eq!(paging::current_root(), root);
}

fn sleep() {
    let start = cpu::rdtsc();
    let idle = Idle { deadline_ns: SLEEP_NS, ..Idle::default() };
    assert!(hyper::idle(&mut [], idle, &mut |_, _| true).as_slice().is_empty());
    report("sleep of 5 ms", cpu::rdtsc() - start);
}
