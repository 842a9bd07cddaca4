//! Clocks and timers.

use crate::wait::Key;

/// CLOCK_MONOTONIC in nanoseconds; continues from the snapshot's value in a clone.
#[must_use]
pub fn monotonic_ns() -> u64 {
    todo!()
}

/// CLOCK_REALTIME in nanoseconds since 1970.
#[must_use]
pub fn realtime_ns() -> u64 {
    todo!()
}

/// Wakes `key` at a CLOCK_MONOTONIC time. A later call for the same key replaces the earlier one.
pub fn arm(key: Key, deadline_ns: u64) {
    let _ = (key, deadline_ns);
    todo!()
}

/// Undoes [`arm`].
pub fn disarm(key: Key) {
    let _ = key;
    todo!()
}
