//! Directories: getdents64(2), and where a process stands.

use super::at::{self, AT_FDCWD};
use super::row::Row;
use crate::errno::{Errno, Result};
use crate::fs::node::dir::Listed;
use crate::fs::node::meta::{self, MAY_EXEC};
use crate::fs::node::{Body, Node, dir};
use crate::fs::synthetic::View;
use crate::fs::walk::{PATH_MAX, Restrict, is_deleted, path_of};
use crate::kernel::{Args, Ctx};
use crate::wait::SysResult;
use alloc::rc::Rc;
use alloc::vec::Vec;

pub const ROWS: &[Row] = &[
    Row::full(78, "getdents", sys_getdents),
    Row::full(79, "getcwd", sys_getcwd),
    Row::full(80, "chdir", sys_chdir),
    Row::full(81, "fchdir", sys_fchdir),
    Row::full(161, "chroot", sys_chroot),
    Row::full(217, "getdents64", sys_getdents64),
];

/// Entries that one look takes from a directory.
const BATCH: usize = 64;

fn sys_getdents64(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    list(ctx, args, |entry| {
        let len = (19 + entry.name.len() + 1).next_multiple_of(8);
        let mut record = head(entry, len);
        record.push(entry.kind);
        record.extend(&entry.name);
        record.resize(len, 0);
        record
    })
}

/// The form without d_type in its place: the type is the last byte.
fn sys_getdents(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    list(ctx, args, |entry| {
        let len = (18 + entry.name.len() + 2).next_multiple_of(8);
        let mut record = head(entry, len);
        record.extend(&entry.name);
        record.resize(len - 1, 0);
        record.push(entry.kind);
        record
    })
}

fn head(entry: &Listed, len: usize) -> Vec<u8> {
    let mut record = Vec::with_capacity(len);
    record.extend(entry.ino.to_le_bytes());
    record.extend(entry.cookie.to_le_bytes());
    record.extend((len as u16).to_le_bytes());
    record
}

fn list(ctx: &mut Ctx<'_>, args: &Args, encode: impl Fn(&Listed) -> Vec<u8>) -> SysResult {
    let file = ctx.file(args[0])?;
    let node = file.file.node().cloned().ok_or(Errno::ENOTDIR)?;
    if !node.meta.get().is_dir() {
        return Err(Errno::ENOTDIR.into());
    }
    if node.dir().is_some_and(|dir| dir.removed.get()) {
        return Err(Errno::ENOENT.into());
    }
    super::rw::note_access(&file, &node);
    // The count is 32 bits, and one that is negative has room for no entry.
    let room = (args[2] as i32).clamp(0, 1 << 20).cast_unsigned() as usize;
    let address = args[1];
    let mut done = 0;
    let mut after = file.offset.get();
    'all: loop {
        let batch = batch(ctx, &node, after)?;
        if batch.is_empty() {
            break;
        }
        for entry in batch {
            let record = encode(&entry);
            if done + record.len() > room {
                break 'all;
            }
            ctx.memory().write(address + done as u64, &record)?;
            done += record.len();
            after = entry.cookie;
            file.offset.set(after);
        }
    }
    let more = done == 0 && !batch(ctx, &node, after)?.is_empty();
    if more { Err(Errno::EINVAL.into()) } else { Ok(done as u64) }
}

fn batch(ctx: &Ctx<'_>, node: &Rc<Node>, after: u64) -> Result<Vec<Listed>> {
    let Body::Synthetic(synthetic) = &node.body else { return dir::list(node, after, BATCH) };
    let parent = node.place().map_or(node.ino, |place| place.parent.ino);
    let dots = [(b".".to_vec(), 4, node.ino), (b"..".to_vec(), 4, parent)];
    let computed = synthetic.list(View { kernel: &*ctx.kernel, tid: ctx.tid });
    let entries = computed
        .into_iter()
        .enumerate()
        .map(|(index, (name, kind))| (name, kind, node.ino.wrapping_mul(31) + index as u64 + 1));
    let all = dots.into_iter().chain(entries).enumerate().skip(after as usize);
    Ok(all.map(|(index, (name, kind, ino))| Listed { cookie: index as u64 + 1, name, ino, kind }).collect())
}

/// The path to the working directory; `(unreachable)` in front when the root is not above it.
fn sys_getcwd(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let (root, cwd) = {
        let fs = ctx.process().fs.borrow();
        (Rc::clone(&fs.root), Rc::clone(&fs.cwd))
    };
    if cwd.place().is_some_and(|place| is_deleted(&cwd, &place.parent, &place.name)) {
        return Err(Errno::ENOENT.into());
    }
    let mut path = path_of(&cwd, Some(&root));
    if !is_within(&cwd, &root) {
        path.splice(0..0, *b"(unreachable)");
    }
    path.push(0);
    if path.len() > PATH_MAX {
        return Err(Errno::ENAMETOOLONG.into());
    }
    if path.len() as u64 > args[1] {
        return Err(Errno::ERANGE.into());
    }
    ctx.memory().write(args[0], &path)?;
    Ok(path.len() as u64)
}

fn is_within(node: &Rc<Node>, root: &Rc<Node>) -> bool {
    let mut here = Rc::clone(node);
    while !Rc::ptr_eq(&here, root) {
        let Some(place) = here.place() else { return false };
        here = place.parent;
    }
    true
}

fn directory(ctx: &mut Ctx<'_>, address: u64) -> Result<Rc<Node>> {
    let path = at::path(ctx, address)?;
    let node = at::walk(ctx, AT_FDCWD as u64, &path, Restrict::empty())?.find(&path)?.node()?;
    enter(ctx, node)
}

/// Checks that the caller may stand in a node.
fn enter(ctx: &mut Ctx<'_>, node: Rc<Node>) -> Result<Rc<Node>> {
    if !node.meta.get().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    meta::check(&at::who(ctx), &node.meta.get(), MAY_EXEC)?;
    Ok(node)
}

fn sys_chdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = directory(ctx, args[0])?;
    ctx.process().fs.borrow_mut().cwd = node;
    Ok(0)
}

fn sys_fchdir(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = ctx.handle(args[0])?.file.node().cloned().ok_or(Errno::ENOTDIR)?;
    let node = enter(ctx, node)?;
    ctx.process().fs.borrow_mut().cwd = node;
    Ok(0)
}

fn sys_chroot(ctx: &mut Ctx<'_>, args: &Args) -> SysResult {
    let node = directory(ctx, args[0])?;
    if !at::who(ctx).can(meta::CAP_SYS_CHROOT) {
        return Err(Errno::EPERM.into());
    }
    ctx.process().fs.borrow_mut().root = node;
    Ok(0)
}
