//! How many shells a function should have waiting.
//!
//! Two numbers decide: how often a shell is taken and how long making one takes. A call that found none waiting is a sign
//! that the two do not tell everything (bursts, a busy host), and raises the depth for a while.

use std::time::{Duration, Instant};

/// Time over which the rate is averaged.
const RATE_WINDOW_SECS: f64 = 2.0;
/// Shells that wait at least.
const DEPTH_MIN: u32 = 2;
/// Shells beyond rate × time that bursts may ask for.
const BOOST_MAX: u32 = 16;
/// After so long without an empty pool the boost shrinks by one.
const BOOST_DECAY: Duration = Duration::from_secs(20);
/// Time to make a shell, before any was made.
const MAKE_GUESS_SECS: f64 = 0.005;

/// Demand for shells of one function.
#[derive(Debug)]
pub struct Demand {
    rate: f64,
    last: Instant,
    make_secs: f64,
    boost: u32,
    boosted: Instant,
}

impl Demand {
    /// Demand of a function that nobody has called since `now`.
    pub fn new(now: Instant) -> Self {
        Self { rate: 0.0, last: now, make_secs: MAKE_GUESS_SECS, boost: 0, boosted: now }
    }

    /// A shell was asked for.
    pub fn arrival(&mut self, now: Instant, found: Found) {
        self.rate = self.rate_at(now) + 1.0 / RATE_WINDOW_SECS;
        self.last = now;
        if found == Found::Nothing {
            self.boost = (self.boost + 1).min(BOOST_MAX);
            self.boosted = now;
        }
    }

    /// A shell was made.
    pub fn made(&mut self, took: Duration) {
        self.make_secs += (took.as_secs_f64() - self.make_secs) * 0.1;
    }

    /// When a shell was last asked for.
    pub fn last(&self) -> Instant {
        self.last
    }

    /// Shells that should wait now.
    pub fn depth(&mut self, now: Instant, most: u32) -> usize {
        if self.boost > 0 && now.duration_since(self.boosted) > BOOST_DECAY {
            self.boost -= 1;
            self.boosted = now;
        }
        // A rate that has all but died away asks for nothing.
        let steady = (2.0 * self.rate_at(now) * self.make_secs - 0.1).max(0.0).ceil();
        // The rate is bounded by the clock's grain, so the product is a small number.
        let steady = if steady < f64::from(most) { steady as u32 } else { most };
        (DEPTH_MIN + steady + self.boost).clamp(1, most.max(1)) as usize
    }

    fn rate_at(&self, now: Instant) -> f64 {
        self.rate * (-now.duration_since(self.last).as_secs_f64() / RATE_WINDOW_SECS).exp()
    }
}

/// What an arrival found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A shell that waited: the usual case.
    Shell,
    /// None: the call waits for one.
    Nothing,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_follows_rate_and_time() {
        let mut now = Instant::now();
        let mut demand = Demand::new(now);
        assert_eq!(demand.depth(now, 64), 2);
        demand.make_secs = 0.02;
        for _ in 0..1000 {
            now += Duration::from_millis(5);
            demand.arrival(now, Found::Shell);
        }
        // 200/s × 20 ms = 4 in the making on average.
        assert_eq!(demand.depth(now, 64), 2 + 8);
        assert_eq!(demand.depth(now, 3), 3);
        assert_eq!(demand.depth(now + Duration::from_secs(60), 64), 2);
    }

    #[test]
    fn an_empty_pool_asks_for_more_and_forgets() {
        let mut now = Instant::now();
        let mut demand = Demand::new(now);
        for _ in 0..100 {
            demand.arrival(now, Found::Nothing);
        }
        assert!(demand.depth(now, 1000) >= 18);
        for _ in 0..16 {
            now += BOOST_DECAY * 2;
            demand.depth(now, 1000);
        }
        assert_eq!(demand.depth(now, 1000), 2);
    }
}
