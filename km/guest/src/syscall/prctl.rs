//! prctl(2), rseq(2).

use super::row::Row;
use crate::errno::Errno;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[
    Row::partial(
        157,
        "prctl",
        sys_prctl,
        "names, death signal, dumpable, no_new_privs, subreaper, capabilities, slack",
    ),
    Row::full(334, "rseq", sys_rseq),
];

mod option {
    pub const SET_PDEATHSIG: u64 = 1;
    pub const GET_PDEATHSIG: u64 = 2;
    pub const GET_DUMPABLE: u64 = 3;
    pub const SET_DUMPABLE: u64 = 4;
    pub const GET_KEEPCAPS: u64 = 7;
    pub const SET_KEEPCAPS: u64 = 8;
    pub const SET_NAME: u64 = 15;
    pub const GET_NAME: u64 = 16;
    pub const GET_SECCOMP: u64 = 21;
    pub const CAPBSET_READ: u64 = 23;
    pub const CAPBSET_DROP: u64 = 24;
    pub const GET_TSC: u64 = 25;
    pub const SET_TSC: u64 = 26;
    pub const GET_SECUREBITS: u64 = 27;
    pub const SET_TIMERSLACK: u64 = 29;
    pub const GET_TIMERSLACK: u64 = 30;
    pub const SET_CHILD_SUBREAPER: u64 = 36;
    pub const GET_CHILD_SUBREAPER: u64 = 37;
    pub const SET_NO_NEW_PRIVS: u64 = 38;
    pub const GET_NO_NEW_PRIVS: u64 = 39;
    pub const SET_THP_DISABLE: u64 = 41;
    pub const GET_THP_DISABLE: u64 = 42;
    pub const CAP_AMBIENT: u64 = 47;
    pub const SET_VMA: u64 = 0x5356_4d41;
    pub const SET_PTRACER: u64 = 0x5961_6d61;
}

/// PR_TSC_ENABLE: programs may read the time-stamp counter.
const TSC_ENABLE: u32 = 1;
/// The capability that PR_CAPBSET_DROP needs.
const CAP_SETPCAP: u32 = 8;
/// Capabilities that there are.
const CAPABILITIES: u64 = 41;

fn sys_prctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [number, value, ..] = *args;
    let memory = ctx.memory();
    let settings = &mut ctx.process().settings;
    match number & 0xffff_ffff {
        option::SET_PDEATHSIG if value > 64 => return Err(Errno::EINVAL.into()),
        option::SET_PDEATHSIG => settings.parent_death_signal = value as u32,
        option::GET_PDEATHSIG => memory.store(value, &settings.parent_death_signal)?,
        option::GET_DUMPABLE => return Ok(u64::from(!settings.not_dumpable)),
        option::SET_DUMPABLE if value > 1 => return Err(Errno::EINVAL.into()),
        option::SET_DUMPABLE => settings.not_dumpable = value == 0,
        option::GET_KEEPCAPS => return Ok(u64::from(settings.keep_capabilities)),
        option::SET_KEEPCAPS if value > 1 => return Err(Errno::EINVAL.into()),
        option::SET_KEEPCAPS => settings.keep_capabilities = value == 1,
        option::SET_TIMERSLACK => settings.timer_slack_ns = value,
        option::GET_TIMERSLACK => return Ok(settings.slack_ns()),
        option::SET_CHILD_SUBREAPER => settings.subreaper = value != 0,
        option::GET_CHILD_SUBREAPER => memory.store(value, &i32::from(settings.subreaper))?,
        option::SET_NO_NEW_PRIVS if args[1..5] != [1, 0, 0, 0] => return Err(Errno::EINVAL.into()),
        option::SET_NO_NEW_PRIVS => settings.no_new_privs = true,
        option::GET_NO_NEW_PRIVS => return Ok(u64::from(settings.no_new_privs)),
        option::GET_SECCOMP | option::GET_SECUREBITS | option::SET_PTRACER => {}
        option::GET_THP_DISABLE if args[1..5] != [0; 4] => return Err(Errno::EINVAL.into()),
        option::GET_THP_DISABLE => return Ok(u64::from(settings.no_huge_pages)),
        option::SET_THP_DISABLE if args[2..5] != [0; 3] => return Err(Errno::EINVAL.into()),
        option::SET_THP_DISABLE => settings.no_huge_pages = value != 0,
        option::GET_TSC => memory.store(value, &TSC_ENABLE)?,
        option::SET_TSC if value == u64::from(TSC_ENABLE) => {}
        option::SET_NAME | option::GET_NAME => return name(ctx, number, value),
        option::CAPBSET_READ | option::CAPBSET_DROP | option::CAP_AMBIENT => return capabilities(ctx, args),
        // PR_SET_VMA is EINVAL: names of anonymous mappings are a build option of Linux, and programs cope without it.
        option::SET_VMA => return Err(Errno::EINVAL.into()),
        _ => return Err(Errno::EINVAL.into()),
    }
    Ok(0)
}

fn name(ctx: &mut Ctx<'_>, number: u64, address: u64) -> SysResult {
    let memory = ctx.memory();
    let thread = ctx.thread();
    if number == option::GET_NAME {
        let mut bytes = [0; 16];
        bytes[..thread.name.len()].copy_from_slice(&thread.name);
        memory.write(address, &bytes)?;
        return Ok(0);
    }
    match memory.string(address, 16) {
        Ok(name) => thread.set_name(&name),
        Err(Errno::ENAMETOOLONG) => {
            let mut bytes = [0; 15];
            memory.read(address, &mut bytes)?;
            thread.set_name(&bytes);
        }
        Err(errno) => return Err(errno.into()),
    }
    Ok(0)
}

fn capabilities(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const AMBIENT_IS_SET: u64 = 1;
    const AMBIENT_CLEAR_ALL: u64 = 4;
    let [number, value, ..] = *args;
    let own = &mut ctx.process().credentials;
    match number {
        option::CAP_AMBIENT if matches!(value, AMBIENT_IS_SET | AMBIENT_CLEAR_ALL) => return Ok(0),
        option::CAP_AMBIENT => return Err(Errno::EPERM.into()),
        _ if value >= CAPABILITIES => return Err(Errno::EINVAL.into()),
        option::CAPBSET_READ => return Ok(own.bounding >> value & 1),
        _ if !own.can(CAP_SETPCAP) => return Err(Errno::EPERM.into()),
        _ => own.bounding &= !(1 << value),
    }
    Ok(0)
}

/// Smallest area that rseq(2) takes.
const RSEQ_BYTES: u32 = 32;
const RSEQ_FLAG_UNREGISTER: u64 = 1;

fn sys_rseq(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, len, flags, signature, ..] = *args;
    let (len, signature) = (len as u32, signature as u32);
    let registered = ctx.thread().rseq;
    if flags == RSEQ_FLAG_UNREGISTER {
        match registered {
            Some((at, _, _)) if at != address => return Err(Errno::EINVAL.into()),
            Some((_, size, _)) if size != len => return Err(Errno::EINVAL.into()),
            Some((_, _, known)) if known != signature => return Err(Errno::EPERM.into()),
            Some(_) => ctx.thread().rseq = None,
            None => return Err(Errno::EINVAL.into()),
        }
        // cpu_id: RSEQ_CPU_ID_UNINITIALIZED.
        ctx.memory().store(address, &[0u32, u32::MAX])?;
        return Ok(0);
    }
    if flags != 0 || len < RSEQ_BYTES || !address.is_multiple_of(32) {
        return Err(Errno::EINVAL.into());
    }
    match registered {
        Some((at, size, known)) if (at, size) == (address, len) => {
            return Err(if known == signature { Errno::EBUSY } else { Errno::EPERM }.into());
        }
        Some(_) => return Err(Errno::EINVAL.into()),
        None => {}
    }
    // cpu_id_start, cpu_id; rseq_cs; flags, node_id, mm_cid: there is one CPU, so none of them ever changes.
    ctx.memory().store(address, &[0u32, 0])?;
    ctx.memory().store(address + 8, &0u64)?;
    ctx.memory().store(address + 20, &[0u32, 0])?;
    ctx.thread().rseq = Some((address, len, signature));
    Ok(0)
}
