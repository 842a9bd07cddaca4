//! Mappings: mmap(2) and its siblings.

use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::node::data::{F_SEAL_FUTURE_WRITE, F_SEAL_WRITE};
use crate::kernel::{Args, Ctx};
use crate::mm::shared::SharedMemory;
use crate::mm::vma::{Backing, Prot, Traits};
use crate::mm::{self, Advice, MapRequest, Placement, Remap};
use crate::task::credentials::CAP_IPC_LOCK;
use crate::task::limits::resource;
use crate::wait::SysResult;
use alloc::rc::Rc;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};

pub const ROWS: &[Row] = &[
    Row::partial(9, "mmap", sys_mmap, "MAP_GROWSDOWN does not grow, MAP_HUGETLB is ENOMEM"),
    Row::full(10, "mprotect", sys_mprotect),
    Row::full(11, "munmap", sys_munmap),
    Row::full(12, "brk", sys_brk),
    Row::full(25, "mremap", sys_mremap),
    Row::full(26, "msync", sys_msync),
    Row::full(27, "mincore", sys_mincore),
    Row::partial(28, "madvise", sys_madvise, "no MADV_REMOVE, no memory failures"),
    Row::full(149, "mlock", sys_mlock),
    Row::full(150, "munlock", sys_munlock),
    Row::full(151, "mlockall", sys_mlockall),
    Row::full(152, "munlockall", sys_munlockall),
    Row::full(324, "membarrier", sys_membarrier),
    Row::full(325, "mlock2", sys_mlock2),
    Row::refused(237, "mbind", Errno::EPERM, "there is one memory node"),
    Row::refused(238, "set_mempolicy", Errno::EPERM, "there is one memory node"),
    Row::refused(239, "get_mempolicy", Errno::EPERM, "there is one memory node"),
    Row::refused(329, "pkey_mprotect", Errno::EINVAL, "no protection keys, as on many CPUs"),
    Row::refused(330, "pkey_alloc", Errno::ENOSPC, "no protection keys, as on many CPUs"),
    Row::refused(331, "pkey_free", Errno::EINVAL, "no protection keys, as on many CPUs"),
];

const MAP_SHARED: u64 = 0x01;
const MAP_PRIVATE: u64 = 0x02;
const MAP_SHARED_VALIDATE: u64 = 0x03;
const MAP_TYPE: u64 = 0x0f;
const MAP_FIXED: u64 = 0x10;
const MAP_ANONYMOUS: u64 = 0x20;
const MAP_32BIT: u64 = 0x40;
/// Ignored, as on Linux; dynamic linkers pass it for programs and libraries.
const MAP_DENYWRITE: u64 = 0x800;
/// As if mlock(2) followed.
const MAP_LOCKED: u64 = 0x2000;
const MAP_NORESERVE: u64 = 0x4000;
const MAP_POPULATE: u64 = 0x8000;
const MAP_HUGETLB: u64 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u64 = 0x10_0000;
const MAP_GROWSDOWN: u64 = 0x100;
/// PROT_SEM means nothing on x86.
const PROT_SEM: u64 = 0x8;
/// The change reaches down to the start of a mapping that grows down.
const PROT_GROWSDOWN: u64 = 0x0100_0000;
/// The same upwards, which no mapping of x86 does.
const PROT_GROWSUP: u64 = 0x0200_0000;
/// O_ACCMODE and its values.
const O_ACCMODE: u32 = 3;
const O_RDONLY: u32 = 0;
const O_WRONLY: u32 = 1;

fn protection(bits: u64) -> Result<Prot> {
    let bits = u32::try_from(bits & !(PROT_SEM | PROT_GROWSDOWN)).map_err(|_| Errno::EINVAL)?;
    Prot::from_bits(bits).ok_or(Errno::EINVAL)
}

fn sys_mmap(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, len, prot, flags, fd, offset] = *args;
    if !offset.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL.into());
    }
    if flags & MAP_ANONYMOUS == 0 {
        // Linux looks at the descriptor before all else.
        ctx.file(fd)?;
    }
    if len == 0 {
        return Err(Errno::EINVAL.into());
    }
    let prot = Prot::from_bits_truncate(prot as u32);
    let shared = match flags & MAP_TYPE {
        MAP_SHARED => true,
        MAP_SHARED_VALIDATE if flags & MAP_ANONYMOUS == 0 => true,
        MAP_PRIVATE => false,
        _ => return Err(Errno::EINVAL.into()),
    };
    if len > PROGRAM_END || flags & MAP_HUGETLB != 0 {
        return Err(Errno::ENOMEM.into());
    }
    if flags & MAP_GROWSDOWN != 0 && (shared || flags & MAP_ANONYMOUS == 0) {
        return Err(Errno::EINVAL.into());
    }
    let is_locked = flags & MAP_LOCKED != 0;
    if is_locked {
        lock_limit(ctx)?;
    }
    if is_locked || ctx.process().space.borrow().locks_later() {
        check_lock(ctx, len)?;
    }
    let mut traits = if shared { Traits::SHARED } else { Traits::empty() };
    traits.set(Traits::LOCKED, is_locked);
    traits.set(Traits::GROWS_DOWN, flags & MAP_GROWSDOWN != 0);
    let backing = match (flags & MAP_ANONYMOUS != 0, shared) {
        (true, false) => Backing::Anonymous,
        (true, true) => Backing::File { pages: Rc::new(SharedMemory::default()), offset: 0 },
        (false, _) => file_backing(ctx, fd, offset, len, prot, &mut traits)?,
    };
    let request = MapRequest {
        placement: placement(address, flags)?,
        len,
        prot,
        traits,
        backing,
        populate: flags & MAP_POPULATE != 0 || flags & MAP_DENYWRITE != 0 && mm::is_relocated(prot, len),
        no_reserve: flags & MAP_NORESERVE != 0,
    };
    let space = Rc::clone(&ctx.process().space);
    let mapped = space.borrow_mut().map(request)?;
    Ok(mapped)
}

fn placement(address: u64, flags: u64) -> Result<Placement> {
    let fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
    if fixed != 0 && !address.is_multiple_of(PAGE_SIZE) {
        return Err(Errno::EINVAL);
    }
    Ok(match fixed {
        0 if flags & MAP_32BIT != 0 && address == 0 => Placement::Low,
        0 => Placement::Hint(address),
        MAP_FIXED => Placement::Replace(address),
        _ => Placement::Exact(address),
    })
}

/// The pages of a file that is mapped; EACCES unless the descriptor's access mode allows it.
fn file_backing(
    ctx: &mut Ctx<'_>,
    fd: u64,
    offset: u64,
    len: u64,
    prot: Prot,
    traits: &mut Traits,
) -> Result<Backing> {
    let open = ctx.file(fd)?;
    let flags = open.flags.get();
    let mode = flags & O_ACCMODE;
    let shared = traits.contains(Traits::SHARED);
    if mode == O_WRONLY || shared && prot.contains(Prot::WRITE) && mode == O_RDONLY {
        return Err(Errno::EACCES);
    }
    offset.checked_add(len).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::EOVERFLOW)?;
    let data = open.file.node().and_then(|node| node.data());
    let sealed = data.is_some_and(|data| data.seals.get() & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0);
    if sealed && shared && prot.contains(Prot::WRITE) {
        return Err(Errno::EPERM);
    }
    traits.set(Traits::NEVER_WRITE, shared && (mode == O_RDONLY || sealed));
    let pages = open.file.pages().ok_or(Errno::ENODEV)?;
    if let Some(node) = open.file.node() {
        super::rw::note_access(&open, node);
    }
    Ok(Backing::File { pages, offset })
}

fn sys_mprotect(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let prot = protection(args[2])?;
    if args[2] & PROT_GROWSUP != 0 {
        return Err(Errno::EINVAL.into());
    }
    let mut space = ctx.process().space.borrow_mut();
    if args[2] & PROT_GROWSDOWN == 0 {
        space.protect(args[0], args[1], prot)?;
        return Ok(0);
    }
    let start = space.start_of_growing(args[0])?;
    space.protect(start, args[1].saturating_add(args[0] - start), prot)?;
    Ok(0)
}

fn sys_munmap(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    ctx.process().space.borrow_mut().unmap(args[0], args[1])?;
    Ok(0)
}

fn sys_brk(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let space = Rc::clone(&ctx.process().space);
    let (_, old) = space.borrow().heap();
    let refused = space.borrow().locks_later() && check_lock(ctx, args[0].saturating_sub(old)).is_err();
    let end = space.borrow_mut().brk(if refused { old } else { args[0] });
    Ok(end)
}

fn sys_mremap(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const MAYMOVE: u64 = 1;
    const FIXED: u64 = 2;
    const DONTUNMAP: u64 = 4;
    let [address, old_len, new_len, flags, target, _] = *args;
    let how = match flags {
        0 => Remap::InPlace,
        MAYMOVE => Remap::MayMove,
        flags if flags == MAYMOVE | FIXED => Remap::To(target),
        flags if flags == MAYMOVE | DONTUNMAP => Remap::LeaveOld,
        _ => return Err(Errno::EINVAL.into()),
    };
    let is_locked = ctx.process().space.borrow().has_locked(address, address.saturating_add(1));
    if is_locked && new_len > old_len {
        check_lock(ctx, new_len - old_len)?;
    }
    let moved = ctx.process().space.borrow_mut().remap(address, old_len, new_len, how)?;
    Ok(moved)
}

fn sys_msync(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const ASYNC: u64 = 1;
    const INVALIDATE: u64 = 2;
    const SYNC: u64 = 4;
    let [address, len, flags, ..] = *args;
    if flags & !7 != 0 || flags & (ASYNC | SYNC) == ASYNC | SYNC {
        return Err(Errno::EINVAL.into());
    }
    // A shared page is the file's page: there is nothing to write back.
    let space = ctx.process().space.borrow();
    // A length that reaches the end of all addresses is none.
    let len = len.wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1);
    space.check_mapped(address, len)?;
    let locked = flags & INVALIDATE != 0 && space.has_locked(address, address.saturating_add(len));
    if locked { Err(Errno::EBUSY.into()) } else { Ok(0) }
}

fn sys_mincore(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, len, out, ..] = *args;
    let present = ctx.process().space.borrow().residency(address, len)?;
    ctx.memory().write(out, &present)?;
    Ok(0)
}

/// How much the caller may lock.
///
/// # Errors
/// EPERM when that is nothing.
fn lock_limit(ctx: &mut Ctx<'_>) -> Result<u64> {
    let process = ctx.process();
    match process.limits.current(resource::MEMLOCK) {
        _ if process.credentials.can(CAP_IPC_LOCK) => Ok(u64::MAX),
        0 => Err(Errno::EPERM),
        limit => Ok(limit),
    }
}

/// Whether `len` bytes more may be locked.
///
/// # Errors
/// EAGAIN.
fn check_lock(ctx: &mut Ctx<'_>, len: u64) -> Result<()> {
    let limit = lock_limit(ctx).unwrap_or(0);
    let locked = ctx.process().space.borrow().locked_bytes();
    if locked.saturating_add(len) > limit { Err(Errno::EAGAIN) } else { Ok(()) }
}

/// Start and length of the pages that a range touches; the length wraps, as Linux has it.
fn touched(address: u64, len: u64) -> (u64, u64) {
    let start = address & !(PAGE_SIZE - 1);
    (start, len.wrapping_add(address - start).wrapping_add(PAGE_SIZE - 1) & !(PAGE_SIZE - 1))
}

fn lock(ctx: &mut Ctx<'_>, address: u64, len: u64, bring_in: bool) -> SysResult {
    let limit = lock_limit(ctx)?;
    let (start, len) = touched(address, len);
    let mut space = ctx.process().space.borrow_mut();
    let more = len - space.locked_within(start, start.saturating_add(len));
    if space.locked_bytes().saturating_add(more) > limit {
        return Err(Errno::ENOMEM.into());
    }
    let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
    Ok(space.lock(start, end, true, bring_in).map(|()| 0)?)
}

fn sys_mlock(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    lock(ctx, args[0], args[1], true)
}

fn sys_mlock2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const ONFAULT: u64 = 1;
    if args[2] & !ONFAULT != 0 {
        return Err(Errno::EINVAL.into());
    }
    lock(ctx, args[0], args[1], args[2] == 0)
}

fn sys_munlock(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (start, len) = touched(args[0], args[1]);
    let end = start.checked_add(len).ok_or(Errno::EINVAL)?;
    Ok(ctx.process().space.borrow_mut().lock(start, end, false, false).map(|()| 0)?)
}

fn sys_mlockall(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    const CURRENT: u64 = 1;
    const FUTURE: u64 = 2;
    const ONFAULT: u64 = 4;
    let flags = args[0] & 0xffff_ffff;
    if flags & !(CURRENT | FUTURE | ONFAULT) != 0 || flags & !ONFAULT == 0 {
        return Err(Errno::EINVAL.into());
    }
    let limit = lock_limit(ctx)?;
    let mut space = ctx.process().space.borrow_mut();
    if flags & CURRENT != 0 && space.usage().0 > limit {
        return Err(Errno::ENOMEM.into());
    }
    space.lock_all((flags & CURRENT != 0).then_some(true), flags & FUTURE != 0, flags & ONFAULT == 0);
    Ok(0)
}

fn sys_munlockall(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    ctx.process().space.borrow_mut().lock_all(Some(false), false, false);
    Ok(0)
}

fn sys_madvise(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let [address, len, advice, ..] = *args;
    let advice = match advice as i32 {
        4 => Advice::Discard,
        8 => Advice::Free,
        // NORMAL, RANDOM, SEQUENTIAL, WILLNEED, MERGEABLE, UNMERGEABLE, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP, COLD, PAGEOUT
        0..=3 | 12..=17 | 20 | 21 => Advice::Ignore,
        10 => Advice::Mark(Traits::NOT_IN_CHILD, true),
        11 => Advice::Mark(Traits::NOT_IN_CHILD, false),
        18 => Advice::Mark(Traits::WIPE_ON_FORK, true),
        19 => Advice::Mark(Traits::WIPE_ON_FORK, false),
        24 => Advice::DiscardLocked,
        22 => Advice::PopulateRead,
        23 => Advice::PopulateWrite,
        100 | 101 => return Err(Errno::EPERM.into()),
        _ => return Err(Errno::EINVAL.into()),
    };
    ctx.process().space.borrow_mut().advise(address, len, advice)?;
    Ok(0)
}

/// There is one CPU, so a system call is a barrier already.
fn sys_membarrier(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    /// GLOBAL, GLOBAL_EXPEDITED, PRIVATE_EXPEDITED, PRIVATE_EXPEDITED_SYNC_CORE with their registrations.
    const COMMANDS: u64 = 0x7f;
    /// PRIVATE_EXPEDITED and PRIVATE_EXPEDITED_SYNC_CORE: each wants the command of the next bit before.
    const WANT_REGISTRATION: u64 = 0x08 | 0x20;
    let registered = ctx.process().settings.barriers;
    match args[0] & 0xffff_ffff {
        _ if args[1] != 0 => Err(Errno::EINVAL.into()),
        0 => Ok(COMMANDS),
        command if command & WANT_REGISTRATION != 0 && command.is_power_of_two() => {
            if registered & (command << 1) as u32 == 0 { Err(Errno::EPERM.into()) } else { Ok(0) }
        }
        command if command & !COMMANDS == 0 && command.is_power_of_two() => {
            ctx.process().settings.barriers |= command as u32;
            Ok(0)
        }
        _ => Err(Errno::EINVAL.into()),
    }
}
