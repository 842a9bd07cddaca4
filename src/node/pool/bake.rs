//! Bake: boot a program once, run it until it is ready, warm it up, write the snapshot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use egress::KnownName;
use km_vmm::protocol::{GivenSnapshot, Kind, NotReadyReason, RefusedReason, SnapshotMode, Snapshotted};

use super::machine::{BootError, Machine};
use super::node::Node;
use super::program::{Program, mode};
use super::queue::Occasion;
use super::rehearsal::{Advice, rehearse};
use super::slot::MachineSlot;
use super::snapshots::Draft;
use super::table::{ChargedSlot, ESTIMATE_FIRST};
use super::warmup;
use super::workers::no_machine;
use crate::logs::{CallLog, FunctionLog};
use api::{FailureReason, Published, Warmup};
use worker::process::WorkerError;
use worker::slot::{SlotError, record};

/// How long a warm-up request may take.
const WARMUP_LIMIT: Duration = Duration::from_secs(30);
/// How long writing a snapshot may take.
const WRITE_LIMIT: Duration = Duration::from_secs(120);
/// Grace for the worker's own timer before ours.
const MARGIN: Duration = Duration::from_secs(5);
/// Last lines of output that a failure shows.
const LINES_SHOWN: usize = 10;

/// For a bake that finds no memory to begin with.
const NO_MEMORY: &str = "the node's memory for machines is used up; the bake is tried again";

/// Why a bake failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BakeFailure {
    /// The word for status, log and metric.
    pub reason: FailureReason,
    /// One line for people, with the fix.
    pub message: String,
    /// The last lines that the program wrote.
    pub output: Vec<String>,
}

impl BakeFailure {
    /// A failure of which the program's output says nothing.
    pub fn new(reason: FailureReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), output: Vec::new() }
    }

    /// The message with the last lines of output, as far as it does not quote them itself: the monitor adds those that it
    /// has seen.
    pub fn text(&self) -> String {
        let quoted = |line: &&str| self.message.contains(*line);
        let fresh: Vec<&str> = self.output.iter().map(String::as_str).filter(|line| !quoted(line)).collect();
        match fresh.as_slice() {
            [] => self.message.clone(),
            lines => format!("{}; last output: {}", self.message, lines.join(" ⏎ ")),
        }
    }

    /// Nothing is wrong but that there is no room for a snapshot: cold boots can answer calls.
    pub fn is_of_disk(&self) -> bool {
        self.reason == FailureReason::Disk
    }
}

/// What a bake gave.
#[derive(Clone, Debug, Default)]
pub struct Baked {
    /// From the machine's first instruction to the program being ready.
    pub boot: Duration,
    /// From taking a worker to the published snapshot.
    pub total: Duration,
    /// Warm-up requests that were answered with an error of the server's.
    pub warnings: Vec<String>,
    /// What the program had resolved when the snapshot was taken.
    pub names: Vec<KnownName>,
    /// What a warm-up would save, where there is none.
    pub advice: Option<Advice>,
}

/// Bakes a function in its turn, within the time that its Image allows, and publishes its snapshot under `key`. In snapshot
/// mode `none` the program is only tried. It is only tried as well where the disk takes no file; the failure then says so
/// ([`BakeFailure::is_of_disk`]).
///
/// # Errors
/// When the program does not get ready or the host fails, with the reason.
pub async fn bake(
    node: &Arc<Node>,
    published: &Published,
    program: &Program,
    key: &str,
    occasion: Occasion,
    log: &Arc<FunctionLog>,
) -> Result<Baked, BakeFailure> {
    let _turn = node.bakes.enter(published.name.namespace(), occasion).await;
    let begin = Instant::now();
    let call: Arc<str> = format!("bake-{:08x}", fastrand::u32(..)).into();
    let sink = CallLog::new(log.clone(), call.clone());
    let draft = match mode(published) {
        SnapshotMode::None => None,
        _ => Some(node.snapshots.draft().map_err(|error| unwritten(&error))),
    };
    let file = draft.as_ref().and_then(|draft| draft.as_ref().ok());
    let progress = Progress::default();
    let limit = published.spec.bake_timeout.duration();
    let work = run(node, published, program, key, file, sink, &progress);
    let result =
        tokio::time::timeout(limit, work).await.unwrap_or_else(|_| Err(progress.too_slow(published)));
    let mut baked = result.map_err(|mut failure| {
        let lines = log.lines(Some(&call));
        let skip = lines.len().saturating_sub(LINES_SHOWN);
        failure.output = lines.into_iter().skip(skip).map(|line| line.text).collect();
        failure
    })?;
    if let Some(draft) = draft {
        node.snapshots.publish(draft?, key).map_err(|error| unwritten(&error))?;
        if let Err(error) = node.snapshots.keep_names(key, std::mem::take(&mut baked.names)) {
            tracing::warn!(function = %published.name, %error, "cannot write down which names the program had resolved: its calls have to ask for them again");
        }
        baked.advice = rehearse(node, published, program, key).await;
    }
    baked.total = begin.elapsed();
    Ok(baked)
}

async fn run(
    node: &Arc<Node>,
    published: &Published,
    program: &Program,
    key: &str,
    draft: Option<&Draft>,
    log: CallLog,
    progress: &Progress,
) -> Result<Baked, BakeFailure> {
    let function = program.function(published, key);
    let charge = node.budget.charge(ESTIMATE_FIRST.min(node.budget.limit()));
    let charge = charge.ok_or_else(|| failure(FailureReason::Memory, NO_MEMORY.to_owned()))?;
    let rootfs = std::fs::File::open(&program.rootfs).map_err(|error| {
        failure(FailureReason::Host, format!("cannot open {}: {error}", program.rootfs.display()))
    })?;
    let worker = node.stock.take().await.map_err(worker_failure)?;
    charge.of_worker(worker.pid());
    worker.share().bake();
    let memory = function.clone();
    let assign = match draft {
        Some(_) => function.to_bake(),
        None => function.to_serve(GivenSnapshot::Nothing),
    };
    worker.assign(assign, &rootfs, draft.map(|draft| &draft.file)).await.map_err(worker_failure)?;
    // One that bakes has nothing to teach.
    drop(node.hear(&worker, &memory, Weak::new()));
    let way =
        node.way(published, None).map_err(|error| failure(FailureReason::InvalidSpec, error.to_string()))?;
    let slot = MachineSlot::of(&worker, node, way.as_ref()).await.map_err(worker_failure)?;
    let machine = Machine::new(ChargedSlot { slot, charge }, log, 0);
    let write = draft.is_some();
    let result = drive(&machine, published, program.port, write, node.ready_limit, progress).await;
    // The machine is of no use any more; its worker leaves when the slot is dropped.
    if let Some((_, mut log, _)) = machine.take() {
        log.flush();
    }
    result
}

async fn drive(
    machine: &Machine,
    published: &Published,
    port: u16,
    write: bool,
    ready_limit: Duration,
    progress: &Progress,
) -> Result<Baked, BakeFailure> {
    let begin = Instant::now();
    progress.enter(Progress::STARTS);
    limited(ready_limit.saturating_add(MARGIN), machine.boot(ready_limit)).await?.map_err(boot_failure)?;
    let mut baked = Baked { boot: begin.elapsed(), ..Baked::default() };
    if !write {
        return Ok(baked);
    }
    if mode(published) == SnapshotMode::Ready {
        for (index, request) in published.spec.warmup.iter().enumerate() {
            progress.enter(Progress::WARMS_UP + index);
            limited(WARMUP_LIMIT, warm_up(machine, request, port, &mut baked)).await??;
        }
    }
    progress.enter(Progress::WRITES);
    machine.tell(Kind::Snapshot).map_err(slot_failure)?;
    match limited(WRITE_LIMIT, machine.control_event()).await?.map_err(slot_failure)? {
        (Kind::Snapshotted, payload) => {
            let written: Snapshotted = record(Kind::Snapshotted, &payload).map_err(slot_failure)?;
            tracing::debug!(bytes = written.data_bytes, us = written.write_us, "snapshot written");
            baked.names = machine.names();
            Ok(baked)
        }
        (Kind::Ended, payload) => Err(unwritten(&no_machine(&payload))),
        (kind, _) => Err(slot_failure(SlotError::Unexpected(kind))),
    }
}

/// How far a bake has come, for whoever is told that it took too long.
#[derive(Debug, Default)]
struct Progress(AtomicUsize);

impl Progress {
    const STARTS: usize = 1;
    /// The first warm-up request; the others follow.
    const WARMS_UP: usize = 2;
    const WRITES: usize = usize::MAX;

    fn enter(&self, stage: usize) {
        self.0.store(stage, Ordering::Relaxed);
    }

    fn too_slow(&self, published: &Published) -> BakeFailure {
        let limit = published.spec.bake_timeout;
        let stage = match self.0.load(Ordering::Relaxed) {
            0 => "no worker process was ready for it: the host is busy".to_owned(),
            Self::STARTS => "the program was still starting: make it start faster".to_owned(),
            Self::WRITES => "the snapshot was being written: let the program use less memory".to_owned(),
            stage => match published.spec.warmup.get(stage - Self::WARMS_UP) {
                Some(warmup) => format!("it waited for warm-up {} {}", warmup.method, warmup.path),
                None => "it warmed up".to_owned(),
            },
        };
        let message =
            format!("the bake was not done within {limit}: {stage}, or raise spec.bakeTimeout (at most 10m)");
        failure(FailureReason::Timeout, message)
    }
}

/// A snapshot that the disk does not take.
fn unwritten(error: &dyn std::fmt::Display) -> BakeFailure {
    failure(
        FailureReason::Disk,
        format!(
            "the snapshot cannot be written: {error}; free space on the volume, or make it larger (and see that it is writable)"
        ),
    )
}

/// Sends one warm-up request and waits until the machine is idle again.
async fn warm_up(
    machine: &Machine,
    warmup: &Warmup,
    port: u16,
    baked: &mut Baked,
) -> Result<(), BakeFailure> {
    let what = format!("warm-up {} {}", warmup.method, warmup.path);
    let failed = |error: &dyn std::fmt::Display| {
        failure(FailureReason::Warmup, format!("{what} was not answered: {error}"))
    };
    machine.begin("warmup", port, WARMUP_LIMIT).map_err(slot_failure)?;
    let status = warmup::exchange(machine, warmup).await.map_err(|error| failed(&error))?;
    if status.is_server_error() {
        baked.warnings.push(format!("{what} was answered with {status}"));
    }
    machine.tell(Kind::Finish).map_err(slot_failure)?;
    machine.rest().await.map_err(boot_failure)
}

async fn limited<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, BakeFailure> {
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| failure(FailureReason::Timeout, format!("no progress for {} seconds", limit.as_secs())))
}

fn failure(reason: FailureReason, message: String) -> BakeFailure {
    BakeFailure::new(reason, message)
}

fn boot_failure(error: BootError) -> BakeFailure {
    match error {
        BootError::Slot(error) => slot_failure(error),
        BootError::NotReady(why) => {
            let reason = match why.reason {
                NotReadyReason::NotListening => FailureReason::NotListening,
                NotReadyReason::WrongPort => FailureReason::WrongPort,
                NotReadyReason::NeverIdle => FailureReason::NeverIdle,
                NotReadyReason::NotReading => FailureReason::NotReading,
                NotReadyReason::Exited => FailureReason::Exited,
                NotReadyReason::Fault => FailureReason::Fault,
                NotReadyReason::NodeMemory => FailureReason::Memory,
            };
            failure(reason, crate::logs::escape(why.message.as_bytes()))
        }
    }
}

fn slot_failure(error: SlotError) -> BakeFailure {
    failure(FailureReason::Worker, error.to_string())
}

fn worker_failure(error: WorkerError) -> BakeFailure {
    let reason = match &error {
        WorkerError::Refused(refused) => match refused.reason {
            RefusedReason::Snapshot => FailureReason::Snapshot,
            RefusedReason::Rootfs => FailureReason::Rootfs,
            RefusedReason::Assignment => FailureReason::Assignment,
            RefusedReason::Host => FailureReason::Host,
        },
        _ => FailureReason::Worker,
    };
    failure(reason, error.to_string())
}
