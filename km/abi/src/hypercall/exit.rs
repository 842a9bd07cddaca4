//! How a machine ends: what the guest writes down, and what the monitor accepts of it.
//!
//! The guest writes an [`Exit`]; it may hold anything. The monitor reads it as an [`End`], which only holds what makes
//! sense.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// [`Exit::cause`] of a program that called exit(2).
const EXITED: u32 = 1;
/// [`Exit::cause`] of a program that a signal ended.
const KILLED: u32 = 2;
/// [`Exit::cause`] of a machine without memory.
const OUT_OF_MEMORY: u32 = 3;
/// Greatest signal number of Linux.
const SIGNAL_MAX: u32 = 64;

/// How the machine ended, in the guest's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Exit {
    /// Number of the cause; [`End`] has the list. 0: none is given.
    pub cause: u32,
    /// Exit status or signal, where the cause has one; else 0.
    pub value: u32,
}

/// Why a machine ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The first process exited.
    Exited {
        /// Its exit status, as its parent would see it.
        status: u8,
    },
    /// A signal ended the first process.
    Killed {
        /// Number of the signal, 1 to 64.
        signal: u8,
    },
    /// There was no memory for the first process, or none for the library OS itself.
    OutOfMemory,
}

/// An [`Exit`] without meaning: the guest does not keep to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownEnd(pub Exit);

impl From<End> for Exit {
    fn from(end: End) -> Self {
        match end {
            End::Exited { status } => Self { cause: EXITED, value: u32::from(status) },
            End::Killed { signal } => Self { cause: KILLED, value: u32::from(signal) },
            End::OutOfMemory => Self { cause: OUT_OF_MEMORY, value: 0 },
        }
    }
}

impl TryFrom<Exit> for End {
    type Error = UnknownEnd;

    fn try_from(exit: Exit) -> Result<Self, UnknownEnd> {
        match (exit.cause, u8::try_from(exit.value)) {
            (EXITED, Ok(status)) => Ok(Self::Exited { status }),
            (KILLED, Ok(signal)) if (1..=SIGNAL_MAX).contains(&exit.value) => Ok(Self::Killed { signal }),
            (OUT_OF_MEMORY, Ok(0)) => Ok(Self::OutOfMemory),
            _ => Err(UnknownEnd(exit)),
        }
    }
}

const _: () = assert!(size_of::<Exit>() == 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_survives_the_page() {
        let exits = (0..=255).map(|status| End::Exited { status });
        let signals = (1..=64).map(|signal| End::Killed { signal });
        for end in exits.chain(signals).chain([End::OutOfMemory]) {
            assert_eq!(End::try_from(Exit::from(end)), Ok(end));
        }
    }

    #[test]
    fn whatever_else_a_guest_writes_is_refused() {
        let wrong =
            [(0, 0), (4, 0), (u32::MAX, 0), (1, 256), (1, u32::MAX), (2, 0), (2, 65), (2, 256), (3, 1)];
        for (cause, value) in wrong {
            let exit = Exit { cause, value };
            assert_eq!(End::try_from(exit), Err(UnknownEnd(exit)));
        }
    }
}
