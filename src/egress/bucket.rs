//! How often something may happen: a bucket of tokens that fills at a steady rate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A bucket of tokens, full at first.
#[derive(Debug)]
pub(crate) struct Bucket {
    /// Between one token and the next.
    pace: Duration,
    burst: u32,
    /// When it was empty, or would have been: so many paces ago as there are tokens in it.
    empty: Mutex<Instant>,
}

impl Bucket {
    /// A bucket of `burst` tokens that gets `rate` a second.
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let pace = Duration::from_secs(1) / rate.max(1);
        let now = Instant::now();
        let empty = now.checked_sub(pace.saturating_mul(burst)).unwrap_or(now);
        Self { pace, burst, empty: Mutex::new(empty) }
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self) -> bool {
        let mut empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = now.checked_sub(self.pace.saturating_mul(self.burst)).unwrap_or(*empty);
        let after = (*empty).max(full) + self.pace;
        let there = after <= now;
        if there {
            *empty = after;
        }
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_and_then_the_rate() {
        let bucket = Bucket::new(100, 5);
        let taken = |times: usize| (0..times).filter(|_| bucket.take()).count();
        assert_eq!(taken(10), 5);
        tokio::time::advance(Duration::from_millis(25)).await;
        assert_eq!(taken(10), 2);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(10), 5);
    }
}
