//! Entries of directories: mkdir(2), rmdir(2), unlink(2), rename(2), link(2), symlink(2), mknod(2).

use super::at::{self, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, at_place};
use super::row::Row;
use crate::errno::Errno;
use crate::fs::node::Body;
use crate::fs::ops::{self, RENAME_EXCHANGE, RENAME_NOREPLACE};
use crate::fs::walk::{PATH_MAX, Restrict};
use crate::kernel::{Args, Ctx};
use crate::wait::{Stop, SysResult};

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row::full(82, "rename", rename),
    Row::full(83, "mkdir", mkdir),
    Row::full(84, "rmdir", rmdir),
    Row::full(86, "link", link),
    Row::full(87, "unlink", unlink),
    Row::full(88, "symlink", symlink),
    Row::partial(133, "mknod", mknod, "block devices can be made but not opened"),
    Row::full(258, "mkdirat", mkdirat),
    Row::partial(259, "mknodat", mknodat, "block devices can be made but not opened"),
    Row::full(263, "unlinkat", unlinkat),
    Row::full(264, "renameat", renameat),
    Row::full(265, "linkat", linkat),
    Row::full(266, "symlinkat", symlinkat),
    Row::partial(316, "renameat2", renameat2, "RENAME_WHITEOUT is EINVAL"),
];

const CWD: u64 = AT_FDCWD as u64;
const AT_REMOVEDIR: u64 = 0x200;

fn umask(ctx: &mut Ctx<'_>) -> u32 {
    ctx.process().fs.borrow().umask
}

fn mkdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    mkdirat(ctx, &[CWD, args[0], args[1], 0, 0, 0])
}

fn mkdirat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let mode = args[2] as u32 & !umask(ctx);
    at_place(ctx, args[0], args[1], Restrict::NO_FOLLOW, |walk, found, _| ops::make_dir(walk, found, mode))
}

fn mknod(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    mknodat(ctx, &[CWD, args[0], args[1], args[2], 0, 0])
}

fn mknodat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let mode = args[2] as u32 & !umask(ctx);
    at_place(ctx, args[0], args[1], Restrict::NO_FOLLOW, |walk, found, _| {
        ops::make_node(walk, found, mode, args[3] as u32).map(drop)
    })
}

fn rmdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    unlinkat(ctx, &[CWD, args[0], AT_REMOVEDIR, 0, 0, 0])
}

fn unlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    unlinkat(ctx, &[CWD, args[0], 0, 0, 0, 0])
}

fn unlinkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    if args[2] & !AT_REMOVEDIR != 0 {
        return Err(Errno::EINVAL.into());
    }
    at_place(ctx, args[0], args[1], Restrict::NO_FOLLOW, |walk, found, path| {
        if args[2] & AT_REMOVEDIR != 0 {
            ops::remove_dir(walk, found, path)
        } else {
            ops::unlink(walk, found)
        }
    })
}

fn rename(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    renameat2(ctx, &[CWD, args[0], CWD, args[1], 0, 0])
}

fn renameat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    renameat2(ctx, &[args[0], args[1], args[2], args[3], 0, 0])
}

fn renameat2(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[4];
    let known = RENAME_NOREPLACE | RENAME_EXCHANGE;
    if flags & !known != 0 || flags & known == known {
        return Err(Errno::EINVAL.into());
    }
    let from_path = at::path(ctx, args[1])?;
    let from = at::walk(ctx, args[0], &from_path, Restrict::NO_FOLLOW)?.find(&from_path)?;
    let moved = at_place(ctx, args[2], args[3], Restrict::NO_FOLLOW, |walk, to, _| {
        ops::rename(walk, &from, to, flags)
    });
    match moved {
        // The old name is looked up before the new one.
        Err(Stop::Errno(Errno::ENAMETOOLONG)) if from.node.is_none() => Err(Errno::ENOENT.into()),
        moved => moved,
    }
}

fn link(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    linkat(ctx, &[CWD, args[0], CWD, args[1], 0, 0])
}

fn linkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[4];
    if flags & !(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let no_follow = if flags & AT_SYMLINK_FOLLOW == 0 { at::AT_SYMLINK_NOFOLLOW } else { 0 };
    let node = at::node_at(ctx, args[0], args[1], flags & AT_EMPTY_PATH | no_follow)?;
    if matches!(node.body, Body::Open(_)) || unlinked(&node) {
        return Err(Errno::ENOENT.into());
    }
    at_place(ctx, args[2], args[3], Restrict::NO_FOLLOW, |walk, found, _| ops::hard_link(walk, &node, found))
}

/// A file whose last name is gone gets no new one, unless it never had any (O_TMPFILE).
fn unlinked(node: &crate::fs::node::Node) -> bool {
    node.meta.get().nlink == 0 && node.place().is_none_or(|place| place.name.first() != Some(&b'#'))
}

fn symlink(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    symlinkat(ctx, &[args[0], CWD, args[1], 0, 0, 0])
}

fn symlinkat(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let target = ctx.memory().string(args[0], PATH_MAX)?;
    at_place(ctx, args[1], args[2], Restrict::NO_FOLLOW, |walk, found, _| {
        ops::make_link(walk, found, &target)
    })
}
