//! From what a source wants to what the volume has, and back to what the source is told: one loop for every source.
//!
//! ```text
//!  source ──News──► Reconciler ── books.rs (one entry.rs per Image: where it stands, what is due; no I/O)
//!    ▲   ▲              │  ▲
//!    │   └─Order──┐     │  └── the node's reports, files on the volume
//!    │            └─ work.rs ◄── a few at once: order, image, bundle, record; what fails is a failure.rs
//!    └──Write── where this replica stands, and what all replicas say together (aggregate.rs)
//! ```

pub mod aggregate;
mod books;
mod entry;
pub mod failure;
mod work;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::{FunctionName, ImageObject, ImageSpec};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use volume::readiness::Readiness;
use volume::reports::Reports;
use volume::{Volume, records, statuses};

use self::books::{Books, Change};
use self::entry::Publication;
use self::work::Done;
use crate::metrics::Metrics;
use crate::publish::Publisher;
use crate::source::{ImageSource, News, Written};

/// How often is looked at what is due, and at the reports that are waited for.
const TICK: Duration = Duration::from_millis(200);
/// How often all reports are looked at.
const ALL_REPORTS: Duration = Duration::from_secs(3);
/// How often a source clears away what is not wanted any more; with each resync where that comes more often.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Statuses that are written at once.
const WRITES: usize = 8;

/// How Images are worked on.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of this replica in the status.
    pub replica: String,
    /// How often an image is resolved again although its Image did not change.
    pub resync: Duration,
    /// First and longest pause after an attempt that failed.
    pub retry: (Duration, Duration),
    /// Images that are worked on at once.
    pub parallel: Parallel,
}

/// How many Images are worked on at once: what is slow or plenty for one tenant, or at one registry, leaves room for others.
#[derive(Clone, Copy, Debug)]
pub struct Parallel {
    /// Of all.
    pub all: usize,
    /// Of one namespace.
    pub per_namespace: usize,
    /// From one registry.
    pub per_registry: usize,
}

/// What a reconciler tells the rest of its process.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// The volume has news.
    pub changed: Arc<Notify>,
    /// Whether the first list is through.
    pub readiness: Arc<Readiness>,
    /// Its numbers.
    pub metrics: Arc<Metrics>,
}

/// Follows a source for as long as this is polled.
pub async fn follow(
    source: Arc<dyn ImageSource>,
    publisher: Arc<Publisher>,
    volume: Volume,
    options: Options,
    signals: Signals,
) {
    let mut news = source.clone().watch();
    let mut reconciler = Reconciler {
        books: Books::new(options.replica.clone(), options.resync, options.retry, options.parallel),
        source,
        publisher,
        volume,
        options,
        signals,
        work: JoinSet::new(),
        writes: JoinSet::new(),
        reports: Reports::default(),
        all_reports: Instant::now(),
        housekeeping: Instant::now(),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            some = news.recv() => match some {
                Some(news) => reconciler.take(news).await,
                // The watch ends with its receiver alone.
                None => return,
            },
            Some(done) = reconciler.work.join_next() => if let Ok(done) = done { reconciler.done(done).await },
            Some(written) = reconciler.writes.join_next() => if let Ok(written) = written {
                reconciler.books.written(&written.name, &written.uid, written.result);
            },
            _ = tick.tick() => reconciler.tick().await,
        }
        reconciler.start();
    }
}

struct Reconciler {
    books: Books,
    source: Arc<dyn ImageSource>,
    publisher: Arc<Publisher>,
    volume: Volume,
    options: Options,
    signals: Signals,
    work: JoinSet<Done>,
    writes: JoinSet<Written>,
    reports: Reports,
    all_reports: Instant,
    housekeeping: Instant,
}

impl Reconciler {
    async fn take(&mut self, news: News) {
        match news {
            News::Changed(object) => {
                self.signals.readiness.set_away(None);
                self.note(*object);
            }
            News::Touched(name) => self.books.touch(&name),
            News::Removed(name) => {
                self.signals.readiness.set_away(None);
                self.remove(&name).await;
            }
            News::All { objects, complete } => self.all(objects, complete).await,
            News::Away(why) => self.signals.readiness.set_away(Some(why)),
        }
    }

    fn note(&mut self, object: ImageObject) {
        let volume = &self.volume;
        self.books.note(object, |object| published(volume, object));
    }

    /// A list: if it is complete, what it does not name is gone, be it from the books or from the volume.
    async fn all(&mut self, objects: HashMap<FunctionName, ImageObject>, complete: bool) {
        let names: HashSet<FunctionName> = objects.keys().cloned().collect();
        for object in objects.into_values() {
            self.note(object);
        }
        let mut gone = self.books.listed(&names);
        if !complete {
            gone.clear();
        } else {
            // A writer may have been killed when only the status was left.
            let left = self.publisher.published().into_iter().chain(statuses::names(&self.volume));
            gone.extend(left.filter(|name| !names.contains(name) && self.source.owns(name)));
        }
        for name in gone {
            self.remove(&name).await;
        }
        self.signals.readiness.set_listed();
        self.count();
    }

    /// The route goes at once; the bundle when nobody uses it any more.
    async fn remove(&mut self, name: &FunctionName) {
        self.books.remove(name);
        self.reports.forget(name);
        self.withdraw(name).await;
    }

    async fn withdraw(&self, name: &FunctionName) {
        let (publisher, name) = (self.publisher.clone(), name.clone());
        let removed = tokio::task::spawn_blocking(move || (publisher.withdraw(&name), name)).await;
        if let Ok((Err(error), name)) = &removed {
            tracing::error!(function = %name, "cannot be withdrawn: {error}");
        }
        self.signals.changed.notify_one();
    }

    /// Begins what is due, as far as there are hands.
    fn start(&mut self) {
        while let Some(object) = self.books.start() {
            self.signals.metrics.attempts.inc();
            self.work.spawn(work::publish(self.source.clone(), self.publisher.clone(), object));
        }
        for write in self.books.due_writes(WRITES.saturating_sub(self.writes.len())) {
            let source = self.source.clone();
            self.writes.spawn(async move { source.report(write).await });
        }
    }

    async fn done(&mut self, Done { object, result }: Done) {
        let result = result.map(|outcome| {
            if outcome.changed {
                self.signals.changed.notify_one();
            }
            let record = records::read(&self.volume, &object.name);
            let generation = record.map_or(0, |record| record.generation);
            let change = match (outcome.changed, outcome.pulled) {
                (false, _) => Change::None,
                (true, false) => Change::Recorded,
                (true, true) => Change::Pulled,
            };
            (Publication { digest: outcome.digest, generation }, change)
        });
        if result.is_err() {
            self.signals.metrics.failures.inc();
        }
        if !self.books.done(&object, result) {
            self.withdraw(&object.name).await;
        }
        self.count();
    }

    fn count(&self) {
        let (images, untried) = self.books.counts();
        self.signals.readiness.set_counts(images, untried);
        if self.books.first_tried() {
            self.signals.readiness.set_tried();
        }
    }

    async fn tick(&mut self) {
        let all = self.all_reports <= Instant::now();
        if all {
            self.all_reports = Instant::now() + ALL_REPORTS;
        }
        self.read_reports(all).await;
        self.count();
        self.signals.metrics.set_phases(&self.books.phases());
        if self.housekeeping <= Instant::now() {
            self.housekeeping = Instant::now() + HOUSEKEEPING.min(self.options.resync);
            let (source, wanted) = (self.source.clone(), self.books.wanted());
            tokio::spawn(async move { source.keep_house(wanted).await });
        }
    }

    async fn read_reports(&mut self, all: bool) {
        let names = self.books.awaiting(all);
        if names.is_empty() {
            return;
        }
        let (mut reports, volume) = (std::mem::take(&mut self.reports), self.volume.clone());
        let read = tokio::task::spawn_blocking(move || {
            let fresh = reports.fresh(&volume, names);
            (reports, fresh)
        });
        let Ok((reports, fresh)) = read.await else { return };
        self.reports = reports;
        for (name, report) in fresh {
            self.books.reported(&name, report);
        }
    }
}

/// What the volume has of an Image, if it is of the same specification.
fn published(volume: &Volume, object: &ImageObject) -> Option<Publication> {
    let record = records::read(volume, &object.name)?;
    let spec: ImageSpec = serde_json::from_value(object.spec.clone()).ok()?;
    (record.spec == spec).then_some(Publication { digest: record.digest, generation: record.generation })
}
