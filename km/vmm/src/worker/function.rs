//! The function that a worker serves: where its machines come from, and what was learned of its calls.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use km_abi::layout::ROOTFS_GPA;
use km_abi::records::{BootConfig, CloneRecord};

use crate::jail::rights;
use crate::memory::pagemap::PageMap;
use crate::memory::{GuestMemory, Rootfs};
use crate::protocol::{
    Assign, FromWorker, FunctionSpec, Learned, ProcessSpec, Refused, RefusedReason, Role, SnapshotMode,
    Snapshotted, Wire,
};
use crate::shell::{Mould, Shell, ShellError, wall_clock_ns};
use crate::snapshot::accessed::{self, Accessed};
use crate::snapshot::format::State;
use crate::snapshot::page_list::PageList;
use crate::snapshot::working_set::{Learns, Plan, UsedPages, WorkingSet};
use crate::snapshot::{Expected, Identity, Moment, PAGE, Page, RamSource, Snapshot, SnapshotError, write};
use crate::vm::kick::Ticker;
use crate::vm::{Monitor, MonitorError, Vm};

use super::drive::Guest;
use super::growth::Ledger;
use super::ready::Awaited;

/// Address space beside guest memory: code, stacks, buffers, and what an allocator reserves for each thread.
const ADDRESS_SPACE: u64 = 4 << 30;
/// No clone begins sooner after the template's last instruction. Some programs keep random bytes of the kernel for a moment:
/// Java's `SecureRandom` for 100 ms by the wall clock. Clones that are younger would draw the same ones.
const REST: Duration = Duration::from_millis(250);
/// The node is told no sooner again what was learned, but for what the first calls teach.
const TELL_PAUSE: Duration = Duration::from_secs(5);

/// What a worker is before it knows a function.
pub struct Ground {
    /// KVM and the library OS.
    pub monitor: Arc<Monitor>,
    /// Identity of build and host.
    pub identity: Identity,
    /// The process's page map.
    pub page_map: PageMap,
    /// Where the growth of machines is told.
    pub ledger: Ledger,
}

/// A function, and all that its slots share.
pub struct Function {
    /// What its machines are made of.
    pub spec: FunctionSpec,
    /// What this worker does with it.
    pub role: Role,
    ground: Arc<Ground>,
    rootfs: Arc<Rootfs>,
    mould: Option<Mould>,
    snapshot_file: Option<File>,
    learned: Mutex<WorkingSet>,
    /// When the node was last told of it.
    told: Mutex<Option<Instant>>,
}

impl Function {
    /// Takes on a function; `fds` are those that came with the message.
    ///
    /// # Errors
    /// What the server is to be told.
    pub fn new(assign: Assign, fds: Vec<OwnedFd>, ground: Arc<Ground>) -> Result<Self, Refused> {
        let mut fds = fds.into_iter().map(File::from);
        let rootfs = fds.next().ok_or_else(|| refuse(RefusedReason::Assignment, "no rootfs came along"))?;
        let rootfs = Rootfs::open(rootfs, ground.monitor.image().code())
            .map_err(|error| refuse(RefusedReason::Rootfs, error))?;
        let Assign { function: spec, role, has_snapshot_fd, verified, learned } = assign;
        let mut function = Self {
            spec,
            role,
            ground,
            rootfs: Arc::new(rootfs),
            mould: None,
            snapshot_file: None,
            learned: Mutex::default(),
            told: Mutex::default(),
        };
        match (role, has_snapshot_fd, fds.next()) {
            (_, false, None) => {}
            (Role::Bake, true, Some(file)) => function.snapshot_file = Some(file),
            (Role::Serve, true, Some(file)) => {
                function.open_snapshot(file, verified)?;
                learned.iter().for_each(|learned| function.begin_with(learned));
            }
            _ => return Err(refuse(RefusedReason::Assignment, "descriptors do not match the message")),
        }
        function.limit().map_err(|error| refuse(RefusedReason::Host, error))?;
        Ok(function)
    }

    fn open_snapshot(&mut self, file: File, verified: bool) -> Result<(), Refused> {
        let wrong = |error: SnapshotError| refuse(RefusedReason::Snapshot, error);
        let snapshot = Snapshot::open(file, &self.expected()).map_err(wrong)?;
        if !verified {
            snapshot.verify().map_err(wrong)?;
        }
        let pieces = snapshot.pieces().map_err(wrong)?;
        let (monitor, rootfs) = (Arc::clone(&self.ground.monitor), Arc::clone(&self.rootfs));
        self.mould = Some(Mould { monitor, rootfs, snapshot, pieces });
        Ok(())
    }

    /// Begins with what workers before have learned. Without that, or where it is of another snapshot, calls teach it anew.
    fn begin_with(&self, learned: &Learned) {
        let Some(snapshot) = self.mould.as_ref().map(|mould| &mould.snapshot) else { return };
        let list = learned.bytes().map(|bytes| PageList::decode(&bytes, self.spec.memory_bytes));
        match list {
            Some(Ok(list)) if list.snapshot == snapshot.trailer().digest() => {
                *self.learned() = WorkingSet::of_list(&list);
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => eprintln!("km worker: {}: {error}: not used", self.spec.name),
            None => eprintln!("km worker: {}: a page list that is not base64: not used", self.spec.name),
        }
    }

    fn limit(&self) -> Result<(), crate::jail::JailError> {
        let memory = self.spec.memory_bytes.saturating_add(PAGE as u64);
        let slots = u64::from(crate::protocol::SLOTS_MAX);
        let machines = memory.saturating_mul(slots).saturating_add(self.rootfs.rom().1);
        // Only a bake writes a file, and that one only.
        let file = if self.snapshot_file.is_some() { memory } else { 0 };
        rights::limit_to(machines.saturating_add(ADDRESS_SPACE), file)
    }

    fn expected(&self) -> Expected {
        let moment = match self.spec.snapshot {
            SnapshotMode::Start => Moment::Start,
            SnapshotMode::Ready | SnapshotMode::None => Moment::Ready,
        };
        Expected {
            identity: self.ground.identity,
            key: self.spec.snapshot_key.clone(),
            memory_bytes: self.spec.memory_bytes,
            rootfs_bytes: self.rootfs.bytes(),
            moment,
        }
    }

    /// Bytes of the snapshot that are not holes.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.mould.as_ref().map_or(0, |mould| mould.snapshot.trailer().data_pages() * PAGE as u64)
    }

    /// Makes a shell; nothing without a snapshot. Also the number of pages touched.
    ///
    /// # Errors
    /// See [`ShellError`].
    pub fn shell(&self, ticker: &mut Ticker) -> Result<Option<(Shell, u64)>, ShellError> {
        let Some(mould) = &self.mould else { return Ok(None) };
        let plan = self.learned().plan();
        match mould.shell(&plan, ticker) {
            Err(ShellError::Stopped(why)) if !plan.touch.is_empty() => {
                eprintln!("km worker: {}: machines are not pre-run any more: {why}", self.spec.name);
                self.learned().give_up();
                Ok(Some((mould.shell(&Plan::nothing(), ticker)?, 0)))
            }
            made => Ok(Some((made?, plan.touch.len() as u64))),
        }
    }

    fn learned(&self) -> MutexGuard<'_, WorkingSet> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a clone unique, just before its call.
    ///
    /// # Errors
    /// The host has no random bytes, or KVM refuses.
    pub fn begin(&self, vm: &Vm) -> Result<(), ShellError> {
        let Some(mould) = &self.mould else { return Ok(()) };
        let mut generation = [0; 8];
        random(&mut generation)?;
        let mut record = CloneRecord { seed: [0; 32], generation: u64::from_le_bytes(generation).max(1) };
        random(&mut record.seed)?;
        mould.begin(vm, &record)
    }

    /// What a program that is ready waits for.
    #[must_use]
    pub fn awaited(&self) -> Awaited {
        if self.spec.wire.is_connection() { Awaited::Port(self.spec.port) } else { Awaited::Input }
    }

    /// A machine that boots the program; it may stop before the program's first instruction.
    ///
    /// # Errors
    /// KVM refuses, or the memory is too small.
    pub fn boot(&self, stop_at_start: bool) -> Result<Guest, BootFailure> {
        let mut seed = [0; 32];
        random(&mut seed)?;
        let config = BootConfig {
            tells_changes: self.spec.wire == Wire::Changes,
            ..config(&self.spec.process, stop_at_start)
        };
        let monitor = &self.ground.monitor;
        let vm = monitor.boot(self.spec.memory_bytes, &self.rootfs, &config, seed, wall_clock_ns())?;
        Ok(Guest::new(vm, None))
    }

    /// Where the growth of machines is told.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ground.ledger
    }

    /// Bytes of a machine's RAM that are its own: neither the snapshot's nor untouched.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn own_bytes(&self, memory: &GuestMemory) -> io::Result<u64> {
        Ok(self.ground.page_map.of(memory)?.private.iter().map(|range| range.end - range.start).sum())
    }

    /// Which pages a machine has used.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn usage(&self, vm: &Vm) -> io::Result<UsedPages> {
        let map = &self.ground.page_map;
        let ram = map.of(vm.memory())?;
        let mut read = ram.file;
        let rootfs = map.range(self.rootfs.host_address(), self.rootfs.mapped())?;
        read.extend(rootfs.file.iter().map(|range| ROOTFS_GPA + range.start..ROOTFS_GPA + range.end));
        Ok(UsedPages { written: ram.private, read })
    }

    /// What a machine that learns has used; it must have ended.
    #[must_use]
    pub fn accessed(&self, vm: &Vm) -> Option<Accessed> {
        let mould = self.mould.as_ref()?;
        Some(accessed::recall(vm.memory(), &mould.snapshot, mould.snapshot.trailer().state().cr3))
    }

    /// Learns from the call of a machine that `learns`, when it has ended, and tells the node.
    pub fn learn(&self, usage: &UsedPages, learns: Learns, accessed: Option<&Accessed>) {
        let Some(mould) = &self.mould else { return };
        let trailer = mould.snapshot.trailer();
        let list = {
            let mut learned = self.learned();
            learned.learn(usage, learns, accessed, &mould.snapshot, trailer.state().cr3);
            let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
            let due = learned.is_new() || told.is_none_or(|at| at.elapsed() >= TELL_PAUSE);
            if !due || !learned.has_news() {
                return;
            }
            *told = Some(Instant::now());
            learned.told();
            learned.list(trailer.digest())
        };
        // A node that does not read hears of it with what is learned next.
        self.ground.ledger.tell(&FromWorker::Learned(Learned::new(&list.encode())));
    }

    /// Writes the snapshot of an idle machine.
    ///
    /// # Errors
    /// The machine was never idle, this is no bake, or the file cannot be written.
    pub fn snapshot(&self, machine: &Guest) -> Result<Snapshotted, SnapshotError> {
        let start = Instant::now();
        let (Some(file), Some((idle, since))) = (&self.snapshot_file, machine.rest()) else {
            return Err(SnapshotError::Malformed("there is nothing to write, or nowhere to"));
        };
        let rested_ns = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let realtime_ns = wall_clock_ns().saturating_sub(rested_ns);
        let state = State { cr3: idle.cr3, monotonic_ns: idle.monotonic_ns, realtime_ns };
        let memory = BootedRam { memory: machine.vm.memory(), map: &self.ground.page_map };
        let written = write(file, &memory, &self.expected(), state)?;
        // Not by a sleep, which the slot's filter does not let through.
        while let Some(left) = REST.checked_sub(since.elapsed()) {
            std::thread::park_timeout(left);
        }
        Ok(Snapshotted {
            file_bytes: written.file_bytes,
            data_bytes: written.data_bytes,
            content_digest: written.digest,
            write_us: micros(start.elapsed()),
        })
    }
}

/// Why a program cannot be booted.
#[derive(Debug, thiserror::Error)]
pub enum BootFailure {
    /// The machine cannot be made.
    #[error(transparent)]
    Monitor(#[from] MonitorError),
    /// The host has no random bytes.
    #[error("random bytes: {0}")]
    Random(#[from] io::Error),
}

/// RAM of a machine that has booted: pages that were never touched are zero.
struct BootedRam<'a> {
    memory: &'a GuestMemory,
    map: &'a PageMap,
}

impl RamSource for BootedRam<'_> {
    fn populated(&self) -> io::Result<Vec<Range<u64>>> {
        Ok(self.map.of(self.memory)?.private)
    }

    fn read_page(&self, gpa: u64, page: &mut Page) -> io::Result<()> {
        self.memory.read(gpa, page).map_err(io::Error::other)
    }
}

fn config(process: &ProcessSpec, stop_at_start: bool) -> BootConfig {
    let bytes = |texts: &[String]| texts.iter().map(|text| text.clone().into_bytes()).collect();
    BootConfig {
        args: bytes(&process.args),
        env: bytes(&process.env),
        cwd: process.cwd.clone().into_bytes(),
        uid: process.uid,
        gid: process.gid,
        groups: process.groups.clone(),
        hostname: process.hostname.clone(),
        resolv_conf: process.resolv_conf.clone(),
        stop_at_start,
        ..BootConfig::default()
    }
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::from)
}

fn refuse(reason: RefusedReason, message: impl ToString) -> Refused {
    Refused { reason, message: message.to_string() }
}

/// Whole microseconds, for the records of the protocol.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
