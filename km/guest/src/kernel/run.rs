//! The way of a trap: what the program asked for or did, then whose turn it is.

use super::{Ctx, Kernel, pressure};
use crate::errno::Errno;
use crate::syscall::names;
use crate::syscall::row::{Handler, Support};
use crate::syscall::table;
use crate::task::Tid;
use crate::task::thread::Call;
use crate::time;
use crate::wait::{Interruption, Stop, SysResult, Wait, watch};
use km_hal::{Trap, UserContext, cpu, hyper};

/// Length of `syscall`, and of `int 0x80`, in bytes: `rip` goes back by this to make a call again.
const SYSCALL_BYTES: u64 = 2;

impl Kernel {
    /// Handles a trap of the thread whose turn it is, and leaves the thread that goes on in `context`.
    pub fn enter(&mut self, context: &mut UserContext, trap: Trap) {
        if let Some(thread) = self.current.and_then(|tid| self.tasks.find_thread_mut(tid)) {
            thread.context = *context;
            let tid = thread.tid;
            match trap {
                Trap::Syscall => self.system_call(tid),
                Trap::Exception { vector, error, address } => self.exception(tid, vector, error, address),
                Trap::Interrupt => self.tick(),
            }
        }
        self.resume(context);
    }

    fn system_call(&mut self, tid: Tid) {
        let thread = self.tasks.thread_mut(tid);
        let UserContext { rax, rdi, rsi, rdx, r10, r8, r9, .. } = thread.context;
        // The upper half of the register does not count (Linux's do_syscall_64() takes an int).
        let number = rax & 0xffff_ffff;
        thread.forget_call();
        thread.call = Some(Call { number, entry: rax, args: [rdi, rsi, rdx, r10, r8, r9] });
        if thread.traced && self.trace_call(tid, number) {
            return;
        }
        self.run_call(tid, number, [rdi, rsi, rdx, r10, r8, r9]);
    }

    /// Runs a call's handler, for the first time or again, and stores what came of it.
    pub(super) fn run_call(&mut self, tid: Tid, number: u64, args: [u64; 6]) {
        match self.dispatch(tid, number, &args) {
            Ok(value) => self.finish_call(tid, value),
            Err(Stop::Errno(errno)) => self.finish_call(tid, errno.as_return_value()),
            Err(Stop::Block(wait)) => self.block(tid, wait),
            Err(Stop::Replaced) => {
                if let Some(thread) = self.tasks.find_thread_mut(tid) {
                    thread.forget_call();
                }
            }
        }
    }

    pub(super) fn dispatch(&mut self, tid: Tid, number: u64, args: &[u64; 6]) -> SysResult {
        let Some(row) = table::find(number) else {
            self.log_unknown(number);
            return Err(Errno::ENOSYS.into());
        };
        match (row.support, row.handler) {
            (Support::Refused(errno, _), _) => Err(errno.into()),
            (_, Some(_)) if pressure::refuses(number, self.tasks.thread_count()) => Err(Errno::ENOMEM.into()),
            (_, Some(handler)) => self.run_handler(tid, handler, args),
            (_, None) => Err(Errno::ENOSYS.into()),
        }
    }

    /// Runs a handler. What a call that waits holds is kept with its thread until the handler's next run.
    fn run_handler(&mut self, tid: Tid, handler: Handler, args: &[u64; 6]) -> SysResult {
        let held = core::mem::take(&mut self.tasks.thread_mut(tid).held);
        let mut ctx = Ctx { kernel: self, tid, held };
        let result = handler(&mut ctx, args);
        if matches!(result, Err(Stop::Block(_))) {
            let held = core::mem::take(&mut ctx.held);
            self.tasks.thread_mut(tid).held = held;
        }
        result
    }

    fn finish_call(&mut self, tid: Tid, value: u64) {
        if let Some(thread) = self.tasks.find_thread_mut(tid) {
            thread.finish_call(value);
        }
    }

    /// Lets a thread wait, unless a signal would end the waiting at once.
    fn block(&mut self, tid: Tid, wait: Wait) {
        let fatal_only = matches!(wait.interruption, Interruption::Never | Interruption::Stopped);
        let interrupted = if fatal_only { self.is_killed(tid) } else { self.has_signal(tid) };
        if interrupted {
            self.tasks.thread_mut(tid).interrupted = Some(wait.interruption);
        } else {
            self.tasks.block(tid, wait);
        }
    }

    /// Before a handler of the program runs: settles the call that its signal interrupted. The call fails with EINTR,
    /// or is made again after the handler; one that has done a part of its work returns how much.
    pub fn end_interrupted_call(&mut self, tid: Tid, restart: bool) {
        let Some(thread) = self.tasks.find_thread_mut(tid) else { return };
        let (Some(call), Some(interruption)) = (thread.call, thread.interrupted) else { return };
        if thread.progress.done > 0 {
            thread.finish_call(thread.progress.done);
        } else if interruption == Interruption::Again || restart && interruption == Interruption::Restart {
            thread.context.rip = thread.context.rip.wrapping_sub(SYSCALL_BYTES);
            thread.finish_call(call.entry);
        } else {
            thread.finish_call(Errno::EINTR.as_return_value());
        }
        self.futexes.leave(tid);
        self.ipc.leave(tid);
    }

    /// Chooses the thread that runs next and loads it into the CPU and `context`; waits if none can run.
    fn resume(&mut self, context: &mut UserContext) {
        loop {
            self.settle();
            match self.choose() {
                Some(tid) if self.prepare(tid) => {
                    self.begin_turn(tid);
                    *context = self.tasks.thread_mut(tid).context;
                    return;
                }
                Some(_) => {}
                None => self.idle(),
            }
        }
    }

    /// Handles what happened since: ticks of the monitor, deadlines, woken queues, replaced pages of files. Ticks come
    /// first because they bring events, and events wake queues.
    fn settle(&mut self) {
        if hyper::tick_pending() {
            hyper::clear_tick();
            self.tick();
        }
        let now_ns = time::monotonic_ns();
        time::expire(now_ns);
        self.tasks.expire(now_ns);
        self.fire_timers(now_ns);
        self.wake_woken();
        for (group, signal) in crate::fs::pty::take_signals() {
            self.signal_group(group, signal);
        }
        for stale in crate::fs::stale::take() {
            for process in self.tasks.processes() {
                process.space.borrow_mut().drop_stale(&stale);
            }
        }
    }

    /// Makes those runnable who wait for what was woken.
    pub(super) fn wake_woken(&mut self) {
        for key in crate::wait::take_woken() {
            if key == watch::SIGNALS {
                self.send_io_signals();
            }
            self.tasks.wake(key);
        }
    }

    /// The current thread keeps its turn until it waits or the monitor's tick ends it. An answer leaves before another
    /// thread has its turn: the client waits for it, and that turn may last until the tick.
    fn choose(&mut self) -> Option<Tid> {
        if let Some(tid) = self.current
            && self.can_run(tid)
        {
            return Some(tid);
        }
        self.current = None;
        if self.tasks.has_ready() && self.net.host().has_answer() {
            self.exchange();
        }
        self.current = self.tasks.take_ready();
        self.current
    }

    fn can_run(&self, tid: Tid) -> bool {
        let Some(thread) = self.tasks.thread(tid) else { return false };
        let stopped = self.tasks.process(thread.pid).is_some_and(|process| process.stopped.is_some());
        thread.wait.is_none() && !stopped
    }

    /// A tick: the turn is over if someone else can run.
    fn tick(&mut self) {
        self.exchange();
        self.enforce_cpu_limit();
        if self.tasks.has_ready()
            && let Some(tid) = self.current.take()
        {
            if self.can_run(tid) {
                self.abort_sequence(tid);
            }
            self.tasks.make_ready(tid);
        }
    }

    /// Lets a thread finish its call and take its signals; `false` when it does not return to its program now.
    fn prepare(&mut self, tid: Tid) -> bool {
        while self.can_run(tid) {
            let thread = self.tasks.thread_mut(tid);
            let (call, interrupted, traced) = (thread.call, thread.interrupted, thread.traced);
            match (call, interrupted) {
                (None, _) if traced && self.trace_return(tid) => {}
                (Some(call), None) => self.run_call(tid, call.number, call.args),
                _ if self.has_signal(tid) => {
                    self.take_signal(tid);
                    // What no handler ended goes on.
                    if let Some(thread) = self.tasks.find_thread_mut(tid)
                        && thread.wait.is_none()
                    {
                        thread.interrupted = None;
                    }
                }
                (Some(_), Some(_)) => self.tasks.thread_mut(tid).interrupted = None,
                (None, _) => return true,
            }
        }
        false
    }

    /// Makes the CPU a thread's own: page tables, vector state, segment bases.
    fn begin_turn(&mut self, tid: Tid) {
        let process = self.tasks.process_of_mut(tid);
        process.space.borrow().activate();
        let is_limited = process.limits.cpu().is_some();
        hyper::rest(if is_limited { 0 } else { self.ticks_of_rest() });
        self.ended_spaces.clear();
        self.note_running(tid);
        self.make_live(tid);
    }

    /// Tells the monitor who keeps the machine from coming to rest; calls do without.
    fn note_running(&self, tid: Tid) {
        if self.generation == 0
            && let Some(thread) = self.tasks.thread(tid)
        {
            hyper::running(thread.pid.cast_unsigned(), &thread.name);
        }
    }

    /// Puts a thread's vector state and segment bases into the CPU, after those of the thread before are stored.
    pub fn make_live(&mut self, tid: Tid) {
        if self.live == Some(tid) {
            return;
        }
        self.store_live();
        let vectors = &self.tasks.thread_mut(tid).vectors;
        cpu::restore(&vectors.state);
        cpu::set_fs_base(vectors.fs_base);
        cpu::set_gs_base(vectors.gs_base);
        self.live = Some(tid);
        self.turn_began_ns = time::monotonic_ns();
    }

    /// Stores what the CPU holds of a thread.
    pub fn store_live(&mut self) {
        let elapsed_ns = self.turn_elapsed_ns();
        let Some(tid) = self.live.take() else { return };
        let Some(thread) = self.tasks.find_thread_mut(tid) else { return };
        cpu::save(&mut thread.vectors.state);
        thread.vectors.fs_base = cpu::fs_base();
        thread.vectors.gs_base = cpu::gs_base();
        thread.cpu_ns += elapsed_ns;
    }

    /// Makes the stored state of a thread the valid one (execve, rt_sigreturn): what the CPU holds of it is stale.
    pub fn forget_live(&mut self, tid: Tid) {
        if self.live == Some(tid) {
            let elapsed_ns = self.turn_elapsed_ns();
            self.live = None;
            if let Some(thread) = self.tasks.find_thread_mut(tid) {
                thread.cpu_ns += elapsed_ns;
            }
        }
    }

    fn turn_elapsed_ns(&self) -> u64 {
        time::monotonic_ns().saturating_sub(self.turn_began_ns)
    }

    /// CPU time of a thread in nanoseconds, its current turn included.
    #[must_use]
    pub fn cpu_ns(&self, tid: Tid) -> u64 {
        let running = if self.live == Some(tid) { self.turn_elapsed_ns() } else { 0 };
        self.tasks.thread(tid).map_or(0, |thread| thread.cpu_ns) + running
    }

    fn log_unknown(&mut self, number: u64) {
        if self.logged.len() < 512 && self.logged.insert(number) {
            let name = names::of(number);
            crate::log!("system call {name} ({number}) is not implemented");
        }
    }
}
