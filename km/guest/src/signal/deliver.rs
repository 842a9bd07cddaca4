//! Choosing the next signal of a thread.

use super::action::{Action, DefaultAction, Disposition, flag};
use super::info::Info;
use super::{ProcessSignals, SigSet, Signal, ThreadSignals};

/// What the kernel must do before a thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Run a handler: write its frame ([`super::frame::enter`]).
    Handle(Action, Info),
    /// End the process by this signal.
    Terminate(Signal),
    /// The process stops, and its parent is told of the signal.
    Stop(Signal),
}

/// Takes the next signal that has an effect on a thread; ignored ones on the way are forgotten.
pub fn next(thread: &mut ThreadSignals, process: &mut ProcessSignals) -> Option<Delivery> {
    loop {
        let info = thread.take(process, SigSet(u64::MAX).minus(thread.mask))?;
        if let Some(delivery) = effect(info, process) {
            return Some(delivery);
        }
    }
}

/// What a signal that arrives now does; `None` when it is ignored.
pub fn effect(info: Info, process: &ProcessSignals) -> Option<Delivery> {
    let mut actions = process.actions.borrow_mut();
    match actions.disposition(info.signal) {
        Disposition::Ignore | Disposition::Default(DefaultAction::Ignore | DefaultAction::Continue) => None,
        Disposition::Default(DefaultAction::Terminate | DefaultAction::Core) => {
            Some(Delivery::Terminate(info.signal))
        }
        Disposition::Default(DefaultAction::Stop) => Some(Delivery::Stop(info.signal)),
        Disposition::Handle(action) => {
            if action.flags & flag::RESETHAND != 0 {
                actions.set(info.signal, Action::default());
            }
            Some(Delivery::Handle(action, info))
        }
    }
}

/// Whether a signal sent now can be dropped at once: it would be ignored, and no thread blocks it (or is traced).
#[must_use]
pub fn forgettable(signal: Signal, blocked: bool, process: &ProcessSignals) -> bool {
    !blocked && process.actions.borrow().disposition(signal) == Disposition::Ignore
}

/// Queues a signal that the thread itself caused. If it is blocked or ignored, it gets its default action, which is
/// fatal.
pub fn force(thread: &mut ThreadSignals, process: &ProcessSignals, info: Info) {
    let mut actions = process.actions.borrow_mut();
    if thread.mask.contains(info.signal) || actions.disposition(info.signal) == Disposition::Ignore {
        actions.set(info.signal, Action::default());
        thread.mask = thread.mask.without(info.signal);
    }
    drop(actions);
    thread.pending.push(info);
}

/// The signal of a CPU exception (exceptions of the program only). Page faults, floating-point exceptions and single
/// steps are told apart by the caller.
#[must_use]
pub fn exception(vector: u8, rip: u64) -> Info {
    use super::info::code;
    match vector {
        0 => Info::fault(Signal::FPE, code::FPE_INTDIV, rip),
        3 => Info::kernel(Signal::TRAP),
        6 => Info::fault(Signal::ILL, code::ILL_ILLOPN, rip),
        17 => Info::fault(Signal::BUS, code::BUS_ADRALN, 0),
        11 | 12 => Info::kernel(Signal::BUS),
        // General protection: the address is not known (or not canonical), and Linux reports none.
        _ => Info::kernel(Signal::SEGV),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> (ThreadSignals, ProcessSignals) {
        (ThreadSignals::default(), ProcessSignals::default())
    }

    #[test]
    fn blocked_signals_wait_and_ignored_ones_vanish() {
        let (mut thread, mut process) = state();
        thread.mask = SigSet::default().with(Signal::TERM);
        process.pending.push(Info::kernel(Signal::TERM));
        process.pending.push(Info::kernel(Signal::CHLD));
        assert_eq!(next(&mut thread, &mut process), None);
        thread.mask = SigSet::default();
        assert_eq!(next(&mut thread, &mut process), Some(Delivery::Terminate(Signal::TERM)));
        assert_eq!(next(&mut thread, &mut process), None);
    }

    #[test]
    fn a_forced_signal_cannot_be_blocked_or_ignored() {
        let (mut thread, mut process) = state();
        thread.mask = SigSet::default().with(Signal::SEGV);
        process.actions.borrow_mut().set(Signal::SEGV, Action { handler: 0x1000, ..Action::default() });
        force(&mut thread, &process, Info::fault(Signal::SEGV, 1, 0));
        assert_eq!(next(&mut thread, &mut process), Some(Delivery::Terminate(Signal::SEGV)));
    }

    #[test]
    fn a_handler_for_one_signal_is_gone_after_it() {
        let (mut thread, mut process) = state();
        let action = Action { handler: 0x1000, flags: flag::RESETHAND, ..Action::default() };
        process.actions.borrow_mut().set(Signal::USR1, action);
        thread.pending.push(Info::kernel(Signal::USR1));
        assert!(matches!(next(&mut thread, &mut process), Some(Delivery::Handle(..))));
        thread.pending.push(Info::kernel(Signal::USR1));
        assert_eq!(next(&mut thread, &mut process), Some(Delivery::Terminate(Signal::USR1)));
    }
}
