//! New threads and processes: what clone(2), clone3(2), fork(2) and vfork(2) have in common.

use super::process::{Process, Shares};
use super::thread::{Thread, Vectors};
use super::trace::TraceEvent;
use super::{Pid, Tid};
use crate::errno::{Errno, Result};
use crate::kernel::Ctx;
use crate::mm::user::UserMemory;
use crate::signal::Signal;
use alloc::rc::Rc;
use bitflags::bitflags;
use core::cell::RefCell;
use km_hal::context::RFLAGS_TRAP;
use km_hal::cpu::XState;
use km_hal::frames;
use km_hal::{UserContext, cpu};

bitflags! {
    /// Flags of clone(2) without the exit signal in their low byte.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CloneFlags: u64 {
        /// CLONE_VM: the child uses the same memory.
        const VM = 0x100;
        /// CLONE_FS: it shares root, working directory and umask.
        const FS = 0x200;
        /// CLONE_FILES: it shares the descriptor table.
        const FILES = 0x400;
        /// CLONE_SIGHAND: it shares the signal actions.
        const SIGHAND = 0x800;
        /// CLONE_PIDFD: store a descriptor of the child.
        const PIDFD = 0x1000;
        /// CLONE_PTRACE: the caller's tracer traces the child too.
        const PTRACE = 0x2000;
        /// CLONE_VFORK: the parent waits until the child lets go of its memory.
        const VFORK = 0x4000;
        /// CLONE_PARENT: the caller's parent is the child's too.
        const PARENT = 0x8000;
        /// CLONE_THREAD: the child is a thread of the same process.
        const THREAD = 0x1_0000;
        /// CLONE_SYSVSEM: share semaphore undo values; there are none.
        const SYSVSEM = 0x4_0000;
        /// CLONE_SETTLS: load the FS base with the thread pointer.
        const SETTLS = 0x8_0000;
        /// CLONE_PARENT_SETTID: store the child's number in the parent's memory.
        const PARENT_SETTID = 0x10_0000;
        /// CLONE_CHILD_CLEARTID: store 0 and wake a futex when the child ends.
        const CHILD_CLEARTID = 0x20_0000;
        /// CLONE_DETACHED: ignored, as by Linux.
        const DETACHED = 0x40_0000;
        /// CLONE_UNTRACED: the caller's tracer does not trace the child, whatever it asked for.
        const UNTRACED = 0x80_0000;
        /// CLONE_CHILD_SETTID: store the child's number in its own memory.
        const CHILD_SETTID = 0x100_0000;
        /// CLONE_IO: share an I/O context; ignored.
        const IO = 0x8000_0000;
        /// CLONE_CLEAR_SIGHAND: handlers become the default in the child.
        const CLEAR_SIGHAND = 0x1_0000_0000;
    }
}

/// Flags that make namespaces, which an unprivileged container may not: CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}.
pub const NAMESPACES: u64 = 0x7e02_0080;

/// What a new thread or process is to be.
#[derive(Clone, Copy, Debug)]
pub struct CloneRequest {
    /// What is shared, and what is stored where.
    pub flags: CloneFlags,
    /// Stack pointer of the child, 0 for the parent's.
    pub stack: u64,
    /// FS base of the child with CLONE_SETTLS.
    pub tls: u64,
    /// Where the number is stored for the parent.
    pub parent_tid: u64,
    /// Address for CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID.
    pub child_tid: u64,
    /// Sent to the parent when the child ends.
    pub exit_signal: u32,
}

impl CloneRequest {
    /// Refuses combinations that clone(2) refuses.
    fn check(&self) -> Result<()> {
        let flags = self.flags;
        let needs = |flag, needed| flags.contains(flag) && !flags.contains(needed);
        let contradiction = needs(CloneFlags::SIGHAND, CloneFlags::VM)
            || needs(CloneFlags::THREAD, CloneFlags::SIGHAND)
            || flags.contains(CloneFlags::CLEAR_SIGHAND | CloneFlags::SIGHAND)
            || self.exit_signal > 64;
        if contradiction { Err(Errno::EINVAL) } else { Ok(()) }
    }
}

impl CloneRequest {
    /// What a tracer may want to know of it as.
    fn event(&self) -> TraceEvent {
        if self.flags.contains(CloneFlags::VFORK) {
            TraceEvent::Vfork
        } else if self.exit_signal == u32::from(Signal::CHLD.number()) {
            TraceEvent::Fork
        } else {
            TraceEvent::Clone
        }
    }
}

impl Ctx<'_> {
    /// Makes the thread or process, ready to run, and returns its number.
    ///
    /// # Errors
    /// EINVAL, EAGAIN at a limit, ENOMEM.
    pub fn clone_task(&mut self, request: &CloneRequest) -> Result<Tid> {
        request.check()?;
        let limit = self.process().limits.current(super::limits::resource::NPROC);
        if self.kernel.tasks.thread_count() as u64 >= limit {
            return Err(Errno::EAGAIN);
        }
        let thread = request.flags.contains(CloneFlags::THREAD);
        if !has_room() {
            return Err(if thread { Errno::EAGAIN } else { Errno::ENOMEM });
        }
        let number = self.kernel.tasks.new_number().ok_or(Errno::EAGAIN)?;
        let pid = if thread { self.process().pid } else { self.new_process(number, request)? };
        self.store_numbers(pid, number, request);
        self.new_thread(number, pid, request);
        if self.thread().traced && !request.flags.contains(CloneFlags::UNTRACED) {
            let always = request.flags.contains(CloneFlags::PTRACE);
            self.kernel.trace_child(self.tid, number, pid, request.event(), always);
        }
        Ok(number)
    }

    fn new_process(&mut self, pid: Pid, request: &CloneRequest) -> Result<Pid> {
        let flags = request.flags;
        let parent = self.process();
        let space = if flags.contains(CloneFlags::VM) {
            Rc::clone(&parent.space)
        } else {
            let copy = parent.space.borrow_mut().fork()?;
            Rc::new(RefCell::new(copy))
        };
        let files = shared_or_copied(&parent.files, flags.contains(CloneFlags::FILES));
        let fs = shared_or_copied(&parent.fs, flags.contains(CloneFlags::FS));
        let mut child = parent.child(pid, Shares { space, files, fs });
        if flags.contains(CloneFlags::PARENT) {
            child.parent = parent.parent;
            child.exit_signal = parent.exit_signal;
        } else {
            child.maker = self.tid;
            child.exit_signal = request.exit_signal;
        }
        child.borrows_space = flags.contains(CloneFlags::VFORK);
        self.inherit_signals(&mut child, flags);
        self.kernel.tasks.add_process(child);
        Ok(pid)
    }

    /// Signal dispositions go along, pending signals do not.
    fn inherit_signals(&mut self, child: &mut Process, flags: CloneFlags) {
        let parent = self.process();
        if flags.contains(CloneFlags::SIGHAND) {
            child.signals.actions = Rc::clone(&parent.signals.actions);
        } else {
            let mut actions = parent.signals.actions.borrow().clone();
            if flags.contains(CloneFlags::CLEAR_SIGHAND) {
                actions.reset_handlers();
            }
            child.signals.actions = Rc::new(RefCell::new(actions));
        }
    }

    fn store_numbers(&mut self, pid: Pid, number: Tid, request: &CloneRequest) {
        // Linux ignores bad addresses here as well.
        if request.flags.contains(CloneFlags::PARENT_SETTID) {
            let _ = self.memory().store(request.parent_tid, &number);
        }
        if request.flags.contains(CloneFlags::CHILD_SETTID) {
            let space = self.kernel.tasks.process(pid).map(|process| Rc::clone(&process.space));
            let _ = space.map(|space| UserMemory::new(space).store(request.child_tid, &number));
        }
    }

    fn new_thread(&mut self, number: Tid, pid: Pid, request: &CloneRequest) {
        self.kernel.make_live(self.tid);
        let mut vectors =
            Vectors { state: XState::fresh(), fs_base: cpu::fs_base(), gs_base: cpu::gs_base() };
        cpu::save(&mut vectors.state);
        if request.flags.contains(CloneFlags::SETTLS) {
            vectors.fs_base = request.tls;
        }
        let parent = self.thread();
        let stack = if request.stack == 0 { parent.context.rsp } else { request.stack };
        let mut context = UserContext { rax: 0, rsp: stack, ..parent.context };
        if parent.traced {
            // Steps are the parent's alone.
            context.rflags &= !RFLAGS_TRAP;
        }
        let mut thread = Thread::new(number, pid, context, vectors);
        thread.name.clone_from(&parent.name);
        thread.signals.mask = parent.signals.mask;
        // A thread on the same memory would run its handlers on its parent's stack.
        if !request.flags.contains(CloneFlags::VM) || request.flags.contains(CloneFlags::VFORK) {
            thread.signals.alt_stack = parent.signals.alt_stack;
        }
        if request.flags.contains(CloneFlags::CHILD_CLEARTID) {
            thread.clear_child_tid = request.child_tid;
        }
        if !request.flags.contains(CloneFlags::VM) {
            thread.rseq = parent.rseq;
        }
        self.kernel.tasks.add_thread(thread);
    }
}

/// Whether there is memory for another thread or process and for what it will write. Without room for the writes, an
/// older process could be the one that is ended for want of memory.
fn has_room() -> bool {
    const SHARE: u64 = 16;
    frames::available() > frames::total() / SHARE
}

fn shared_or_copied<T: Clone>(value: &Rc<RefCell<T>>, share: bool) -> Rc<RefCell<T>> {
    if share { Rc::clone(value) } else { Rc::new(RefCell::new(value.borrow().clone())) }
}
