//! The node's memory: how much machines may use together, and what each of them is charged.
//!
//! A machine's real cost is what it writes. It begins with a forecast, sampled from finished calls, and is charged more
//! while it grows (`km/vmm/src/worker/growth.rs`). One for which nothing is left ends, before the control group's limit
//! ends them all. What it writes until it hears of that comes out of the reserve.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use km_vmm::protocol::Charged;

/// Part of the memory, in percent, that machines never get: page cache of rootfs and snapshots, the server, the host.
const RESERVE_PERCENT: u64 = 20;
/// Least reserve, beside what the server may hold of requests.
const RESERVE_MIN: u64 = 192 << 20;
/// Largest part of the memory that is reserved, in percent: a small host has some machines all the same.
const RESERVE_PERCENT_MAX: u64 = 50;
/// Growth never takes the last of these parts of the budget, so that calls of others find a machine…
const KEPT_PART: u64 = 8;
/// …but a machine up to this size may: that is no greedy one.
const SMALL: u64 = 32 << 20;

/// The memory that machines may use together, and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    used: u64,
    last: u64,
    machines: HashMap<u64, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    bytes: u64,
    /// Process id of the worker that has the machine: no other may speak for it. 0 before it is known.
    worker: u32,
}

/// The part of the budget that one machine holds, given back when it is dropped.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    machine: u64,
}

/// What came of a wish for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// It is charged.
    Charged,
    /// Nothing is left.
    NoMemory,
    /// The machine has ended, or is not that worker's.
    Unknown,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, books: Mutex::default() })
    }

    /// What this host or its control group leaves to machines, where the server itself may hold `own` bytes of requests.
    pub fn of_host(own: u64) -> Arc<Self> {
        let total = memory_limit();
        Self::new(total - reserve(total, own))
    }

    /// Takes a part for another machine, if there is so much left.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        let mut books = self.lock();
        books.used = books.used.checked_add(bytes).filter(|sum| *sum <= self.limit)?;
        books.last += 1;
        let machine = books.last;
        books.machines.insert(machine, Entry { bytes, worker: 0 });
        drop(books);
        Some(Charge { budget: self.clone(), machine })
    }

    /// Charges a worker's machine `bytes` in all.
    pub fn grow(&self, worker: u32, machine: u64, bytes: u64) -> Growth {
        let mut books = self.lock();
        let Some(entry) = books.machines.get(&machine).copied().filter(|entry| entry.worker == worker) else {
            return Growth::Unknown;
        };
        let more = bytes.saturating_sub(entry.bytes);
        let kept = if bytes <= SMALL { 0 } else { self.limit / KEPT_PART };
        let fits = books.used.checked_add(more).is_some_and(|sum| sum <= self.limit - kept);
        // What it has already is never taken back: it holds that.
        if more == 0 {
            return Growth::Charged;
        }
        if !fits {
            return Growth::NoMemory;
        }
        books.used += more;
        books.machines.insert(machine, Entry { bytes, ..entry });
        Growth::Charged
    }

    /// A machine has not ended.
    pub fn knows(&self, machine: u64) -> bool {
        self.lock().machines.contains_key(&machine)
    }

    /// Bytes that all charges together may reach.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that charges hold now.
    pub fn used(&self) -> u64 {
        self.lock().used
    }

    fn lock(&self) -> MutexGuard<'_, Books> {
        // The books are whole between any two statements.
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Charge {
    /// Names the worker that has the machine.
    pub fn of_worker(&self, worker: u32) {
        if let Some(entry) = self.budget.lock().machines.get_mut(&self.machine) {
            entry.worker = worker;
        }
    }

    /// As the worker is told.
    pub fn told(&self) -> Charged {
        let bytes = self.budget.lock().machines.get(&self.machine).map_or(0, |entry| entry.bytes);
        Charged { machine: self.machine, bytes }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut books = self.budget.lock();
        if let Some(entry) = books.machines.remove(&self.machine) {
            books.used = books.used.saturating_sub(entry.bytes);
        }
    }
}

/// What machines never get of `total` bytes.
fn reserve(total: u64, own: u64) -> u64 {
    let percent = |percent| total / 100 * percent;
    let least = RESERVE_MIN.saturating_add(own);
    percent(RESERVE_PERCENT).max(least.min(percent(RESERVE_PERCENT_MAX)))
}

/// The least of the host's memory and the limits of the control groups that this process is in.
fn memory_limit() -> u64 {
    let host = fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of_meminfo(&text));
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limit_files(&groups).into_iter().filter_map(|path| {
        // `max` is no limit.
        fs::read_to_string(path).ok()?.trim().parse().ok()
    });
    host.into_iter().chain(limits).min().unwrap_or(1 << 30)
}

/// Files that may hold a limit: of each group of this process, and of those around it. In a container the own group is
/// often at the top of what is mounted, whatever its path says.
fn limit_files(groups: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            list if list.split(',').any(|name| name == "memory") => {
                ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => continue,
        };
        let own = Path::new(path.trim_start_matches('/'));
        files.extend(own.ancestors().map(|group| Path::new(root).join(group).join(file)));
    }
    files
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn charges_come_back() {
        let budget = Budget::new(100);
        let first = budget.charge(60).unwrap();
        assert!(budget.charge(50).is_none());
        drop(first);
        assert!(budget.charge(100).is_some());
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn growth_is_charged_until_nothing_is_left() {
        let budget = Budget::new(800 * MIB);
        let greedy = budget.charge(16 * MIB).unwrap();
        greedy.of_worker(7);
        let machine = greedy.told().machine;
        assert_eq!(budget.grow(7, machine, 600 * MIB), Growth::Charged);
        assert_eq!((budget.used(), greedy.told().bytes), (600 * MIB, 600 * MIB));
        // The last part is for others' machines, and for their growth while they are small.
        assert_eq!(budget.grow(7, machine, 701 * MIB), Growth::NoMemory);
        assert_eq!(budget.grow(7, machine, 700 * MIB), Growth::Charged);
        let neighbour = budget.charge(16 * MIB).unwrap();
        neighbour.of_worker(8);
        assert_eq!(budget.grow(8, neighbour.told().machine, 32 * MIB), Growth::Charged);
        assert_eq!(budget.grow(8, neighbour.told().machine, 33 * MIB), Growth::NoMemory);
        // Less than it has changes nothing.
        assert_eq!(budget.grow(7, machine, 1), Growth::Charged);
        assert_eq!(budget.used(), 732 * MIB);
        drop((greedy, neighbour));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn no_worker_speaks_for_machines_of_another() {
        let budget = Budget::new(100 * MIB);
        let charge = budget.charge(MIB).unwrap();
        let machine = charge.told().machine;
        assert_eq!(budget.grow(0, machine + 1, 2 * MIB), Growth::Unknown);
        charge.of_worker(7);
        assert_eq!(budget.grow(8, machine, 2 * MIB), Growth::Unknown);
        drop(charge);
        assert_eq!(budget.grow(7, machine, 2 * MIB), Growth::Unknown);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn numbers_beyond_all_bounds_are_no_growth() {
        let budget = Budget::new(u64::MAX);
        let charge = budget.charge(MIB).unwrap();
        charge.of_worker(7);
        let machine = charge.told().machine;
        assert_eq!(budget.grow(7, machine, u64::MAX), Growth::NoMemory);
        assert!(budget.charge(u64::MAX).is_none());
        assert_eq!(budget.used(), MIB);
    }

    #[test]
    fn the_server_has_its_memory_first() {
        assert_eq!(reserve(16 << 30, 256 * MIB), (16 << 30) / 100 * 20);
        assert_eq!(reserve(1 << 30, 256 * MIB), 448 * MIB);
        assert_eq!(reserve(512 * MIB, 256 * MIB), 512 * MIB / 100 * 50);
        assert_eq!(reserve(0, u64::MAX), 0);
    }

    #[test]
    fn limits_of_all_groups_around_are_looked_for() {
        let files = limit_files("4:memory:/a/b\n3:cpu,cpuacct:/x\n0::/c\nwrong\n");
        let expected = [
            "/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/c/memory.max",
            "/sys/fs/cgroup/memory.max",
        ];
        assert_eq!(files, expected.map(PathBuf::from));
    }

    #[test]
    fn meminfo_is_in_kibibytes() {
        assert_eq!(total_of_meminfo("MemTotal:       24000 kB\nMemFree: 1 kB\n"), Some(24_576_000));
    }
}
