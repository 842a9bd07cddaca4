//! Who a process is: numbers, groups, sessions; and what it may say of itself and its surroundings.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::proc::{RELEASE, VERSION};
use crate::kernel::{Args, Ctx};
use crate::task::{Pid, Process};
use crate::wait::SysResult;
use km_hal::cpu;

pub const ROWS: &[Row] = &[
    Row::full(39, "getpid", sys_getpid),
    Row::full(63, "uname", sys_uname),
    Row::full(109, "setpgid", sys_setpgid),
    Row::full(110, "getppid", sys_getppid),
    Row::full(111, "getpgrp", sys_getpgrp),
    Row::full(112, "setsid", sys_setsid),
    Row::full(121, "getpgid", sys_getpgid),
    Row::full(124, "getsid", sys_getsid),
    Row::partial(135, "personality", sys_personality, "only PER_LINUX and ADDR_NO_RANDOMIZE"),
    Row::partial(158, "arch_prctl", sys_arch_prctl, "FS and GS bases, XSAVE components; no CPUID faulting"),
    Row::full(186, "gettid", sys_gettid),
    Row::full(309, "getcpu", sys_getcpu),
];

const ARCH_SET_GS: u64 = 0x1001;
const ARCH_SET_FS: u64 = 0x1002;
const ARCH_GET_FS: u64 = 0x1003;
const ARCH_GET_GS: u64 = 0x1004;
/// Argument of personality(2) that asks without a change.
const PERSONALITY_QUERY: u64 = 0xffff_ffff;
/// ADDR_NO_RANDOMIZE: addresses are never random here.
const ADDR_NO_RANDOMIZE: u64 = 0x0004_0000;

fn sys_getpid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(ctx.process().pid as u64)
}

fn sys_gettid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(ctx.tid as u64)
}

fn sys_getppid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(ctx.process().parent as u64)
}

fn sys_getpgrp(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(ctx.process().group as u64)
}

/// The process that an argument names; 0 is the caller.
fn named<'a>(ctx: &'a mut Ctx<'_>, pid: u64) -> Result<&'a mut Process> {
    match pid as Pid {
        0 => Ok(ctx.process()),
        pid => ctx.kernel.tasks.process_mut(pid).ok_or(Errno::ESRCH),
    }
}

fn sys_getpgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    Ok(named(ctx, args[0])?.group as u64)
}

fn sys_getsid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    Ok(named(ctx, args[0])?.session as u64)
}

fn sys_setsid(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    let pid = ctx.process().pid;
    if ctx.kernel.tasks.processes().any(|process| process.group == pid) {
        return Err(Errno::EPERM.into());
    }
    let process = ctx.process();
    process.session = pid;
    process.group = pid;
    Ok(pid as u64)
}

fn sys_setpgid(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (caller, session) = (ctx.process().pid, ctx.process().session);
    let pid = if args[0] as Pid == 0 { caller } else { args[0] as Pid };
    let group = if args[1] as Pid == 0 { pid } else { args[1] as Pid };
    if group < 0 {
        return Err(Errno::EINVAL.into());
    }
    let joins = |process: &Process| process.group == group && process.session == session;
    let exists = group == pid || ctx.kernel.tasks.processes().any(joins);
    let process = ctx.kernel.tasks.process_mut(pid).ok_or(Errno::ESRCH)?;
    if pid != caller && process.parent != caller {
        return Err(Errno::ESRCH.into());
    }
    if pid != caller && process.has_executed {
        return Err(Errno::EACCES.into());
    }
    if process.session == pid || process.session != session || !exists {
        return Err(Errno::EPERM.into());
    }
    process.group = group;
    Ok(0)
}

fn sys_uname(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let host = ctx.kernel.config.hostname.clone();
    let host = if host.is_empty() { "localhost" } else { &host };
    let fields = ["Linux", host, RELEASE, VERSION, "x86_64", "(none)"];
    let mut bytes = [0; 6 * 65];
    for (index, field) in fields.iter().enumerate() {
        let len = field.len().min(64);
        bytes[index * 65..index * 65 + len].copy_from_slice(&field.as_bytes()[..len]);
    }
    ctx.memory().write(args[0], &bytes)?;
    Ok(0)
}

fn sys_personality(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let settings = &mut ctx.process().settings;
    let before = if settings.no_randomize { ADDR_NO_RANDOMIZE } else { 0 };
    match args[0] & 0xffff_ffff {
        PERSONALITY_QUERY => {}
        wanted @ (0 | ADDR_NO_RANDOMIZE) => settings.no_randomize = wanted != 0,
        _ => return Err(Errno::EPERM.into()),
    }
    Ok(before)
}

fn sys_arch_prctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [code, address, ..] = *args;
    ctx.kernel.make_live(ctx.tid);
    let done = match code {
        ARCH_SET_FS => cpu::set_fs_base(address),
        ARCH_SET_GS => cpu::set_gs_base(address),
        ARCH_GET_FS => return Ok(ctx.memory().store(address, &cpu::fs_base()).map(|()| 0)?),
        ARCH_GET_GS => return Ok(ctx.memory().store(address, &cpu::gs_base()).map(|()| 0)?),
        _ => return Err(Errno::EINVAL.into()),
    };
    if done { Ok(0) } else { Err(Errno::EPERM.into()) }
}

fn sys_getcpu(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let memory = ctx.memory();
    for address in args[..2].iter().filter(|address| **address != 0) {
        memory.store(*address, &0u32)?;
    }
    Ok(0)
}
