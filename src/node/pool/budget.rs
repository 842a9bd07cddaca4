//! The node's memory: how much machines may use together.
//!
//! A machine's real cost is what it writes; that is sampled from finished calls, so a charge is an estimate and the
//! reserve has to cover its error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Part of the memory, in percent, that machines never get: page cache of rootfs and snapshots, the server, the host.
const RESERVE_PERCENT: u64 = 20;
/// Least reserve in bytes.
const RESERVE_MIN: u64 = 256 << 20;

/// The memory that machines may use together, and how much of it is taken.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    used: AtomicU64,
}

/// A part of the budget that one machine holds.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(limit: u64) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicU64::new(0) })
    }

    /// What this host or its control group leaves to machines.
    pub fn of_host() -> Arc<Self> {
        let total = memory_limit();
        Self::new(total.saturating_sub((total / 100 * RESERVE_PERCENT).max(RESERVE_MIN)))
    }

    /// Takes a part, if there is so much left.
    pub fn charge(self: &Arc<Self>, bytes: u64) -> Option<Charge> {
        let take = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).ok()?;
        Some(Charge { budget: self.clone(), bytes })
    }

    /// Bytes that all charges together may reach.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that charges hold now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The control group's limit or the host's memory, whichever is less.
fn memory_limit() -> u64 {
    let host = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| total_of_meminfo(&text));
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    match (host, group) {
        (Some(host), Some(group)) => host.min(group),
        (Some(one), None) | (None, Some(one)) => one,
        (None, None) => 1 << 30,
    }
}

fn total_of_meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn meminfo_is_in_kibibytes() {
        assert_eq!(total_of_meminfo("MemTotal:       24000 kB\nMemFree: 1 kB\n"), Some(24_576_000));
    }
}
