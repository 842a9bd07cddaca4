//! Percentiles of durations, and a histogram for people.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::fmt::Write;
use std::time::Duration;

/// What is said of many durations; microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Summary {
    /// How many there were.
    pub count: u64,
    /// Half of them took at most this.
    pub p50_us: u64,
    /// 90 % of them.
    pub p90_us: u64,
    /// 99 % of them.
    pub p99_us: u64,
    /// The longest of them, in microseconds.
    pub max_us: u64,
    /// Their mean, in microseconds.
    pub mean_us: f64,
}

/// A collection of durations, to three significant digits up to an hour.
#[derive(Clone, Debug)]
pub struct Durations(Histogram<u64>);

impl Default for Durations {
    fn default() -> Self {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000, 3).unwrap_or_else(|_| {
            // The bounds are constants that the library accepts; a default of its own stands in all the same.
            let mut any =
                Histogram::new_with_max(3_600_000_000, 2).unwrap_or_else(|_| unreachable!("constant bounds"));
            any.auto(true);
            any
        });
        histogram.auto(true);
        Self(histogram)
    }
}

impl Durations {
    /// Counts one more duration.
    pub fn add(&mut self, duration: Duration) {
        self.add_us(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Adds one that is in microseconds already.
    pub fn add_us(&mut self, micros: u64) {
        self.0.saturating_record(micros.max(1));
    }

    /// Adds all of another collection.
    pub fn join(&mut self, other: &Self) {
        // Both grow as they need to, so that every value of one fits into the other.
        let _ = self.0.add(&other.0);
    }

    /// What is said of all of them.
    pub fn summary(&self) -> Summary {
        if self.0.is_empty() {
            return Summary::default();
        }
        Summary {
            count: self.0.len(),
            p50_us: self.0.value_at_quantile(0.5),
            p90_us: self.0.value_at_quantile(0.9),
            p99_us: self.0.value_at_quantile(0.99),
            max_us: self.0.max(),
            mean_us: self.0.mean(),
        }
    }

    /// Percentile and value for a curve, from the median's side to the tail.
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let percentiles = [0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 100.0];
        percentiles
            .into_iter()
            .map(|percentile| (percentile, self.0.value_at_percentile(percentile)))
            .collect()
    }

    /// Bars over steps that double, one line each.
    pub fn bars(&self) -> String {
        let mut text = String::new();
        if self.0.is_empty() {
            return text;
        }
        let steps: Vec<(u64, u64)> = self
            .0
            .iter_log(32, 1.5)
            .map(|step| (step.value_iterated_to(), step.count_since_last_iteration()))
            .collect();
        let first = steps.iter().position(|(_, count)| *count > 0).unwrap_or(0);
        let last = steps.iter().rposition(|(_, count)| *count > 0).unwrap_or(0);
        for (upper, count) in &steps[first..=last] {
            let width = usize::try_from(count * 50 / self.0.len()).unwrap_or(0);
            let bar = if *count > 0 && width == 0 { "·".to_owned() } else { "█".repeat(width) };
            // Writing to a String cannot fail.
            writeln!(text, "  ≤ {:>9} {bar} {count}", micros(*upper)).ok();
        }
        text
    }
}

/// Microseconds for people: `84 µs`, `1.21 ms`, `2.40 s`.
pub fn micros(value: u64) -> String {
    match value {
        0..1_000 => format!("{value} µs"),
        1_000..1_000_000 => format!("{:.2} ms", value as f64 / 1e3),
        _ => format!("{:.2} s", value as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_added() {
        let mut durations = Durations::default();
        (1..=1000).for_each(|micros| durations.add_us(micros));
        let summary = durations.summary();
        assert_eq!((summary.count, summary.p50_us, summary.p99_us, summary.max_us), (1000, 500, 990, 1000));
        assert!((summary.mean_us - 500.5).abs() < 1.0);
        let bars = durations.bars();
        let counts = bars.lines().filter_map(|line| line.split_whitespace().last()?.parse::<u64>().ok());
        assert_eq!(counts.sum::<u64>(), 1000, "{bars}");
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Durations::default().summary().count, 0);
        assert!(Durations::default().bars().is_empty());
    }

    #[test]
    fn units_follow_the_size() {
        assert_eq!(micros(84), "84 µs");
        assert_eq!(micros(1_210), "1.21 ms");
        assert_eq!(micros(2_400_000), "2.40 s");
    }
}
