//! One task per function: makes each published version ready and swaps it in, keeps its snapshot good.
//!
//! ```text
//! published ──► snapshot there? ──yes──► serve from it ◄─────────────┐
//!                    │ no                    │ refused or evicted    │
//!                    ▼                       ▼                       │
//!              served before? ──yes──► serve by cold boots ──► bake ─┘
//!                    │ no: 503               ▲                  │ failed
//!                    │                       │ only the disk    ▼
//!                    └───────────────────────┴──────────── bake, try again later
//! ```
//!
//! A snapshot that is too old serves on while another one is baked, and is replaced by it.

use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bundles::store::{Lease, lease};
use http::StatusCode;
use tokio::sync::{mpsc, watch};

use super::Server;
use super::admission::Admission;
use super::functions::{Function, Revision, Serving};
use super::inlay;
use super::losses::Losses;
use super::problem::{Component, Problem};
use super::report;
use super::watchdog;
use km_vmm::protocol::SnapshotMode;

use crate::metrics::OfReason;
use crate::pool::bake::{self, BakeFailure};
use crate::pool::function_pool::PoolEvent;
use crate::pool::program::Program;
use crate::pool::queue::Occasion;
use crate::pool::{Pool, Source, program, snapshots};
use api::record::{BakeReport, Phase};
use api::status::SERVED;
use api::{FailureReason, Published};
use volume::{Volume, reports};

/// First and longest pause before a failed bake is tried again.
const RETRY_FIRST: Duration = Duration::from_secs(30);
const RETRY_MAX: Duration = Duration::from_secs(900);
/// The same where the cause lies with the host (no memory, no room on the disk), which may recover at any time.
const HOST_RETRY_FIRST: Duration = Duration::from_secs(1);
const HOST_RETRY_MAX: Duration = Duration::from_secs(60);
/// What clients are told to wait while the host has a problem.
const HOST_RETRY_SECS: u32 = 2;
/// How often to ask whether a worker could be started by now.
const HELLO_INTERVAL: Duration = Duration::from_millis(50);

/// Looks after a function until it is removed.
pub async fn supervise(
    server: Arc<Server>,
    function: Arc<Function>,
    mut versions: watch::Receiver<Arc<Published>>,
) {
    loop {
        let published = versions.borrow_and_update().clone();
        let advice = Mutex::default();
        let revision = Reviser { server: &server, function: &function, published: &published, advice };
        // A change or removal ends whatever is under way for the old version.
        let changed = tokio::select! {
            changed = versions.changed() => changed,
            () = revision.run() => versions.changed().await,
        };
        if changed.is_err() {
            break;
        }
    }
    retire(&server, &function.serve(Serving::Baking));
}

/// Lets go of what served before.
fn retire(server: &Server, serving: &Serving) {
    if let Serving::Ready(revision) = serving {
        revision.pool.close();
        server.node.snapshots.release(revision.pool.key());
    }
}

struct Reviser<'a> {
    server: &'a Arc<Server>,
    function: &'a Arc<Function>,
    published: &'a Arc<Published>,
    /// What the last bake of the version advises.
    advice: Mutex<Option<String>>,
}

/// A program and the key of its snapshot.
struct Prepared {
    bundle: OpenBundle,
    key: String,
    admission: Arc<Admission>,
}

/// A bundle that nobody collects meanwhile.
struct OpenBundle {
    program: Program,
    rootfs: Arc<File>,
    lease: Arc<Lease>,
}

/// Where the machines of a pool come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Machines {
    /// From the snapshot.
    Clone,
    /// There is none: each machine boots.
    Boot,
}

impl Reviser<'_> {
    async fn run(&self) {
        let (mut pause, mut host_pause) = (RETRY_FIRST, HOST_RETRY_FIRST);
        let mut losses = Losses::default();
        // It answered calls before a restart: then it answers them now, by cold boots if need be.
        let before = self.report_before();
        let mut proven = before.is_some();
        let advice = before
            .and_then(|report| Some(report.message.strip_prefix(SERVED)?.strip_prefix("; ")?.to_owned()));
        self.advise(advice);
        loop {
            let mut secrets = self.server.secrets.changes();
            match self.serve(proven, &mut losses).await {
                Ok(()) => {
                    proven = true;
                    (pause, host_pause) = (RETRY_FIRST, HOST_RETRY_FIRST);
                }
                Err(failure) => {
                    self.failed(&failure);
                    let wait = if failure.reason.is_of_host() { pause.min(host_pause) } else { pause };
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        Ok(()) = secrets.changed(), if failure.reason.waits_for_secrets() => {}
                    }
                    pause = (pause * 2).min(RETRY_MAX);
                    host_pause = (host_pause * 2).min(HOST_RETRY_MAX);
                }
            }
        }
    }

    /// Serves the version for as long as its snapshot is good, and makes a new one when it is not; returns then.
    async fn serve(&self, proven: bool, losses: &mut Losses) -> Result<(), BakeFailure> {
        let prepared = self.prepare().await?;
        if program::mode(self.published) == SnapshotMode::None {
            // A program that needs its secrets cannot be tried without them, and a bake gives none.
            if !proven && !self.published.spec.has_secrets() {
                self.bake(&prepared, Occasion::First).await?;
            }
            let _events = self.install(&prepared, Machines::Boot);
            self.report(Phase::Ready, "Ready", SERVED);
            return std::future::pending().await;
        }
        let snapshots = &self.server.node.snapshots;
        if !snapshots.contains(&prepared.key) {
            if !proven {
                self.first_bake(&prepared).await?;
            } else if snapshots.has_room() {
                self.renew(&prepared).await?;
            }
            // Else it was evicted, and is made again when a call asks for it.
        }
        let mut events = self.install(&prepared, Machines::Clone);
        self.report(Phase::Ready, "Ready", &self.served());
        let installed = Instant::now();
        loop {
            // The pool holds the sender for as long as it serves; without an event there is nothing to do.
            match events.recv().await {
                Some(PoolEvent::SnapshotUnusable(why)) => {
                    snapshots.discard(&prepared.key);
                    self.count_loss("Unusable");
                    self.rest(&prepared, losses.another(installed.elapsed()), &why).await;
                    return self.renew(&prepared).await;
                }
                Some(PoolEvent::SnapshotMissing) => {
                    self.count_loss("Evicted");
                    tracing::info!(function = %self.function.name, "the snapshot was evicted; it is baked again");
                    return self.renew(&prepared).await;
                }
                Some(PoolEvent::SnapshotOld) if self.refresh(&prepared).await => return Ok(()),
                Some(PoolEvent::SnapshotOld) => {}
                None => return std::future::pending().await,
            }
        }
    }

    /// Makes a snapshot anew that is too old, while the old one serves; says whether there is a new one.
    async fn refresh(&self, prepared: &Prepared) -> bool {
        tracing::info!(function = %self.function.name, "the snapshot is old; it is baked again beside it");
        let Err(failure) = self.bake(prepared, Occasion::Again).await else { return true };
        let message = format!("an old snapshot serves, since it cannot be made again: {}", failure.text());
        tracing::warn!(function = %self.function.name, reason = failure.reason.word(), "{message}");
        self.report(Phase::Ready, failure.reason.word(), &message);
        if let Serving::Ready(revision) = &*self.function.serving() {
            revision.pool.excuse_age(RETRY_MAX);
        }
        false
    }

    /// Serves by cold boots for a while, before a snapshot that was of no use is made once more.
    async fn rest(&self, prepared: &Prepared, pause: Duration, why: &str) {
        let span = humantime::format_duration(pause).to_string();
        tracing::warn!(function = %self.function.name, pause = span, "the snapshot cannot be restored: {why}; it is baked again");
        if pause.is_zero() {
            return;
        }
        let _events = self.install(prepared, Machines::Boot);
        let message = format!(
            "the snapshot cannot be restored: {why}; served by cold boots, it is baked again in {span}"
        );
        self.report(Phase::Ready, "ColdBoot", &message);
        tokio::time::sleep(pause).await;
    }

    fn count_loss(&self, kind: &str) {
        let label = OfReason { faas_name: self.function.name.to_string(), error_type: kind.to_owned() };
        self.server.metrics.snapshots_lost.get_or_create(&label).inc();
    }

    /// Serves by cold boots while the snapshot is made again.
    async fn renew(&self, prepared: &Prepared) -> Result<(), BakeFailure> {
        let _events = self.install(prepared, Machines::Boot);
        // A disk that takes no snapshot has to be known until it takes one.
        if !self.function.report().is_unbaked() {
            self.report(Phase::Ready, "ColdBoot", "served by cold boots while the snapshot is made again");
        }
        self.bake(prepared, Occasion::Again).await
    }

    /// Bakes a version that has not answered yet. Where only its snapshot finds no room, and nothing older serves, calls are
    /// answered by cold boots until there is room.
    async fn first_bake(&self, prepared: &Prepared) -> Result<(), BakeFailure> {
        let result = self.bake(prepared, Occasion::First).await;
        let serves = matches!(*self.function.serving(), Serving::Ready(_));
        if !serves && result.as_ref().is_err_and(BakeFailure::is_of_disk) {
            self.install(prepared, Machines::Boot);
        }
        result
    }

    async fn prepare(&self) -> Result<Prepared, BakeFailure> {
        inlay::of_secrets(&self.server.secrets, self.published)
            .map_err(|error| BakeFailure::new(error.reason(), error.to_string()))?;
        let mut bundle = self.open().await?;
        bundle.program.process.resolv_conf = self.resolv_conf()?;
        let hello = loop {
            match (self.server.node.stock.hello(), self.server.node.stock.problem()) {
                (Some(hello), _) => break hello,
                (None, Some(problem)) => return Err(BakeFailure::new(FailureReason::Host, problem)),
                (None, None) => tokio::time::sleep(HELLO_INTERVAL).await,
            }
        };
        let spec = &self.published.spec;
        let key = snapshots::key(&self.published.digest, spec, &bundle.program, &hello);
        Ok(Prepared { bundle, key, admission: Arc::new(Admission::new(spec.concurrency)) })
    }

    /// The /etc/resolv.conf of machines that may reach anything.
    fn resolv_conf(&self) -> Result<Option<String>, BakeFailure> {
        let invalid =
            |error: egress::RuleError| BakeFailure::new(FailureReason::InvalidSpec, error.to_string());
        let way = self.server.node.way(self.published, None).map_err(invalid)?;
        let reach = self.server.node.reach.as_ref().filter(|_| way.is_some());
        Ok(reach.map(|reach| reach.resolv_conf(self.published)))
    }

    /// Opens the bundle, a few at once and away from the threads of calls: after a start all functions do this.
    async fn open(&self) -> Result<OpenBundle, BakeFailure> {
        let _turn = self.server.openers.acquire().await;
        let (server, published) = (self.server.clone(), self.published.clone());
        let opened = tokio::task::spawn_blocking(move || open_bundle(&server.volume, &published));
        opened.await.unwrap_or_else(|error| Err(BakeFailure::new(FailureReason::Host, error.to_string())))
    }

    async fn bake(&self, prepared: &Prepared, occasion: Occasion) -> Result<(), BakeFailure> {
        tracing::info!(function = %self.function.name, "bake begins");
        let (node, program, key) = (&self.server.node, &prepared.bundle.program, &prepared.key);
        let result = bake::bake(node, self.published, program, key, occasion, &self.function.log).await;
        let reason = result.as_ref().map_or_else(|failure| failure.reason.word(), |_| "Baked");
        let label = OfReason { faas_name: self.function.name.to_string(), error_type: reason.to_owned() };
        self.server.metrics.bakes.get_or_create(&label).inc();
        let baked = result?;
        for warning in &baked.warnings {
            tracing::warn!(function = %self.function.name, "{warning}");
        }
        self.advise(baked.advice.map(|advice| advice.to_string()));
        let (boot_ms, total_ms) = (baked.boot.as_millis(), baked.total.as_millis());
        tracing::info!(function = %self.function.name, boot_ms, total_ms, "baked");
        Ok(())
    }

    /// Puts a new pool in place; the old one finishes its calls.
    fn install(&self, prepared: &Prepared, machines: Machines) -> mpsc::UnboundedReceiver<PoolEvent> {
        let OpenBundle { program, rootfs, lease } = &prepared.bundle;
        let (sender, receiver) = mpsc::unbounded_channel();
        let snapshot = (machines == Machines::Clone).then_some(prepared.key.as_str());
        let source = Source {
            function: program.function(self.published, &prepared.key),
            rootfs: rootfs.clone(),
            _lease: lease.clone(),
            boots: machines == Machines::Boot,
            concurrency: self.published.spec.concurrency,
            // Rules that cannot be read have failed the bake already.
            way: self.server.node.way(self.published, snapshot).unwrap_or_default(),
        };
        let pool = Pool::new(self.server.node.clone(), source, sender);
        let revision =
            Revision { published: self.published.clone(), admission: prepared.admission.clone(), pool };
        let old = self.function.serve(Serving::Ready(Arc::new(revision)));
        if let Serving::Ready(old) = &*old {
            old.pool.close();
            if old.pool.key() != prepared.key {
                self.server.node.snapshots.release(old.pool.key());
            }
        }
        receiver
    }

    /// Notes a failed bake; what served before goes on.
    fn failed(&self, failure: &BakeFailure) {
        let message = failure.text();
        tracing::error!(function = %self.function.name, reason = failure.reason.word(), "bake failed: {message}");
        if failure.is_of_disk() && self.serves() {
            let message = format!("{message}; each call is served by a cold boot meanwhile");
            self.report(Phase::Ready, failure.reason.word(), &message);
            return;
        }
        if !matches!(*self.function.serving(), Serving::Ready(_)) {
            let problem = if failure.reason.is_of_host() {
                let told = "the host cannot make the function ready now; its status has the details";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, Component::Bake, failure.reason.into(), told)
                    .with_detail(message.clone())
                    .retry_after(HOST_RETRY_SECS)
            } else {
                Problem::bad_gateway(Component::Bake, failure.reason.into(), message.clone())
            };
            self.function.serve(Serving::Failed(problem));
        }
        self.report(Phase::Failed, failure.reason.word(), &message);
    }

    /// Calls are answered by this version.
    fn serves(&self) -> bool {
        match &*self.function.serving() {
            Serving::Ready(revision) => Arc::ptr_eq(&revision.published, self.published),
            Serving::Baking | Serving::Failed(_) => false,
        }
    }

    /// What was last reported of this version, if it answered calls.
    fn report_before(&self) -> Option<BakeReport> {
        reports::read(&self.server.volume, &self.function.name).filter(|report| {
            report.phase == Phase::Ready
                && (report.generation, &report.digest) == (self.published.generation, &self.published.digest)
        })
    }

    fn advise(&self, advice: Option<String>) {
        *self.advice.lock().unwrap_or_else(PoisonError::into_inner) = advice;
    }

    /// That calls are served, and what is advised.
    fn served(&self) -> String {
        let advice = self.advice.lock().unwrap_or_else(PoisonError::into_inner);
        advice.as_ref().map_or_else(|| SERVED.to_owned(), |advice| format!("{SERVED}; {advice}"))
    }

    /// Notes where the function stands, for `/functions` and for the downloader's status.
    fn report(&self, phase: Phase, reason: &str, message: &str) {
        let serving = match &*self.function.serving() {
            Serving::Ready(revision) => Some(revision.published.digest.clone()),
            Serving::Baking | Serving::Failed(_) => None,
        };
        let report = BakeReport {
            generation: self.published.generation,
            digest: self.published.digest.clone(),
            phase,
            reason: reason.to_owned(),
            message: message.to_owned(),
            serving,
        };
        if phase == Phase::Ready {
            tracing::info!(function = %self.function.name, digest = report.digest, "ready");
        }
        self.function.set_report(report);
        tokio::spawn(report::write(self.server.clone(), self.function.clone()));
    }
}

/// Opens the bundle of a published function. What the file system refuses may be had in a moment; what is in the bundle
/// stays as it is.
fn open_bundle(volume: &Volume, published: &Published) -> Result<OpenBundle, BakeFailure> {
    let of_host = |why: String| BakeFailure::new(FailureReason::Host, why);
    let digest = &published.digest;
    let folder = volume
        .bundle(digest)
        .ok_or_else(|| BakeFailure::new(FailureReason::Bundle, format!("`{digest}` is not a digest")))?;
    let lease = lease(&folder)
        .map_err(|error| of_host(format!("cannot open {}: {error}", folder.display())))?
        .ok_or_else(|| of_host(format!("`{digest}` is not in the store")))?;
    let mut program = Program::of(published, &folder)
        .map_err(|error| BakeFailure::new(error.reason(), bundles::reason::chain(&error)))?;
    watchdog::leave_port_out(&mut program.process, &published.spec);
    let path = &program.rootfs;
    let rootfs =
        File::open(path).map_err(|error| of_host(format!("cannot open {}: {error}", path.display())))?;
    Ok(OpenBundle { program, rootfs: Arc::new(rootfs), lease: Arc::new(lease) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(digest: &str) -> Published {
        let text = format!(
            r#"{{"name": "a/b", "generation": 1, "digest": "{digest}", "spec": {{"image": "oci:x"}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_may_pass_is_of_the_host_and_what_stays_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        let digest = format!("sha256:{}", "ab".repeat(32));
        let reason = |digest: &str| open_bundle(&volume, &published(digest)).err().unwrap().reason;
        assert_eq!(reason("no digest"), FailureReason::Bundle);
        assert_eq!(reason(&digest), FailureReason::Host);
        let bundle = volume.bundle(&digest).unwrap();
        std::fs::create_dir_all(&bundle).unwrap();
        assert!(reason(&digest).is_of_host());
        std::fs::write(bundle.join("config.json"), "{").unwrap();
        std::fs::write(bundle.join("image.json"), "{}").unwrap();
        assert_eq!(reason(&digest), FailureReason::Bundle);
    }
}
