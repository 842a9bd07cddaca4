//! The system calls, in one table that is also their documentation (`km syscalls` prints it).
//!
//! Each family contributes its rows as `pub const ROWS: &[Row]` beside its handlers, so that a handler and what is said
//! of it stand together; [`FAMILIES`] joins them, and a number that is in none of them is ENOSYS.

use super::row::Row;

/// A family: its name (the file's) and its rows.
pub type Family = (&'static str, &'static [Row]);

/// All families, in alphabetical order.
pub const FAMILIES: &[Family] = &[
    ("aio", super::aio::ROWS),
    ("attr", super::attr::ROWS),
    ("credentials", super::credentials::ROWS),
    ("dir", super::dir::ROWS),
    ("entry", super::entry::ROWS),
    ("epoll", super::epoll::ROWS),
    ("event", super::event::ROWS),
    ("futex", super::futex::ROWS),
    ("identity", super::identity::ROWS),
    ("inotify", super::inotify::ROWS),
    ("inspect", super::inspect::ROWS),
    ("ioctl", super::ioctl::ROWS),
    ("kontain", super::kontain::ROWS),
    ("memory", super::memory::ROWS),
    ("mq", super::mq::ROWS),
    ("msg", super::msg::ROWS),
    ("open", super::open::ROWS),
    ("pidfd", super::pidfd::ROWS),
    ("pipe", super::pipe::ROWS),
    ("poll", super::poll::ROWS),
    ("prctl", super::prctl::ROWS),
    ("process", super::process::ROWS),
    ("ptrace", super::ptrace::ROWS),
    ("random", super::random::ROWS),
    ("refused", super::refused::ROWS),
    ("resource", super::resource::ROWS),
    ("rw", super::rw::ROWS),
    ("sched", super::sched::ROWS),
    ("select", super::select::ROWS),
    ("sem", super::sem::ROWS),
    ("shm", super::shm::ROWS),
    ("signal", super::signal::ROWS),
    ("socket", super::socket::ROWS),
    ("signalfd", super::signalfd::ROWS),
    ("stat", super::stat::ROWS),
    ("time", super::time::ROWS),
    ("timer", super::timer::ROWS),
    ("wait", super::wait::ROWS),
    ("xattr", super::xattr::ROWS),
];

/// Numbers are below this (`asm/unistd_64.h` ends at 469 so far; those of the first Kontain are 503 and 504).
const NUMBERS_END: usize = 512;

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
    use crate::errno::Errno;
    use crate::syscall::names;
    use crate::syscall::row::Support;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_those_of_their_numbers() {
        for row in FAMILIES.iter().flat_map(|family| family.1) {
            // Linux has no name for the two by which programs take their call.
            let name = if row.name.starts_with("kontain_") { "?" } else { row.name };
            assert_eq!(names::of(u64::from(row.number)), name);
            assert_eq!(find(u64::from(row.number)).map(|found| found.name), Some(row.name));
            assert_eq!(row.handler.is_none(), matches!(row.support, Support::Refused(..)), "{}", row.name);
        }
        assert!(find(479).is_none() && find(u64::MAX).is_none());
    }

    /// All source files below a folder, one after the other.
    fn sources(folder: &std::path::Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            text += &if entry.is_dir() { sources(&entry) } else { std::fs::read_to_string(&entry).unwrap() };
        }
        text
    }

    #[test]
    fn handlers_are_named_after_their_calls() {
        let sources = sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/syscall"));
        let words: Vec<&str> =
            sources.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()).collect();
        for row in FAMILIES.iter().flat_map(|family| family.1).filter(|row| row.handler.is_some()) {
            let handler = format!("sys_{}", row.name);
            let is_defined = words.windows(2).any(|pair| pair == ["fn", &handler]);
            // `Row::full(0, "read", sys_read)`, or through the module that has it.
            let is_listed = words
                .windows(3)
                .any(|row_words| row_words[0] == row.name && row_words[1..].contains(&handler.as_str()));
            assert!(is_defined && is_listed, "the handler of {} is not {handler}", row.name);
        }
    }

    #[test]
    fn every_number_of_linux_has_a_row() {
        let missing: Vec<&str> = names::NAMES
            .iter()
            .filter(|(number, _)| find(u64::from(*number)).is_none())
            .map(|(_, name)| *name)
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    /// The names are a copy of Linux's header: where the machine has one, it has no number that they lack.
    #[test]
    fn the_machines_header_has_no_other_numbers() {
        const HEADERS: [&str; 2] =
            ["/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"];
        let Some(header) = HEADERS.iter().find_map(|path| std::fs::read_to_string(path).ok()) else {
            eprintln!("SKIPPED: there is no asm/unistd_64.h here");
            return;
        };
        let define = |line: &str| {
            let (name, number) = line.strip_prefix("#define __NR_")?.split_once(' ')?;
            Some((name.to_owned(), number.trim().parse::<u64>().ok()?))
        };
        let numbers: Vec<(String, u64)> = header.lines().filter_map(define).collect();
        assert!(numbers.len() > 350, "{} numbers read", numbers.len());
        for (name, number) in &numbers {
            assert_eq!(find(*number).map(|row| row.name), Some(name.as_str()), "{number}");
        }
    }

    #[test]
    fn no_number_has_two_rows() {
        let rows: Vec<u32> = FAMILIES.iter().flat_map(|family| family.1).map(|row| row.number).collect();
        assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len());
    }

    /// Docker's default profile, call by call: `tests/guest/refusals/profile.h` says what each of its answers is here.
    #[test]
    fn refusals_are_those_of_dockers_profile() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/guest/refusals/profile.h");
        let text = std::fs::read_to_string(file).unwrap();
        let line = |line: &str| {
            let (verdict, rest) = line.strip_suffix(')')?.split_once('(')?;
            let (number, name) = rest.split_once(", ")?;
            Some((number.parse().ok()?, (verdict.to_owned(), name.to_owned())))
        };
        let profile: std::collections::BTreeMap<u32, _> =
            text.lines().filter(|line| !line.starts_with("//")).filter_map(line).collect();
        let last = *profile.keys().last().unwrap();
        for row in FAMILIES.iter().flat_map(|family| family.1).filter(|row| row.number <= last) {
            let verdict = profile.get(&row.number).map_or("", |(verdict, name)| {
                assert_eq!(name, row.name);
                verdict
            });
            let agrees = match (verdict, row.support) {
                ("REFUSED", support) => matches!(support, Support::Refused(Errno::EPERM, _)),
                ("ABSENT", support) => matches!(support, Support::Refused(Errno::ENOSYS, _)),
                ("UNNEEDED", support) => matches!(support, Support::Refused(..)),
                (_, support) => !matches!(support, Support::Refused(..)),
            };
            assert!(agrees, "{} {}: {verdict:?}, and here {:?}", row.number, row.name, row.support);
        }
    }

    /// What the surveyed runtimes call between their start and their last answer.
    const SURVEYED: &str = "\
        accept accept4 access arch_prctl bind brk capget chdir chmod clock_getres clock_gettime \
        clock_nanosleep clone clone3 close close_range connect epoll_create1 epoll_ctl epoll_pwait \
        epoll_pwait2 epoll_wait eventfd2 execve exit fchdir fchmod fchown fcntl flock fstat ftruncate futex \
        getcwd getdents64 getegid geteuid getgid getpeername getpid getppid getrandom getrlimit getrusage \
        getsockname getsockopt gettid getuid io_uring_enter io_uring_setup ioctl listen lseek lstat madvise \
        mkdir mmap mprotect mremap munmap nanosleep newfstatat open openat pipe2 pkey_alloc poll ppoll prctl \
        pread64 prlimit64 pselect6 pwrite64 read readlink recvfrom rseq rt_sigaction rt_sigprocmask \
        rt_sigreturn sched_getaffinity sched_getparam sched_getscheduler sched_yield sendto set_robust_list \
        set_tid_address setitimer setsockopt shutdown sigaltstack socket socketpair stat statx sysinfo \
        timer_create umask uname unlink utimensat write writev \
    ";

    #[test]
    fn what_runtimes_call_is_in_the_table() {
        let number = |name: &str| names::NAMES.iter().find(|known| known.1 == name).map(|known| known.0);
        let missing: Vec<&str> = SURVEYED
            .split_whitespace()
            .filter(|name| number(name).is_none_or(|number| find(u64::from(number)).is_none()))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
