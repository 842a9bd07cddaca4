//! RUN: a machine of its own on the stage's tree, held by a jailed worker as those of calls are. What it writes comes as logs, what
//! it changed as the answer of its call, which is read only once the program has ended well.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::num::NonZeroUsize;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use egress::{
    Allow, Broker, Declarer, Function, Observer, Outcome as Connection, Policy, Rule, Session, Settings,
    Target,
};
use km_abi::records::{INLAY_MAX, Inlay, InlayFile};
use km_vmm::boot::strings::{self, StringsError};
use km_vmm::protocol::frame::Kind;
use km_vmm::protocol::{
    Call, Charged, Ended, Frame, FrameError, FunctionSpec, GivenSnapshot, LogStream, Outcome, ProcessSpec,
    SnapshotMode, Wire,
};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use worker::slot::record;
use worker::{Event, SlotError, Worker, WorkerError};

use crate::progress::{Event as ProgressEvent, Progress};

/// Bytes that a machine may tell of its changes.
const TOLD_MAX: u64 = 17 << 30;
/// A frame's payload at most.
const FRAME_BYTES: usize = 64 << 10;
/// A machine that does not end by its deadline is not waited for longer than this.
const LATE: Duration = Duration::from_secs(30);

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The program says so.
    #[error("exit code: {0}")]
    Exited(u8),
    /// A signal ended it.
    #[error("ended by signal {0}")]
    Signaled(u8),
    /// It used all of its machine's memory.
    #[error("the machine ran out of memory: give it more with --memory")]
    OutOfMemory,
    /// It took too long.
    #[error("not done within {0:?}: give it more with --timeout")]
    Deadline(Duration),
    /// The machine broke.
    #[error("the machine failed: {0}")]
    Machine(String),
    /// Another stage failed.
    #[error("stopped, since another stage failed")]
    Stopped,
    /// It changed more than a layer may have.
    #[error("it changed more than {TOLD_MAX} bytes")]
    TooMuch,
    /// Secrets that do not fit.
    #[error("its secrets are longer than {INLAY_MAX} bytes")]
    Secrets,
    /// A command that no program can be started with.
    #[error(transparent)]
    Strings(#[from] StringsError),
    /// No worker can be had.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The worker is of no use.
    #[error(transparent)]
    Slot(#[from] SlotError),
    /// A message that is too long.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The disk refuses.
    #[error("cannot keep what the step changed")]
    Io(#[from] io::Error),
}

/// What a step runs.
#[derive(Debug, Default)]
pub struct Step {
    /// Program and arguments, as a machine is told.
    pub process: ProcessSpec,
    /// Files that are there for this step alone.
    pub files: Vec<InlayFile>,
    /// It reaches nothing.
    pub offline: bool,
}

/// How machines for steps are made.
pub struct Machines {
    runtime: Runtime,
    km: PathBuf,
    memory: u64,
    timeout: Duration,
    reach: Option<Reach>,
    progress: Arc<dyn Progress>,
    /// Steps run at once, as many as there are processors.
    turns: Semaphore,
    stopped: CancellationToken,
}

/// What steps reach, and whoever fetches files for them.
pub(crate) struct Reach {
    pub(crate) broker: Arc<Broker>,
    pub(crate) function: Arc<Function>,
}

/// Passes on what is refused.
struct Speaker(Arc<dyn Progress>);

impl Observer for Speaker {
    fn denied(&self, _: &Function, call: &str, message: &str) {
        let step = call.rsplit(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        self.0.event(&ProgressEvent::Denied { step, message });
    }

    fn opened(&self, _: &Function, _: Connection) {}

    fn closed(&self, _: &Function, _: u64, _: u64) {}
}

/// What machines are made of, whatever the step.
#[derive(Debug, Clone)]
pub struct MachineOptions {
    /// The `km` program.
    pub km: PathBuf,
    /// Bytes of memory of one.
    pub memory: u64,
    /// How long a step may take.
    pub timeout: Duration,
    /// What steps reach.
    pub rules: Vec<Rule>,
}

/// Why there are no machines.
#[derive(Debug, thiserror::Error)]
pub enum MachinesError {
    /// No threads.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No broker.
    #[error("--egress: {0}")]
    Egress(#[from] egress::SettingsError),
    /// A rule that cannot be.
    #[error("--egress: {0}")]
    Rule(#[from] egress::RuleError),
}

impl Machines {
    /// Whoever gives rules is the operator as well: what they name needs no further permission.
    ///
    /// # Errors
    /// See [`MachinesError`].
    pub fn new(options: MachineOptions, progress: Arc<dyn Progress>) -> Result<Self, MachinesError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let MachineOptions { km, memory, timeout, rules } = options;
        let mut reach = None;
        if !rules.is_empty() {
            let allow = |rule: &Rule| match &rule.target {
                Target::AnyPublic => None,
                target => Some(Allow { namespace: None, target: target.clone() }),
            };
            let allow = rules.iter().filter_map(allow).collect();
            let policy = Policy { allow, declarer: Declarer::Command, ..Policy::default() };
            let observer = Arc::new(Speaker(Arc::clone(&progress)));
            let settings = Settings { policy, observer, ..Settings::default() };
            let broker = runtime.block_on(async { Broker::new(settings) })?;
            let function = broker.function("default", "build", rules, Vec::new())?;
            reach = Some(Reach { broker, function });
        }
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (turns, stopped) = (Semaphore::new(processors), CancellationToken::new());
        Ok(Self { runtime, km, memory, timeout, reach, progress, turns, stopped })
    }

    /// Runs a step on a root file system, an EROFS image. What it changed is told in the file that is given back.
    ///
    /// # Errors
    /// See [`StepError`].
    pub fn run(&self, number: usize, step: Step, rootfs: &File, scratch: &Path) -> Result<File, StepError> {
        strings::check(&step.process.args, &step.process.env)?;
        let mut told = tempfile::tempfile_in(scratch)?;
        self.wait(async {
            let _turn = self.turns.acquire().await;
            tokio::select! {
                biased;
                () = self.stopped.cancelled() => Err(StepError::Stopped),
                done = self.carry_out(number, step, rootfs, &mut told) => done,
            }
        })?;
        told.rewind()?;
        Ok(told)
    }

    pub(crate) fn reach(&self) -> Option<&Reach> {
        self.reach.as_ref()
    }

    /// Ends the steps that run, and lets none begin.
    pub fn stop(&self) {
        self.stopped.cancel();
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Waits for something, on this thread.
    pub(crate) fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    async fn carry_out(
        &self,
        number: usize,
        mut step: Step,
        rootfs: &File,
        told: &mut File,
    ) -> Result<(), StepError> {
        let start = Instant::now();
        let (_session, broker) = match self.attach(number, &step)? {
            Some((session, slot, resolv_conf)) => {
                step.process.resolv_conf = Some(resolv_conf);
                (Some(session), Some(slot))
            }
            None => (None, None),
        };
        let inlay = Inlay { env: Vec::new(), files: step.files };
        let worker = Worker::spawn(&self.km).await?;
        let function = FunctionSpec {
            name: format!("build/step-{number}"),
            snapshot_key: String::new(),
            memory_bytes: self.memory,
            wire: Wire::Changes,
            port: 0,
            process: step.process,
            snapshot: SnapshotMode::None,
        };
        worker.assign(function.to_serve(GivenSnapshot::Nothing), rootfs, None).await?;
        let mut slot = worker.add_slot(broker).await?;
        queue_inlay(&mut slot, &inlay)?;
        let deadline_ms = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        let call_id = format!("step {number}");
        slot.queue(&Frame::json(
            Kind::Call,
            &Call { call_id, deadline_ms, port: 0, memory: Charged::default() },
        )?)?;
        slot.queue_empty(Kind::End);
        slot.flush().await?;
        let ended = self.follow(number, &mut slot, start, told);
        let ended = tokio::time::timeout(self.timeout + LATE, ended).await;
        let ended = ended.map_err(|_| StepError::Deadline(self.timeout))??;
        worker.kill();
        self.judge(ended.outcome)
    }

    fn attach(&self, number: usize, step: &Step) -> io::Result<Option<(Session, OwnedFd, String)>> {
        let Some(Reach { broker, function }) = self.reach().filter(|_| !step.offline) else {
            return Ok(None);
        };
        let (session, slot) = broker.attach(function)?;
        session.begin(&format!("step {number}"), 0);
        Ok(Some((session, slot, broker.resolv_conf("default"))))
    }

    async fn follow(
        &self,
        number: usize,
        slot: &mut worker::Slot,
        start: Instant,
        told: &mut File,
    ) -> Result<Ended, StepError> {
        let mut bytes = 0;
        loop {
            match slot.event().await? {
                Event::Data => {
                    let piece = slot.data();
                    bytes += piece.len() as u64;
                    if bytes > TOLD_MAX {
                        return Err(StepError::TooMuch);
                    }
                    told.write_all(piece)?;
                    let count = piece.len();
                    slot.consume(count);
                }
                Event::Frame(Kind::Log, payload) => {
                    let frame = Frame::new(Kind::Log, payload.to_vec());
                    let (LogStream::Stdout | LogStream::Stderr, text) = frame.log()?;
                    let event = ProgressEvent::Output { step: number, after: start.elapsed(), bytes: text };
                    self.progress.event(&event);
                }
                Event::Frame(Kind::Ended, payload) => return Ok(record(Kind::Ended, &payload)?),
                Event::Frame(Kind::Started | Kind::Eof, _) => {}
                Event::Frame(kind, _) => return Err(SlotError::Unexpected(kind).into()),
            }
        }
    }

    fn judge(&self, outcome: Outcome) -> Result<(), StepError> {
        match outcome {
            Outcome::Exited { status: 0 } => Ok(()),
            Outcome::Exited { status } => Err(StepError::Exited(status)),
            Outcome::Signaled { signal } => Err(StepError::Signaled(signal)),
            Outcome::OutOfMemory | Outcome::NodeOutOfMemory => Err(StepError::OutOfMemory),
            Outcome::Deadline => Err(StepError::Deadline(self.timeout)),
            Outcome::Fault { message } => Err(StepError::Machine(message)),
            Outcome::Idle | Outcome::Closed | Outcome::Cancelled => {
                Err(StepError::Machine("it stopped before the program ended".to_owned()))
            }
        }
    }
}

fn queue_inlay(slot: &mut worker::Slot, inlay: &Inlay) -> Result<(), StepError> {
    if inlay.is_empty() {
        return Ok(());
    }
    let bytes = inlay.encode().map_err(|_| StepError::Secrets)?;
    if bytes.len() as u64 > INLAY_MAX {
        return Err(StepError::Secrets);
    }
    for piece in bytes.chunks(FRAME_BYTES) {
        slot.queue(&Frame::new(Kind::Inlay, piece.to_vec()))?;
    }
    Ok(())
}
