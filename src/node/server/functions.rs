//! The functions that this node knows, by name.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::StatusCode;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::admission::Admission;
use super::problem::{Component, Problem};
use super::reason::Reason;
use crate::logs::FunctionLog;
use crate::metrics::{FunctionMetrics, Metrics};
use crate::pool::Pool;
use api::record::{BakeReport, Phase};
use api::{FunctionName, Published};

/// What clients are told to wait while a function bakes.
const BAKE_RETRY_SECS: u32 = 1;

/// A function that the volume names, whatever answers its calls at the moment.
#[derive(Debug)]
pub struct Function {
    /// Namespace and function, as in the path of a call.
    pub name: FunctionName,
    /// The same as text that records share.
    pub label: Arc<str>,
    /// What its programs print, the last lines of it.
    pub log: Arc<FunctionLog>,
    /// Its counters, looked up once so that a call does not.
    pub metrics: FunctionMetrics,
    /// Requests that were sent to it since the node began.
    pub answered: AtomicU64,
    /// Held while its report is written or removed.
    pub(super) writing: Mutex<()>,
    serving: ArcSwap<Serving>,
    replaced: Notify,
    report: Mutex<BakeReport>,
}

/// What answers a function's calls.
#[derive(Debug)]
pub enum Serving {
    /// Nothing yet: the first bake runs, and callers get 503 with Retry-After.
    Baking,
    /// Nothing, and nothing will before the function is changed.
    Failed(Problem),
    /// A revision whose bake succeeded, or which boots for each call.
    Ready(Arc<Revision>),
}

/// One version of a function.
#[derive(Debug)]
pub struct Revision {
    /// The record on the volume that it was made from.
    pub published: Arc<Published>,
    /// Calls at once, and those that wait.
    pub admission: Arc<Admission>,
    /// Machines that were made ahead of its calls.
    pub pool: Arc<Pool>,
}

impl Function {
    /// A function that was just published.
    pub fn new(published: &Published, metrics: &Metrics, log_rate: u64) -> Arc<Self> {
        let name = published.name.clone();
        let metrics = metrics.of(name.as_str());
        Arc::new(Self {
            label: name.as_str().into(),
            log: FunctionLog::new(name.clone(), log_rate, metrics.left_out.clone()),
            metrics,
            answered: AtomicU64::new(0),
            writing: Mutex::default(),
            serving: ArcSwap::from_pointee(Serving::Baking),
            replaced: Notify::new(),
            report: Mutex::new(BakeReport {
                generation: published.generation,
                digest: published.digest.clone(),
                phase: Phase::Baking,
                reason: Reason::Baking.word().to_owned(),
                message: "the first bake runs".to_owned(),
                serving: None,
            }),
            name,
        })
    }

    /// The revision that serves now.
    ///
    /// # Errors
    /// The answer to give instead.
    pub fn revision(&self) -> Result<Arc<Revision>, Problem> {
        match &**self.serving.load() {
            Serving::Ready(revision) => Ok(revision.clone()),
            Serving::Failed(problem) => Err(problem.clone()),
            Serving::Baking => {
                let detail = "the function was published a moment ago and is being made ready";
                Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, Component::Bake, Reason::Baking, detail)
                    .retry_after(BAKE_RETRY_SECS))
            }
        }
    }

    /// What answers at this moment; the next call may find another.
    pub fn serving(&self) -> Arc<Serving> {
        self.serving.load_full()
    }

    /// Puts something else in its place and gives back what was there.
    pub fn serve(&self, serving: Serving) -> Arc<Serving> {
        let before = self.serving.swap(Arc::new(serving));
        self.replaced.notify_waiters();
        before
    }

    /// Ends when something else has been put in place since this was asked for.
    pub fn replaced(&self) -> Notified<'_> {
        self.replaced.notified()
    }

    /// How its bake went.
    pub fn report(&self) -> BakeReport {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes how its bake went.
    pub fn set_report(&self, report: BakeReport) {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }

    /// It was tried once, well or not.
    pub fn was_tried(&self) -> bool {
        self.report().phase != Phase::Baking
    }
}

/// All functions; read by each call without a lock, replaced when one comes or goes.
#[derive(Debug, Default)]
pub struct Functions {
    map: ArcSwap<HashMap<String, Arc<Function>>>,
}

impl Functions {
    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<Arc<Function>> {
        self.map.load().get(name).cloned()
    }

    /// All of them, by name.
    pub fn all(&self) -> Vec<Arc<Function>> {
        let mut all: Vec<_> = self.map.load().values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Adds some; at once, because each change copies the list.
    pub fn insert(&self, functions: &[Arc<Function>]) {
        if functions.is_empty() {
            return;
        }
        self.map.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.extend(functions.iter().map(|function| (function.name.to_string(), function.clone())));
            map
        });
    }

    /// Takes one out: no call finds it from now on.
    pub fn remove(&self, name: &str) -> Option<Arc<Function>> {
        let before = self.map.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.remove(name);
            map
        });
        before.get(name).cloned()
    }
}
