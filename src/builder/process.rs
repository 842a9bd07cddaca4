//! A build: a process of its own, and what is watched over while it runs.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdout};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::metrics::Running;
use crate::order::{self, Order};
use crate::{Builder, Limits, Options, usage};

/// Bytes of a line of the log.
pub const LOG_LINE_MAX: usize = 4096;
/// Bytes that are kept of what a build says at its end.
const WORDS_MAX: usize = 16 << 10;
/// Bytes of an image's name that are told.
const IMAGE_MAX: usize = 1024;
/// Lines that wait for a client.
const WAITING: usize = 64;
/// How often a build is looked at.
const LOOK: Duration = Duration::from_millis(200);
/// Builds that run when the builder stops have so long.
const GRACE: Duration = Duration::from_secs(20);
/// Where the process finds its context.
const CONTEXT_FD: i32 = 3;
/// The same as a path.
pub const CONTEXT_PATH: &str = "/proc/self/fd/3";
/// Variables of the builder's own options, which are none of a build's.
const OWN_VARIABLES: &str = "KONTAIN_";
/// What makes every build another one.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// A build has begun.
pub struct Begun {
    /// The image's name.
    pub image: String,
    /// What happens.
    pub events: Receiver<Event>,
    /// Dropped, the build is over.
    pub hold: DropGuard,
}

/// What happens.
#[derive(Debug)]
pub enum Event {
    /// A line of the log.
    Line(String),
    /// It is over.
    End(Ended),
}

/// How it ended.
#[derive(Debug)]
pub struct Ended {
    /// Why there is no image.
    pub error: Option<String>,
    /// How long it took.
    pub took: Duration,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// It says so.
    #[error("{0}")]
    Told(String),
    /// Its client.
    #[error("the client has gone away")]
    Gone,
    /// Its time is up.
    #[error("not done within {0:?}")]
    Late(Duration),
    /// Too much.
    #[error("it takes more than the {0} bytes that a build may have on the disk")]
    Disk(u64),
    /// Too much.
    #[error("it takes more than the {0} bytes of memory that a build may have beside its machines")]
    Memory(u64),
    /// The builder's end.
    #[error("the builder stops")]
    Stopping,
    /// The process cannot be had.
    #[error("the builder cannot start a build")]
    Start(#[from] io::Error),
}

struct Build {
    builder: Arc<Builder>,
    order: Order,
    context: File,
    sender: Sender<Event>,
    cancelled: CancellationToken,
}

/// Begins to build a context whose signature is right; the place is taken until nothing is left of the build.
pub async fn begin(builder: Arc<Builder>, mut context: File, place: OwnedSemaphorePermit) -> Begun {
    let (sender, events) = channel(WAITING);
    let cancelled = CancellationToken::new();
    let hold = cancelled.clone().drop_guard();
    let (begun, running) = (Instant::now(), builder.metrics.running());
    let reader = Arc::clone(&builder);
    let read = tokio::task::spawn_blocking(move || {
        let (image, order) = order::read(&mut context, reader.options.key.as_ref());
        (image, order, context)
    });
    let (image, order) = match read.await {
        Ok((image, Ok(order), context)) => (image, Ok((order, context))),
        Ok((image, Err(error), _)) => (image, Err(error.to_string())),
        Err(_) => (String::new(), Err("the archive cannot be read".to_owned())),
    };
    let image = tidy(&image, IMAGE_MAX);
    match order {
        Ok((order, context)) => {
            let build = Build { builder, order, context, sender, cancelled };
            tokio::spawn(build.supervise(begun, place, running));
        }
        Err(error) => {
            builder.metrics.ended("failed", begun.elapsed());
            // There is room for one.
            let error = Some(tidy(&error, WORDS_MAX));
            let _ = sender.try_send(Event::End(Ended { error, took: begun.elapsed() }));
        }
    }
    Begun { image, events, hold }
}

impl Build {
    async fn supervise(self, begun: Instant, place: OwnedSemaphorePermit, running: Running) {
        let done = self.run().await;
        let took = begun.elapsed();
        let Self { builder, order, sender, .. } = self;
        let outcome = match &done {
            Ok(()) => "success",
            Err(Failure::Told(_)) => "failed",
            Err(Failure::Gone | Failure::Stopping) => "cancelled",
            Err(Failure::Start(_)) => "error",
            Err(_) => "limit",
        };
        builder.metrics.ended(outcome, took);
        let error = done.err().map(|error| tidy(&error.to_string(), WORDS_MAX));
        let (image, seconds) = (order.image, took.as_secs_f64());
        tracing::info!(image, outcome, seconds, error, "built");
        drop((place, running));
        // Its client may have gone.
        let _ = sender.send(Event::End(Ended { error, took })).await;
        builder.collect().await;
    }

    /// Runs the process to its end, or ends it. Nothing of it is there afterwards.
    async fn run(&self) -> Result<(), Failure> {
        let options = &self.builder.options;
        let folder = tempfile::Builder::new().prefix("build-").tempdir_in(&options.scratch)?;
        let done = self.watch(folder.path(), options.limits).await;
        let removed = tokio::task::spawn_blocking(move || folder.close()).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::error!("the folder of a build cannot be removed: {removed:?}");
        }
        done
    }

    async fn watch(&self, folder: &Path, limits: Limits) -> Result<(), Failure> {
        let mut child = self.start(folder)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let pid = child.id().unwrap_or_default();
        let mut reader = tokio::spawn(pass_on(stdout, self.sender.clone()));
        let words = tokio::spawn(last_words(stderr));
        let failure = tokio::select! {
            _ = child.wait() => None,
            () = self.cancelled.cancelled() => Some(Failure::Gone),
            () = sleep(limits.time) => Some(Failure::Late(limits.time)),
            failure = look(pid, folder, limits) => Some(failure),
            () = self.stopping() => Some(Failure::Stopping),
        };
        if let Some(failure) = failure {
            reader.abort();
            child.kill().await?;
            return Err(failure);
        }
        let status = child.wait().await?;
        tokio::select! {
            _ = &mut reader => {}
            () = self.cancelled.cancelled() => reader.abort(),
        }
        let words = words.await.unwrap_or_default();
        match status.success() {
            true => Ok(()),
            false if words.is_empty() => Err(Failure::Told(format!("the build ended early: {status}"))),
            false => Err(Failure::Told(words)),
        }
    }

    async fn stopping(&self) {
        self.builder.options.stop.cancelled().await;
        sleep(GRACE).await;
    }

    fn start(&self, folder: &Path) -> io::Result<Child> {
        let Options { program, arguments, .. } = &self.builder.options;
        let mut command = std::process::Command::new(program);
        command.args(arguments).args(self.arguments(folder));
        let own =
            |name: &OsString| name == EPOCH || name.as_encoded_bytes().starts_with(OWN_VARIABLES.as_bytes());
        for (name, _) in std::env::vars_os().filter(|(name, _)| own(name)) {
            command.env_remove(name);
        }
        command.stdin(secrets(&self.order.secrets)?).stdout(Stdio::piped()).stderr(Stdio::piped());
        let context = FdMapping { parent_fd: self.context.try_clone()?.into(), child_fd: CONTEXT_FD };
        command.fd_mappings(vec![context]).map_err(io::Error::other)?;
        tokio::process::Command::from(command).kill_on_drop(true).spawn()
    }

    fn arguments(&self, folder: &Path) -> Vec<OsString> {
        let Order { image, args, skip_push, .. } = &self.order;
        let mut arguments: Vec<OsString> = vec!["--scratch".into(), folder.into()];
        arguments.extend(["--parent".into(), std::process::id().to_string().into()]);
        arguments.push(format!("--tag={image}").into());
        arguments.extend(args.iter().map(|(name, value)| format!("--build-arg={name}={value}").into()));
        if *skip_push {
            arguments.push(format!("--output=oci:{}", folder.join("image").display()).into());
        } else {
            arguments.push("--push".into());
        }
        arguments.push(CONTEXT_PATH.into());
        arguments
    }
}

/// The secrets as the process reads them from its standard input: memory, which is in no file system and on no command line.
fn secrets(secrets: &BTreeMap<String, Vec<u8>>) -> io::Result<Stdio> {
    let mut file = File::from(memfd_create(c"secrets", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&serde_json::to_vec(secrets)?)?;
    file.rewind()?;
    Ok(file.into())
}

/// Waits until a build takes too much.
async fn look(pid: u32, folder: &Path, limits: Limits) -> Failure {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let folder = folder.to_owned();
        let looked = tokio::task::spawn_blocking(move || usage::look(pid, &folder)).await;
        let usage = looked.unwrap_or_default();
        if usage.disk > limits.disk {
            return Failure::Disk(limits.disk);
        }
        if usage.memory > limits.memory {
            return Failure::Memory(limits.memory);
        }
    }
}

/// What the process tells on its standard output, a line each.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Told {
    Step { step: usize, name: String },
    Output { step: usize, after: f64, line: String },
    Done { step: usize, seconds: f64, cached: bool },
    Denied { step: usize, message: String },
    Built { digest: String },
}

impl Told {
    fn line(self) -> String {
        let line = match self {
            Self::Step { step, name } => format!("#{step} {name}"),
            Self::Output { step, after, line } => format!("#{step} {after:.3} {line}"),
            Self::Done { step, cached: true, .. } => format!("#{step} CACHED"),
            Self::Done { step, seconds, .. } => format!("#{step} DONE {seconds:.1}s"),
            Self::Denied { step, message } => format!("#{step} {message}"),
            Self::Built { digest } => digest,
        };
        tidy(&line, LOG_LINE_MAX)
    }
}

/// A text of at most `max` bytes, of which none needs more than two in JSON.
fn tidy(text: &str, max: usize) -> String {
    let mut tidy = String::with_capacity(text.len().min(max));
    for c in text.chars() {
        let c = if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
        if tidy.len() + c.len_utf8() > max {
            break;
        }
        tidy.push(c);
    }
    tidy
}

/// Passes lines on until there is none, or nobody wants them.
async fn pass_on(stdout: Option<ChildStdout>, sender: Sender<Event>) {
    let Some(stdout) = stdout else { return };
    let mut lines = BufReader::new(stdout).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(told) = serde_json::from_str::<Told>(&line) else { continue };
        if sender.send(Event::Line(told.line())).await.is_err() {
            return;
        }
    }
}

/// The end of what the process says on its standard error.
async fn last_words(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let (mut words, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = stderr.read(&mut piece).await {
        words.extend_from_slice(piece.get(..count).unwrap_or_default());
        let over = words.len().saturating_sub(WORDS_MAX);
        words.drain(..over);
    }
    let text = String::from_utf8_lossy(&words);
    // What it says of downloads comes before.
    let text = text.rsplit_once("\nerror: ").map_or(&*text, |(_, last)| last);
    text.trim().strip_prefix("error: ").unwrap_or(text.trim()).to_owned()
}
