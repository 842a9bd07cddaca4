//! Signals: dispositions, masks, sending, waiting, and the return from handlers.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::signal::action::Action;
use crate::signal::frame::{self, StackT};
use crate::signal::info::{INFO_BYTES, Info, code};
use crate::signal::{SigSet, Signal};
use crate::task::credentials::CAP_KILL;
use crate::task::{Pid, Process, Status, Tid};
use crate::time::{Timespec, monotonic_ns};
use crate::wait::{Interruption, Stop, SysResult, Wait};
use alloc::vec::Vec;
use km_hal::cpu;

pub const ROWS: &[Row] = &[
    Row::full(13, "rt_sigaction", sys_rt_sigaction),
    Row::full(14, "rt_sigprocmask", sys_rt_sigprocmask),
    Row::full(15, "rt_sigreturn", sys_rt_sigreturn),
    Row::full(34, "pause", sys_pause),
    Row::full(62, "kill", sys_kill),
    Row::full(127, "rt_sigpending", sys_rt_sigpending),
    Row::full(128, "rt_sigtimedwait", sys_rt_sigtimedwait),
    Row::full(129, "rt_sigqueueinfo", sys_rt_sigqueueinfo),
    Row::full(130, "rt_sigsuspend", sys_rt_sigsuspend),
    Row::full(131, "sigaltstack", sys_sigaltstack),
    Row::full(200, "tkill", sys_tkill),
    Row::refused(219, "restart_syscall", Errno::EINTR, "calls are restarted without it"),
    Row::full(234, "tgkill", sys_tgkill),
    Row::full(297, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo),
    Row::full(424, "pidfd_send_signal", sys_pidfd_send_signal),
];

/// Bytes of a sigset_t, as every call is told.
const SET_BYTES: u64 = 8;

fn check_set_size(size: u64) -> Result<()> {
    if size == SET_BYTES { Ok(()) } else { Err(Errno::EINVAL) }
}

fn sys_rt_sigaction(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [number, new, old, size, ..] = *args;
    check_set_size(size)?;
    let memory = ctx.memory();
    let wanted: Option<Action> = if new == 0 { None } else { Some(memory.load(new)?) };
    let signal = Signal::new(number & 0xffff_ffff).ok_or(Errno::EINVAL)?;
    if wanted.is_some() && signal.unstoppable() {
        return Err(Errno::EINVAL.into());
    }
    let actions = alloc::rc::Rc::clone(&ctx.process().signals.actions);
    let before = actions.borrow().get(signal);
    if let Some(action) = wanted {
        actions.borrow_mut().set(signal, action);
        forget_ignored(ctx, signal);
    }
    if old != 0 {
        memory.store(old, &before)?;
    }
    Ok(0)
}

/// Pending signals that are ignored from now on are dropped (POSIX).
fn forget_ignored(ctx: &mut Ctx<'_>, signal: Signal) {
    let process = ctx.process();
    if !crate::signal::deliver::forgettable(signal, false, &process.signals) {
        return;
    }
    let gone = SigSet::default().with(signal);
    process.signals.pending.discard(gone);
    for tid in process.threads.clone() {
        if let Some(thread) = ctx.kernel.tasks.find_thread_mut(tid) {
            thread.signals.pending.discard(gone);
        }
    }
}

fn sys_rt_sigprocmask(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [how, new, old, size, ..] = *args;
    check_set_size(size)?;
    let memory = ctx.memory();
    let before = ctx.thread().signals.mask;
    if new != 0 {
        let set: u64 = memory.load(new)?;
        let mask = match how & 0xffff_ffff {
            0 => before.0 | set,
            1 => before.0 & !set,
            2 => set,
            _ => return Err(Errno::EINVAL.into()),
        };
        ctx.thread().signals.mask = SigSet::mask(mask);
    }
    if old != 0 {
        memory.store(old, &before.0)?;
    }
    Ok(0)
}

fn sys_rt_sigreturn(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    ctx.kernel.make_live(ctx.tid);
    let memory = ctx.memory();
    let thread = ctx.thread();
    let left = frame::leave(&memory, &mut thread.context, &mut thread.signals, &mut thread.vectors.state);
    match left {
        Ok(()) => cpu::restore(&thread.vectors.state),
        Err(_) => ctx.kernel.force_signal(ctx.tid, Info::kernel(Signal::SEGV)),
    }
    Err(Stop::Replaced)
}

/// Waits for a handler to run.
fn wait_for_handler(ctx: &mut Ctx<'_>) -> SysResult {
    Err(Stop::Block(Wait { interruption: Interruption::Fail, ..Wait::on(&ctx.thread().futex) }))
}

fn sys_pause(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    wait_for_handler(ctx)
}

fn sys_rt_sigsuspend(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    check_set_size(args[1])?;
    if ctx.thread().signals.saved_mask.is_none() {
        let mask: u64 = ctx.memory().load(args[0])?;
        super::hooks::enter_mask(ctx, mask);
    }
    wait_for_handler(ctx)
}

fn sys_rt_sigpending(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[1] > SET_BYTES {
        return Err(Errno::EINVAL.into());
    }
    let of_process = ctx.process().signals.pending.set();
    let signals = &ctx.thread().signals;
    let pending = (signals.pending.set().0 | of_process.0) & signals.mask.0;
    ctx.memory().write(args[0], &pending.to_le_bytes()[..args[1] as usize])?;
    Ok(0)
}

fn sys_rt_sigtimedwait(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [set, info, timeout, size, ..] = *args;
    check_set_size(size)?;
    let memory = ctx.memory();
    let wanted = SigSet::mask(memory.load(set)?);
    if timeout != 0 && ctx.progress().deadline_ns.is_none() {
        let wait_ns = memory.load::<Timespec>(timeout)?.to_ns()?;
        ctx.progress().deadline_ns = Some(monotonic_ns().saturating_add(wait_ns));
    }
    let (thread, process) = ctx.kernel.tasks.pair_mut(ctx.tid);
    if let Some(taken) = thread.signals.take(&mut process.signals, wanted) {
        if info != 0 {
            memory.write(info, &taken.encode())?;
        }
        return Ok(u64::from(taken.signal.number()));
    }
    let deadline_ns = thread.progress.deadline_ns;
    if deadline_ns.is_some_and(|deadline_ns| deadline_ns <= monotonic_ns()) {
        return Err(Errno::EAGAIN.into());
    }
    let wait = Wait::on(&process.signal_arrived).until(deadline_ns);
    Err(Stop::Block(Wait { interruption: Interruption::Fail, ..wait }))
}

fn sys_sigaltstack(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [new, old, ..] = *args;
    let memory = ctx.memory();
    let wanted: Option<StackT> = if new == 0 { None } else { Some(memory.load(new)?) };
    let thread = ctx.thread();
    let (pointer, before) = (thread.context.rsp, thread.signals.alt_stack);
    if let Some(wanted) = wanted {
        if before.holds(pointer) {
            return Err(Errno::EPERM.into());
        }
        thread.signals.alt_stack = wanted.request()?;
    }
    if old != 0 {
        memory.store(old, &StackT::report(&before, pointer))?;
    }
    Ok(0)
}

/// Signal 0 only asks whether one may be sent.
fn signal_or_probe(number: u64) -> Result<Option<Signal>> {
    match number & 0xffff_ffff {
        0 => Ok(None),
        number => Signal::new(number).map(Some).ok_or(Errno::EINVAL),
    }
}

/// Whether the caller may signal a process (kill(2)).
fn may_signal(ctx: &mut Ctx<'_>, target: &SignalTarget, signal: Option<Signal>) -> bool {
    let session = ctx.process().session;
    let own = &ctx.process().credentials;
    let same = [own.uid, own.real_uid].iter().any(|uid| [target.real_uid, target.saved_uid].contains(uid));
    same || own.can(CAP_KILL) || signal == Some(Signal::CONT) && target.session == session
}

struct SignalTarget {
    pid: Pid,
    real_uid: u32,
    saved_uid: u32,
    session: Pid,
}

impl SignalTarget {
    fn of(process: &Process) -> Self {
        Self {
            pid: process.pid,
            real_uid: process.credentials.real_uid,
            saved_uid: process.credentials.saved_uid,
            session: process.session,
        }
    }
}

fn info_of_sender(ctx: &mut Ctx<'_>, signal: Signal, code: i32) -> Info {
    let process = ctx.process();
    Info::from_sender(signal, code, process.pid, process.credentials.real_uid)
}

fn sys_kill(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let caller = ctx.process().pid;
    let group = ctx.process().group;
    let pid = args[0] as Pid;
    let meant = |process: &&Process| match pid {
        0 => process.group == group,
        -1 => process.pid != 1 && process.pid != caller,
        pid if pid > 0 => process.pid == pid,
        group => process.group == group.wrapping_neg(),
    };
    let mut targets: Vec<SignalTarget> =
        ctx.kernel.tasks.processes().filter(meant).map(SignalTarget::of).collect();
    if targets.is_empty() && pid > 0 {
        // The number of any thread names its process.
        let owner = ctx.kernel.tasks.thread(pid).map(|thread| thread.pid);
        targets.extend(owner.and_then(|owner| ctx.kernel.tasks.process(owner)).map(SignalTarget::of));
    }
    if targets.is_empty() {
        return Err(Errno::ESRCH.into());
    }
    // Whom it is for comes first: a signal that there is not is sent to nobody.
    let signal = signal_or_probe(args[1])?;
    let mut sent = false;
    for target in targets {
        if may_signal(ctx, &target, signal) {
            sent = true;
            match signal {
                // SIGKILL ends other processes at once, so that what they hold is freed before the next one is
                // signalled.
                Some(Signal::KILL) if target.pid != caller => {
                    ctx.kernel.exit_process(target.pid, Status::Signaled(u32::from(Signal::KILL.number())));
                }
                Some(signal) => {
                    let info = info_of_sender(ctx, signal, code::USER);
                    ctx.kernel.signal_process(target.pid, info);
                }
                None => {}
            }
        }
    }
    if sent { Ok(0) } else { Err(Errno::EPERM.into()) }
}

fn sys_tkill(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    send_to_thread(ctx, None, args[0] as Tid, args[1])
}

fn sys_tgkill(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let pid = args[0] as Pid;
    if pid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    send_to_thread(ctx, Some(pid), args[1] as Tid, args[2])
}

fn send_to_thread(ctx: &mut Ctx<'_>, pid: Option<Pid>, tid: Tid, number: u64) -> SysResult {
    if tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let owner = thread_owner(ctx, pid, tid)?;
    let signal = signal_or_probe(number)?;
    check_target(ctx, owner, signal)?;
    if let Some(signal) = signal {
        let info = info_of_sender(ctx, signal, code::TKILL);
        if !ctx.kernel.signal_thread(tid, info) {
            return Err(Errno::EAGAIN.into());
        }
    }
    Ok(0)
}

fn thread_owner(ctx: &mut Ctx<'_>, pid: Option<Pid>, tid: Tid) -> Result<Pid> {
    let owner = ctx.kernel.tasks.thread(tid).map(|thread| thread.pid).ok_or(Errno::ESRCH)?;
    if pid.is_some_and(|pid| pid != owner) { Err(Errno::ESRCH) } else { Ok(owner) }
}

fn check_target(ctx: &mut Ctx<'_>, pid: Pid, signal: Option<Signal>) -> Result<()> {
    let target = ctx.kernel.tasks.process(pid).map(SignalTarget::of).ok_or(Errno::ESRCH)?;
    if may_signal(ctx, &target, signal) { Ok(()) } else { Err(Errno::EPERM) }
}

/// The siginfo_t that a program gives; only a process itself may pretend that the kernel or kill(2) sent it.
fn given_info(ctx: &mut Ctx<'_>, target: Pid, address: u64) -> Result<[u8; INFO_BYTES]> {
    let bytes = read_info(ctx, address)?;
    let code = Info::from_program(Signal::KILL, &bytes).code;
    if (code >= 0 || code == code::TKILL) && target != ctx.tid { Err(Errno::EPERM) } else { Ok(bytes) }
}

/// Of a siginfo_t the fields, which are its first part; the rest only where the code leaves open what is in it.
fn read_info(ctx: &mut Ctx<'_>, address: u64) -> Result<[u8; INFO_BYTES]> {
    const FIELDS: usize = 48;
    /// SI_DETHREAD, the lowest of the codes with fields that are known, and SI_ASYNCNL, which stands alone.
    const LOWEST: i32 = -7;
    const ASYNCNL: i32 = -60;
    let mut bytes = [0; INFO_BYTES];
    ctx.memory().read(address, &mut bytes[..FIELDS])?;
    let code = Info::from_program(Signal::KILL, &bytes).code;
    if code < LOWEST && code != ASYNCNL {
        ctx.memory().read(address.wrapping_add(FIELDS as u64), &mut bytes[FIELDS..])?;
    }
    Ok(bytes)
}

/// The signal of that number with what was given for it; none for 0, which only asks.
fn with_signal(number: u64, bytes: &[u8; INFO_BYTES]) -> Result<Option<Info>> {
    Ok(signal_or_probe(number)?.map(|signal| Info::from_program(signal, bytes)))
}

fn sys_rt_sigqueueinfo(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [pid, number, info, ..] = *args;
    let pid = pid as Pid;
    let bytes = given_info(ctx, pid, info)?;
    if ctx.kernel.tasks.process(pid).is_none() {
        return Err(Errno::ESRCH.into());
    }
    let info = with_signal(number, &bytes)?;
    check_target(ctx, pid, info.map(|info| info.signal))?;
    match info {
        Some(info) if !ctx.kernel.signal_process(pid, info) => Err(Errno::EAGAIN.into()),
        _ => Ok(0),
    }
}

fn sys_rt_tgsigqueueinfo(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [pid, tid, number, info, ..] = *args;
    let (pid, tid) = (pid as Pid, tid as Tid);
    read_info(ctx, info)?;
    if pid <= 0 || tid <= 0 {
        return Err(Errno::EINVAL.into());
    }
    let bytes = given_info(ctx, tid, info)?;
    let owner = thread_owner(ctx, Some(pid), tid)?;
    let info = with_signal(number, &bytes)?;
    check_target(ctx, owner, info.map(|info| info.signal))?;
    match info {
        Some(info) if !ctx.kernel.signal_thread(tid, info) => Err(Errno::EAGAIN.into()),
        _ => Ok(0),
    }
}

fn sys_pidfd_send_signal(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [fd, number, info, flags, ..] = *args;
    if flags != 0 {
        return Err(Errno::EINVAL.into());
    }
    let pid = super::pidfd::pid_of(ctx, fd)?;
    if ctx.kernel.tasks.process(pid).is_none_or(|process| process.zombie.is_some()) {
        return Err(Errno::ESRCH.into());
    }
    let info = match (info, signal_or_probe(number)?) {
        (_, None) => None,
        (0, Some(signal)) => Some(info_of_sender(ctx, signal, code::USER)),
        (address, _) => with_signal(number, &given_info(ctx, pid, address)?)?,
    };
    check_target(ctx, pid, info.map(|info| info.signal))?;
    if let Some(info) = info {
        ctx.kernel.signal_process(pid, info);
    }
    Ok(0)
}
