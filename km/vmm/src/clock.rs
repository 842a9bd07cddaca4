//! Time in guests: what the monitor writes so that a guest can tell time by its own counter.

use km_abi::records::ClockPage;

use crate::snapshot::format::State;

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

    /// The page of a machine that boots when the counter is at `tsc_base`.
    #[must_use]
    pub fn at_boot(&self, tsc_base: u64, realtime_ns: u64) -> ClockPage {
        let Self { mult, shift } = *self;
        ClockPage { tsc_base, mult, shift, monotonic_ns: 0, realtime_ns, boottime_ns: 0 }
    }

    /// The page of a clone that goes on when the counter is at `tsc_base`: as on Linux after a suspension, real time and
    /// CLOCK_BOOTTIME have moved on by the age of what was `then`, and CLOCK_MONOTONIC has stood still.
    #[must_use]
    pub fn resumed(&self, tsc_base: u64, then: &State, realtime_ns: u64) -> ClockPage {
        let monotonic_ns = then.monotonic_ns;
        // A host whose clock was set back has slept no time at all.
        let boottime_ns = monotonic_ns.saturating_add(realtime_ns.saturating_sub(then.realtime_ns));
        ClockPage { monotonic_ns, boottime_ns, ..self.at_boot(tsc_base, realtime_ns) }
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
    fn a_clone_has_slept_for_as_long_as_its_snapshot_is_old() {
        let then = State { cr3: 0, monotonic_ns: 70, realtime_ns: 1000 };
        let clocks = |now| {
            let page = Clock::new(1_000_000).resumed(3, &then, now);
            (page.monotonic_ns, page.boottime_ns, page.realtime_ns)
        };
        assert_eq!(clocks(1500), (70, 570, 1500));
        assert_eq!(clocks(400), (70, 70, 400), "the host's clock was set back");
        assert_eq!(clocks(u64::MAX), (70, u64::MAX - 930, u64::MAX));
    }

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
