//! Signals (signal(7)): numbers, sets and what becomes of a signal that is sent.
//!
//! * [`info`]: siginfo_t, what a handler learns of its signal.
//! * [`action`]: dispositions, of the program's choice and by default.
//! * [`pending`]: signals that were sent and have not arrived, per thread and per process.
//! * [`frame`]: the frame that a handler runs on, exactly as Linux lays it out, and the way back.
//! * [`deliver`]: choosing the next signal of a thread and carrying it out.
//! * [`instruction`], [`float`]: what an exception of the CPU means.

pub mod action;
pub mod deliver;
pub mod float;
pub mod frame;
pub mod info;
pub mod instruction;
pub mod pending;

use action::Actions;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use info::Info;
use pending::Pending;

/// Highest signal number (SIGRTMAX).
pub const SIGNAL_MAX: u8 = 64;
/// Lowest real-time signal of the kernel (C libraries keep some of them for themselves).
pub const REAL_TIME_MIN: u8 = 32;

/// A signal number, 1 to 64.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal(u8);

macro_rules! names {
    ($($name:ident = $number:literal,)*) => {
        #[expect(missing_docs, reason = "signal(7) describes them")]
        impl Signal { $(pub const $name: Self = Self($number);)* }

        impl fmt::Debug for Signal {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(concat!("SIG", stringify!($name))),)*
                    Self(other) => write!(f, "SIGRT{other}"),
                }
            }
        }
    };
}

names! {
    HUP = 1, INT = 2, QUIT = 3, ILL = 4, TRAP = 5, ABRT = 6, BUS = 7, FPE = 8, KILL = 9, USR1 = 10, SEGV = 11, USR2 = 12,
    PIPE = 13, ALRM = 14, TERM = 15, STKFLT = 16, CHLD = 17, CONT = 18, STOP = 19, TSTP = 20, TTIN = 21, TTOU = 22,
    URG = 23, XCPU = 24, XFSZ = 25, VTALRM = 26, PROF = 27, WINCH = 28, IO = 29, PWR = 30, SYS = 31,
}

impl Signal {
    /// The signal of a system call's argument.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        let number = u8::try_from(number).ok()?;
        (1..=SIGNAL_MAX).contains(&number).then_some(Self(number))
    }

    /// Its number, from 1 to 64.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Its place in tables.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize - 1
    }

    /// Whether each one sent is kept, in order.
    #[must_use]
    pub const fn real_time(self) -> bool {
        self.0 >= REAL_TIME_MIN
    }

    /// Whether nothing can be done about it (SIGKILL, SIGSTOP).
    #[must_use]
    pub const fn unstoppable(self) -> bool {
        matches!(self, Self::KILL | Self::STOP)
    }
}

/// A set of signals, as sigset_t has it: bit n-1 for signal n.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct SigSet(pub u64);

impl SigSet {
    /// The set without a signal.
    pub const EMPTY: Self = Self(0);
    /// SIGKILL and SIGSTOP, which no mask holds.
    const UNSTOPPABLE: Self = Self(1 << Signal::KILL.index() | 1 << Signal::STOP.index());
    /// What an exception raises: it comes first.
    const SYNCHRONOUS: Self = Self(
        1 << Signal::SEGV.index()
            | 1 << Signal::BUS.index()
            | 1 << Signal::ILL.index()
            | 1 << Signal::TRAP.index()
            | 1 << Signal::FPE.index()
            | 1 << Signal::SYS.index(),
    );

    /// A mask that a program asks for: never with SIGKILL or SIGSTOP.
    #[must_use]
    pub const fn mask(bits: u64) -> Self {
        Self(bits & !Self::UNSTOPPABLE.0)
    }

    /// Whether the signal is in it.
    #[must_use]
    pub const fn contains(self, signal: Signal) -> bool {
        self.0 >> signal.index() & 1 == 1
    }

    /// The set with the signal.
    #[must_use]
    pub const fn with(self, signal: Signal) -> Self {
        Self(self.0 | 1 << signal.index())
    }

    /// The set without the signal.
    #[must_use]
    pub const fn without(self, signal: Signal) -> Self {
        Self(self.0 & !(1 << signal.index()))
    }

    /// What is in it and not in the other.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The one to deliver first: what an exception raised, then the lowest number.
    #[must_use]
    pub fn first(self) -> Option<Signal> {
        let synchronous = self.0 & Self::SYNCHRONOUS.0;
        let bits = if synchronous == 0 { self.0 } else { synchronous };
        (bits != 0).then(|| Signal(bits.trailing_zeros() as u8 + 1))
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for SigSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((1..=SIGNAL_MAX).map(Signal).filter(|&signal| self.contains(signal))).finish()
    }
}

/// An alternate signal stack (sigaltstack(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AltStack {
    /// Lowest address of the stack.
    pub start: u64,
    /// Size in bytes; 0 when there is none.
    pub size: u64,
    /// SS_AUTODISARM: gone while a handler runs on it.
    pub disarm: bool,
}

impl AltStack {
    /// Whether a stack pointer is on it. (A stack that disarms itself never counts as in use.)
    #[must_use]
    pub fn holds(&self, pointer: u64) -> bool {
        !self.disarm && pointer > self.start && pointer - self.start <= self.size
    }
}

/// The signal state of a thread.
#[derive(Debug, Default)]
pub struct ThreadSignals {
    /// Signals that wait until they are unblocked (sigprocmask(2)).
    pub mask: SigSet,
    /// The mask to come back to after the handler that ends a sigsuspend, ppoll, pselect or epoll_pwait.
    pub saved_mask: Option<SigSet>,
    /// Sent to this thread.
    pub pending: Pending,
    /// Where handlers with SA_ONSTACK run.
    pub alt_stack: AltStack,
}

/// Takes the first wanted signal of a thread, or if it has none, of its process.
#[must_use]
pub fn take_first(of_thread: &Pending, of_process: &Pending, wanted: SigSet) -> Option<Info> {
    [of_thread, of_process].into_iter().find_map(|pending| {
        SigSet(pending.set().0 & wanted.0).first().and_then(|signal| pending.take(signal))
    })
}

/// The signal state of a process.
#[derive(Debug, Default)]
pub struct ProcessSignals {
    /// Dispositions; CLONE_SIGHAND shares them.
    pub actions: Rc<RefCell<Actions>>,
    /// Signals sent to the process; any thread that does not block one takes it.
    pub pending: Pending,
}

impl ThreadSignals {
    /// Signals of the thread and its process that are not blocked.
    #[must_use]
    pub fn deliverable(&self, process: &ProcessSignals) -> SigSet {
        SigSet(self.pending.set().0 | process.pending.set().0).minus(self.mask)
    }

    /// Takes the first signal of `wanted` that was sent to the thread or the process.
    pub fn take(&mut self, process: &mut ProcessSignals, wanted: SigSet) -> Option<Info> {
        take_first(&self.pending, &process.pending, wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exceptions_come_before_lower_numbers() {
        let set = SigSet::default().with(Signal::HUP).with(Signal::SEGV).with(Signal::TERM);
        assert_eq!(set.first(), Some(Signal::SEGV));
        assert_eq!(set.without(Signal::SEGV).first(), Some(Signal::HUP));
        assert_eq!(SigSet::default().first(), None);
    }

    #[test]
    fn masks_never_hold_kill_and_stop() {
        let mask = SigSet::mask(u64::MAX);
        assert!(!mask.contains(Signal::KILL) && !mask.contains(Signal::STOP) && mask.contains(Signal::TERM));
    }

    #[test]
    fn numbers_out_of_range_are_no_signals() {
        assert_eq!(Signal::new(0), None);
        assert_eq!(Signal::new(65), None);
        assert_eq!(Signal::new(257), None);
        assert_eq!(Signal::new(64).map(Signal::number), Some(64));
    }
}
