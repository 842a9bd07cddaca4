//! A process: what its threads share, and what is left of it for its parent.

use super::credentials::CAP_SYS_PTRACE;
use super::limits::Limits;
use super::{Credentials, Pid, Tid};
use crate::fs::FsContext;
use crate::fs::fd::FdTable;
use crate::fs::regular::Running;
use crate::mm::AddressSpace;
use crate::signal::{ProcessSignals, Signal};
use crate::time::boottime_ns;
use crate::wait::WaitQueue;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// How a process ended, stopped or went on: what wait(2) reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// exit(2) with this status (low 8 bits).
    Exited(i32),
    /// Ended by a signal.
    Signaled(u32),
    /// Ended because there was no memory for it; others see SIGKILL, as from Linux's OOM killer.
    OutOfMemory,
    /// Stopped by a signal.
    Stopped(u32),
    /// SIGCONT let it go on.
    Continued,
    /// In a stop for its tracer: a signal, or what [`super::trace`] has instead.
    Trapped(u32),
}

impl Status {
    /// As wait(2) encodes it.
    #[must_use]
    pub const fn encode(self) -> u32 {
        match self {
            Self::Exited(status) => (status as u32 & 0xff) << 8,
            Self::Signaled(signal) => signal,
            Self::OutOfMemory => Signal::KILL.number() as u32,
            Self::Stopped(signal) | Self::Trapped(signal) => signal << 8 | 0x7f,
            Self::Continued => 0xffff,
        }
    }

    /// `si_code` and `si_status` of waitid(2) and SIGCHLD.
    #[must_use]
    pub const fn code_and_status(self) -> (i32, i32) {
        match self {
            Self::Exited(status) => (1, status & 0xff),
            Self::Signaled(signal) => (2, signal as i32),
            Self::OutOfMemory => (2, Signal::KILL.number() as i32),
            Self::Stopped(signal) => (5, signal as i32),
            Self::Continued => (6, 18),
            Self::Trapped(code) => (4, code as i32),
        }
    }
}

/// The program that a process runs.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// Absolute path of its file (/proc/PID/exe).
    pub path: Vec<u8>,
    /// First and last address of the argument strings.
    pub args: (u64, u64),
    /// First and last address of the environment strings.
    pub env: (u64, u64),
    /// The auxiliary vector, as (type, value) pairs (getauxval(3)).
    pub auxv: Vec<(u64, u64)>,
    /// Stack pointer at its first instruction.
    pub stack: u64,
    /// Keeps its file from being written.
    pub running: Option<Rc<Running>>,
}

/// CPU time of children that were waited for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time in nanoseconds.
    pub cpu_ns: u64,
    /// Most memory that was present, in bytes.
    pub peak_bytes: u64,
    /// Page faults (`ru_minflt`).
    pub faults: u64,
}

/// What prctl(2) set for the process.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrctlSettings {
    /// PR_SET_DUMPABLE was set to 0.
    pub not_dumpable: bool,
    /// PR_SET_NO_NEW_PRIVS: execve(2) gives no privileges.
    pub no_new_privs: bool,
    /// PR_SET_CHILD_SUBREAPER: orphans below it become its children.
    pub subreaper: bool,
    /// PR_SET_PDEATHSIG: sent to it when its parent ends; 0 for none.
    pub parent_death_signal: u32,
    /// PR_SET_KEEPCAPS: they survive when no user number is 0 any more.
    pub keep_capabilities: bool,
    /// PR_SET_TIMERSLACK in nanoseconds, 0 for the default.
    pub timer_slack_ns: u64,
    /// setpriority(2): kept and inherited, without effect.
    pub nice: i32,
    /// ioprio_set(2): kept and inherited, without effect.
    pub io_priority: u16,
    /// Seconds beyond RLIMIT_CPU that SIGXCPU has told of.
    pub cpu_warnings: u64,
    /// ADDR_NO_RANDOMIZE of personality(2): kept and inherited; addresses are never random here.
    pub no_randomize: bool,
    /// PR_SET_THP_DISABLE: kept, without effect.
    pub no_huge_pages: bool,
    /// Commands of membarrier(2) that were registered.
    pub barriers: u32,
    /// /proc/PID/oom_score_adj: kept and inherited, without effect.
    pub oom_score_adj: i16,
    /// The lowest value that it can have without privilege.
    pub oom_score_adj_min: i16,
    /// /proc/PID/coredump_filter; `None` for the default.
    pub coredump_filter: Option<u32>,
}

impl PrctlSettings {
    /// The timer slack in nanoseconds (PR_GET_TIMERSLACK).
    #[must_use]
    pub fn slack_ns(&self) -> u64 {
        const DEFAULT_NS: u64 = 50_000;
        if self.timer_slack_ns == 0 { DEFAULT_NS } else { self.timer_slack_ns }
    }
}

/// Tells others when a process has ended, or a vfork child lets its parent go on.
#[derive(Default)]
pub struct Leaving {
    /// Woken when one of the two happens.
    pub queue: WaitQueue,
    /// The process has ended; its parent may not know yet.
    pub ended: Cell<bool>,
    /// Its parent has waited for it: its number means nothing any more.
    pub reaped: Cell<bool>,
}

/// A process: an address space, descriptors, a place in the file system, credentials.
pub struct Process {
    /// Process number, that of its first thread.
    pub pid: Pid,
    /// Its parent's number, 0 for the first.
    pub parent: Pid,
    /// The parent's thread that made it (`__WNOTHREAD` of wait(2)).
    pub maker: Tid,
    /// Number of its process group (setpgid(2)).
    pub group: Pid,
    /// Number of its session (setsid(2)).
    pub session: Pid,
    /// Mappings and page tables.
    pub space: Rc<RefCell<AddressSpace>>,
    /// Descriptors and the open files behind them.
    pub files: Rc<RefCell<FdTable>>,
    /// Root, working directory and umask.
    pub fs: Rc<RefCell<FsContext>>,
    /// Users, groups and capabilities.
    pub credentials: Credentials,
    /// Numbers of its living threads.
    pub threads: Vec<Tid>,
    /// What execve(2) left: path, arguments, auxiliary vector.
    pub program: Program,
    /// Resource limits (prlimit(2)).
    pub limits: Limits,
    /// What prctl(2) set.
    pub settings: PrctlSettings,
    /// It has ended and waits for its parent to ask how.
    pub zombie: Option<Status>,
    /// Stopped by this signal.
    pub stopped: Option<u32>,
    /// A stop or a continuation that wait(2) has not reported yet.
    pub change: Option<Status>,
    /// Woken when one of its children ends, stops or continues.
    pub children: WaitQueue,
    /// Woken when it ends or lets a vfork parent go on.
    pub left: Rc<Leaving>,
    /// It lives in its parent's address space, and the parent waits (vfork(2)).
    pub borrows_space: bool,
    /// It has called execve(2) since fork (setpgid(2) of the parent is refused then).
    pub has_executed: bool,
    /// Signal that its parent gets when it ends, 0 for none.
    pub exit_signal: u32,
    /// CPU time of threads that are gone.
    pub gone_cpu_ns: u64,
    /// Page faults of its own threads (`ru_minflt`).
    pub faults: u64,
    /// What children used that ended and were waited for (RUSAGE_CHILDREN).
    pub children_usage: Usage,
    /// CLOCK_BOOTTIME when it was made.
    pub started_ns: u64,
    /// Dispositions and pending signals.
    pub signals: ProcessSignals,
    /// Woken when a signal is queued for the process or one of its threads.
    pub signal_arrived: Rc<WaitQueue>,
}

impl Process {
    /// A process without threads, in a group and session of its own.
    #[must_use]
    pub fn new(pid: Pid, space: AddressSpace, fs: FsContext) -> Self {
        Self {
            pid,
            parent: 0,
            maker: 0,
            group: pid,
            session: pid,
            space: Rc::new(RefCell::new(space)),
            files: Rc::default(),
            fs: Rc::new(RefCell::new(fs)),
            credentials: Credentials::default(),
            threads: Vec::new(),
            program: Program::default(),
            limits: Limits::default(),
            settings: PrctlSettings::default(),
            zombie: None,
            stopped: None,
            change: None,
            children: WaitQueue::default(),
            left: Rc::default(),
            borrows_space: false,
            has_executed: false,
            exit_signal: 0,
            gone_cpu_ns: 0,
            faults: 0,
            children_usage: Usage::default(),
            started_ns: boottime_ns(),
            signals: ProcessSignals::default(),
            signal_arrived: Rc::default(),
        }
    }

    /// Whether it could trace another process (ptrace(2), "Ptrace access mode checking").
    #[must_use]
    pub fn may_trace(&self, other: &Self) -> bool {
        let (who, its) = (&self.credentials, &other.credentials);
        let same_user = [its.uid, its.saved_uid, its.real_uid].iter().all(|uid| *uid == who.real_uid);
        let same_group = [its.gid, its.saved_gid, its.real_gid].iter().all(|gid| *gid == who.real_gid);
        let more = its.permitted & !who.permitted != 0;
        let alike = same_user && same_group && !more && !other.settings.not_dumpable;
        other.pid == self.pid || who.can(CAP_SYS_PTRACE) || alike
    }

    /// What fork(2) gives to a child with number `pid`; its memory, descriptors and place are as given.
    #[must_use]
    pub fn child(&self, pid: Pid, shares: Shares) -> Self {
        Self {
            pid,
            parent: self.pid,
            maker: self.pid,
            group: self.group,
            session: self.session,
            space: shares.space,
            files: shares.files,
            fs: shares.fs,
            credentials: self.credentials.clone(),
            threads: Vec::new(),
            program: self.program.clone(),
            limits: self.limits.clone(),
            settings: PrctlSettings {
                subreaper: false,
                parent_death_signal: 0,
                cpu_warnings: 0,
                ..self.settings
            },
            zombie: None,
            stopped: None,
            change: None,
            children: WaitQueue::default(),
            left: Rc::default(),
            borrows_space: false,
            has_executed: false,
            exit_signal: 0,
            gone_cpu_ns: 0,
            faults: 0,
            children_usage: Usage::default(),
            started_ns: boottime_ns(),
            signals: ProcessSignals::default(),
            // One for all, so that a signalfd can be waited for by whoever has it.
            signal_arrived: Rc::clone(&self.signal_arrived),
        }
    }
}

/// What a child shares with its parent, or has copies of.
pub struct Shares {
    /// Its memory.
    pub space: Rc<RefCell<AddressSpace>>,
    /// Its descriptors.
    pub files: Rc<RefCell<FdTable>>,
    /// Place in the file system.
    pub fs: Rc<RefCell<FsContext>>,
}
