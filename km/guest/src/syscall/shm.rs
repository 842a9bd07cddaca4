//! Shared memory of System V: shmget(2), shmat(2), shmdt(2), shmctl(2).

use super::ipc::{self, command};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::Pages;
use crate::ipc::now_s;
use crate::ipc::registry::{Object, Permissions, Registry};
use crate::ipc::shm::{DEVICE, SHM_LOCKED, Segment};
use crate::kernel::{Args, Ctx};
use crate::mm::vma::{Backing, Prot, Traits};
use crate::mm::{MapRequest, Placement};
use crate::wait::SysResult;
use alloc::rc::Rc;
use km_abi::layout::PAGE_SIZE;

pub const ROWS: &[Row] = &[
    Row::partial(29, "shmget", sys_shmget, "no huge pages (SHM_HUGETLB is ENOMEM)"),
    Row::full(30, "shmat", sys_shmat),
    Row::full(31, "shmctl", sys_shmctl),
    Row::full(67, "shmdt", sys_shmdt),
];

/// Most segments (SHMMNI).
pub const SEGMENTS_MAX: u64 = 4096;
/// Bytes of the largest segment (SHMMAX), and pages of all (SHMALL).
pub const SIZE_MAX: u64 = u64::MAX - (1 << 24);
pub const PAGES_MAX: u64 = SIZE_MAX;
const SHM_HUGETLB: u32 = 0o4000;
const SHM_RDONLY: u64 = 0o10_000;
const SHM_RND: u64 = 0o20_000;
const SHM_REMAP: u64 = 0o40_000;
const SHM_EXEC: u64 = 0o100_000;
const SHM_LOCK: u64 = 11;
const SHM_UNLOCK: u64 = 12;
const SHM_STAT: u64 = 13;
const SHM_INFO: u64 = 14;
const SHM_STAT_ANY: u64 = 15;
/// Permission to execute, in every class.
const EXECUTE: u32 = 0o111;
/// Who holds a segment while a call works on it, besides registry and mappings: the call.
const CALL: usize = 1;

fn sys_shmget(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [key, size, flags, ..] = *args;
    let process = ctx.process();
    let (who, pid) = (process.credentials.clone(), process.pid);
    let number = crate::mm::shared::new_number();
    let segments = &mut ctx.kernel.ipc.shm;
    segments.collect();
    let is_full = segments.len() as u64 >= SEGMENTS_MAX;
    let make = |permissions: Permissions| {
        if !(1..=SIZE_MAX).contains(&size) {
            return Err(Errno::EINVAL);
        }
        if flags as u32 & SHM_HUGETLB != 0 {
            return Err(Errno::ENOMEM);
        }
        if is_full { Err(Errno::ENOSPC) } else { Ok(Segment::new(permissions, size, pid, number)) }
    };
    let check = |segment: &Segment| if size > segment.size { Err(Errno::EINVAL) } else { Ok(()) };
    Ok(segments.open(&who, key as i32, flags as u32, check, make)? as u64)
}

/// Where shmat(2) attaches a segment of `size` bytes.
fn placement(address: u64, flags: u64) -> Result<Placement> {
    let remaps = flags & SHM_REMAP != 0;
    if address == 0 {
        return if remaps { Err(Errno::EINVAL) } else { Ok(Placement::Hint(0)) };
    }
    let start = if flags & SHM_RND != 0 { address & !(PAGE_SIZE - 1) } else { address };
    if !start.is_multiple_of(PAGE_SIZE) || start == 0 && remaps {
        return Err(Errno::EINVAL);
    }
    Ok(if remaps { Placement::Replace(start) } else { Placement::Exact(start) })
}

fn sys_shmat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (id, address, flags) = (args[0] as i32, args[1], args[2] & 0xffff_ffff);
    if id < 0 {
        return Err(Errno::EINVAL.into());
    }
    let placement = placement(address, flags)?;
    let is_read_only = flags & SHM_RDONLY != 0;
    let (mut prot, mut wanted) = if is_read_only {
        (Prot::READ, ipc::READ)
    } else {
        (Prot::READ | Prot::WRITE, ipc::READ | ipc::WRITE)
    };
    if flags & SHM_EXEC != 0 {
        prot |= Prot::EXEC;
        wanted |= EXECUTE;
    }
    ctx.kernel.ipc.shm.collect();
    let segment = ctx.kernel.ipc.shm.get(id)?;
    let process = ctx.process();
    segment.permissions().get().check(&process.credentials, wanted)?;
    let (pid, space) = (process.pid, Rc::clone(&process.space));
    let mut traits = Traits::SHARED;
    traits.set(Traits::NEVER_WRITE, is_read_only);
    let request = MapRequest {
        placement,
        len: segment.size,
        prot,
        traits,
        backing: Backing::File { pages: Rc::clone(&segment) as Rc<dyn Pages>, offset: 0 },
        populate: false,
        no_reserve: true,
    };
    let mapped = space.borrow_mut().map(request);
    // Somebody else's place is EINVAL here, as is one that no mapping can have.
    let mapped = mapped.map_err(|errno| match (placement, errno) {
        (Placement::Exact(_), Errno::EEXIST | Errno::EPERM) => Errno::EINVAL,
        (_, errno) => errno,
    })?;
    segment.attached(pid);
    Ok(mapped)
}

fn sys_shmdt(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let address = args[0];
    if !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL.into());
    }
    let process = ctx.process();
    let pid = process.pid;
    let number = process.space.borrow_mut().detach(address, DEVICE).ok_or(Errno::EINVAL)?;
    let segments = &mut ctx.kernel.ipc.shm;
    if let Some((_, segment)) = segments.iter().find(|(_, segment)| segment.number() == number) {
        segment.detached(pid);
    }
    segments.collect();
    Ok(0)
}

fn sys_shmctl(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (id, command, argument) = (args[0] as i32, args[1] & 0xffff_ffff, args[2]);
    if id < 0 || command > SHM_STAT_ANY {
        return Err(Errno::EINVAL.into());
    }
    ctx.kernel.ipc.shm.collect();
    match command {
        command::INFO => limits(ctx, argument),
        SHM_INFO => usage(ctx, argument),
        SHM_STAT | SHM_STAT_ANY => {
            let (id, segment) = ctx.kernel.ipc.shm.at_place(id)?;
            stat(ctx, &segment, argument, command == SHM_STAT)?;
            Ok(id as u64)
        }
        command::STAT => {
            let segment = ctx.kernel.ipc.shm.get(id)?;
            stat(ctx, &segment, argument, true)?;
            Ok(0)
        }
        command::SET => {
            let mut given = [0; 48];
            ctx.memory().read(argument, &mut given)?;
            let segment = ctx.kernel.ipc.shm.get(id)?;
            ipc::set_permissions(ctx, &*segment, &given)?;
            segment.changed_s.set(now_s());
            Ok(0)
        }
        command::REMOVE => {
            let segment = ctx.kernel.ipc.shm.get(id)?;
            segment.permissions().get().check_owner(&ctx.process().credentials)?;
            ctx.kernel.ipc.shm.condemn(&segment);
            drop(segment);
            ctx.kernel.ipc.shm.collect();
            Ok(0)
        }
        SHM_LOCK | SHM_UNLOCK => lock(ctx, id, command == SHM_LOCK),
        _ => Err(Errno::EINVAL.into()),
    }
}

/// All memory stays where it is: only the mark changes.
fn lock(ctx: &mut Ctx<'_>, id: i32, locked: bool) -> SysResult {
    let segment = ctx.kernel.ipc.shm.get(id)?;
    let mut permissions = segment.permissions().get();
    permissions.check_owner(&ctx.process().credentials)?;
    permissions.mode = permissions.mode & !SHM_LOCKED | if locked { SHM_LOCKED } else { 0 };
    segment.permissions().set(permissions);
    Ok(0)
}

fn stat(ctx: &mut Ctx<'_>, segment: &Rc<Segment>, address: u64, checked: bool) -> Result<()> {
    let permissions = segment.permissions().get();
    if checked {
        permissions.check(&ctx.process().credentials, ipc::READ)?;
    }
    let [attached, detached, changed] =
        [&segment.attached_s, &segment.detached_s, &segment.changed_s].map(|time| time.get() as u64);
    let users = ipc::pair(segment.maker, segment.last_user.get());
    let count = Registry::attachments(segment, CALL);
    let words = [segment.size, attached, detached, changed, users, count, 0, 0];
    ctx.memory().write(address, &ipc::structure(permissions, &words))
}

/// `struct shminfo64`.
fn limits(ctx: &mut Ctx<'_>, address: u64) -> SysResult {
    let words = [SIZE_MAX, 1, SEGMENTS_MAX, SEGMENTS_MAX, PAGES_MAX, 0, 0, 0, 0];
    ctx.memory().store(address, &words)?;
    Ok(ctx.kernel.ipc.shm.last_place())
}

/// `struct shm_info`.
fn usage(ctx: &mut Ctx<'_>, address: u64) -> SysResult {
    let segments = &ctx.kernel.ipc.shm;
    let present: u64 = segments.iter().map(|(_, segment)| segment.pages_in_memory()).sum();
    let (words, last) = ([segments.len() as u64, segments.pages(), present, 0, 0, 0], segments.last_place());
    ctx.memory().store(address, &words)?;
    Ok(last)
}
