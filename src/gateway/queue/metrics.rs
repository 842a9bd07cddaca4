//! Numbers of the queue: how deep it is, how old, and what became of calls.

use api::FunctionName;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::index::Depth;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfFunction {
    faas_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfState {
    faas_name: String,
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfEvent {
    faas_name: String,
    event: &'static str,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub struct Counts(Family<OfEvent, Counter>);

impl Counts {
    /// A call is on disk.
    pub fn accepted(&self, function: &FunctionName) {
        self.count(function, "accepted");
    }

    /// The function has answered it.
    pub fn delivered(&self, function: &FunctionName) {
        self.count(function, "delivered");
    }

    /// It is tried again.
    pub fn retried(&self, function: &FunctionName) {
        self.count(function, "retried");
    }

    /// The receiver has its answer.
    pub fn told(&self, function: &FunctionName) {
        self.count(function, "called_back");
    }

    /// It is a dead letter.
    pub fn died(&self, function: &FunctionName) {
        self.count(function, "dead");
    }

    /// A dead letter gave way to others.
    pub fn dropped(&self, function: &FunctionName) {
        self.count(function, "dropped");
    }

    fn count(&self, function: &FunctionName, event: &'static str) {
        self.0.get_or_create(&OfEvent { faas_name: function.to_string(), event }).inc();
    }

    /// The text form, without the mark of the end.
    pub fn encode(&self, depths: &[Depth], now: u64) -> String {
        let calls = Family::<OfState, Gauge>::default();
        let (bytes, oldest) =
            (Family::<OfFunction, Gauge>::default(), Family::<OfFunction, Gauge>::default());
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for Depth { function, waiting, running, dead, bytes: size, oldest: first } in depths {
            let faas_name = function.to_string();
            for (state, count) in [("waiting", waiting), ("running", running), ("dead", dead)] {
                calls
                    .get_or_create(&OfState { faas_name: faas_name.clone(), state })
                    .set(signed(*count as u64));
            }
            let of = OfFunction { faas_name };
            bytes.get_or_create(&of).set(signed(*size));
            let age = first.map_or(0, |first| now.saturating_sub(first) / 1000);
            oldest.get_or_create(&of).set(signed(age));
        }
        let mut registry = Registry::default();
        let queue = registry.sub_registry_with_prefix("kontain_async");
        queue.register("calls", "Asynchronous calls in the queue", calls);
        queue.register("bytes", "Bytes of a function's calls in the queue", bytes);
        queue.register("oldest_seconds", "Age of the oldest call that is no dead letter", oldest);
        queue.register("events", "What became of asynchronous calls", self.0.clone());
        let mut encoded = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode_registry(&mut encoded, &registry);
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_and_age_are_told() {
        let counts = Counts::default();
        let function: FunctionName = "n/f".parse().unwrap();
        counts.accepted(&function);
        let depth = Depth { function, waiting: 2, running: 1, dead: 3, bytes: 9000, oldest: Some(1_000) };
        let text = counts.encode(&[depth], 61_000);
        for line in [
            "kontain_async_calls{faas_name=\"n/f\",state=\"waiting\"} 2",
            "kontain_async_calls{faas_name=\"n/f\",state=\"dead\"} 3",
            "kontain_async_bytes{faas_name=\"n/f\"} 9000",
            "kontain_async_oldest_seconds{faas_name=\"n/f\"} 60",
            "kontain_async_events_total{faas_name=\"n/f\",event=\"accepted\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        assert!(!text.contains("# EOF"));
    }
}
