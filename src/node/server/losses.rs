//! How often a function's snapshot was of no use in a row, and how long to wait before it is made once more.
//!
//! One loss is an accident: the snapshot is baked again at once. A snapshot that is lost again and again would cost a bake
//! every few seconds, calls or not, for a function that cold boots answer anyway.

use std::time::Duration;

/// First and longest pause before a bake, from the second loss in a row on.
const PAUSE_FIRST: Duration = Duration::from_secs(2);
const PAUSE_MAX: Duration = Duration::from_secs(900);
/// A snapshot that was of use for this long was no failure.
const STEADY: Duration = Duration::from_secs(600);

/// Losses in a row.
#[derive(Debug, Default)]
pub struct Losses(u32);

impl Losses {
    /// Another one, of a snapshot that served for `served`; says how long to wait.
    pub fn another(&mut self, served: Duration) -> Duration {
        if served >= STEADY {
            self.0 = 0;
        }
        let doublings = self.0.checked_sub(1);
        self.0 = self.0.saturating_add(1);
        doublings.map_or(Duration::ZERO, |times| {
            PAUSE_FIRST.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(PAUSE_MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_bound_and_start_over_after_a_steady_time() {
        let mut losses = Losses::default();
        let mut secs = |served: u64| losses.another(Duration::from_secs(served)).as_secs();
        assert_eq!([secs(1), secs(1), secs(599), secs(0)], [0, 2, 4, 8]);
        let longest = (0..100).map(|_| secs(0)).max();
        assert_eq!(longest, Some(900));
        assert_eq!([secs(600), secs(0)], [0, 2]);
    }
}
