//! The library OS's own log lines: they go to standard error with the prefix `km: `.

use crate::state::machine_state;
use alloc::vec::Vec;

/// Bytes kept at most until the kernel hands them over; what comes beyond is dropped.
const LIMIT: usize = 64 << 10;

machine_state! {
    fn pending -> Vec<u8> = Vec::new()
}

/// Keeps one line, given without its newline, for standard error.
pub fn line(text: &str) {
    pending(|pending| {
        if pending.len() + text.len() < LIMIT {
            pending.extend_from_slice(b"km: ");
            pending.extend_from_slice(text.as_bytes());
            pending.push(b'\n');
        }
    });
}

/// Whether there are lines that nobody has taken.
#[must_use]
pub fn is_empty() -> bool {
    pending(|pending| pending.is_empty())
}

/// The lines since the last call.
#[must_use]
pub fn take() -> Vec<u8> {
    pending(core::mem::take)
}

/// Writes one formatted line.
#[macro_export]
macro_rules! log {
    ($($argument:tt)*) => { $crate::log::line(&alloc::format!($($argument)*)) };
}
