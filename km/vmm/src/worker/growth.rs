//! How much memory a machine takes, told to the node while it grows.
//!
//! The node charges a machine by a forecast, so that most calls never say a word. A slot's thread counts its page faults,
//! since each of them gives its machine one frame at most. Only when so many frames would be more than the charge, it
//! counts the machine's own pages, and asks for a larger charge. It does not wait for an answer: the machine goes on until
//! the node refuses.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};

use super::function::Function;
use crate::memory::GuestMemory;
use crate::protocol::{Charged, FromWorker, Grown, SLOTS_MAX, packet};

/// What a machine costs beside its own pages: page tables, KVM's structures.
const FIXED: u64 = 2 << 20;
/// So much beyond its charge is nothing to ask for: the forecast is an average of calls, and half of them take a little
/// more. The node's reserve has it.
const SLACK: u64 = 1 << 20;
/// A machine is charged this much ahead of what it holds, or a part of what it holds if that is more: a program that fills
/// gigabytes is counted a few dozen times.
const STEP: u64 = 4 << 20;
const STEP_PART: u64 = 16;
/// An idle machine that has run for less than this since it was looked at cannot have grown by much.
const GUEST_TIME: Duration = Duration::from_millis(1);

/// The worker's end of the node's books.
#[derive(Debug)]
pub struct Ledger {
    control: OwnedFd,
    /// The machine in each slot, and the last one there that the node refused to charge; 0 is none.
    slots: [(AtomicU64, AtomicU64); SLOTS_MAX as usize],
}

impl Ledger {
    /// Tells growth over the control socket.
    #[must_use]
    pub fn new(control: OwnedFd) -> Self {
        Self { control, slots: Default::default() }
    }

    /// The node has no memory left for a machine. One that has ended meanwhile needs none.
    pub fn refuse(&self, machine: u64) {
        for (current, refused) in &self.slots {
            if current.load(Ordering::Relaxed) == machine {
                refused.store(machine, Ordering::Relaxed);
            }
        }
    }

    /// Whether the message went out. A node that does not read now is told later.
    pub fn tell(&self, message: &FromWorker) -> bool {
        message.encode().is_ok_and(|bytes| packet::send_plain(&self.control, &bytes).is_ok())
    }
}

/// One machine's memory.
pub struct Growth {
    function: Arc<Function>,
    slot: usize,
    books: Books,
    /// Guest time when an idle machine was looked at last.
    looked: Duration,
}

impl Growth {
    /// Of the machine in a slot; a page fault gives it `granule` bytes at most, and the calling thread had so many `faults`
    /// when it began.
    #[must_use]
    pub fn new(function: Arc<Function>, slot: usize, charged: Charged, granule: u64, faults: u64) -> Self {
        if let Some((current, _)) = function.ledger().slots.get(slot) {
            current.store(charged.machine, Ordering::Relaxed);
        }
        let books = Books::new(charged, granule, faults);
        Self { function, slot, books, looked: Duration::ZERO }
    }

    /// The node has no memory left for it.
    #[must_use]
    pub fn refused(&self) -> bool {
        let machine = self.books.machine;
        let slot = self.function.ledger().slots.get(self.slot);
        machine != 0 && slot.is_some_and(|(_, refused)| refused.load(Ordering::Relaxed) == machine)
    }

    /// Looks at a machine that has run for so long in all, unless it cannot have grown since.
    pub fn look_after(&mut self, memory: &GuestMemory, guest: Duration) {
        if guest >= self.looked + GUEST_TIME {
            self.looked = guest;
            self.look(memory);
        }
    }

    /// Looks whether it has grown beyond its charge, and tells the node.
    pub fn look(&mut self, memory: &GuestMemory) {
        if self.books.machine == 0 {
            return;
        }
        let faults = faults();
        if !self.books.may_exceed(faults) {
            return;
        }
        // A kernel that does not tell leaves the count of faults, which is never too low.
        let own = self.function.own_bytes(memory).ok();
        if let Some(wanted) = self.books.counted(own, faults)
            && self.function.ledger().tell(&self.books.grown(wanted))
        {
            self.books.charged = wanted;
        }
    }
}

/// Page faults of the calling thread so far.
#[must_use]
pub fn faults() -> u64 {
    let usage = getrusage(UsageWho::RUSAGE_THREAD);
    usage.map_or(0, |usage| u64::try_from(usage.minor_page_faults()).unwrap_or(0))
}

/// What is known of a machine's memory. No I/O.
#[derive(Debug)]
struct Books {
    machine: u64,
    charged: u64,
    /// Bytes that it held when the thread had had so many page faults.
    held: u64,
    faults: u64,
    granule: u64,
}

impl Books {
    fn new(charged: Charged, granule: u64, faults: u64) -> Self {
        let Charged { machine, bytes } = charged;
        // Part of the forecast is what a shell was pre-run over; the first count tells.
        Self { machine, charged: bytes, held: bytes / 2, faults, granule }
    }

    /// What it holds at most.
    fn bound(&self, faults: u64) -> u64 {
        self.held.saturating_add(faults.saturating_sub(self.faults).saturating_mul(self.granule))
    }

    fn grown(&self, bytes: u64) -> FromWorker {
        FromWorker::Grown(Grown { machine: self.machine, bytes })
    }

    fn may_exceed(&self, faults: u64) -> bool {
        self.bound(faults) > self.charged.saturating_add(SLACK)
    }

    /// Its own pages were counted: what it is to be charged, if that is more than it is.
    fn counted(&mut self, own: Option<u64>, faults: u64) -> Option<u64> {
        self.held = own.map_or_else(|| self.bound(faults), |own| own.saturating_add(FIXED));
        self.faults = faults;
        let wanted = self.held.saturating_add(STEP.max(self.held / STEP_PART));
        (self.held > self.charged.saturating_add(SLACK)).then_some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn books(charged: u64) -> Books {
        Books::new(Charged { machine: 1, bytes: charged }, 4096, 100)
    }

    #[test]
    fn nothing_is_counted_before_the_charge_may_be_used_up() {
        let mut books = books(16 * MIB);
        assert!(!books.may_exceed(100 + 9 * 256));
        assert!(books.may_exceed(101 + 9 * 256));
        // Most faults were reads of the snapshot.
        assert_eq!(books.counted(Some(3 * MIB), 2405), None);
        assert_eq!(books.held, 5 * MIB);
        assert!(!books.may_exceed(2405 + 12 * 256) && books.may_exceed(2406 + 12 * 256));
    }

    #[test]
    fn a_small_machine_within_its_forecast_says_nothing() {
        // What calls of 27 pages are charged, and one that takes 40 of them.
        let mut books = books(FIXED + 27 * 4096);
        assert!(!books.may_exceed(100 + 100));
        assert_eq!(books.counted(Some(40 * 4096), 200), None);
    }

    #[test]
    fn a_growing_machine_asks_ahead_and_seldom() {
        let mut books = books(16 * MIB);
        let (mut own, mut faults, mut asked) = (0, 100, 0);
        while own < 1024 * MIB {
            (own, faults) = (own + 4096, faults + 1);
            if books.may_exceed(faults)
                && let Some(wanted) = books.counted(Some(own), faults)
            {
                assert!(wanted >= own + FIXED + STEP);
                books.charged = wanted;
                asked += 1;
            }
            assert!(books.charged + SLACK >= own + FIXED, "what it holds is charged");
        }
        assert!((40..120).contains(&asked), "{asked}");
    }

    #[test]
    fn without_a_count_each_fault_is_a_frame() {
        let mut books = books(16 * MIB);
        assert_eq!(books.counted(None, 100 + 512), None);
        assert_eq!(books.counted(None, 100 + 4096), Some(28 * MIB));
    }

    #[test]
    fn faults_of_this_thread_are_counted() {
        let before = faults();
        let pages = vec![1u8; 4 << 20];
        std::hint::black_box(&pages);
        assert!(faults() > before);
    }

    #[test]
    fn a_refusal_is_for_the_machine_that_it_names() {
        let (control, _node) = packet::control_pair().unwrap();
        let ledger = Ledger::new(control);
        ledger.slots[3].0.store(7, Ordering::Relaxed);
        ledger.refuse(8);
        assert_eq!(ledger.slots[3].1.load(Ordering::Relaxed), 0);
        ledger.refuse(7);
        assert_eq!(ledger.slots[3].1.load(Ordering::Relaxed), 7);
        assert_eq!(ledger.slots[2].1.load(Ordering::Relaxed), 0);
    }
}
