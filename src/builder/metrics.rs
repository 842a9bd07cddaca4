//! Numbers of the builder in the OpenMetrics text format.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper ends of the histogram's parts, in seconds.
const SECONDS: [f64; 9] = [1.0, 3.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0, 3600.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfOutcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfStatus {
    code: u16,
}

/// The numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    builds: Family<OfOutcome, Counter>,
    refused: Family<OfStatus, Counter>,
    seconds: Histogram,
    inflight: Gauge,
}

/// A build that runs; it counts as one for as long as this is there.
#[derive(Debug)]
pub struct Running(Gauge);

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let metrics = Self {
            registry: Mutex::default(),
            builds: Family::default(),
            refused: Family::default(),
            seconds: Histogram::new(SECONDS),
            inflight: Gauge::default(),
        };
        registry.register(
            "kontain_builder_builds",
            "Builds by how they ended: success, failed, cancelled, limit",
            metrics.builds.clone(),
        );
        registry.register(
            "kontain_builder_refused",
            "Contexts that were not built, by the status of the answer",
            metrics.refused.clone(),
        );
        registry.register("kontain_builder_build_seconds", "How long builds took", metrics.seconds.clone());
        registry.register("kontain_builder_inflight", "Builds that run", metrics.inflight.clone());
        Self { registry: Mutex::new(registry), ..metrics }
    }
}

impl Metrics {
    /// A build begins.
    pub(crate) fn running(&self) -> Running {
        self.inflight.inc();
        Running(self.inflight.clone())
    }

    /// One has ended.
    pub(crate) fn ended(&self, outcome: &'static str, took: Duration) {
        self.builds.get_or_create(&OfOutcome { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A context is not built.
    pub(crate) fn refused(&self, status: StatusCode) {
        self.refused.get_or_create(&OfStatus { code: status.as_u16() }).inc();
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

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}
