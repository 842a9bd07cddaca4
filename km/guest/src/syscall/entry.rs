//! Entries of directories: mkdir(2), rmdir(2), unlink(2), rename(2), link(2), symlink(2), mknod(2).

use super::at::{self, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, at_place};
use super::row::Row;
use crate::errno::Errno;
use crate::fs::node::{Body, meta};
use crate::fs::ops::{self, RENAME_EXCHANGE, RENAME_NOREPLACE};
use crate::fs::walk::{PATH_MAX, Restrict};
use crate::kernel::{Args, Ctx};
use crate::wait::{Stop, SysResult};

pub const ROWS: &[Row] = &[
    Row::full(82, "rename", sys_rename),
    Row::full(83, "mkdir", sys_mkdir),
    Row::full(84, "rmdir", sys_rmdir),
    Row::full(86, "link", sys_link),
    Row::full(87, "unlink", sys_unlink),
    Row::full(88, "symlink", sys_symlink),
    Row::partial(133, "mknod", sys_mknod, "block devices can be made but not opened"),
    Row::full(258, "mkdirat", sys_mkdirat),
    Row::partial(259, "mknodat", sys_mknodat, "block devices can be made but not opened"),
    Row::full(263, "unlinkat", sys_unlinkat),
    Row::full(264, "renameat", sys_renameat),
    Row::full(265, "linkat", sys_linkat),
    Row::full(266, "symlinkat", sys_symlinkat),
    Row::partial(316, "renameat2", sys_renameat2, "RENAME_WHITEOUT is EINVAL"),
];

const CWD: u64 = AT_FDCWD as u64;
const AT_REMOVEDIR: u64 = 0x200;

fn sys_mkdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_mkdirat(ctx, &[CWD, args[0], args[1], 0, 0, 0])
}

fn sys_mkdirat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let mode = at::new_mode(ctx, args[2] as u32);
    at_place(ctx, args[0], args[1], Restrict::ENTRY, |walk, found, _| ops::make_dir(walk, found, mode))
}

fn sys_mknod(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_mknodat(ctx, &[CWD, args[0], args[1], args[2], 0, 0])
}

fn sys_mknodat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    // The type is looked at before the path.
    match args[2] as u32 & meta::S_IFMT {
        meta::S_IFDIR => return Err(Errno::EPERM.into()),
        0 | meta::S_IFREG | meta::S_IFCHR | meta::S_IFBLK | meta::S_IFIFO | meta::S_IFSOCK => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    let mode = at::new_mode(ctx, args[2] as u32);
    at_place(ctx, args[0], args[1], Restrict::ENTRY, |walk, found, _| {
        ops::make_node(walk, found, mode, args[3] as u32).map(drop)
    })
}

fn sys_rmdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_unlinkat(ctx, &[CWD, args[0], AT_REMOVEDIR, 0, 0, 0])
}

fn sys_unlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_unlinkat(ctx, &[CWD, args[0], 0, 0, 0, 0])
}

fn sys_unlinkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[2] & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    at_place(ctx, args[0], args[1], Restrict::ENTRY, |walk, found, path| {
        if args[2] & AT_REMOVEDIR != 0 {
            ops::remove_dir(walk, found, path)
        } else {
            ops::unlink(walk, found)
        }
    })
}

fn sys_rename(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_renameat2(ctx, &[CWD, args[0], CWD, args[1], 0, 0])
}

fn sys_renameat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_renameat2(ctx, &[args[0], args[1], args[2], args[3], 0, 0])
}

fn sys_renameat2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[4];
    let known = RENAME_NOREPLACE | RENAME_EXCHANGE;
    if flags & !known != 0 || flags & known == known {
        return Err(Errno::EINVAL.into());
    }
    let from_path = at::path(ctx, args[1])?;
    let from = at::walk(ctx, args[0], &from_path, Restrict::ENTRY)?.find(&from_path)?;
    let moved =
        at_place(ctx, args[2], args[3], Restrict::ENTRY, |walk, to, _| ops::rename(walk, &from, to, flags));
    match moved {
        // The old name is looked up before the new one.
        Err(Stop::Errno(Errno::ENAMETOOLONG)) if from.node.is_none() => Err(Errno::ENOENT.into()),
        moved => moved,
    }
}

fn sys_link(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_linkat(ctx, &[CWD, args[0], CWD, args[1], 0, 0])
}

fn sys_linkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[4];
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let no_follow = if flags & AT_SYMLINK_FOLLOW == 0 { at::AT_SYMLINK_NOFOLLOW } else { 0 };
    let node = at::node_at(ctx, args[0], args[1], flags & AT_EMPTY_PATH | no_follow)?;
    if matches!(node.body, Body::Open(_)) || unlinked(&node) {
        return Err(Errno::ENOENT.into());
    }
    at_place(ctx, args[2], args[3], Restrict::ENTRY, |walk, found, _| ops::hard_link(walk, &node, found))
}

/// A file whose last name is gone gets no new one, unless it never had any (O_TMPFILE).
fn unlinked(node: &crate::fs::node::Node) -> bool {
    node.meta.get().nlink == 0 && node.place().is_none_or(|place| place.name.first() != Some(&b'#'))
}

fn sys_symlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    sys_symlinkat(ctx, &[args[0], CWD, args[1], 0, 0, 0])
}

fn sys_symlinkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let target = ctx.memory().string(args[0], PATH_MAX)?;
    at_place(ctx, args[1], args[2], Restrict::ENTRY, |walk, found, _| ops::make_link(walk, found, &target))
}
