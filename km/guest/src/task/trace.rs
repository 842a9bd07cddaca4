//! Threads that another one traces (ptrace(2)): when they stop, what their tracer learns, and how they go on.
//!
//! ```text
//!  runs ──► stop: the thread waits, whatever it waited for before; its tracer is told and may look into it
//!   ▲                                                                            │
//!   └── go on: a call that a stop interrupted runs again, a signal has its effect ◄┘
//! ```
//!
//! A thread in a stop is one that waits for nothing ([`Wait::stopped`]), so nothing else has to know of stops. What is
//! not traced has no [`Trace`], and pays a look at [`Thread::traced`](super::Thread) for each call.

use super::watchpoints::DebugRegisters;
use super::{Pid, Status, Tid};
use crate::kernel::Kernel;
use crate::signal::action::flag;
use crate::signal::deliver;
use crate::signal::info::{Info, Origin, code};
use crate::signal::{SigSet, Signal};
use crate::wait::{Interruption, Wait};
use alloc::vec::Vec;
use bitflags::bitflags;
use km_hal::context::RFLAGS_TRAP;

bitflags! {
    /// Options of PTRACE_SETOPTIONS.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TraceOptions: u32 {
        /// PTRACE_O_TRACESYSGOOD: stops at calls are told from SIGTRAP by bit 7.
        const SYSGOOD = 1;
        /// PTRACE_O_TRACEFORK.
        const FORK = 2;
        /// PTRACE_O_TRACEVFORK.
        const VFORK = 4;
        /// PTRACE_O_TRACECLONE.
        const CLONE = 8;
        /// PTRACE_O_TRACEEXEC.
        const EXEC = 0x10;
        /// PTRACE_O_TRACEVFORKDONE.
        const VFORK_DONE = 0x20;
        /// PTRACE_O_TRACEEXIT.
        const EXIT = 0x40;
        /// PTRACE_O_TRACESECCOMP: there are no filters, so it never stops a thread.
        const SECCOMP = 0x80;
        /// PTRACE_O_EXITKILL: the tracer's end is the tracee's.
        const EXIT_KILL = 0x10_0000;
    }
}

/// Events that a tracer may ask to be stopped for (`PTRACE_EVENT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "ptrace(2) describes them")]
pub enum TraceEvent {
    Fork = 1,
    Vfork = 2,
    Clone = 3,
    Exec = 4,
    VforkDone = 5,
    Exit = 6,
    Stop = 128,
}

impl TraceEvent {
    const fn option(self) -> TraceOptions {
        match self {
            Self::Fork => TraceOptions::FORK,
            Self::Vfork => TraceOptions::VFORK,
            Self::Clone => TraceOptions::CLONE,
            Self::Exec => TraceOptions::EXEC,
            Self::VforkDone => TraceOptions::VFORK_DONE,
            Self::Exit => TraceOptions::EXIT,
            Self::Stop => TraceOptions::empty(),
        }
    }

    /// What wait(2) has in place of the signal, for an event that comes as one.
    const fn with(self, signal: Signal) -> u32 {
        signal.number() as u32 | (self as u32) << 8
    }
}

/// Why a thread is in a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopKind {
    /// It is about to make a call.
    Entry,
    /// It has made a call.
    Exit,
    /// A signal is about to have its effect.
    Signal,
    /// Its process is stopped.
    Group,
    /// One of [`TraceEvent`].
    Event,
}

/// A stop.
#[derive(Clone, Copy, Debug)]
pub struct TraceStop {
    /// Why.
    pub kind: StopKind,
    /// What PTRACE_GETSIGINFO shows.
    pub info: Option<Info>,
}

impl TraceStop {
    /// Whether PTRACE_LISTEN is for it: its process is stopped, or it was told to stop.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.info.is_some_and(|info| info.code >> 8 == TraceEvent::Stop as i32)
    }
}

/// How a tracer lets a thread go on: until what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resume {
    /// PTRACE_CONT: until a signal or an event.
    #[default]
    Freely,
    /// PTRACE_SYSCALL: until a call begins or ends.
    Call,
    /// PTRACE_SINGLESTEP: for one instruction.
    Step,
}

/// What there is between a thread and its tracer. It outlives the thread, until the tracer has waited for its end.
#[derive(Debug)]
pub struct Trace {
    /// The thread that may ask, and its process, which waits.
    pub tracer: (Tid, Pid),
    /// The traced thread's process.
    pub pid: Pid,
    /// What it is stopped for.
    pub options: TraceOptions,
    /// It began with PTRACE_SEIZE.
    pub seized: bool,
    /// The stop that it is in.
    pub stop: Option<TraceStop>,
    /// A stop that wait(2) has not reported yet.
    pub report: Option<Status>,
    /// The end of a thread that was not the first of its process; that of a process is its zombie.
    pub ended: Option<Status>,
    /// What PTRACE_GETEVENTMSG answers.
    pub message: u64,
    /// Number of the call that it makes or has just made.
    pub call: Option<u64>,
    /// PTRACE_LISTEN: it stays stopped and is told of the end of its process's stop.
    pub listens: bool,
    /// Breakpoints of debug registers.
    pub debug: DebugRegisters,
    resume: Resume,
    /// Its call's beginning was, or could have been, a stop; so its end is one as well.
    in_call: bool,
    /// The end, of the thread or of its whole process, that PTRACE_EVENT_EXIT holds up.
    dying: Option<(Extent, Status)>,
}

/// What ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One thread (exit(2) as the system has it).
    Thread,
    /// All threads of a process.
    Process,
}

impl Trace {
    /// The beginning, for a thread of process `pid`.
    #[must_use]
    pub fn new(tracer: (Tid, Pid), pid: Pid, options: TraceOptions, seized: bool) -> Self {
        Self {
            tracer,
            pid,
            options,
            seized,
            stop: None,
            report: None,
            ended: None,
            message: 0,
            call: None,
            listens: false,
            debug: DebugRegisters::default(),
            resume: Resume::Freely,
            in_call: false,
            dying: None,
        }
    }

    /// Whether it runs for one instruction alone.
    pub(super) fn steps(&self) -> bool {
        self.resume == Resume::Step
    }

    /// What a stop at a call is reported as.
    fn call_code(&self) -> u32 {
        const AT_CALL: u32 = 0x80;
        let good = self.options.contains(TraceOptions::SYSGOOD);
        u32::from(Signal::TRAP.number()) | if good { AT_CALL } else { 0 }
    }
}

impl Kernel {
    fn trace_mut(&mut self, tid: Tid) -> Option<&mut Trace> {
        self.tasks.traces.get_mut(&tid)
    }

    /// Lets a thread be traced from now on.
    pub fn begin_trace(&mut self, tid: Tid, trace: Trace) {
        let group_stop = self.tasks.process(trace.pid).and_then(|process| process.stopped);
        if let Some(thread) = self.tasks.find_thread_mut(tid) {
            thread.traced = true;
            self.tasks.traces.insert(tid, trace);
        }
        if let Some(signal) = group_stop.and_then(|signal| Signal::new(u64::from(signal))) {
            self.group_stop_of(tid, signal);
        }
    }

    /// Stops a traced thread and tells its tracer; `code` is what wait(2) has in place of a signal.
    fn trace_stop(&mut self, tid: Tid, kind: StopKind, code: u32, info: Option<Info>) {
        let Some(trace) = self.trace_mut(tid) else { return };
        trace.stop = Some(TraceStop { kind, info });
        trace.report = Some(Status::Trapped(code));
        trace.listens = false;
        let stepped = trace.steps() || trace.debug.are_used();
        self.tasks.stop(tid);
        if stepped {
            self.tasks.thread_mut(tid).context.rflags &= !RFLAGS_TRAP;
        }
        self.tell_tracer(tid, Status::Trapped(code));
    }

    /// Wakes whoever waits for the thread in its tracer, and sends SIGCHLD.
    fn tell_tracer(&mut self, tid: Tid, status: Status) {
        let Some(trace) = self.tasks.traces.get(&tid) else { return };
        let (tracer, pid) = (trace.tracer.1, trace.pid);
        let uid = self.tasks.process(pid).map_or(0, |process| process.credentials.real_uid);
        let Some(process) = self.tasks.process(tracer) else { return };
        process.children.wake();
        let silent = process.signals.actions.borrow().get(Signal::CHLD).flags & flag::NOCLDSTOP != 0;
        let is_stop = matches!(status, Status::Trapped(_));
        if !is_stop || !silent {
            let (code, value) = status.code_and_status();
            let status = if is_stop { value & 0x7f } else { value };
            let origin = Origin::Child { pid: tid, uid, status };
            self.signal_process(tracer, Info { signal: Signal::CHLD, code, origin });
        }
    }

    /// What a stop shows of itself: SIGTRAP with the stop's code, from the thread itself.
    fn own_info(&self, tid: Tid, code: u32) -> Info {
        let uid = self.tasks.traces.get(&tid).and_then(|trace| self.tasks.process(trace.pid));
        let uid = uid.map_or(0, |process| process.credentials.real_uid);
        Info::from_sender(Signal::TRAP, code.cast_signed(), tid, uid)
    }

    fn stop_at_call(&mut self, tid: Tid, kind: StopKind) {
        let Some(code) = self.tasks.traces.get(&tid).map(Trace::call_code) else { return };
        let info = self.own_info(tid, code);
        self.trace_stop(tid, kind, code, Some(info));
    }

    /// Stops a thread for an event if its tracer wants to know of it; `true` if it is stopped.
    pub fn trace_event(&mut self, tid: Tid, event: TraceEvent, message: u64) -> bool {
        let Some(trace) = self.trace_mut(tid) else { return false };
        if !trace.options.contains(event.option()) {
            return false;
        }
        trace.message = message;
        let code = event.with(Signal::TRAP);
        let info = self.own_info(tid, code);
        self.trace_stop(tid, StopKind::Event, code, Some(info));
        true
    }

    /// A traced thread makes a call; `true` if it stops first.
    pub(crate) fn trace_call(&mut self, tid: Tid, number: u64) -> bool {
        let Some(trace) = self.trace_mut(tid) else { return false };
        trace.in_call = true;
        trace.call = Some(number);
        let stops = trace.resume == Resume::Call;
        if stops {
            self.stop_at_call(tid, StopKind::Entry);
        }
        stops
    }

    /// A traced thread is about to return to its program; `true` if the end of its call stops it.
    pub(crate) fn trace_return(&mut self, tid: Tid) -> bool {
        // A handler that returns brings the flags from before it.
        self.arm_watchpoints(tid);
        let Some(trace) = self.trace_mut(tid) else { return false };
        if !core::mem::take(&mut trace.in_call) {
            return false;
        }
        match trace.resume {
            Resume::Freely => return false,
            Resume::Call => self.stop_at_call(tid, StopKind::Exit),
            Resume::Step => {
                let rip = self.tasks.thread_mut(tid).context.rip;
                self.force_signal(tid, Info::fault(Signal::TRAP, code::TRAP_BRKPT, rip));
            }
        }
        true
    }

    /// A traced thread has signals: it stops for the first one, or before that for the end of the call that the signal
    /// interrupted. `false` when there is nothing to stop for, as with SIGKILL.
    pub(crate) fn trace_signal(&mut self, tid: Tid) -> bool {
        /// ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND: what tracers see of a call that runs again or fails.
        const fn restart(interruption: Interruption) -> i64 {
            match interruption {
                Interruption::Restart => -512,
                Interruption::Again => -513,
                _ => -514,
            }
        }
        let Some((thread, process, trace)) = self.tasks.traced_mut(tid) else { return false };
        if thread.signals.deliverable(&process.signals).contains(Signal::KILL) {
            return false;
        }
        if let Some(interruption) = thread.interrupted {
            thread.context.rax = restart(interruption).cast_unsigned();
            trace.call = thread.call.map(|call| call.number);
            if core::mem::take(&mut trace.in_call) && trace.resume == Resume::Call {
                self.stop_at_call(tid, StopKind::Exit);
                return true;
            }
        } else {
            trace.call = None;
        }
        let unblocked = SigSet(u64::MAX).minus(thread.signals.mask);
        if let Some(info) = thread.signals.take(&mut process.signals, unblocked) {
            self.trace_stop(tid, StopKind::Signal, u32::from(info.signal.number()), Some(info));
        }
        true
    }

    /// The traced threads of a process that a signal has stopped are in a stop of their own.
    pub(super) fn trace_group_stop(&mut self, pid: Pid, signal: Signal) {
        for tid in self.traced_threads(pid) {
            self.group_stop_of(tid, signal);
        }
    }

    fn group_stop_of(&mut self, tid: Tid, signal: Signal) {
        let Some(trace) = self.tasks.traces.get(&tid) else { return };
        if trace.seized {
            let code = TraceEvent::Stop.with(signal);
            let info = Info { signal, ..self.own_info(tid, code) };
            self.trace_stop(tid, StopKind::Group, code, Some(info));
        } else {
            self.trace_stop(tid, StopKind::Group, u32::from(signal.number()), None);
        }
    }

    /// The stop of a process is over: tells the tracers of threads that listen.
    pub(super) fn trace_group_continues(&mut self, pid: Pid) {
        for tid in self.traced_threads(pid) {
            if self.tasks.traces.get(&tid).is_some_and(|trace| trace.listens) {
                self.trace_interrupt(tid);
            }
        }
    }

    /// PTRACE_INTERRUPT: stops a thread where it is.
    pub fn trace_interrupt(&mut self, tid: Tid) {
        let Some(trace) = self.tasks.traces.get(&tid) else { return };
        if trace.stop.is_none() || trace.listens {
            self.trace_event(tid, TraceEvent::Stop, 0);
        }
    }

    fn traced_threads(&self, pid: Pid) -> Vec<Tid> {
        let of_process =
            self.tasks.traces.iter().filter(|(_, trace)| trace.pid == pid && trace.ended.is_none());
        of_process.map(|(tid, _)| *tid).collect()
    }

    /// A new thread or process: it is traced as its maker is, if the maker's tracer asked for that.
    pub(super) fn trace_child(&mut self, maker: Tid, child: Tid, pid: Pid, event: TraceEvent, always: bool) {
        let Some(trace) = self.tasks.traces.get(&maker) else { return };
        if !always && !trace.options.contains(event.option()) {
            return;
        }
        let (seized, trace) = (trace.seized, Trace::new(trace.tracer, pid, trace.options, trace.seized));
        self.begin_trace(child, trace);
        if seized {
            self.trace_interrupt(child);
        } else {
            self.signal_thread(child, Info::from_sender(Signal::STOP, code::USER, 0, 0));
        }
        self.trace_event(maker, event, child.cast_unsigned().into());
    }

    /// The program of a process was replaced by its thread `tid`, which has the process's number now.
    pub(super) fn trace_exec(&mut self, tid: Tid, pid: Pid) {
        if tid != pid
            && let Some(trace) = self.tasks.traces.remove(&tid)
        {
            self.tasks.traces.insert(pid, trace);
        }
        let Some(trace) = self.tasks.traces.get(&pid) else { return };
        let seized = trace.seized;
        if !self.trace_event(pid, TraceEvent::Exec, tid.cast_unsigned().into()) && !seized {
            self.signal_thread(pid, Info::from_sender(Signal::TRAP, code::USER, pid, 0));
        }
    }

    /// A thread or its process is about to end; `true` if that waits until its tracer lets it go on.
    pub(crate) fn trace_dying(&mut self, tid: Tid, extent: Extent, status: Status) -> bool {
        if !self.trace_event(tid, TraceEvent::Exit, u64::from(status.encode())) {
            return false;
        }
        if let Some(trace) = self.trace_mut(tid) {
            trace.dying = Some((extent, status));
        }
        true
    }

    /// A traced thread has ended. That of a process's first thread is told of with its process.
    pub(super) fn trace_ended(&mut self, tid: Tid, status: Status) {
        let Some(trace) = self.trace_mut(tid) else { return };
        (trace.stop, trace.report) = (None, None);
        if tid != trace.pid {
            trace.ended = Some(status);
            self.tell_tracer(tid, status);
        }
    }

    /// The tracer of a process that has ended, if that is not its parent: it is told, and the parent once it has waited.
    pub(super) fn trace_process_ended(&mut self, pid: Pid, parent: Pid, status: Status) -> bool {
        let foreign = self.tasks.traces.get(&pid).is_some_and(|trace| trace.tracer.1 != parent);
        if foreign {
            self.tell_tracer(pid, status);
        }
        foreign
    }

    /// A thread has ended: what it traced is on its own.
    pub(super) fn tracer_ended(&mut self, tracer: Tid) {
        let traced = self.tasks.traces.iter().filter(|(_, trace)| trace.tracer.0 == tracer);
        for tid in traced.map(|(tid, _)| *tid).collect::<Vec<_>>() {
            let Some(trace) = self.tasks.traces.get(&tid) else { continue };
            let (dies, pid) = (trace.options.contains(TraceOptions::EXIT_KILL), trace.pid);
            self.end_trace(tid, None);
            if dies {
                self.exit_process(pid, Status::Signaled(u32::from(Signal::KILL.number())));
            }
        }
    }

    /// PTRACE_DETACH: the thread goes on untraced. A process that has ended is its parent's again.
    pub fn end_trace(&mut self, tid: Tid, signal: Option<Signal>) {
        let Some(trace) = self.tasks.traces.remove(&tid) else { return };
        if let Some(thread) = self.tasks.find_thread_mut(tid) {
            thread.traced = false;
            if let Some(stop) = trace.stop {
                thread.context.rflags &= !RFLAGS_TRAP;
                self.leave_stop(tid, trace.tracer.1, stop, signal);
            }
            self.finish_dying(tid, trace.dying);
        } else if let Some(status) = self.tasks.process(tid).and_then(|process| process.zombie) {
            self.report_end(tid, status);
        }
    }

    /// Lets a stopped thread go on.
    pub fn trace_resume(&mut self, tid: Tid, resume: Resume, signal: Option<Signal>) {
        let Some(trace) = self.tasks.traces.get_mut(&tid) else { return };
        let Some(stop) = trace.stop.take() else { return };
        (trace.report, trace.resume, trace.listens) = (None, resume, false);
        let (tracer, pid, dying) = (trace.tracer.1, trace.pid, trace.dying.take());
        if stop.kind == StopKind::Group
            && let Some(process) = self.tasks.process_mut(pid)
        {
            process.stopped = None;
            self.tasks.ready_all(pid);
        }
        self.leave_stop(tid, tracer, stop, signal);
        self.finish_dying(tid, dying);
        let Some((thread, ..)) = self.tasks.traced_mut(tid) else { return };
        if resume == Resume::Step {
            thread.context.rflags |= RFLAGS_TRAP;
        }
        self.arm_watchpoints(tid);
        let Some((thread, _, trace)) = self.tasks.traced_mut(tid) else { return };
        // A call that a signal interrupted and no handler ended is made again, from its beginning.
        if trace.stop.is_none()
            && !trace.in_call
            && thread.interrupted.is_none()
            && let Some(call) = thread.call
        {
            self.trace_call(tid, call.number);
        }
    }

    /// Ends a stop; a signal has its effect now, or is sent where the stop was not for one.
    fn leave_stop(&mut self, tid: Tid, tracer: Pid, stop: TraceStop, signal: Option<Signal>) {
        self.tasks.release(tid);
        let Some(signal) = signal else {
            if stop.kind == StopKind::Signal {
                self.forget_interruption(tid);
            }
            return;
        };
        let uid = self.tasks.process(tracer).map_or(0, |process| process.credentials.real_uid);
        let own = stop.info.filter(|info| info.signal == signal && stop.kind == StopKind::Signal);
        let info = own.unwrap_or_else(|| Info::from_sender(signal, code::USER, tracer, uid));
        let (thread, process) = self.tasks.pair_mut(tid);
        if stop.kind != StopKind::Signal || thread.signals.mask.contains(signal) {
            thread.signals.pending.push(info);
            return;
        }
        if let Some(delivery) = deliver::effect(info, &process.signals) {
            self.carry_out(tid, delivery);
        }
        self.forget_interruption(tid);
    }

    fn forget_interruption(&mut self, tid: Tid) {
        if let Some(thread) = self.tasks.find_thread_mut(tid) {
            thread.interrupted = None;
        }
    }

    fn finish_dying(&mut self, tid: Tid, dying: Option<(Extent, Status)>) {
        match (dying, self.tasks.thread(tid).map(|thread| thread.pid)) {
            (Some((Extent::Thread, status)), Some(_)) => self.exit_thread(tid, status),
            (Some((Extent::Process, status)), Some(pid)) => self.exit_process(pid, status),
            _ => {}
        }
    }
}

impl Wait {
    /// The waiting of a thread that is in a stop: nothing ends it but its tracer and SIGKILL.
    #[must_use]
    pub fn stopped() -> Self {
        Self { keys: Vec::new(), deadline_ns: None, interruption: Interruption::Stopped }
    }
}
