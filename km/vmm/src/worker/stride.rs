//! How urgent a call is while it computes: less so once it has taken the processor for long.
//!
//! Calls begin urgent, so that short ones are answered at once on a node that is full of long ones.

use std::time::Duration;

use crate::jail::urgency::{Pace, Urgency, thread_time};

/// Processor time after which a call gives way to those that have just begun.
const LONG: Duration = Duration::from_millis(20);

/// One machine's use of its thread.
pub struct Stride {
    pace: Pace,
    begun: Duration,
}

impl Stride {
    /// Of the calling thread, which had used so much time when the machine's began.
    #[must_use]
    pub fn new(pace: Pace, begun: Duration) -> Self {
        Self { pace, begun }
    }

    /// Looks how long it has computed.
    pub fn look(&self) {
        if self.is_long(thread_time()) {
            self.pace.set(Urgency::Patient);
        }
    }

    fn is_long(&self, now: Duration) -> bool {
        now.saturating_sub(self.begun) >= LONG
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_long_by_its_own_processor_time() {
        let stride = Stride { pace: Pace::new(), begun: Duration::from_millis(5) };
        let is_long = |ms| stride.is_long(Duration::from_millis(ms));
        assert_eq!([is_long(0), is_long(5), is_long(24), is_long(25)], [false, false, false, true]);
    }
}
