//! The system calls, in one table that is also their documentation (`km syscalls` prints it).
//!
//! Each family contributes its rows as `pub const ROWS: &[Row]` beside its handlers, so that a handler and what is said
//! of it stand together; [`FAMILIES`] joins them, and a number that is in none of them is ENOSYS.

use crate::errno::Errno;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;

/// How much of a system call there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// As its manual page says.
    Full,
    /// What is missing.
    Partial(&'static str),
    /// Always this error, and why.
    Refused(Errno, &'static str),
}

/// A handler.
pub type Handler = fn(&mut Ctx<'_>, &Args) -> SysResult;

/// One system call.
#[derive(Clone, Copy)]
pub struct Row {
    /// Its number (`asm/unistd_64.h`).
    pub number: u32,
    /// Its name.
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

/// A family: its name (the file's) and its rows.
pub type Family = (&'static str, &'static [Row]);

/// All of them.
pub const FAMILIES: &[Family] = &[
    ("attr", super::attr::ROWS),
    ("dir", super::dir::ROWS),
    ("entry", super::entry::ROWS),
    ("epoll", super::epoll::ROWS),
    ("event", super::event::ROWS),
    ("ioctl", super::ioctl::ROWS),
    ("open", super::open::ROWS),
    ("pipe", super::pipe::ROWS),
    ("poll", super::poll::ROWS),
    ("rw", super::rw::ROWS),
    ("select", super::select::ROWS),
    ("stat", super::stat::ROWS),
    ("xattr", super::xattr::ROWS),
];

/// The row of a number. A dense index is built at compile time from [`FAMILIES`].
#[must_use]
pub fn find(number: u64) -> Option<&'static Row> {
    FAMILIES.iter().flat_map(|family| family.1).find(|row| u64::from(row.number) == number)
}
