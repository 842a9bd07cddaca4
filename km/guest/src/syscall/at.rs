//! What the families that take paths share: path arguments, directory descriptors, who calls, and the umask.

use crate::errno::{Errno, Result};
use crate::fs::node::Node;
use crate::fs::synthetic::View;
use crate::fs::walk::{Found, PATH_MAX, Restrict, Walk};
use crate::kernel::Ctx;
use crate::task::Credentials;
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::vec::Vec;

/// The working directory as a directory descriptor.
pub(super) const AT_FDCWD: i32 = -100;
/// A link in the last component is meant itself.
pub(super) const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
/// A link in the last component is followed.
pub(super) const AT_SYMLINK_FOLLOW: u64 = 0x400;
/// An empty path means the descriptor itself.
pub(super) const AT_EMPTY_PATH: u64 = 0x1000;

/// The path at `address`: at most PATH_MAX bytes, its NUL included.
pub(super) fn path(ctx: &mut Ctx<'_>, address: u64) -> Result<Vec<u8>> {
    ctx.memory().string(address, PATH_MAX)
}

/// A lookup for the calling thread, relative to a directory descriptor.
pub(super) fn walk<'a>(ctx: &'a Ctx<'_>, dirfd: u64, path: &[u8], restrict: Restrict) -> Result<Walk<'a>> {
    let scoped = restrict.intersects(Restrict::BENEATH | Restrict::IN_ROOT);
    let view = View { kernel: &*ctx.kernel, tid: ctx.tid };
    let process = ctx.kernel.tasks.thread(ctx.tid).and_then(|thread| ctx.kernel.tasks.process(thread.pid));
    let process = process.ok_or(Errno::ESRCH)?;
    let fs = process.fs.borrow();
    let start = if path.first() == Some(&b'/') && !scoped {
        Rc::clone(&fs.root)
    } else if dirfd as i32 == AT_FDCWD {
        Rc::clone(&fs.cwd)
    } else {
        let file = process.files.borrow().get(dirfd).ok_or(Errno::EBADF)?;
        let node = file.file.node().cloned().ok_or(Errno::ENOTDIR)?;
        if !path.is_empty() && !node.meta.get().is_dir() {
            return Err(Errno::ENOTDIR);
        }
        node
    };
    Ok(Walk { view, who: &process.credentials, root: Rc::clone(&fs.root), start, restrict })
}

/// How `AT_SYMLINK_NOFOLLOW` restricts a lookup.
pub(super) fn follow(flags: u64) -> Restrict {
    if flags & AT_SYMLINK_NOFOLLOW != 0 { Restrict::NO_FOLLOW } else { Restrict::empty() }
}

/// What a path leads to; with `AT_EMPTY_PATH` the descriptor's own node (or its open file, without one).
pub(super) fn node_at(ctx: &mut Ctx<'_>, dirfd: u64, address: u64, flags: u64) -> Result<Rc<Node>> {
    let who = who(ctx);
    node_for(ctx, &who, dirfd, address, flags)
}

/// The same with the permissions of `who`.
pub(super) fn node_for(
    ctx: &mut Ctx<'_>,
    who: &Credentials,
    dirfd: u64,
    address: u64,
    flags: u64,
) -> Result<Rc<Node>> {
    let path = if address == 0 && flags & AT_EMPTY_PATH != 0 { Vec::new() } else { path(ctx, address)? };
    if path.is_empty() && flags & AT_EMPTY_PATH != 0 {
        return own_node(ctx, dirfd);
    }
    let walk = walk(ctx, dirfd, &path, follow(flags))?;
    Walk { who, ..walk }.find(&path)?.node()
}

fn own_node(ctx: &mut Ctx<'_>, dirfd: u64) -> Result<Rc<Node>> {
    if dirfd as i32 == AT_FDCWD {
        return Ok(Rc::clone(&ctx.process().fs.borrow().cwd));
    }
    let file = ctx.handle(dirfd)?;
    Ok(match file.file.node() {
        Some(node) => Rc::clone(node),
        None => crate::fs::open::node_of(&ctx.kernel.vfs.nameless, &file),
    })
}

/// Looks a path up and calls `work` with what was found, which need not exist; `restrict` says whether a link there is
/// followed.
pub(super) fn at_place(
    ctx: &mut Ctx<'_>,
    dirfd: u64,
    address: u64,
    restrict: Restrict,
    work: impl FnOnce(&Walk<'_>, &Found, &[u8]) -> Result<()>,
) -> SysResult {
    let path = path(ctx, address)?;
    let walk = walk(ctx, dirfd, &path, restrict)?;
    let found = walk.find(&path)?;
    work(&walk, &found, &path)?;
    Ok(0)
}

/// Credentials of the process that called.
pub(super) fn who(ctx: &mut Ctx<'_>) -> Credentials {
    ctx.process().credentials.clone()
}

/// Credentials of the process that called, with the real user and group in place of the effective ones (access(2)).
pub(super) fn real_who(ctx: &mut Ctx<'_>) -> Credentials {
    let mut who = who(ctx);
    if who.real_uid != who.uid {
        who.effective = if who.real_uid == 0 { who.permitted } else { 0 };
    }
    (who.uid, who.gid) = (who.real_uid, who.real_gid);
    who.follow_users();
    who
}

/// The mode of a file that the caller makes: `mode` without the bits of its umask (umask(2)).
pub(super) fn new_mode(ctx: &mut Ctx<'_>, mode: u32) -> u32 {
    mode & !ctx.process().fs.borrow().umask
}
