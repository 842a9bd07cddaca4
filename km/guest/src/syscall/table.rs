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
    ("credentials", super::credentials::ROWS),
    ("dir", super::dir::ROWS),
    ("entry", super::entry::ROWS),
    ("epoll", super::epoll::ROWS),
    ("event", super::event::ROWS),
    ("futex", super::futex::ROWS),
    ("identity", super::identity::ROWS),
    ("inotify", super::inotify::ROWS),
    ("ioctl", super::ioctl::ROWS),
    ("memory", super::memory::ROWS),
    ("open", super::open::ROWS),
    ("pidfd", super::pidfd::ROWS),
    ("pipe", super::pipe::ROWS),
    ("poll", super::poll::ROWS),
    ("prctl", super::prctl::ROWS),
    ("process", super::process::ROWS),
    ("random", super::random::ROWS),
    ("refused", super::refused::ROWS),
    ("resource", super::resource::ROWS),
    ("rw", super::rw::ROWS),
    ("sched", super::sched::ROWS),
    ("select", super::select::ROWS),
    ("signal", super::signal::ROWS),
    ("socket", super::socket::ROWS),
    ("signalfd", super::signalfd::ROWS),
    ("stat", super::stat::ROWS),
    ("time", super::time::ROWS),
    ("timer", super::timer::ROWS),
    ("wait", super::wait::ROWS),
    ("xattr", super::xattr::ROWS),
];

/// Numbers are below this (`asm/unistd_64.h` ends at 462 so far).
const NUMBERS_END: usize = 480;

/// For every number its family and its place in it, plus one; 0 for numbers that are in none.
static INDEX: [(u8, u8); NUMBERS_END] = index();

const fn index() -> [(u8, u8); NUMBERS_END] {
    let mut index = [(0, 0); NUMBERS_END];
    let mut family = 0;
    while family < FAMILIES.len() {
        let rows = FAMILIES[family].1;
        let mut row = 0;
        while row < rows.len() {
            let number = rows[row].number as usize;
            assert!(index[number].0 == 0, "two rows have one number");
            index[number] = (family as u8 + 1, row as u8);
            row += 1;
        }
        family += 1;
    }
    index
}

/// The row of a number.
#[must_use]
pub fn find(number: u64) -> Option<&'static Row> {
    match INDEX.get(usize::try_from(number).ok()?)? {
        (0, _) => None,
        (family, row) => Some(&FAMILIES[*family as usize - 1].1[*row as usize]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscall::names;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_their_numbers() {
        for row in FAMILIES.iter().flat_map(|family| family.1) {
            assert_eq!(names::of(u64::from(row.number)), row.name);
            assert_eq!(find(u64::from(row.number)).map(|found| found.name), Some(row.name));
            assert_eq!(row.handler.is_none(), matches!(row.support, Support::Refused(..)), "{}", row.name);
        }
        assert!(find(479).is_none() && find(u64::MAX).is_none());
    }

    #[test]
    fn no_number_has_two_rows() {
        let rows: Vec<u32> = FAMILIES.iter().flat_map(|family| family.1).map(|row| row.number).collect();
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
    }
}
