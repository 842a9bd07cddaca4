//! Clock values, and the structures in which programs see them.

use crate::errno::{Errno, Result};
use km_abi::layout::CLOCK_GPA;
use km_abi::records::ClockPage;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// `struct timespec` (timespec(3type)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Timespec {
    /// Whole seconds; negative times are refused.
    pub seconds: i64,
    /// Nanoseconds below a second.
    pub nanoseconds: i64,
}

impl Timespec {
    /// A number of nanoseconds.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self { seconds: (ns / NANOS_PER_SECOND) as i64, nanoseconds: (ns % NANOS_PER_SECOND) as i64 }
    }

    /// As nanoseconds; what lies beyond 584 years is that far away.
    ///
    /// # Errors
    /// EINVAL for negative times and for a billion nanoseconds or more.
    pub const fn to_ns(self) -> Result<u64> {
        if self.seconds < 0 || self.nanoseconds < 0 || self.nanoseconds as u64 >= NANOS_PER_SECOND {
            return Err(Errno::EINVAL);
        }
        Ok((self.seconds as u64).saturating_mul(NANOS_PER_SECOND).saturating_add(self.nanoseconds as u64))
    }
}

/// `struct timeval` (timeval(3type)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Timeval {
    /// Whole seconds; negative times are refused.
    pub seconds: i64,
    /// Microseconds below a second.
    pub microseconds: i64,
}

impl Timeval {
    /// A number of nanoseconds.
    #[must_use]
    pub const fn from_ns(ns: u64) -> Self {
        Self { seconds: (ns / NANOS_PER_SECOND) as i64, microseconds: (ns % NANOS_PER_SECOND / 1000) as i64 }
    }

    /// As nanoseconds.
    ///
    /// # Errors
    /// EINVAL for negative times and for a million microseconds or more.
    pub const fn to_ns(self) -> Result<u64> {
        if self.microseconds < 0 || self.microseconds >= 1_000_000 {
            return Err(Errno::EINVAL);
        }
        Timespec { seconds: self.seconds, nanoseconds: self.microseconds * 1000 }.to_ns()
    }
}

fn elapsed_ns(page: &ClockPage, tsc: u64) -> u64 {
    let cycles = u128::from(tsc.saturating_sub(page.tsc_base));
    ((cycles * u128::from(page.mult)) >> page.shift.min(127)) as u64
}

fn page() -> ClockPage {
    km_hal::phys::read_value(CLOCK_GPA)
}

/// CLOCK_MONOTONIC in nanoseconds; continues from the snapshot's value in a clone.
#[must_use]
pub fn monotonic_ns() -> u64 {
    Clock::Monotonic.now_ns()
}

/// CLOCK_REALTIME in nanoseconds since 1970.
#[must_use]
pub fn realtime_ns() -> u64 {
    Clock::Realtime.now_ns()
}

/// CLOCK_BOOTTIME in nanoseconds; has moved on by the snapshot's age in a clone.
#[must_use]
pub fn boottime_ns() -> u64 {
    Clock::Boottime.now_ns()
}

/// A clock by which a program waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// CLOCK_MONOTONIC: goes on in a clone from where it was.
    Monotonic,
    /// CLOCK_REALTIME, which jumps in a clone.
    Realtime,
    /// CLOCK_BOOTTIME, which jumps as well.
    Boottime,
}

impl Clock {
    /// What it shows, in nanoseconds.
    #[must_use]
    pub fn now_ns(self) -> u64 {
        let page = page();
        self.base_ns(&page).saturating_add(elapsed_ns(&page, km_hal::cpu::rdtsc()))
    }

    fn base_ns(self, page: &ClockPage) -> u64 {
        match self {
            Self::Monotonic => page.monotonic_ns,
            Self::Realtime => page.realtime_ns,
            Self::Boottime => page.boottime_ns,
        }
    }
}

/// A time of a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline {
    /// Whose.
    pub clock: Clock,
    /// What it shows then, in nanoseconds.
    pub at_ns: u64,
}

impl Deadline {
    /// So many nanoseconds from now.
    #[must_use]
    pub fn after(clock: Clock, ns: u64) -> Self {
        Self { clock, at_ns: clock.now_ns().saturating_add(ns) }
    }

    /// What CLOCK_MONOTONIC shows then, as long as no clock jumps.
    #[must_use]
    pub fn monotonic_ns(self) -> u64 {
        let page = page();
        self.at_ns.saturating_add(page.monotonic_ns).saturating_sub(self.clock.base_ns(&page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_is_applied_without_overflow() {
        let page = ClockPage { tsc_base: 100, mult: 1 << 31, shift: 32, ..ClockPage::default() };
        assert_eq!(elapsed_ns(&page, 300), 100);
        assert_eq!(elapsed_ns(&page, 50), 0, "a counter behind its base is no time at all");
        assert_eq!(elapsed_ns(&page, u64::MAX), (u64::MAX - 100) / 2);
    }

    #[test]
    fn deadlines_move_when_their_clocks_jump() {
        let deadline = |clock, at_ns| Deadline { clock, at_ns }.monotonic_ns();
        let set = |monotonic_ns, realtime_ns, boottime_ns| {
            km_hal::host::set_clock(&ClockPage { monotonic_ns, realtime_ns, boottime_ns, ..page() });
        };
        km_hal::host::reset(16 << 20);
        set(100, 5000, 100);
        assert_eq!(deadline(Clock::Monotonic, 150), 150);
        assert_eq!((deadline(Clock::Realtime, 5050), deadline(Clock::Boottime, 150)), (150, 150));
        // A clone that slept for 40.
        set(100, 5040, 140);
        assert_eq!(deadline(Clock::Monotonic, 150), 150);
        assert_eq!((deadline(Clock::Realtime, 5050), deadline(Clock::Boottime, 150)), (110, 110));
        assert_eq!((deadline(Clock::Realtime, 0), deadline(Clock::Realtime, u64::MAX)), (0, u64::MAX - 5040));
    }

    #[test]
    fn structures_refuse_what_linux_refuses() {
        assert_eq!(Timespec { seconds: 1, nanoseconds: 5 }.to_ns(), Ok(1_000_000_005));
        assert_eq!(Timespec { seconds: 0, nanoseconds: 1_000_000_000 }.to_ns(), Err(Errno::EINVAL));
        assert_eq!(Timespec { seconds: -1, nanoseconds: 0 }.to_ns(), Err(Errno::EINVAL));
        assert_eq!(Timespec { seconds: i64::MAX, nanoseconds: 0 }.to_ns(), Ok(u64::MAX));
        assert_eq!(Timeval { seconds: 1, microseconds: 1_000_000 }.to_ns(), Err(Errno::EINVAL));
        assert_eq!(Timespec::from_ns(1_000_000_005), Timespec { seconds: 1, nanoseconds: 5 });
    }
}
