//! The record of each call: what the access log says, and the last of them for benchmarks and people.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use egress::Usage;
use km_vmm::protocol::{Ended, Outcome};
use serde::Serialize;

use super::functions::Function;
use super::problem::Problem;
use super::reason::CallResult;
use crate::metrics::seconds;

/// Records that are kept.
const KEPT: usize = 1 << 13;

/// One call, when its machine is gone.
#[derive(Clone, Debug, Serialize)]
pub struct CallRecord {
    /// When it came, in seconds since 1970.
    pub time: f64,
    /// `namespace/function`.
    pub function: Arc<str>,
    /// Id of the call, as the client got it in X-Call-Id.
    pub call: Arc<str>,
    /// Status that the client got; 0 if it went away before.
    pub status: u16,
    /// `ok`, or why not.
    pub result: CallResult,
    /// It found no shell waiting.
    pub pool_empty: bool,
    /// Head of the request → machine taken.
    pub queue_us: u64,
    /// Head of the request → head of the response on its way to the client.
    pub head_us: u64,
    /// Head of the request → end of the response.
    pub total_us: u64,
    /// Machine taken → first instruction of the call.
    pub boot_us: u64,
    /// Machine taken → first byte of the response.
    pub first_byte_us: Option<u64>,
    /// Machine taken → machine stopped.
    pub run_us: u64,
    /// Machine stopped → machine gone.
    pub teardown_us: u64,
    /// Pages of 4 KiB that the call wrote.
    pub dirty_pages: u64,
    /// Exits to the monitor.
    pub exits: u64,
    /// Page faults of the host that the call waited for: pages that were not shown to its machine ahead.
    pub page_faults: u64,
    /// Connections that the program has opened to peers beyond its machine.
    pub connections: u64,
    /// Connections that it asked for and that no rule opens.
    pub refused: u64,
    /// Bytes that it has sent on its connections.
    pub sent_bytes: u64,
    /// Bytes that it has received on them.
    pub received_bytes: u64,
    /// What went wrong, for the function's owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<Arc<str>>,
}

/// Records of the last [`KEPT`] calls, for the admin port and `logs`.
#[derive(Debug, Default)]
pub struct Calls(Mutex<VecDeque<CallRecord>>);

impl Calls {
    /// The last calls of one function or of all, oldest first.
    pub fn last(&self, function: Option<&str>, most: usize) -> Vec<CallRecord> {
        let calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine =
            calls.iter().rev().filter(|call| function.is_none_or(|function| *call.function == *function));
        let mut list: Vec<_> = mine.take(most).cloned().collect();
        list.reverse();
        list
    }

    fn push(&self, record: CallRecord) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() >= KEPT {
            calls.pop_front();
        }
        calls.push_back(record);
    }
}

/// What is known of a call while it goes on.
#[derive(Debug)]
pub struct CallFacts {
    function: Arc<Function>,
    call: Arc<str>,
    begun: Instant,
    seen: Mutex<Seen>,
}

#[derive(Clone, Debug)]
struct Seen {
    status: u16,
    result: CallResult,
    pool_empty: bool,
    queue: Duration,
    head: Duration,
    total: Option<Duration>,
    detail: Option<Arc<str>>,
}

impl CallFacts {
    /// A call that begins.
    pub fn new(function: Arc<Function>, call: Arc<str>, begun: Instant) -> Arc<Self> {
        let none = Duration::ZERO;
        let seen = Seen {
            status: 0,
            result: CallResult::ClientGone,
            pool_empty: false,
            queue: none,
            head: none,
            total: None,
            detail: None,
        };
        function.metrics.active.inc();
        Arc::new(Self { function, call, begun, seen: Mutex::new(seen) })
    }

    /// It has a machine.
    pub fn taken(&self, pool_empty: bool) -> Duration {
        let queue = self.begun.elapsed();
        self.change(|seen| (seen.queue, seen.pool_empty) = (queue, pool_empty));
        queue
    }

    /// The head of the response goes out.
    pub fn head(&self, status: u16) {
        let head = self.begun.elapsed();
        self.change(|seen| (seen.status, seen.head) = (status, head));
    }

    /// Microseconds: request → machine, machine → head of the response.
    pub fn so_far(&self) -> (u64, u64) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        (micros(seen.queue), micros(seen.head.saturating_sub(seen.queue)))
    }

    /// The client gets a problem document instead of an answer.
    pub fn refused(&self, problem: &Problem) {
        let (head, detail) = (self.begun.elapsed(), problem.detail.as_deref().map(Arc::from));
        self.change(|seen| {
            (seen.status, seen.head, seen.detail) = (problem.status.as_u16(), head, detail);
            seen.result = problem.reason.into();
        });
    }

    /// The response ends, well or not.
    pub fn ended(&self, result: CallResult) {
        let total = self.begun.elapsed();
        self.change(|seen| (seen.result, seen.total) = (result, Some(total)));
    }

    /// The machine is gone: writes the record.
    pub fn record(&self, calls: &Calls, ended: Option<&Ended>, usage: Usage) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let total = seen.total.unwrap_or_else(|| self.begun.elapsed());
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let age = self.begun.elapsed();
        let began = SystemTime::now()
            .checked_sub(age)
            .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
        let record = CallRecord {
            time: began.unwrap_or_default().as_secs_f64(),
            function: self.function.label.clone(),
            call: self.call.clone(),
            status: seen.status,
            result: seen.result,
            pool_empty: seen.pool_empty,
            queue_us: micros(seen.queue),
            head_us: micros(seen.head),
            total_us: micros(total),
            boot_us: ended.map_or(0, |ended| ended.boot_us),
            first_byte_us: ended.and_then(|ended| ended.first_byte_us),
            run_us: ended.map_or(0, |ended| ended.run_us),
            teardown_us: ended.map_or(0, |ended| ended.teardown_us),
            dirty_pages: ended.map_or(0, |ended| ended.dirty_pages),
            exits: ended.map_or(0, |ended| ended.exits),
            page_faults: ended.map_or(0, |ended| ended.page_faults),
            connections: usage.connections,
            refused: usage.refused,
            sent_bytes: usage.sent,
            received_bytes: usage.received,
            detail: seen.detail,
        };
        self.count(&record);
        self.log(&record, ended);
        calls.push(record);
    }

    fn count(&self, record: &CallRecord) {
        let metrics = &self.function.metrics;
        metrics.queue.observe(seconds(record.queue_us));
        metrics.invoke.observe(seconds(record.total_us));
        metrics.init.observe(seconds(record.boot_us));
        metrics.teardown.observe(seconds(record.teardown_us));
        if record.pool_empty {
            metrics.coldstarts.inc();
        }
        if record.result == CallResult::Deadline {
            metrics.timeouts.inc();
        }
    }

    fn log(&self, record: &CallRecord, ended: Option<&Ended>) {
        let CallRecord { function, call, status, result, queue_us, boot_us, total_us, .. } = record;
        if *result == CallResult::Complete {
            tracing::info!(%function, %call, status, queue_us, boot_us, total_us, "call");
        } else {
            let outcome = ended.map(|ended| describe(&ended.outcome)).unwrap_or_default();
            // A detail that says how the machine ended says the same.
            let detail = record.detail.as_deref().filter(|detail| *detail != outcome);
            tracing::warn!(
                %function, %call, status, result = result.word(), queue_us, boot_us, total_us, outcome, detail, "call failed"
            );
        }
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for CallFacts {
    fn drop(&mut self) {
        self.function.metrics.active.dec();
    }
}

/// An outcome in words.
pub fn describe(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Idle => "the machine came to rest".to_owned(),
        Outcome::Closed => "the machine was ended after its response".to_owned(),
        Outcome::Exited { status } => format!("the program exited with status {status}"),
        Outcome::Signaled { signal } => format!("the program was ended by signal {signal}"),
        Outcome::Fault { message } => {
            format!("the machine failed: {}", crate::logs::escape(message.as_bytes()))
        }
        Outcome::Deadline => "the deadline passed".to_owned(),
        Outcome::Cancelled => "the call was given up".to_owned(),
        Outcome::OutOfMemory => {
            "the machine ran out of memory: raise spec.resources.limits.memory".to_owned()
        }
        Outcome::NodeOutOfMemory => "the machine grew and the node had no memory left: lower spec.concurrency, or give the node more (serve --memory)".to_owned(),
    }
}
