//! Numbers of control in the OpenMetrics text format.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use api::status::ReplicaPhase;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPhase {
    phase: String,
}

/// The numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    images: Family<OfPhase, Gauge>,
    /// Attempts to publish an Image.
    pub attempts: Counter,
    /// Attempts that failed.
    pub failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let (images, attempts, failures) = (Family::default(), Counter::default(), Counter::default());
        registry.register("kontain_downloader_images", "Images by where they stand", images.clone());
        registry.register("kontain_downloader_attempts", "Attempts to publish an Image", attempts.clone());
        registry.register("kontain_downloader_failures", "Attempts that failed", failures.clone());
        Self { registry: Mutex::new(registry), images, attempts, failures }
    }
}

impl Metrics {
    /// How many Images stand in each phase.
    pub fn set_phases(&self, phases: &HashMap<ReplicaPhase, usize>) {
        self.images.clear();
        for (phase, count) in phases {
            let label = OfPhase { phase: format!("{phase:?}") };
            self.images.get_or_create(&label).set(i64::try_from(*count).unwrap_or(i64::MAX));
        }
    }

    /// The numbers as text.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut encoded = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        // Writing to a String cannot fail.
        let _ = text::encode(&mut encoded, &registry);
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_that_are_left_are_not_shown() {
        let metrics = Metrics::default();
        metrics.attempts.inc();
        metrics.set_phases(&HashMap::from([(ReplicaPhase::Pulling, 3)]));
        let encoded = metrics.encode();
        assert!(encoded.contains("kontain_downloader_images{phase=\"Pulling\"} 3"), "{encoded}");
        assert!(encoded.contains("kontain_downloader_attempts_total 1"), "{encoded}");
        metrics.set_phases(&HashMap::from([(ReplicaPhase::Ready, 3)]));
        assert!(!metrics.encode().contains("Pulling"));
    }
}
