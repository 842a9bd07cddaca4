//! Shells: machines that are made from a snapshot, have touched the working set and wait for their call.
//!
//! ```text
//! snapshot ── map privately ─► machine ── Touch events until done ─► shell ── begin(), Restored ─► the call
//! ```
//!
//! Making one costs milliseconds and happens off the path of any call; beginning one is all that a call waits for.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use km_abi::hypercall::{Idle, TouchEntry};
use km_abi::layout::{CLOCK_GPA, CLONE_RECORD_OFFSET, RECORDS_GPA};
use km_abi::records::CloneRecord;

use crate::kvm::KvmError;
use crate::memory::{GuestMemory, MemoryError, Rootfs};
use crate::snapshot::working_set::{Learns, Plan};
use crate::snapshot::{Snapshot, accessed};
use crate::vm::kick::Ticker;
use crate::vm::{Arrivals, GuestStreams, Monitor, MonitorError, Stop, Transfer, Vm};

/// How long touching a working set may take: a snapshot whose library OS does not answer is broken.
const TOUCH_LIMIT: Duration = Duration::from_secs(5);

/// Why a shell cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    /// The snapshot cannot be mapped.
    #[error("map the snapshot: {0}")]
    File(#[from] io::Error),
    /// Guest memory cannot be mapped or written.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// A machine cannot be made.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// A machine that was made cannot be run.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// The tick cannot be started.
    #[error("tick: {0}")]
    Tick(#[from] nix::Error),
    /// The guest did something else than touch pages.
    #[error("the snapshot does not go idle again: {0}")]
    Stopped(String),
}

/// What shells are made from.
pub struct Mould {
    /// KVM and the library OS.
    pub monitor: Arc<Monitor>,
    /// The rootfs that the snapshot was made with.
    pub rootfs: Arc<Rootfs>,
    /// The file that every shell maps privately.
    pub snapshot: Snapshot,
    /// The pieces of it that are mapped, where it cannot be mapped as a whole.
    pub pieces: Option<Vec<Range<u64>>>,
}

/// A machine that waits for its call.
pub struct Shell {
    /// The clone, which has run over the working set and is idle.
    pub vm: Vm,
    /// What it said when it went idle.
    pub idle: Box<Idle>,
    /// What is learned from it.
    pub learns: Learns,
    /// Time to make it.
    pub create: Duration,
    /// Time to touch the working set.
    pub prerun: Duration,
}

impl Mould {
    /// Makes a shell, copies the pages that the plan says, and leads it over those that the plan lists.
    ///
    /// # Errors
    /// The host refuses a mapping or a machine, or the snapshot does not answer.
    pub fn shell(&self, plan: &Plan, ticker: &mut Ticker) -> Result<Shell, ShellError> {
        let start = Instant::now();
        let trailer = self.snapshot.trailer();
        let memory = self.memory()?;
        if plan.learns.by_accessed_bits() {
            accessed::forget(&memory, trailer.state().cr3)?;
        }
        plan.copied.iter().try_for_each(|range| memory.populate(range))?;
        let vm = self.monitor.resume(memory, &self.rootfs, trailer.state().cr3)?;
        let create = start.elapsed();
        let mut shell =
            Shell { vm, idle: Box::default(), learns: plan.learns, create, prerun: Duration::ZERO };
        // Written now so that the pages are copied; the call's own values replace these.
        self.begin(&shell.vm, &CloneRecord::default())?;
        ticker.start()?;
        let touched = shell.touch(&plan.touch);
        ticker.stop()?;
        touched?;
        shell.prerun = start.elapsed() - create;
        Ok(shell)
    }

    /// A private copy of the snapshot's memory.
    fn memory(&self) -> Result<GuestMemory, ShellError> {
        let (file, bytes) = (self.snapshot.file(), self.snapshot.trailer().memory_bytes());
        Ok(match &self.pieces {
            Some(pieces) => GuestMemory::clone_of_pieces(file, pieces, bytes)?,
            None => GuestMemory::clone_of(file.try_clone()?, 0, bytes)?,
        })
    }

    /// Makes a machine unique: seed, generation, and the clocks of this moment. The guest looks at them when it is told
    /// that it was restored.
    ///
    /// # Errors
    /// KVM does not tell the guest's counter.
    pub fn begin(&self, vm: &Vm, record: &CloneRecord) -> Result<(), ShellError> {
        let tsc = vm.tsc(self.monitor.kind())?;
        let page = self.monitor.clock().resumed(tsc, &self.snapshot.trailer().state(), wall_clock_ns());
        vm.memory().store(CLOCK_GPA, &page)?;
        vm.memory().store(RECORDS_GPA + CLONE_RECORD_OFFSET, record)?;
        Ok(())
    }
}

impl Shell {
    /// Delivers the touch list piece by piece; an empty one too, so that a snapshot that does not run is found here.
    fn touch(&mut self, mut entries: &[TouchEntry]) -> Result<(), ShellError> {
        let mut arrivals = Arrivals::default();
        let until = Instant::now() + TOUCH_LIMIT;
        loop {
            arrivals.clear();
            let count = arrivals.touch(entries).unwrap_or(0);
            self.idle = run_to_idle(&mut self.vm, &arrivals, until)?;
            entries = &entries[count.min(entries.len())..];
            if entries.is_empty() {
                return Ok(());
            }
        }
    }
}

/// Runs an idle machine until it is idle again; it must not use any stream meanwhile.
///
/// # Errors
/// It does something else, or takes longer than `until`.
pub fn run_to_idle(vm: &mut Vm, arrivals: &Arrivals, until: Instant) -> Result<Box<Idle>, ShellError> {
    vm.deliver(arrivals)?;
    match vm.run(&mut Silence { until })? {
        Stop::Idle(idle) => Ok(idle),
        Stop::Broken(breakdown) => Err(ShellError::Stopped(breakdown.to_string())),
        Stop::Ended(end) => Err(ShellError::Stopped(format!("{end:?}"))),
        Stop::Cancelled => Err(ShellError::Stopped("it takes too long".into())),
    }
}

/// Nanoseconds since 1970 on the host's wall clock.
#[must_use]
pub fn wall_clock_ns() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

/// No streams: what a machine meets that may only touch pages.
struct Silence {
    until: Instant,
}

impl GuestStreams for Silence {
    fn write(&mut self, _stream: u32, _bytes: &[u8]) -> Transfer {
        Transfer::Unknown
    }

    fn read(&mut self, _stream: u32, _buffer: &mut [u8]) -> Transfer {
        Transfer::Unknown
    }

    fn shutdown_write(&mut self, _stream: u32) -> Transfer {
        Transfer::Unknown
    }

    fn close(&mut self, _stream: u32) -> Transfer {
        Transfer::Unknown
    }

    fn poll(&mut self, _arrivals: &mut Arrivals) {}

    fn interrupted(&mut self, _memory: &GuestMemory) -> bool {
        Instant::now() < self.until
    }
}
