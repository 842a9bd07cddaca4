//! One row of the table of system calls.

use crate::errno::Errno;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;

/// How much of a system call there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As its manual page says.
    Full,
    /// Works, but for what this says is missing.
    Partial(&'static str),
    /// Always this error, and why.
    Refused(Errno, &'static str),
}

/// Carries out a call; it runs again from its start after it has blocked ([`crate::wait`]).
pub type Handler = fn(&mut Ctx<'_>, &Args) -> SysResult;

/// One system call: number, name, how much of it there is, and what carries it out.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its number in `rax` (`asm/unistd_64.h`).
    pub number: u32,
    /// Its name in section 2 of the manual.
    pub name: &'static str,
    /// How much of it there is.
    pub support: Support,
    /// What carries it out; not called for [`Support::Refused`].
    pub handler: Option<Handler>,
}

impl Row {
    /// A call that is all there.
    #[must_use]
    pub const fn full(number: u32, name: &'static str, handler: Handler) -> Self {
        Self { number, name, support: Support::Full, handler: Some(handler) }
    }

    /// A call of which something is missing.
    #[must_use]
    pub const fn partial(number: u32, name: &'static str, handler: Handler, missing: &'static str) -> Self {
        Self { number, name, support: Support::Partial(missing), handler: Some(handler) }
    }

    /// A call that always fails.
    #[must_use]
    pub const fn refused(number: u32, name: &'static str, errno: Errno, why: &'static str) -> Self {
        Self { number, name, support: Support::Refused(errno, why), handler: None }
    }
}
