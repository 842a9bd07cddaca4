//! Watching files: inotify_init(2), inotify_add_watch(2), inotify_rm_watch(2).

use super::at::{self, AT_FDCWD, AT_SYMLINK_NOFOLLOW};
use super::open::install;
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::file::{O_NONBLOCK, OpenFile};
use crate::fs::inotify::{Inotify, event};
use crate::fs::node::meta::{self, MAY_READ};
use crate::fs::open::O_CLOEXEC;
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;

pub const ROWS: &[Row] = &[
    Row::full(253, "inotify_init", sys_inotify_init),
    Row::partial(
        254,
        "inotify_add_watch",
        sys_inotify_add_watch,
        "files that are computed (/proc) never change",
    ),
    Row::full(255, "inotify_rm_watch", sys_inotify_rm_watch),
    Row::full(294, "inotify_init1", sys_inotify_init1),
];

fn sys_inotify_init(ctx: &mut Ctx<'_>, _: &Args) -> SysResult {
    sys_inotify_init1(ctx, &[0; 6])
}

fn sys_inotify_init1(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let flags = args[0] as u32;
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = OpenFile::new(Inotify::new(), flags & O_NONBLOCK);
    install(ctx, file, flags & O_CLOEXEC != 0)
}

fn instance(file: &OpenFile) -> Result<&Inotify> {
    file.file.as_any().downcast_ref().ok_or(Errno::EINVAL)
}

/// Bits that a mask may have (ALL_INOTIFY_BITS): those of events, and those that say how to watch.
const KNOWN: u32 = 0xf700_efff;

fn sys_inotify_add_watch(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let mask = args[2] as u32;
    let both = event::MASK_ADD | event::MASK_CREATE;
    if mask & event::ALL == 0 || mask & !KNOWN != 0 || mask & both == both {
        return Err(Errno::EINVAL.into());
    }
    let file = ctx.file(args[0])?;
    let flags = if mask & event::DONT_FOLLOW != 0 { AT_SYMLINK_NOFOLLOW } else { 0 };
    let node = at::node_at(ctx, AT_FDCWD as u64, args[1], flags)?;
    if mask & event::ONLYDIR != 0 && !node.meta.get().is_dir() {
        return Err(Errno::ENOTDIR.into());
    }
    meta::check(&at::who(ctx), &node.meta.get(), MAY_READ)?;
    Ok(u64::from(instance(&file)?.add(&node, mask)?.cast_unsigned()))
}

fn sys_inotify_rm_watch(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let file = ctx.file(args[0])?;
    instance(&file)?.remove(args[1] as i32)?;
    Ok(0)
}
