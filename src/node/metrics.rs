//! Numbers for Prometheus. Functions' metrics bear the names of OpenTelemetry's FaaS conventions, in Prometheus' spelling.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Bounds of the histograms, in seconds: from a restored machine's 50 µs to the longest call.
const BOUNDS: [f64; 18] = [
    0.00005, 0.0001, 0.0002, 0.0004, 0.0008, 0.0016, 0.0032, 0.0064, 0.0128, 0.0256, 0.05, 0.1, 0.25, 1.0,
    5.0, 30.0, 300.0, 3600.0,
];

/// Label of metrics that each function has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfFunction {
    /// `namespace/function`.
    pub faas_name: String,
}

/// A function and a status.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfStatus {
    /// `namespace/function`; empty where no function was found.
    pub faas_name: String,
    /// Status of the response.
    pub http_response_status_code: u16,
}

/// A function and a reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfReason {
    /// `namespace/function`.
    pub faas_name: String,
    /// The problem document's reason.
    pub error_type: String,
}

/// A function and a state of its machines.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfState {
    /// `namespace/function`.
    pub faas_name: String,
    /// `waiting`, `making` or `running`.
    pub state: &'static str,
}

/// A measure of the workers' jail.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfMeasure {
    /// As workers name it, like `landlock`.
    pub measure: String,
}

/// A function and what became of a connection that it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfOutcome {
    /// `namespace/function`.
    pub faas_name: String,
    /// `connected`, `refused`, `limited` or `failed`.
    pub outcome: &'static str,
}

/// A function and a direction of bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfDirection {
    /// `namespace/function`.
    pub faas_name: String,
    /// `sent` or `received`, as the function has it.
    pub direction: &'static str,
}

/// A histogram of durations per function.
pub type Durations = Family<OfFunction, Histogram, fn() -> Histogram>;

/// Metrics of the server's `/metrics`; those of one function are looked up by its label.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Requests that were answered, ours and functions'.
    pub invocations: Family<OfStatus, Counter>,
    /// Calls that did not end well.
    pub errors: Family<OfReason, Counter>,
    /// Calls that ended at their deadline.
    pub timeouts: Family<OfFunction, Counter>,
    /// Calls that found no shell waiting.
    pub coldstarts: Family<OfFunction, Counter>,
    /// Head of the request → end of the response.
    pub invoke: Durations,
    /// Head of the request → machine taken.
    pub queue: Durations,
    /// Machine taken → first instruction of the call.
    pub init: Durations,
    /// Machine stopped → machine gone.
    pub teardown: Durations,
    /// Calls that were taken and whose machine is not gone.
    pub active: Family<OfFunction, Gauge>,
    /// Bakes that ended, by the word for how; `ok` among them.
    pub bakes: Family<OfReason, Counter>,
    /// Snapshots that were of no use any more, by cause.
    pub snapshots_lost: Family<OfReason, Counter>,
    /// Machines: waiting, in the making, with a call.
    pub machines: Family<OfState, Gauge>,
    /// Worker processes that a function has.
    pub workers: Family<OfFunction, Gauge>,
    /// Memory for machines: taken.
    pub memory_used: Gauge<u64, AtomicU64>,
    /// Memory for machines: all.
    pub memory_limit: Gauge<u64, AtomicU64>,
    /// Bytes of disk that snapshots take.
    pub snapshot_bytes: Gauge<u64, AtomicU64>,
    /// Measures of the workers' jail: 1 for one that this host does not have.
    pub jail_missing: Family<OfMeasure, Gauge>,
    /// Open client connections.
    pub connections: Gauge,
    /// Bytes of requests that no machine has taken yet.
    pub ahead: Gauge<u64, AtomicU64>,
    /// Log records that nobody read in time.
    pub log_dropped: Counter<u64, AtomicU64>,
    /// Lines of functions that were left out of the log, for their rate.
    pub left_out: Family<OfFunction, Counter>,
    /// Connections that functions asked for, by what became of them.
    pub egress_connections: Family<OfOutcome, Counter>,
    /// Bytes of connections that functions had and that have ended.
    pub egress_bytes: Family<OfDirection, Counter>,
}

fn histogram() -> Histogram {
    Histogram::new(BOUNDS)
}

fn durations() -> Durations {
    Family::new_with_constructor(histogram)
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            invocations: Family::default(),
            errors: Family::default(),
            timeouts: Family::default(),
            coldstarts: Family::default(),
            invoke: durations(),
            queue: durations(),
            init: durations(),
            teardown: durations(),
            active: Family::default(),
            bakes: Family::default(),
            snapshots_lost: Family::default(),
            machines: Family::default(),
            workers: Family::default(),
            memory_used: Gauge::default(),
            memory_limit: Gauge::default(),
            snapshot_bytes: Gauge::default(),
            jail_missing: Family::default(),
            connections: Gauge::default(),
            ahead: Gauge::default(),
            log_dropped: Counter::default(),
            left_out: Family::default(),
            egress_connections: Family::default(),
            egress_bytes: Family::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// The text form that Prometheus reads; `more` is such a text of another registry, without the mark of the end.
    pub fn encode(&self, more: &str) -> String {
        let mut encoded = String::new();
        // Writing into a String does not fail.
        let _ = text::encode_registry(&mut encoded, &self.registry);
        encoded.push_str(more);
        let _ = text::encode_eof(&mut encoded);
        encoded
    }

    fn register(&mut self) {
        let faas = self.registry.sub_registry_with_prefix("faas");
        faas.register("invocations", "Requests answered", self.invocations.clone());
        faas.register("errors", "Calls that did not end well", self.errors.clone());
        faas.register("timeouts", "Calls ended at their deadline", self.timeouts.clone());
        faas.register("coldstarts", "Calls that found no shell waiting", self.coldstarts.clone());
        faas.register_with_unit(
            "invoke_duration",
            "Request to end of response",
            Unit::Seconds,
            self.invoke.clone(),
        );
        faas.register_with_unit(
            "queue_duration",
            "Request to machine taken",
            Unit::Seconds,
            self.queue.clone(),
        );
        faas.register_with_unit(
            "init_duration",
            "Machine taken to first instruction",
            Unit::Seconds,
            self.init.clone(),
        );
        faas.register_with_unit(
            "teardown_duration",
            "Machine stopped to gone",
            Unit::Seconds,
            self.teardown.clone(),
        );
        faas.register("active_requests", "Calls in flight", self.active.clone());
        let own = self.registry.sub_registry_with_prefix("kontain");
        own.register("bakes", "Bakes by result", self.bakes.clone());
        own.register("snapshots_lost", "Snapshots of no use any more, by cause", self.snapshots_lost.clone());
        own.register("machines", "Machines by state", self.machines.clone());
        own.register("workers", "Worker processes", self.workers.clone());
        own.register_with_unit(
            "memory_used",
            "Memory of machines, as charged",
            Unit::Bytes,
            self.memory_used.clone(),
        );
        own.register_with_unit("memory_limit", "Memory for machines", Unit::Bytes, self.memory_limit.clone());
        own.register_with_unit("snapshot", "Snapshots on disk", Unit::Bytes, self.snapshot_bytes.clone());
        own.register(
            "jail_missing",
            "Measures of the workers' jail that this host lacks",
            self.jail_missing.clone(),
        );
        own.register("connections", "Open client connections", self.connections.clone());
        own.register_with_unit("ahead", "Requests read ahead", Unit::Bytes, self.ahead.clone());
        own.register("log_dropped_records", "Log records nobody read in time", self.log_dropped.clone());
        own.register(
            "egress_connections",
            "Connections that functions asked for",
            self.egress_connections.clone(),
        );
        own.register(
            "egress_bytes",
            "Bytes of functions' connections that have ended",
            self.egress_bytes.clone(),
        );
        own.register("log_left_out_lines", "Lines of functions beyond --log-rate", self.left_out.clone());
    }

    /// The handles of one function, looked up once.
    pub fn of(&self, name: &str) -> FunctionMetrics {
        let label = OfFunction { faas_name: name.to_owned() };
        FunctionMetrics {
            coldstarts: self.coldstarts.get_or_create_owned(&label),
            timeouts: self.timeouts.get_or_create_owned(&label),
            left_out: self.left_out.get_or_create_owned(&label),
            invoke: self.invoke.get_or_create_owned(&label),
            queue: self.queue.get_or_create_owned(&label),
            init: self.init.get_or_create_owned(&label),
            teardown: self.teardown.get_or_create_owned(&label),
            active: self.active.get_or_create_owned(&label),
        }
    }

    /// Forgets a function that was removed.
    pub fn forget(&self, name: &str) {
        let label = OfFunction { faas_name: name.to_owned() };
        for family in [&self.coldstarts, &self.timeouts, &self.left_out] {
            family.remove(&label);
        }
        for family in [&self.invoke, &self.queue, &self.init, &self.teardown] {
            family.remove(&label);
        }
        self.active.remove(&label);
        self.workers.remove(&label);
        for state in ["waiting", "making", "running"] {
            self.machines.remove(&OfState { faas_name: name.to_owned(), state });
        }
    }
}

/// Handles of one function.
#[derive(Clone, Debug)]
pub struct FunctionMetrics {
    /// See [`Metrics::coldstarts`].
    pub coldstarts: Counter,
    /// See [`Metrics::timeouts`].
    pub timeouts: Counter,
    /// See [`Metrics::left_out`].
    pub left_out: Counter,
    /// See [`Metrics::invoke`].
    pub invoke: Histogram,
    /// See [`Metrics::queue`].
    pub queue: Histogram,
    /// See [`Metrics::init`].
    pub init: Histogram,
    /// See [`Metrics::teardown`].
    pub teardown: Histogram,
    /// See [`Metrics::active`].
    pub active: Gauge,
}

/// Microseconds as the seconds that histograms hold.
pub fn seconds(us: u64) -> f64 {
    Duration::from_micros(us).as_secs_f64()
}
