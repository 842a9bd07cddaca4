//! Pages of files that mappings must stop showing: overwritten rootfs pages, and pages that a truncation cut off.

use crate::state::machine_state;
use alloc::vec::Vec;

/// A range of pages of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// [`super::file::Pages::id`] of the file.
    pub id: (u64, u64),
    /// Index of the first page within the file.
    pub first: u64,
    /// Page index after the last.
    pub end: u64,
    /// The pages are beyond the end of the file now: copies of them go as well.
    pub cut: bool,
}

machine_state! {
    fn stale -> Vec<Stale> = Vec::new()
}

/// Reports a range; it is handled before the calling thread returns to its program.
pub fn report(range: Stale) {
    stale(|all| all.push(range));
}

/// What was reported since the last call.
#[must_use]
pub fn take() -> Vec<Stale> {
    stale(core::mem::take)
}
