//! Dispositions: what a process wants to happen when a signal arrives, and what happens by default (signal(7)).

use super::{SIGNAL_MAX, SigSet, Signal};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// SIG_DFL: what signal(7) says for the signal.
pub const DEFAULT: u64 = 0;
/// SIG_IGN: the signal is dropped.
pub const IGNORE: u64 = 1;

/// Bits of `sa_flags` (sigaction(2)).
#[expect(missing_docs, reason = "sigaction(2) describes them")]
pub mod flag {
    pub const NOCLDSTOP: u64 = 1;
    pub const NOCLDWAIT: u64 = 2;
    pub const SIGINFO: u64 = 4;
    pub const RESTORER: u64 = 0x0400_0000;
    pub const ONSTACK: u64 = 0x0800_0000;
    pub const RESTART: u64 = 0x1000_0000;
    pub const NODEFER: u64 = 0x4000_0000;
    pub const RESETHAND: u64 = 0x8000_0000;
    /// All that this kernel knows; others are cleared, so that a program sees that they are unknown.
    pub const KNOWN: u64 =
        NOCLDSTOP | NOCLDWAIT | SIGINFO | RESTORER | ONSTACK | RESTART | NODEFER | RESETHAND;
}

/// `struct kernel_sigaction` of x86-64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Action {
    /// Address of the handler, [`DEFAULT`] or [`IGNORE`].
    pub handler: u64,
    /// Bits of [`flag`].
    pub flags: u64,
    /// What a handler returns to; it calls rt_sigreturn.
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}

/// What happens to a process by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DefaultAction {
    /// It ends (signal(7), "Term").
    Terminate,
    /// It ends, and Linux would write a core file if it were allowed to.
    Core,
    /// Nothing happens (signal(7), "Ign").
    Ignore,
    /// It stops until SIGCONT (signal(7), "Stop").
    Stop,
    /// It goes on if it is stopped.
    Continue,
}

impl DefaultAction {
    /// The default of a signal.
    #[must_use]
    pub fn of(signal: Signal) -> Self {
        match signal {
            Signal::CHLD | Signal::URG | Signal::WINCH => Self::Ignore,
            Signal::CONT => Self::Continue,
            Signal::STOP | Signal::TSTP | Signal::TTIN | Signal::TTOU => Self::Stop,
            Signal::QUIT
            | Signal::ILL
            | Signal::TRAP
            | Signal::ABRT
            | Signal::BUS
            | Signal::FPE
            | Signal::SEGV
            | Signal::XCPU
            | Signal::XFSZ
            | Signal::SYS => Self::Core,
            _ => Self::Terminate,
        }
    }
}

/// What is to be done with a signal that arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Drop it.
    Ignore,
    /// What signal(7) has for the signal.
    Default(DefaultAction),
    /// Run the program's handler.
    Handle(Action),
}

/// The dispositions of all signals.
#[derive(Clone, Debug)]
pub struct Actions([Action; SIGNAL_MAX as usize]);

impl Default for Actions {
    fn default() -> Self {
        Self([Action::default(); SIGNAL_MAX as usize])
    }
}

impl Actions {
    /// The action of a signal as sigaction(2) reports it.
    #[must_use]
    pub fn get(&self, signal: Signal) -> Action {
        self.0[signal.index()]
    }

    /// Changes the action of a signal.
    pub fn set(&mut self, signal: Signal, action: Action) {
        let mask = SigSet::mask(action.mask).0;
        self.0[signal.index()] = Action { flags: action.flags & flag::KNOWN, mask, ..action };
    }

    /// What becomes of a signal.
    #[must_use]
    pub fn disposition(&self, signal: Signal) -> Disposition {
        let action = self.get(signal);
        match (action.handler, DefaultAction::of(signal)) {
            (DEFAULT, DefaultAction::Ignore) | (IGNORE, _) => Disposition::Ignore,
            (DEFAULT, default) => Disposition::Default(default),
            _ => Disposition::Handle(action),
        }
    }

    /// execve(2): handlers are gone, what was ignored stays ignored.
    pub fn reset_handlers(&mut self) {
        for action in &mut self.0 {
            let handler = if action.handler == IGNORE { IGNORE } else { DEFAULT };
            *action = Action { handler, ..Action::default() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_flags_and_unblockable_signals_do_not_stick() {
        let mut actions = Actions::default();
        actions.set(Signal::USR1, Action { handler: 0x1000, flags: u64::MAX, restorer: 1, mask: u64::MAX });
        let action = actions.get(Signal::USR1);
        assert_eq!(action.flags, flag::KNOWN);
        assert!(!SigSet(action.mask).contains(Signal::KILL));
    }

    #[test]
    fn exec_keeps_what_is_ignored() {
        let mut actions = Actions::default();
        actions.set(Signal::PIPE, Action { handler: IGNORE, ..Action::default() });
        actions.set(Signal::TERM, Action { handler: 0x1000, ..Action::default() });
        actions.reset_handlers();
        assert_eq!(actions.disposition(Signal::PIPE), Disposition::Ignore);
        assert_eq!(actions.disposition(Signal::TERM), Disposition::Default(DefaultAction::Terminate));
    }
}
