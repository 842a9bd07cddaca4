//! ptrace(2). Who may trace whom is [`super::inspect`]'s; what stops a thread is [`crate::task::trace`]'s.

use super::inspect::inspected;
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::kernel::{Args, Ctx};
use crate::mm::user::UserMemory;
use crate::signal::info::{INFO_BYTES, Info, code};
use crate::signal::{SigSet, Signal, frame};
use crate::task::thread::Call;
use crate::task::trace::{Resume, StopKind, Trace, TraceOptions, TraceStop};
use crate::task::{Thread, Tid};
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::vec::Vec;
use km_abi::layout::{USER_CS, USER_SS};
use km_hal::UserContext;
use km_hal::context::RFLAGS_TRAP;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

pub const ROWS: &[Row] = &[Row::partial(
    101,
    "ptrace",
    sys_ptrace,
    "debug registers watch for writing and executing only, by steps; no PTRACE_PEEKSIGINFO, nothing of seccomp filters",
)];

mod request {
    pub const TRACEME: u64 = 0;
    pub const PEEKTEXT: u64 = 1;
    pub const PEEKDATA: u64 = 2;
    pub const PEEKUSER: u64 = 3;
    pub const POKEUSER: u64 = 6;
    pub const CONT: u64 = 7;
    pub const KILL: u64 = 8;
    pub const SINGLESTEP: u64 = 9;
    pub const GETREGS: u64 = 12;
    pub const SETREGS: u64 = 13;
    pub const GETFPREGS: u64 = 14;
    pub const SETFPREGS: u64 = 15;
    pub const ATTACH: u64 = 16;
    pub const DETACH: u64 = 17;
    pub const SYSCALL: u64 = 24;
    pub const ARCH_PRCTL: u64 = 30;
    pub const SETOPTIONS: u64 = 0x4200;
    pub const GETEVENTMSG: u64 = 0x4201;
    pub const GETSIGINFO: u64 = 0x4202;
    pub const SETSIGINFO: u64 = 0x4203;
    pub const GETREGSET: u64 = 0x4204;
    pub const SETREGSET: u64 = 0x4205;
    pub const SEIZE: u64 = 0x4206;
    pub const INTERRUPT: u64 = 0x4207;
    pub const LISTEN: u64 = 0x4208;
    pub const GETSIGMASK: u64 = 0x420a;
    pub const SETSIGMASK: u64 = 0x420b;
    pub const GET_SYSCALL_INFO: u64 = 0x420e;
}

/// `struct user_regs_struct`: r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs,
/// eflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Registers([u64; 27]);

/// Bytes of `struct user`, of which [`Registers`] is the beginning.
const USER_BYTES: u64 = 928;
/// `u_debugreg` in it: eight registers.
const DEBUG_REGISTERS: core::ops::Range<u64> = 848..912;
/// Bytes of the part of the vector state that FXSAVE writes.
const FXSAVE_BYTES: usize = 512;
/// What `rax` shows at the beginning of a call: -ENOSYS.
const NOT_YET: u64 = -38i64 as u64;

/// Which debug register lies at an offset of `struct user`.
fn debug_register(offset: u64) -> Option<usize> {
    DEBUG_REGISTERS.contains(&offset).then(|| ((offset - DEBUG_REGISTERS.start) / 8) as usize)
}

fn sys_ptrace(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [number, tid, address, data, ..] = *args;
    let tid = tid as Tid;
    match number {
        request::TRACEME => return Ok(trace_me(ctx).map(|()| 0)?),
        request::ATTACH | request::SEIZE => return Ok(attach(ctx, number, tid, address, data).map(|()| 0)?),
        _ => {}
    }
    let trace =
        ctx.kernel.tasks.traces.get(&tid).filter(|trace| trace.tracer.0 == ctx.tid).ok_or(Errno::ESRCH)?;
    // A thread that listens only waits to be interrupted.
    let (stop, seized) = (trace.stop.filter(|_| !trace.listens), trace.seized);
    match number {
        request::KILL => {
            let info = Info::kernel(Signal::KILL);
            ctx.kernel.signal_thread(tid, info);
            return Ok(0);
        }
        request::INTERRUPT if !seized => return Err(Errno::EIO.into()),
        request::INTERRUPT => {
            ctx.kernel.trace_interrupt(tid);
            return Ok(0);
        }
        _ => {}
    }
    let stop = stop.filter(|_| ctx.kernel.tasks.thread(tid).is_some()).ok_or(Errno::ESRCH)?;
    // What the CPU still holds of a thread is stored when the caller's own state is loaded.
    ctx.kernel.make_live(ctx.tid);
    match number {
        request::CONT => resume(ctx, tid, Resume::Freely, data),
        request::SYSCALL => resume(ctx, tid, Resume::Call, data),
        request::SINGLESTEP => resume(ctx, tid, Resume::Step, data),
        request::DETACH => {
            let signal = signal_of(data)?;
            ctx.kernel.end_trace(tid, signal);
            Ok(0)
        }
        request::LISTEN if !seized || !stop.listens() => Err(Errno::EIO.into()),
        request::LISTEN => {
            let trace = trace_of(ctx, tid)?;
            trace.listens = true;
            let pid = trace.pid;
            let goes_on = ctx.kernel.tasks.process(pid).is_some_and(|process| process.stopped.is_none());
            if stop.kind == StopKind::Group && goes_on {
                // SIGCONT came first.
                ctx.kernel.trace_interrupt(tid);
            }
            Ok(0)
        }
        request::PEEKTEXT..=request::POKEUSER => word(ctx, tid, number, address, data),
        _ => Ok(inspect(ctx, tid, number, address, data, &stop)?),
    }
}

/// The parent, and there the thread that made this one, traces it from now on.
fn trace_me(ctx: &mut Ctx<'_>) -> Result<()> {
    if ctx.thread().traced {
        return Err(Errno::EPERM);
    }
    let (pid, parent, maker) = (ctx.process().pid, ctx.process().parent, ctx.process().maker);
    let is_parents = ctx.kernel.tasks.thread(maker).is_some_and(|thread| thread.pid == parent);
    let tracer = (if is_parents { maker } else { parent }, parent);
    // The first process has no parent: it would wait for a tracer that never comes.
    if ctx.kernel.tasks.thread(tracer.0).is_none() {
        return Ok(());
    }
    ctx.kernel.begin_trace(ctx.tid, Trace::new(tracer, pid, TraceOptions::empty(), false));
    Ok(())
}

fn attach(ctx: &mut Ctx<'_>, number: u64, tid: Tid, address: u64, data: u64) -> Result<()> {
    let seizes = number == request::SEIZE;
    let options = if seizes { data } else { 0 };
    let options = u32::try_from(options).ok().and_then(TraceOptions::from_bits).ok_or(Errno::EIO)?;
    if seizes && address != 0 {
        return Err(Errno::EIO);
    }
    let (caller, own) = (ctx.tid, ctx.process().pid);
    if ctx.kernel.tasks.process(tid).is_some_and(|process| process.zombie.is_some()) {
        return Err(Errno::EPERM);
    }
    let pid = inspected(ctx, tid)?.pid;
    if pid == own || ctx.kernel.tasks.thread(tid).is_none_or(|thread| thread.traced) {
        return Err(Errno::EPERM);
    }
    ctx.kernel.begin_trace(tid, Trace::new((caller, own), pid, options, seizes));
    if !seizes {
        ctx.kernel.signal_thread(tid, Info::from_sender(Signal::STOP, code::USER, 0, 0));
    }
    Ok(())
}

fn trace_of<'a>(ctx: &'a mut Ctx<'_>, tid: Tid) -> Result<&'a mut Trace> {
    ctx.kernel.tasks.traces.get_mut(&tid).ok_or(Errno::ESRCH)
}

fn signal_of(number: u64) -> Result<Option<Signal>> {
    match number {
        0 => Ok(None),
        number => Signal::new(number).map(Some).ok_or(Errno::EIO),
    }
}

fn resume(ctx: &mut Ctx<'_>, tid: Tid, how: Resume, signal: u64) -> SysResult {
    let signal = signal_of(signal)?;
    ctx.kernel.trace_resume(tid, how, signal);
    Ok(0)
}

/// PTRACE_PEEK… and PTRACE_POKE…: a word of the thread's memory or of its `struct user`.
fn word(ctx: &mut Ctx<'_>, tid: Tid, number: u64, address: u64, data: u64) -> SysResult {
    if matches!(number, request::PEEKUSER | request::POKEUSER)
        && (!address.is_multiple_of(8) || address >= USER_BYTES)
    {
        return Err(Errno::EIO.into());
    }
    let index = (address / 8) as usize;
    let own = ctx.memory();
    let memory = UserMemory::new(Rc::clone(&ctx.kernel.tasks.process_of_mut(tid).space));
    match number {
        request::PEEKTEXT | request::PEEKDATA => {
            let word: u64 = memory.load(address).map_err(|_| Errno::EIO)?;
            own.store(data, &word)?;
        }
        request::PEEKUSER => {
            let word = match debug_register(address) {
                Some(register) => trace_of(ctx, tid)?.debug.get(register),
                None => registers(ctx, tid)?.0.get(index).copied().unwrap_or(0),
            };
            own.store(data, &word)?;
        }
        request::POKEUSER if DEBUG_REGISTERS.contains(&address) => {
            let register = debug_register(address).ok_or(Errno::EIO)?;
            trace_of(ctx, tid)?.debug.set(register, data)?;
        }
        request::POKEUSER => {
            let mut values = registers(ctx, tid)?;
            if let Some(value) = values.0.get_mut(index) {
                *value = data;
                set_registers(ctx, tid, &values)?;
            }
        }
        // PTRACE_POKETEXT and PTRACE_POKEDATA.
        _ => memory.write_forced(address, &data.to_le_bytes()).map_err(|_| Errno::EIO)?,
    }
    Ok(0)
}

/// The requests that look at a stopped thread or change what is known of it.
fn inspect(
    ctx: &mut Ctx<'_>,
    tid: Tid,
    number: u64,
    address: u64,
    data: u64,
    stop: &TraceStop,
) -> Result<u64> {
    let memory = ctx.memory();
    match number {
        request::GETREGS => memory.store(data, &registers(ctx, tid)?)?,
        request::SETREGS => set_registers(ctx, tid, &memory.load(data)?)?,
        request::GETFPREGS => memory.write(
            data,
            &frame::xstate_image(&ctx.kernel.tasks.thread_mut(tid).vectors.state)[..FXSAVE_BYTES],
        )?,
        request::SETFPREGS => {
            let mut bytes = [0; FXSAVE_BYTES];
            memory.read(data, &mut bytes)?;
            ctx.kernel.tasks.thread_mut(tid).vectors.state.load_bytes(&bytes);
        }
        request::GETREGSET => get_set(ctx, tid, address, data)?,
        request::SETREGSET => set_set(ctx, tid, address, data)?,
        request::SETOPTIONS => {
            let options = u32::try_from(data).ok().and_then(TraceOptions::from_bits).ok_or(Errno::EINVAL)?;
            trace_of(ctx, tid)?.options = options;
        }
        request::GETEVENTMSG => memory.store(data, &trace_of(ctx, tid)?.message)?,
        request::GETSIGINFO => memory.write(data, &stop.info.ok_or(Errno::EINVAL)?.encode())?,
        request::SETSIGINFO => {
            let mut bytes = [0; INFO_BYTES];
            memory.read(data, &mut bytes)?;
            let signal = Signal::new(u64::from(bytes[0]));
            let info = stop.info.and(signal).map(|signal| Info::from_program(signal, &bytes));
            trace_of(ctx, tid)?.stop = Some(TraceStop { info: Some(info.ok_or(Errno::EINVAL)?), ..*stop });
        }
        request::GETSIGMASK | request::SETSIGMASK if address != 8 => return Err(Errno::EINVAL),
        request::GETSIGMASK => memory.store(data, &ctx.kernel.tasks.thread_mut(tid).signals.mask.0)?,
        request::SETSIGMASK => {
            ctx.kernel.tasks.thread_mut(tid).signals.mask = SigSet::mask(memory.load(data)?);
        }
        request::ARCH_PRCTL => return arch_prctl(ctx, tid, address, data),
        request::GET_SYSCALL_INFO => return call_info(ctx, tid, address, data, stop),
        _ => return Err(Errno::EIO),
    }
    Ok(0)
}

/// The registers of a stopped thread as its tracer sees them.
fn registers(ctx: &mut Ctx<'_>, tid: Tid) -> Result<Registers> {
    let (thread, _, trace) = ctx.kernel.tasks.traced_mut(tid).ok_or(Errno::ESRCH)?;
    let r = thread.context;
    let before_call = trace.stop.is_some_and(|stop| stop.kind == StopKind::Entry);
    let rax = if before_call { NOT_YET } else { r.rax };
    let call = trace.call.unwrap_or(u64::MAX);
    let (fs_base, gs_base) = (thread.vectors.fs_base, thread.vectors.gs_base);
    Ok(Registers([
        r.r15,
        r.r14,
        r.r13,
        r.r12,
        r.rbp,
        r.rbx,
        r.r11,
        r.r10,
        r.r9,
        r.r8,
        rax,
        r.rcx,
        r.rdx,
        r.rsi,
        r.rdi,
        call,
        r.rip,
        u64::from(USER_CS),
        r.rflags & !RFLAGS_TRAP,
        r.rsp,
        u64::from(USER_SS),
        fs_base,
        gs_base,
        0,
        0,
        0,
        0,
    ]))
}

/// Gives a stopped thread other registers. Those of a call that it is about to make change the call; a negative number
/// makes none.
fn set_registers(ctx: &mut Ctx<'_>, tid: Tid, values: &Registers) -> Result<()> {
    const ADDRESSES_END: u64 = 1 << 47;
    let (thread, _, trace) = ctx.kernel.tasks.traced_mut(tid).ok_or(Errno::ESRCH)?;
    let [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        number,
        rip,
        _,
        rflags,
        rsp,
        _,
        fs_base,
        gs_base,
        ..,
    ] = values.0;
    if fs_base >= ADDRESSES_END || gs_base >= ADDRESSES_END {
        return Err(Errno::EIO);
    }
    let entry = thread.context.rax;
    let rflags = UserContext::sanitized_rflags(rflags);
    thread.context = UserContext {
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        rbp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rip,
        rflags,
        rsp,
    };
    (thread.vectors.fs_base, thread.vectors.gs_base) = (fs_base, gs_base);
    let makes_none = number as i32 == -1;
    match trace.stop.map(|stop| stop.kind) {
        Some(StopKind::Entry) if makes_none => thread.forget_call(),
        Some(StopKind::Entry) => {
            let (number, args) = (number & 0xffff_ffff, [rdi, rsi, rdx, r10, r8, r9]);
            thread.call = Some(Call { number, entry, args });
            thread.context.rax = entry;
        }
        // A call that a signal has interrupted is not made again.
        _ if makes_none => thread.forget_call(),
        _ => again(thread, number),
    }
    trace.call = (!makes_none).then_some(number);
    Ok(())
}

/// A tracer that has had a thread do something else gives it back the registers of an interrupted call: the call is to
/// be made again.
fn again(thread: &mut Thread, number: u64) {
    const SYSCALL_BYTES: u64 = 2;
    /// ERESTARTSYS to ERESTARTNOHAND.
    const RESTARTS: core::ops::RangeInclusive<i64> = -514..=-512;
    if thread.call.is_none() && RESTARTS.contains(&thread.context.rax.cast_signed()) {
        thread.context.rax = number;
        thread.context.rip = thread.context.rip.wrapping_sub(SYSCALL_BYTES);
    }
}

/// The sets of registers that PTRACE_GETREGSET knows.
mod set {
    pub const GENERAL: u64 = 1;
    pub const FLOATING: u64 = 2;
    pub const VECTOR: u64 = 0x202;
}

/// A set's bytes.
fn set_bytes(ctx: &mut Ctx<'_>, tid: Tid, kind: u64) -> Result<Vec<u8>> {
    let state = |ctx: &mut Ctx<'_>| frame::xstate_image(&ctx.kernel.tasks.thread_mut(tid).vectors.state);
    match kind {
        set::GENERAL => Ok(registers(ctx, tid)?.as_bytes().to_vec()),
        set::FLOATING => Ok(state(ctx)[..FXSAVE_BYTES].to_vec()),
        set::VECTOR => Ok(state(ctx)),
        _ => Err(Errno::EINVAL),
    }
}

/// The iovec of a register set.
fn vector(ctx: &mut Ctx<'_>, address: u64) -> Result<[u64; 2]> {
    let [base, len]: [u64; 2] = ctx.memory().load(address)?;
    if len % 8 == 0 { Ok([base, len]) } else { Err(Errno::EINVAL) }
}

fn get_set(ctx: &mut Ctx<'_>, tid: Tid, kind: u64, address: u64) -> Result<()> {
    let bytes = set_bytes(ctx, tid, kind)?;
    let [base, len] = vector(ctx, address)?;
    let len = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    let memory = ctx.memory();
    memory.write(base, &bytes[..len])?;
    memory.store(address + 8, &(len as u64))
}

fn set_set(ctx: &mut Ctx<'_>, tid: Tid, kind: u64, address: u64) -> Result<()> {
    let mut bytes = set_bytes(ctx, tid, kind)?;
    let [base, len] = vector(ctx, address)?;
    let len = bytes.len().min(usize::try_from(len).unwrap_or(usize::MAX));
    let memory = ctx.memory();
    memory.read(base, &mut bytes[..len])?;
    memory.store(address + 8, &(len as u64))?;
    match Registers::read_from_bytes(&bytes) {
        Ok(values) if kind == set::GENERAL => set_registers(ctx, tid, &values)?,
        _ => ctx.kernel.tasks.thread_mut(tid).vectors.state.load_bytes(&bytes),
    }
    Ok(())
}

/// PTRACE_ARCH_PRCTL: arch_prctl(2) of the stopped thread.
fn arch_prctl(ctx: &mut Ctx<'_>, tid: Tid, address: u64, option: u64) -> Result<u64> {
    const SET_GS: u64 = 0x1001;
    const SET_FS: u64 = 0x1002;
    const GET_FS: u64 = 0x1003;
    const GET_GS: u64 = 0x1004;
    let memory = ctx.memory();
    let vectors = &mut ctx.kernel.tasks.thread_mut(tid).vectors;
    match option {
        GET_FS => memory.store(address, &vectors.fs_base)?,
        GET_GS => memory.store(address, &vectors.gs_base)?,
        SET_FS | SET_GS if address >> 47 != 0 => return Err(Errno::EPERM),
        SET_FS => vectors.fs_base = address,
        SET_GS => vectors.gs_base = address,
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}

/// `struct ptrace_syscall_info`; returns how long it is.
fn call_info(ctx: &mut Ctx<'_>, tid: Tid, size: u64, data: u64, stop: &TraceStop) -> Result<u64> {
    const ARCHITECTURE: u32 = 0xc000_003e;
    /// SIGTRAP with the bit of PTRACE_O_TRACESYSGOOD: without that, Linux takes no stop for one at a call.
    const AT_CALL: i32 = 0x85;
    let is_at_call = stop.info.is_some_and(|info| info.code == AT_CALL);
    let kind = if is_at_call { stop.kind } else { StopKind::Event };
    let thread = ctx.kernel.tasks.thread_mut(tid);
    let r = thread.context;
    let mut bytes = Vec::new();
    let operation: u32 = match kind {
        StopKind::Entry => 1,
        StopKind::Exit => 2,
        _ => 0,
    };
    bytes.extend([operation, ARCHITECTURE].map(u32::to_le_bytes).as_flattened());
    bytes.extend([r.rip, r.rsp].map(u64::to_le_bytes).as_flattened());
    match (kind, thread.call) {
        (StopKind::Entry, Some(call)) => {
            bytes.extend(call.number.to_le_bytes());
            bytes.extend(call.args.map(u64::to_le_bytes).as_flattened());
        }
        (StopKind::Exit, _) => {
            bytes.extend(r.rax.to_le_bytes());
            bytes.push(u8::from((-4095..0).contains(&r.rax.cast_signed())));
        }
        _ => {}
    }
    let count = bytes.len().min(usize::try_from(size).unwrap_or(usize::MAX));
    ctx.memory().write(data, &bytes[..count])?;
    Ok(bytes.len() as u64)
}
