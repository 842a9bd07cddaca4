//! A `km worker` process: its control socket, its life and its slots.
//!
//! The process is ours as long as a [`Worker`] is held anywhere; with the last one it is asked to leave, and killed if it
//! does not.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use km_vmm::protocol::{
    Assign, Assigned, CONTROL_FD, ControlError, FromWorker, Grown, Hello, Learned, Refused, SLOTS_MAX,
    ToWorker, packet,
};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Interest};
use tokio::net::UnixDatagram;
use tokio::process::{Child, ChildStderr};
use tokio_util::sync::CancellationToken;

use crate::share::Share;
use crate::slot::Slot;

/// How long a new process may take to say hello.
const HELLO_LIMIT: Duration = Duration::from_secs(10);
/// How long a worker may take to open a function (it reads the whole snapshot the first time).
const ASSIGN_LIMIT: Duration = Duration::from_secs(60);
/// How long a worker may take to read that there is no memory for a machine.
const REFUSE_LIMIT: Duration = Duration::from_secs(1);
/// How long a worker that was asked to leave may take.
const LEAVE_LIMIT: Duration = Duration::from_secs(5);
/// Longest last words of a worker that are kept, by line and as a whole.
const STDERR_LINE_MAX: u64 = 4096;
const STDERR_LINES_MAX: usize = 200;

/// Why there is no worker, or not one with this function.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The program cannot be started.
    #[error("cannot start {path}: {error}")]
    Spawn {
        /// The program.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// The control socket failed.
    #[error("worker's control socket: {0}")]
    Socket(#[from] io::Error),
    /// The worker ended.
    #[error("the worker ended")]
    Gone,
    /// The worker takes too long.
    #[error("the worker did not answer within {0:?}")]
    Silent(Duration),
    /// The worker does not keep to the protocol.
    #[error("worker protocol: {0}")]
    Protocol(#[from] ControlError),
    /// The worker sent a message that has no place here.
    #[error("worker protocol: unexpected message")]
    Unexpected,
    /// The worker does not take the function.
    #[error("{}", .0.message)]
    Refused(Refused),
    /// All its slots are given out.
    #[error("the worker has no more slots")]
    Full,
}

/// A worker process.
#[derive(Debug)]
pub struct Worker {
    /// A seqpacket socket; the type's own calls are not used, only its place in the event loop.
    control: Arc<UnixDatagram>,
    pid: u32,
    share: Share,
    hello: Hello,
    /// One bit for each slot that is given out.
    slots: AtomicU8,
    life: Life,
}

/// How a worker's end is told and asked for.
#[derive(Clone, Debug, Default)]
struct Life {
    /// It ended.
    gone: CancellationToken,
    /// Nobody holds it any more: the end of its control socket tells it to leave.
    leave: CancellationToken,
    /// It must not go on.
    kill: CancellationToken,
}

impl Worker {
    /// Starts the program and waits until it is jailed and ready.
    ///
    /// # Errors
    /// When it cannot be started or does not say hello.
    pub async fn spawn(km: &Path) -> Result<Arc<Self>, WorkerError> {
        let (ours, theirs) = packet::control_pair()?;
        set_nonblocking(&ours)?;
        let mut child = start(km, theirs)?;
        let pid = child.id().unwrap_or_default();
        let share = Share::of(pid);
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(last_words(stderr, pid));
        }
        let control = UnixDatagram::from_std(ours.into())?;
        let life = Life::default();
        tokio::spawn(reap(child, life.clone()));
        // From here on dropping the guard ends the process.
        let leave_guard = life.leave.clone().drop_guard();
        let FromWorker::Hello(hello) = limited(HELLO_LIMIT, receive(&control)).await? else {
            return Err(WorkerError::Unexpected);
        };
        leave_guard.disarm();
        Ok(Arc::new(Self { control: Arc::new(control), pid, share, hello, slots: AtomicU8::new(0), life }))
    }

    /// What it said of itself.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its share of the processors, beside other workers.
    pub fn share(&self) -> &Share {
        &self.share
    }

    /// What it tells of its machines, from when it has its function.
    pub fn reports(&self) -> Reports {
        Reports { control: self.control.clone(), pid: self.pid, life: self.life.clone() }
    }

    /// It ended.
    pub fn is_gone(&self) -> bool {
        self.life.gone.is_cancelled()
    }

    /// Waits for its end.
    pub fn gone(&self) -> CancellationToken {
        self.life.gone.clone()
    }

    /// Ends it now.
    pub fn kill(&self) {
        self.life.kill.cancel();
    }

    /// Slots that were given out.
    pub fn slots(&self) -> usize {
        self.slots.load(Ordering::Relaxed).count_ones() as usize
    }

    /// It has slots to give.
    pub fn has_room(&self) -> bool {
        self.slots() < usize::from(SLOTS_MAX)
    }

    /// A slot's stream is closed: the worker waits for another one there.
    pub(crate) fn slot_closed(&self, index: u8) {
        self.slots.fetch_and(!(1 << index), Ordering::Relaxed);
    }

    /// Tells it its function, once.
    ///
    /// # Errors
    /// [`WorkerError::Refused`] when it does not take it, others when it is broken.
    pub async fn assign(
        &self,
        assign: Assign,
        rootfs: &File,
        snapshot: Option<&File>,
    ) -> Result<Assigned, WorkerError> {
        let message = ToWorker::Assign(Box::new(assign)).encode()?;
        let mut fds = vec![rootfs.as_fd()];
        fds.extend(snapshot.map(AsFd::as_fd));
        self.control.async_io(Interest::WRITABLE, || packet::send(&*self.control, &message, &fds)).await?;
        match limited(ASSIGN_LIMIT, receive(&self.control)).await? {
            FromWorker::Assigned(assigned) => Ok(assigned),
            FromWorker::Refused(refused) => Err(WorkerError::Refused(refused)),
            FromWorker::Hello(_) | FromWorker::Grown(_) | FromWorker::Learned(_) => {
                Err(WorkerError::Unexpected)
            }
        }
    }

    /// One more slot, with its end of a socket pair to the broker of its machines' connections, if they may have any.
    ///
    /// # Errors
    /// [`WorkerError::Full`] when it has all that it may have, others when it is broken.
    pub async fn add_slot(self: &Arc<Self>, broker: Option<OwnedFd>) -> Result<Slot, WorkerError> {
        let take = |bits: u8| (bits.count_ones() < u32::from(SLOTS_MAX)).then(|| bits | (bits + 1));
        let taken = self.slots.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        // The lowest bit that was not set.
        let index = taken.map_err(|_| WorkerError::Full)?.trailing_ones() as u8;
        let (ours, theirs) = packet::slot_pair()?;
        let message = ToWorker::Slot { index, has_broker: broker.is_some() }.encode()?;
        let fds: Vec<_> = std::iter::once(&theirs).chain(&broker).map(AsFd::as_fd).collect();
        self.control.async_io(Interest::WRITABLE, || packet::send(&*self.control, &message, &fds)).await?;
        let stream = UnixStream::from(ours);
        stream.set_nonblocking(true)?;
        Ok(Slot::new(stream, self.clone(), index)?)
    }
}

/// What a worker tells of its machines.
#[derive(Clone, Debug)]
pub enum Report {
    /// One of them grows.
    Grown(Grown),
    /// What their calls use.
    Learned(Learned),
}

/// What a worker tells of its machines. It keeps no worker alive.
#[derive(Debug)]
pub struct Reports {
    control: Arc<UnixDatagram>,
    pid: u32,
    life: Life,
}

impl Reports {
    /// The worker's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits for the next one. Nothing when the worker has ended, is held by nobody any more, or does not keep to the
    /// protocol; then it is killed.
    pub async fn next(&mut self) -> Option<Report> {
        let received = tokio::select! {
            received = receive(&self.control) => received,
            () = self.life.leave.cancelled() => return None,
            () = self.life.gone.cancelled() => return None,
        };
        match received {
            Ok(FromWorker::Grown(grown)) => Some(Report::Grown(grown)),
            Ok(FromWorker::Learned(learned)) => Some(Report::Learned(learned)),
            Err(WorkerError::Gone) => None,
            Ok(_) | Err(_) => {
                self.life.kill.cancel();
                None
            }
        }
    }

    /// Ends a machine for which there is no memory; a worker that does not take the message is ended instead.
    pub async fn refuse(&self, machine: u64) {
        let told = match (ToWorker::NoMemory { machine }).encode() {
            Ok(message) => {
                let send = || packet::send(&*self.control, &message, &[]);
                limited(REFUSE_LIMIT, async { Ok(self.control.async_io(Interest::WRITABLE, send).await?) })
                    .await
            }
            Err(error) => Err(error.into()),
        };
        if told.is_err() {
            self.life.kill.cancel();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.life.leave.cancel();
    }
}

fn set_nonblocking(socket: &OwnedFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(socket, FcntlArg::F_GETFL)?);
    fcntl(socket, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

fn start(km: &Path, control: OwnedFd) -> Result<Child, WorkerError> {
    let spawn_error = |error| WorkerError::Spawn { path: km.display().to_string(), error };
    let mut command = std::process::Command::new(km);
    command.arg("worker").env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
        .fd_mappings(vec![FdMapping { parent_fd: control, child_fd: CONTROL_FD }])
        .map_err(|error| spawn_error(io::Error::other(error)))?;
    tokio::process::Command::from(command).kill_on_drop(true).spawn().map_err(spawn_error)
}

async fn limited<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, WorkerError>>,
) -> Result<T, WorkerError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(WorkerError::Silent(limit)))
}

async fn receive(control: &UnixDatagram) -> Result<FromWorker, WorkerError> {
    let packet = control.async_io(Interest::READABLE, || packet::receive_of_worker(control)).await?;
    if packet.bytes.is_empty() {
        return Err(WorkerError::Gone);
    }
    Ok(FromWorker::decode(&packet.bytes)?)
}

/// Waits for the end of the process, its own or the one asked for.
async fn reap(mut child: Child, life: Life) {
    let status = tokio::select! {
        status = child.wait() => status.ok(),
        () = life.leave.cancelled() => None,
        () = life.kill.cancelled() => None,
    };
    match status {
        Some(status) => tracing::warn!(%status, "a worker ended by itself"),
        None => {
            let patience = if life.kill.is_cancelled() { Duration::ZERO } else { LEAVE_LIMIT };
            if tokio::time::timeout(patience, child.wait()).await.is_err() {
                let _ = child.kill().await;
            }
        }
    }
    life.gone.cancel();
}

/// Brings what a worker writes on stderr into the log, in bounds: a worker may be the attacker's by then.
async fn last_words(stderr: ChildStderr, pid: u32) {
    let mut reader = BufReader::new(stderr);
    for _ in 0..STDERR_LINES_MAX {
        let mut line = Vec::new();
        match (&mut reader).take(STDERR_LINE_MAX).read_until(b'\n', &mut line).await {
            Ok(1..) => tracing::warn!(pid, "worker: {}", line.trim_ascii().escape_ascii()),
            _ => return,
        }
    }
    // Read on, so that the worker never blocks on a full pipe, but say nothing more.
    let _ = tokio::io::copy(&mut reader, &mut tokio::io::sink()).await;
}
