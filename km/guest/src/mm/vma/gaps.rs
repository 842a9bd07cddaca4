//! The free ranges between mappings by their size, so that a place for a new mapping is found without a walk over all.

use alloc::collections::{BTreeMap, BTreeSet};

/// Free ranges: of each size the addresses where one starts.
#[derive(Clone, Default)]
pub(super) struct Gaps {
    by_size: BTreeMap<u64, BTreeSet<u64>>,
}

impl Gaps {
    /// Notes that `[start, end)` lies free between two mappings; an empty range is nothing.
    pub(super) fn add(&mut self, start: u64, end: u64) {
        if start < end {
            self.by_size.entry(end - start).or_default().insert(start);
        }
    }

    /// Forgets a range that [`Self::add`] has noted.
    pub(super) fn remove(&mut self, start: u64, end: u64) {
        if let Some(starts) = self.by_size.get_mut(&end.wrapping_sub(start)) {
            starts.remove(&start);
            if starts.is_empty() {
                self.by_size.remove(&(end - start));
            }
        }
    }

    /// The highest address for `len` bytes in a free range that ends at `high` or before.
    pub(super) fn highest(&self, len: u64, high: u64) -> Option<u64> {
        let place = |(size, starts): (&u64, &BTreeSet<u64>)| {
            let last = high.checked_sub(*size)?;
            Some(starts.range(..=last).next_back()? + size - len)
        };
        self.by_size.range(len..).filter_map(place).max()
    }
}
