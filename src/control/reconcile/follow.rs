//! The loop: news of the cluster, work that ends, reports of the server, statuses to write.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use kube::Client;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Options;
use super::books::{self, Books};
use super::entry::Publication;
use super::health::Health;
use super::object::Object;
use super::watch::{News, watch};
use super::work::{self, Done, Tools};
use super::write::{Writer, Written};
use crate::api::record::BakeReport;
use crate::api::{FunctionName, ImageSpec, Published};
use crate::download::publish::Publisher;
use crate::volume::Volume;

/// How often is looked at what is due, and at the reports that are waited for.
const TICK: Duration = Duration::from_millis(200);
/// How often all reports are looked at.
const ALL_REPORTS: Duration = Duration::from_secs(3);
/// How often is asked whether other replicas still exist, and looked for secrets that nobody mounts any more; with each
/// resync where that comes more often.
const HOUSEKEEPING: Duration = Duration::from_secs(60);
/// Statuses that are written at once.
const WRITES: usize = 8;
/// Longest report.
const REPORT_MAX: u64 = 1 << 20;

/// Follows the Images of a cluster for as long as it is polled.
pub async fn follow_cluster(
    client: Client,
    publisher: Arc<Publisher>,
    volume: Volume,
    options: Options,
    changed: Arc<Notify>,
    health: Arc<Health>,
) {
    let mut news = watch(client.clone(), &options);
    let mut follower = Follower {
        books: Books::new(options.replica.clone(), options.resync, options.retry),
        writer: Writer::new(client.clone(), options.replica.clone()),
        tools: Tools { client, publisher, volume },
        options,
        changed,
        health,
        work: JoinSet::new(),
        writes: JoinSet::new(),
        seen: HashMap::new(),
        all_reports: Instant::now(),
        housekeeping: Instant::now(),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            some = news.recv() => match some {
                Some(news) => follower.take(news).await,
                // The watch ends with its receiver alone.
                None => return,
            },
            Some(done) = follower.work.join_next() => if let Ok(done) = done { follower.done(done).await },
            Some(written) = follower.writes.join_next() => if let Ok(written) = written {
                follower.books.written(&written.name, &written.uid, written.result);
            },
            _ = tick.tick() => follower.tick().await,
        }
        follower.start();
    }
}

/// What tells one version of a report from the next.
type Stamp = (u64, i64, i64, u64);

struct Follower {
    books: Books,
    writer: Writer,
    tools: Tools,
    options: Options,
    changed: Arc<Notify>,
    health: Arc<Health>,
    work: JoinSet<Done>,
    writes: JoinSet<Written>,
    /// Reports as they were last read.
    seen: HashMap<FunctionName, Stamp>,
    all_reports: Instant,
    housekeeping: Instant,
}

impl Follower {
    async fn take(&mut self, news: News) {
        match news {
            News::Changed(object) => {
                self.health.set_away(None);
                if let Some(name) = object.name() {
                    self.note(name, *object);
                }
            }
            News::Removed(name) => {
                self.health.set_away(None);
                self.remove(&name).await;
            }
            News::All(objects) => self.all(objects).await,
            News::Away(why) => self.health.set_away(Some(why)),
        }
    }

    fn note(&mut self, name: FunctionName, object: Object) {
        let path = self.tools.volume.function(&name);
        self.books.note(name, object, |object| published(&path, object));
    }

    /// A complete list: what it does not name is gone, be it from the books or from the volume.
    async fn all(&mut self, objects: HashMap<FunctionName, Object>) {
        let objects: HashMap<_, _> =
            objects.into_iter().filter(|(_, object)| object.metadata.deletion_timestamp.is_none()).collect();
        tracing::info!(images = objects.len(), "the Images are listed");
        let names = objects.keys().cloned().collect();
        for (name, object) in objects {
            self.note(name, object);
        }
        let mut gone = self.books.all(&names);
        let ours = |name: &FunctionName| {
            self.options.namespace.as_ref().is_none_or(|namespace| namespace == name.namespace())
        };
        gone.extend(
            self.tools.publisher.published().into_iter().filter(|name| !names.contains(name) && ours(name)),
        );
        for name in gone {
            self.remove(&name).await;
        }
        self.health.set_listed();
    }

    /// The route goes at once; the bundle when nobody uses it any more.
    async fn remove(&mut self, name: &FunctionName) {
        self.books.remove(name);
        self.seen.remove(name);
        self.withdraw(name).await;
    }

    async fn withdraw(&self, name: &FunctionName) {
        let (publisher, name) = (self.tools.publisher.clone(), name.clone());
        let removed = tokio::task::spawn_blocking(move || (publisher.remove(&name), name)).await;
        if let Ok((Err(error), name)) = &removed {
            tracing::error!(function = %name, "cannot be withdrawn: {error}");
        }
        self.changed.notify_one();
    }

    /// Begins what is due, as far as there are hands.
    fn start(&mut self) {
        while self.work.len() < self.options.parallel {
            let Some((name, object)) = self.books.start() else { break };
            self.health.attempts.fetch_add(1, Ordering::Relaxed);
            self.work.spawn(work::publish(self.tools.clone(), name, object));
        }
        for write in self.books.due_writes(WRITES.saturating_sub(self.writes.len())) {
            self.writes.spawn(self.writer.clone().write(write));
        }
    }

    async fn done(&mut self, Done { name, object, result }: Done) {
        if result.is_err() {
            self.health.failures.fetch_add(1, Ordering::Relaxed);
        }
        let result = result.map(|outcome| {
            if outcome.changed {
                self.changed.notify_one();
            }
            let path = self.tools.volume.function(&name);
            let generation = record(&path).map_or(0, |record| record.generation);
            let news = match (outcome.changed, outcome.pulled) {
                (false, _) => books::News::None,
                (true, false) => books::News::Recorded,
                (true, true) => books::News::Pulled,
            };
            (Publication { digest: outcome.digest, generation }, news)
        });
        if !self.books.done(&name, &object, result) {
            self.withdraw(&name).await;
        }
        if self.books.first_tried() {
            self.health.set_ready();
        }
    }

    async fn tick(&mut self) {
        let all = self.all_reports <= Instant::now();
        if all {
            self.all_reports = Instant::now() + ALL_REPORTS;
        }
        self.read_reports(all).await;
        if self.books.first_tried() {
            self.health.set_ready();
        }
        self.health.set_counts(self.books.counts(), self.books.phases());
        if self.housekeeping <= Instant::now() {
            self.housekeeping = Instant::now() + HOUSEKEEPING.min(self.options.resync);
            self.keep_house();
        }
    }

    async fn read_reports(&mut self, all: bool) {
        let files: Vec<_> = self
            .books
            .awaiting(all)
            .into_iter()
            .map(|name| (self.tools.volume.report(&name), self.seen.get(&name).copied(), name))
            .collect();
        if files.is_empty() {
            return;
        }
        let read = tokio::task::spawn_blocking(move || {
            let fresh = files.into_iter().filter_map(|(path, seen, name)| Some((name, report(path, seen)?)));
            fresh.collect::<Vec<_>>()
        });
        for (name, (stamp, report)) in read.await.unwrap_or_default() {
            self.seen.insert(name.clone(), stamp);
            self.books.reported(&name, report);
        }
    }

    /// Entries of replicas whose pods are gone, and secrets that no Image mounts.
    fn keep_house(&self) {
        super::secrets::keep(&self.tools.volume, &self.books.secrets());
        let Some(namespace) = self.options.system_namespace.clone() else { return };
        let (writer, others) = (self.writer.clone(), self.books.others());
        tokio::spawn(async move {
            for (replica, names) in others {
                if !writer.is_gone(&namespace, &replica).await {
                    continue;
                }
                tracing::info!(replica, images = names.len(), "the replica is gone, its entries go as well");
                for name in names {
                    writer.drop_entry(&name, &replica).await;
                }
            }
        });
    }
}

/// What the volume has of an Image, if it is of the same specification.
fn published(path: &PathBuf, object: &Object) -> Option<Publication> {
    let record = record(path)?;
    let spec: ImageSpec = serde_json::from_value(object.spec.clone()).ok()?;
    (record.spec == spec).then_some(Publication { digest: record.digest, generation: record.generation })
}

fn record(path: &PathBuf) -> Option<Published> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// A report, if it is another one than was seen.
fn report(path: PathBuf, seen: Option<Stamp>) -> Option<(Stamp, BakeReport)> {
    use std::os::unix::fs::MetadataExt;
    let data = fs::metadata(&path).ok()?;
    let stamp = (data.ino(), data.mtime(), data.mtime_nsec(), data.size());
    if seen == Some(stamp) || data.len() > REPORT_MAX {
        return None;
    }
    Some((stamp, serde_json::from_slice(&fs::read(path).ok()?).ok()?))
}
