//! Keys that are woken at a time.

use crate::state::machine_state;
use crate::wait::{WaitKey, wake_key};
use alloc::collections::{BTreeMap, BTreeSet};

/// Both ways to look at the armed keys.
struct Armed {
    by_key: BTreeMap<WaitKey, u64>,
    by_time: BTreeSet<(u64, WaitKey)>,
}

machine_state! {
    fn armed -> Armed = Armed { by_key: BTreeMap::new(), by_time: BTreeSet::new() }
}

/// Wakes `key` at a CLOCK_MONOTONIC time. A later call for the same key replaces the earlier one.
pub fn arm(key: WaitKey, deadline_ns: u64) {
    armed(|armed| {
        if let Some(earlier) = armed.by_key.insert(key, deadline_ns) {
            armed.by_time.remove(&(earlier, key));
        }
        armed.by_time.insert((deadline_ns, key));
    });
}

/// Forgets the time for `key`; nothing happens without one.
pub fn disarm(key: WaitKey) {
    armed(|armed| {
        if let Some(deadline_ns) = armed.by_key.remove(&key) {
            armed.by_time.remove(&(deadline_ns, key));
        }
    });
}

/// When the next armed key is due.
#[must_use]
pub fn next_deadline() -> Option<u64> {
    armed(|armed| armed.by_time.first().map(|first| first.0))
}

/// Wakes and disarms the keys that are due.
pub fn expire(now_ns: u64) {
    armed(|armed| {
        while let Some(&(deadline_ns, key)) = armed.by_time.first()
            && deadline_ns <= now_ns
        {
            armed.by_time.pop_first();
            armed.by_key.remove(&key);
            wake_key(key);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_due_in_order_and_once() {
        let base = 1 << 40;
        arm(base + 1, 20);
        arm(base + 2, 10);
        arm(base + 3, 10);
        arm(base + 1, 5);
        disarm(base + 3);
        assert_eq!(next_deadline(), Some(5));
        expire(4);
        assert_eq!(next_deadline(), Some(5));
        expire(7);
        assert_eq!(next_deadline(), Some(10));
        expire(10);
        assert_eq!(next_deadline(), None);
    }
}
