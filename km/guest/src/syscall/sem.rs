//! Semaphores of System V: semget(2), semop(2), semctl(2).

use super::ipc::{self, command};
use super::row::Row;
use super::waiting::{is_over, timespec};
use crate::errno::{Errno, Result};
use crate::ipc::now_s;
use crate::ipc::registry::Object;
use crate::ipc::sem::{Attempt, Operation, SemaphoreSet, VALUE_MAX};
use crate::kernel::{Args, Ctx};
use crate::time::monotonic_ns;
use crate::wait::{Interruption, Stop, SysResult, Wait};
use alloc::rc::Rc;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::full(64, "semget", sys_semget),
    Row::full(65, "semop", sys_semop),
    Row::full(66, "semctl", sys_semctl),
    Row::full(220, "semtimedop", sys_semtimedop),
];

/// Limits of semget(2) and semop(2), as /proc/sys/kernel/sem shows them: semaphores in a set, semaphores in all, operations
/// in a call, sets.
pub const LIMITS: [u64; 4] = [32_000, 1_024_000_000, 500, 32_000];
const SET_MAX: u64 = LIMITS[0];
const OPERATIONS_MAX: u64 = LIMITS[2];
const SETS_MAX: u64 = LIMITS[3];

mod semctl {
    pub const GETPID: u64 = 11;
    pub const GETVAL: u64 = 12;
    pub const GETALL: u64 = 13;
    pub const GETNCNT: u64 = 14;
    pub const GETZCNT: u64 = 15;
    pub const SETVAL: u64 = 16;
    pub const SETALL: u64 = 17;
    pub const SEM_STAT: u64 = 18;
    pub const SEM_INFO: u64 = 19;
    pub const SEM_STAT_ANY: u64 = 20;
}

fn sys_semget(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (key, count, flags) = (args[0] as i32, args[1] as i32, args[2] as u32);
    let count = u64::try_from(count).ok().filter(|count| *count <= SET_MAX).ok_or(Errno::EINVAL)? as usize;
    let who = ctx.process().credentials.clone();
    let sets = &mut ctx.kernel.ipc.sem;
    let is_full = sets.len() as u64 >= SETS_MAX;
    let check = |set: &SemaphoreSet| if count > set.count() { Err(Errno::EINVAL) } else { Ok(()) };
    let id = sets.open(&who, key, flags, check, |permissions| match (count, is_full) {
        (0, _) => Err(Errno::EINVAL),
        (_, true) => Err(Errno::ENOSPC),
        _ => SemaphoreSet::new(permissions, count),
    })?;
    Ok(id as u64)
}

fn sys_semop(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_semtimedop(ctx, &[args[0], args[1], args[2], 0, 0, 0])
}

/// semtimedop(2). The first run tries, and else queues the operations; later ones learn what came of them.
fn sys_semtimedop(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (id, tid) = (args[0] as i32, ctx.tid);
    if ctx.progress().stage == 0 {
        return begin(ctx, args);
    }
    let set = ipc::removed(ctx.kernel.ipc.sem.get(id), true)?;
    if let Some(outcome) = set.outcome(tid) {
        return Ok(outcome.map(|()| 0)?);
    }
    let deadline_ns = ctx.progress().deadline_ns;
    if deadline_ns.is_some() && is_over(None, deadline_ns) {
        set.leave(tid);
        return Err(Errno::EAGAIN.into());
    }
    Err(until_served(&set, deadline_ns))
}

fn until_served(set: &SemaphoreSet, deadline_ns: Option<u64>) -> Stop {
    // Never made again after a handler, whatever SA_RESTART says (signal(7)).
    Stop::Block(Wait { deadline_ns, interruption: Interruption::Fail, ..Wait::on(&set.queue) })
}

fn begin(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [id, address, count, timeout, ..] = *args;
    let (id, count) = (id as i32, u64::from(count as u32));
    let timeout_ns = timespec(ctx, timeout)?;
    if count > OPERATIONS_MAX {
        return Err(Errno::E2BIG.into());
    }
    if count < 1 {
        return Err(Errno::EINVAL.into());
    }
    let operations = operations(ctx, address, count)?;
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    let set = ctx.kernel.ipc.sem.get(id)?;
    if operations.iter().any(|operation| usize::from(operation.number) >= set.count()) {
        return Err(Errno::EFBIG.into());
    }
    let alters = operations.iter().any(|operation| operation.change != 0);
    let process = ctx.process();
    let wanted = if alters { ipc::WRITE } else { ipc::READ };
    set.permissions().get().check(&process.credentials, wanted)?;
    let pid = process.pid;
    let blocked = match set.attempt(pid, &operations)? {
        Attempt::Done => {
            ipc::resume(ctx, set.serve());
            return Ok(0);
        }
        Attempt::Blocked(blocked) => blocked,
    };
    if timeout_ns == Some(0) {
        return Err(Errno::EAGAIN.into());
    }
    set.wait(ctx.tid, pid, operations, blocked);
    let deadline_ns = timeout_ns.map(|timeout| monotonic_ns().saturating_add(timeout));
    ctx.progress().deadline_ns = deadline_ns;
    ctx.progress().stage = 1;
    Err(until_served(&set, deadline_ns))
}

fn operations(ctx: &mut Ctx<'_>, address: u64, count: u64) -> Result<Vec<Operation>> {
    let memory = ctx.memory();
    let load = |index: u64| {
        let [number, change, flags]: [u16; 3] = memory.load(address.wrapping_add(index * 6))?;
        Ok(Operation { number, change: change.cast_signed(), flags: flags.cast_signed() })
    };
    (0..count).map(load).collect()
}

fn sys_semctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (id, number, command, argument) = (args[0] as i32, args[1] as i32, args[2] & 0xffff_ffff, args[3]);
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    match command {
        command::INFO | semctl::SEM_INFO => info(ctx, command, argument),
        command::STAT => {
            let set = ctx.kernel.ipc.sem.get(id)?;
            stat(ctx, &set, argument, true)?;
            Ok(0)
        }
        semctl::SEM_STAT | semctl::SEM_STAT_ANY => {
            let (id, set) = ctx.kernel.ipc.sem.at_place(id)?;
            stat(ctx, &set, argument, command == semctl::SEM_STAT)?;
            Ok(id as u64)
        }
        command::SET => {
            let mut given = [0; 48];
            ctx.memory().read(argument, &mut given)?;
            let set = ctx.kernel.ipc.sem.get(id)?;
            ipc::set_permissions(ctx, &*set, &given)?;
            set.changed_s.set(now_s());
            Ok(0)
        }
        command::REMOVE => {
            let set = ctx.kernel.ipc.sem.get(id)?;
            set.permissions().get().check_owner(&ctx.process().credentials)?;
            ctx.kernel.ipc.sem.remove(id);
            set.queue.wake();
            Ok(0)
        }
        semctl::GETALL | semctl::SETALL => all_values(ctx, id, command, argument),
        semctl::SETVAL => set_value(ctx, id, number, argument as i32),
        semctl::GETVAL | semctl::GETPID | semctl::GETNCNT | semctl::GETZCNT => {
            get_value(ctx, id, number, command)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}

fn stat(ctx: &mut Ctx<'_>, set: &Rc<SemaphoreSet>, address: u64, checked: bool) -> Result<()> {
    let permissions = set.permissions().get();
    if checked {
        permissions.check(&ctx.process().credentials, ipc::READ)?;
    }
    let (operated, changed) = (set.operated_s.get() as u64, set.changed_s.get() as u64);
    let words = [operated, 0, changed, 0, set.count() as u64, 0, 0];
    ctx.memory().write(address, &ipc::structure(permissions, &words))
}

fn info(ctx: &mut Ctx<'_>, command: u64, address: u64) -> SysResult {
    let sets = &ctx.kernel.ipc.sem;
    let semaphores: usize = sets.iter().map(|(_, set)| set.count()).sum();
    let (used, last) = (sets.len(), sets.last_place());
    let [set, all, operations, count] = LIMITS.map(|limit| limit as i32);
    let (size, adjustment) =
        if command == semctl::SEM_INFO { (used as i32, semaphores as i32) } else { (20, VALUE_MAX) };
    let words = [all, count, all, all, set, operations, operations, size, VALUE_MAX, adjustment];
    ctx.memory().write(address, &ipc::numbers(&words))?;
    Ok(last)
}

fn get_value(ctx: &mut Ctx<'_>, id: i32, number: i32, command: u64) -> SysResult {
    let set = ctx.kernel.ipc.sem.get(id)?;
    set.permissions().get().check(&ctx.process().credentials, ipc::READ)?;
    let number = usize::try_from(number).map_err(|_| Errno::EINVAL)?;
    let semaphore = set.semaphore(number).ok_or(Errno::EINVAL)?;
    Ok(match command {
        semctl::GETVAL => semaphore.value as u64,
        semctl::GETPID => semaphore.last_user as u64,
        _ => set.count_waiting(number as u16, command == semctl::GETZCNT),
    })
}

fn set_value(ctx: &mut Ctx<'_>, id: i32, number: i32, value: i32) -> SysResult {
    if !(0..=VALUE_MAX).contains(&value) {
        return Err(Errno::ERANGE.into());
    }
    let set = ctx.kernel.ipc.sem.get(id)?;
    let number = usize::try_from(number).ok().filter(|number| *number < set.count()).ok_or(Errno::EINVAL)?;
    let process = ctx.process();
    set.permissions().get().check(&process.credentials, ipc::WRITE)?;
    let pid = process.pid;
    ipc::resume(ctx, set.set(number, &[value as u16], pid));
    Ok(0)
}

fn all_values(ctx: &mut Ctx<'_>, id: i32, command: u64, address: u64) -> SysResult {
    let set = ctx.kernel.ipc.sem.get(id)?;
    let wanted = if command == semctl::SETALL { ipc::WRITE } else { ipc::READ };
    set.permissions().get().check(&ctx.process().credentials, wanted)?;
    let memory = ctx.memory();
    if command == semctl::GETALL {
        let bytes: Vec<u8> = set.values().iter().flat_map(|value| value.to_le_bytes()).collect();
        memory.write(address, &bytes)?;
        return Ok(0);
    }
    let mut bytes = alloc::vec![0; 2 * set.count()];
    memory.read(address, &mut bytes)?;
    let values: Vec<u16> = bytes.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]])).collect();
    if values.iter().any(|value| i32::from(*value) > VALUE_MAX) {
        return Err(Errno::ERANGE.into());
    }
    let pid = ctx.process().pid;
    ipc::resume(ctx, set.set(0, &values, pid));
    Ok(0)
}
