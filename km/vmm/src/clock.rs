//! Time in guests: what the monitor writes so that a guest can tell time by its own counter.

use km_abi::records::ClockPage;

/// How counts become nanoseconds on this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    mult: u32,
    shift: u32,
}

impl Clock {
    /// The scale for a counter of `khz`, as precise as the page's fields allow.
    #[must_use]
    pub fn new(khz: u32) -> Self {
        let khz = u64::from(khz.max(1));
        let scaled = |shift: u32| (1_000_000u64 << shift) / khz;
        let shift = (0..=32).rev().find(|&shift| scaled(shift) <= u64::from(u32::MAX)).unwrap_or(0);
        Self { mult: scaled(shift).min(u64::from(u32::MAX)) as u32, shift }
    }

    /// The page that says: when the counter was at `tsc_base`, these were the clocks.
    #[must_use]
    pub fn page(&self, tsc_base: u64, monotonic_ns: u64, realtime_ns: u64) -> ClockPage {
        ClockPage { tsc_base, mult: self.mult, shift: self.shift, monotonic_ns, realtime_ns }
    }

    /// Counts that pass in `ns` nanoseconds.
    #[must_use]
    pub fn counts(&self, ns: u64) -> u64 {
        ((u128::from(ns) << self.shift) / u128::from(self.mult.max(1))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_counts_is_a_second() {
        for khz in [500_000, 1_000_000, 2_595_123, 5_000_000] {
            let clock = Clock::new(khz);
            let ns = (u128::from(khz) * 1000 * u128::from(clock.mult)) >> clock.shift;
            assert!(ns.abs_diff(1_000_000_000) < 10, "{khz} kHz: {ns}");
            assert!(clock.counts(1_000_000_000).abs_diff(u64::from(khz) * 1000) < 10);
        }
    }
}
