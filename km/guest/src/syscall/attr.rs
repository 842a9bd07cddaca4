//! Changing attributes and sizes: chmod(2), umask(2), chown(2), utimensat(2), truncate(2), fallocate(2), fsync(2).

use super::at::{self, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::OpenFile;
use crate::fs::inotify::{event, notify};
use crate::fs::node::data::{F_SEAL_EXEC, SIZE_MAX};
use crate::fs::node::meta::{self, MAY_WRITE, S_IFLNK, S_IFREG, S_ISGID, S_ISUID, Time};
use crate::fs::node::volume::FsKind;
use crate::fs::node::{Body, Node};
use crate::fs::pipe::PipeEnd;
use crate::fs::regular;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;
use alloc::rc::Rc;

pub const ROWS: &[Row] = &[
    Row::full(74, "fsync", sys_fsync),
    Row::full(75, "fdatasync", sys_fdatasync),
    Row::full(76, "truncate", sys_truncate),
    Row::full(77, "ftruncate", sys_ftruncate),
    Row::full(90, "chmod", sys_chmod),
    Row::full(91, "fchmod", sys_fchmod),
    Row::full(92, "chown", sys_chown),
    Row::full(93, "fchown", sys_fchown),
    Row::full(94, "lchown", sys_lchown),
    Row::full(95, "umask", sys_umask),
    Row::full(132, "utime", sys_utime),
    Row::full(162, "sync", sys_sync),
    Row::full(187, "readahead", sys_readahead),
    Row::full(221, "fadvise64", sys_fadvise64),
    Row::full(235, "utimes", sys_utimes),
    Row::full(260, "fchownat", sys_fchownat),
    Row::full(261, "futimesat", sys_futimesat),
    Row::full(268, "fchmodat", sys_fchmodat),
    Row::full(277, "sync_file_range", sys_sync_file_range),
    Row::full(280, "utimensat", sys_utimensat),
    Row::partial(
        285,
        "fallocate",
        sys_fallocate,
        "no collapse and insert of ranges (EOPNOTSUPP, as tmpfs has it)",
    ),
    Row::full(306, "syncfs", sys_syncfs),
    Row::full(452, "fchmodat2", sys_fchmodat2),
];

const CWD: u64 = AT_FDCWD as u64;

/// Attributes of /proc and /sys are not to be changed.
fn check_changeable(node: &Node) -> Result<()> {
    match (node.volume.kind, &node.body) {
        (FsKind::Sysfs | FsKind::Cgroup2, _) => Err(Errno::EROFS),
        (FsKind::Proc, _) => Err(Errno::EPERM),
        // Event files have one inode in common, which is nobody's to change.
        (_, Body::Open(file)) if file.file.label().starts_with(b"anon_inode:") => Err(Errno::EOPNOTSUPP),
        _ => Ok(()),
    }
}

/// Keeps what was changed, where `node` only stands for an open file without an inode.
fn keep(node: &Node) {
    if let Body::Open(file) = &node.body
        && let Some(own) = file.file.attributes()
    {
        own.set(node.meta.get());
    }
}

fn open_node(ctx: &mut Ctx<'_>, fd: u64) -> Result<Rc<Node>> {
    let file = ctx.file(fd)?;
    Ok(match file.file.node() {
        Some(node) => Rc::clone(node),
        None => crate::fs::open::node_of(&ctx.kernel.vfs.nameless, &file),
    })
}

fn change_mode(ctx: &mut Ctx<'_>, node: &Rc<Node>, mode: u64) -> SysResult {
    check_changeable(node)?;
    let who = at::who(ctx);
    let old = node.meta.get();
    if old.kind() == S_IFLNK {
        return Err(Errno::EOPNOTSUPP.into());
    }
    if !meta::owns(&who, &old) {
        return Err(Errno::EPERM.into());
    }
    let mut bits = mode as u32 & 0o7777;
    if !meta::in_group(&who, old.gid) && !who.can(meta::CAP_FSETID) {
        bits &= !S_ISGID;
    }
    let seals = node.data().map_or(0, |data| data.seals.get());
    if seals & F_SEAL_EXEC != 0 && (old.mode ^ bits) & 0o111 != 0 {
        return Err(Errno::EPERM.into());
    }
    node.touch(|meta| meta.mode = meta.kind() | bits);
    keep(node);
    notify(node, event::ATTRIB);
    Ok(0)
}

fn sys_chmod(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_fchmodat(ctx, &[CWD, args[0], args[1], 0, 0, 0])
}

fn sys_fchmod(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = open_node(ctx, args[0])?;
    change_mode(ctx, &node, args[1])
}

fn sys_fchmodat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = at::node_at(ctx, args[0], args[1], 0)?;
    change_mode(ctx, &node, args[2])
}

fn sys_fchmodat2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[3] & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = at::node_at(ctx, args[0], args[1], args[3])?;
    change_mode(ctx, &node, args[2])
}

/// An id that is to stay as it is.
const UNCHANGED: u32 = u32::MAX;

fn change_owner(ctx: &mut Ctx<'_>, node: &Rc<Node>, uid: u32, gid: u32) -> SysResult {
    check_changeable(node)?;
    let who = at::who(ctx);
    let old = node.meta.get();
    let gives = uid != UNCHANGED && uid != old.uid;
    let group = gid != UNCHANGED && gid != old.gid;
    let own = who.fs_uid == old.uid && (!group || meta::in_group(&who, gid));
    let changes = uid != UNCHANGED || gid != UNCHANGED;
    if changes && !who.can(meta::CAP_CHOWN) && (gives || !own) {
        return Err(Errno::EPERM.into());
    }
    node.touch(|meta| {
        meta.uid = if uid == UNCHANGED { meta.uid } else { uid };
        meta.gid = if gid == UNCHANGED { meta.gid } else { gid };
        if meta.kind() == S_IFREG && meta.mode & 0o111 != 0 {
            let group = if meta.mode & 0o010 != 0 { S_ISGID } else { 0 };
            meta.mode &= !(S_ISUID | group);
        }
    });
    keep(node);
    notify(node, event::ATTRIB);
    Ok(0)
}

fn sys_umask(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let fs = Rc::clone(&ctx.process().fs);
    let old = core::mem::replace(&mut fs.borrow_mut().umask, args[0] as u32 & 0o777);
    Ok(u64::from(old))
}

fn sys_chown(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_fchownat(ctx, &[CWD, args[0], args[1], args[2], 0, 0])
}

fn sys_lchown(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_fchownat(ctx, &[CWD, args[0], args[1], args[2], AT_SYMLINK_NOFOLLOW, 0])
}

fn sys_fchown(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = open_node(ctx, args[0])?;
    change_owner(ctx, &node, args[1] as u32, args[2] as u32)
}

fn sys_fchownat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[4] & !(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = at::node_at(ctx, args[0], args[1], args[4])?;
    change_owner(ctx, &node, args[2] as u32, args[3] as u32)
}

/// What to do with one of the two times.
#[derive(Clone, Copy, PartialEq, Eq)]
enum NewTime {
    Now,
    Omit,
    At(Time),
}

const UTIME_NOW: i64 = 0x3fff_ffff;
const UTIME_OMIT: i64 = 0x3fff_fffe;

fn change_times(ctx: &mut Ctx<'_>, node: &Rc<Node>, times: [NewTime; 2]) -> SysResult {
    check_changeable(node)?;
    if times == [NewTime::Omit; 2] {
        return Ok(0);
    }
    let who = at::who(ctx);
    let old = node.meta.get();
    if !meta::owns(&who, &old) {
        if times != [NewTime::Now; 2] {
            return Err(Errno::EPERM.into());
        }
        meta::check(&who, &old, MAY_WRITE)?;
    }
    let now = Time::now();
    let pick = |new, old| match new {
        NewTime::Now => now,
        NewTime::Omit => old,
        NewTime::At(time) => time,
    };
    node.touch(|meta| {
        meta.atime = pick(times[0], meta.atime);
        meta.mtime = pick(times[1], meta.mtime);
    });
    keep(node);
    notify(node, event::ATTRIB);
    Ok(0)
}

/// Reads two times; `per_second` is how many of their smaller unit make a second.
fn load_times(ctx: &mut Ctx<'_>, address: u64, per_second: i64) -> Result<[NewTime; 2]> {
    if address == 0 {
        return Ok([NewTime::Now; 2]);
    }
    let raw: [i64; 4] = ctx.memory().load(address)?;
    let time = |s: i64, part: i64| match part {
        UTIME_NOW if per_second == 1_000_000_000 => Ok(NewTime::Now),
        UTIME_OMIT if per_second == 1_000_000_000 => Ok(NewTime::Omit),
        part if (0..per_second).contains(&part) => {
            Ok(NewTime::At(Time { s, ns: (part * (1_000_000_000 / per_second)) as u32 }))
        }
        _ => Err(Errno::EINVAL),
    };
    Ok([time(raw[0], raw[1])?, time(raw[2], raw[3])?])
}

fn sys_utime(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let times = if args[1] == 0 {
        [NewTime::Now; 2]
    } else {
        let raw: [i64; 2] = ctx.memory().load(args[1])?;
        raw.map(|s| NewTime::At(Time { s, ns: 0 }))
    };
    let node = at::node_at(ctx, CWD, args[0], 0)?;
    change_times(ctx, &node, times)
}

fn sys_utimes(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_futimesat(ctx, &[CWD, args[0], args[1], 0, 0, 0])
}

fn sys_futimesat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let times = load_times(ctx, args[2], 1_000_000)?;
    let node =
        if args[1] == 0 { of_descriptor(ctx, args[0])? } else { at::node_at(ctx, args[0], args[1], 0)? };
    change_times(ctx, &node, times)
}

/// A null path means the descriptor itself (futimens(3)).
fn sys_utimensat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let times = load_times(ctx, args[2], 1_000_000_000)?;
    let known = if args[1] == 0 { 0 } else { AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH };
    if matches!(times, [NewTime::Omit, NewTime::Omit]) {
        // With UTIME_OMIT for both times there is nothing to do: not even the path is looked at.
        return Ok(0);
    }
    if args[3] & 0xffff_ffff & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    let node = if args[1] == 0 {
        of_descriptor(ctx, args[0])?
    } else {
        at::node_at(ctx, args[0], args[1], args[3])?
    };
    change_times(ctx, &node, times)
}

/// What a null path means: the descriptor itself, where there is one.
fn of_descriptor(ctx: &mut Ctx<'_>, fd: u64) -> Result<Rc<Node>> {
    if fd as i32 == AT_FDCWD { Err(Errno::EFAULT) } else { open_node(ctx, fd) }
}

fn size_argument(value: u64) -> Result<u64> {
    if value > SIZE_MAX { Err(Errno::EINVAL) } else { Ok(value) }
}

fn sys_truncate(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let size = size_argument(args[1])?;
    let node = at::node_at(ctx, CWD, args[0], 0)?;
    if node.meta.get().is_dir() {
        return Err(Errno::EISDIR.into());
    }
    meta::check(&at::who(ctx), &node.meta.get(), MAY_WRITE)?;
    regular::check_idle(&node)?;
    check_growth(ctx, &node, size)?;
    regular::truncate(&node, size)?;
    Ok(0)
}

fn sys_ftruncate(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let size = size_argument(args[1])?;
    let file = ctx.file(args[0])?;
    file.check_writable().map_err(|_| Errno::EINVAL)?;
    let node = file.file.node().ok_or(Errno::EINVAL)?;
    check_growth(ctx, node, size)?;
    regular::truncate(node, size)?;
    Ok(0)
}

/// A file may only grow within RLIMIT_FSIZE.
fn check_growth(ctx: &mut Ctx<'_>, node: &Node, size: u64) -> Result<()> {
    let old = node.data().map_or(0, crate::fs::node::data::Data::size);
    if size > old { super::hooks::check_size(ctx, size) } else { Ok(()) }
}

const KEEP_SIZE: u64 = 1;
const PUNCH_HOLE: u64 = 2;
const ZERO_RANGE: u64 = 0x10;

fn sys_fallocate(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let (mode, start, len) = (args[1], args[2], args[3]);
    if start > SIZE_MAX || len > SIZE_MAX || len == 0 {
        return Err(Errno::EINVAL.into());
    }
    if mode & !(KEEP_SIZE | PUNCH_HOLE | ZERO_RANGE) != 0 {
        return Err(Errno::EOPNOTSUPP.into());
    }
    file.check_writable()?;
    let node = file.file.node().ok_or(if is_pipe(&file) { Errno::ESPIPE } else { Errno::ENODEV })?;
    if node.data().is_none() {
        let pipe = node.meta.get().kind() == meta::S_IFIFO;
        return Err(if pipe { Errno::ESPIPE } else { Errno::ENODEV }.into());
    }
    let end = start.checked_add(len).filter(|&end| end <= SIZE_MAX).ok_or(Errno::EFBIG)?;
    if mode & KEEP_SIZE == 0 {
        check_growth(ctx, node, end)?;
    }
    match mode {
        0 | KEEP_SIZE => regular::allocate(node, start, end, mode == 0)?,
        ZERO_RANGE | 0x11 => {
            regular::punch(node, start, end)?;
            regular::allocate(node, start, end, mode == ZERO_RANGE)?;
        }
        0x3 => regular::punch(node, start, end)?,
        _ => return Err(Errno::EOPNOTSUPP.into()),
    }
    Ok(0)
}

/// Files are memory: there is nothing to bring anywhere.
fn sys_fsync(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let kept = file.file.node().is_some_and(|node| node.data().is_some() || node.meta.get().is_dir());
    if kept { Ok(0) } else { Err(Errno::EINVAL.into()) }
}

fn sys_fdatasync(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_fsync(ctx, args)
}

fn sys_syncfs(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    ctx.file(args[0])?;
    Ok(0)
}

fn sys_sync_file_range(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    let (start, len, flags) = (args[1], args[2], args[3]);
    if flags & !7 != 0 || start > SIZE_MAX || start.saturating_add(len) > SIZE_MAX {
        return Err(Errno::EINVAL.into());
    }
    let has_pages = file.file.node().is_some_and(|node| node.data().is_some() || node.meta.get().is_dir());
    if has_pages { Ok(0) } else { Err(Errno::ESPIPE.into()) }
}

fn sys_sync(_: &mut Ctx<'_>, _: &Args) -> SysResult {
    Ok(0)
}

fn sys_readahead(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    file.check_readable()?;
    let regular = file.file.node().is_some_and(|node| node.data().is_some());
    if regular && args[2] <= SIZE_MAX { Ok(0) } else { Err(Errno::EINVAL.into()) }
}

fn is_pipe(file: &OpenFile) -> bool {
    file.file.as_any().downcast_ref::<PipeEnd>().is_some()
}

/// A hint, which changes nothing; what has no pages takes it as well.
fn sys_fadvise64(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    if is_pipe(&file) {
        return Err(Errno::ESPIPE.into());
    }
    let advice = args[3] as u32;
    if advice > 5 || args[2] > SIZE_MAX { Err(Errno::EINVAL.into()) } else { Ok(0) }
}
