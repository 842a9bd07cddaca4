//! What changes the tree: creating, linking, removing and renaming entries, with the checks of the manual pages.

use super::inotify::{event, notify_entry, notify_gone, notify_self};
use super::node::data::Data;
use super::node::dir::Dir;
use super::node::meta::{self, MAY_EXEC, MAY_WRITE, Meta, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG, S_ISGID};
use super::node::volume::FsKind;
use super::node::{Body, Node, dir};
use super::walk::{Found, Walk};
use crate::errno::{Errno, Result};
use crate::task::Credentials;
use alloc::rc::Rc;

/// Hard links of one inode at most.
const LINK_MAX: u32 = 65_000;

/// Checks that entries of a directory may be changed.
fn writable(who: &Credentials, parent: &Rc<Node>) -> Result<()> {
    match parent.volume.kind {
        FsKind::Sysfs | FsKind::Cgroup2 => return Err(Errno::EROFS),
        FsKind::Proc => return Err(Errno::ENOENT),
        _ => {}
    }
    meta::check(who, &parent.meta.get(), MAY_WRITE | MAY_EXEC)
}

/// Creates an entry that is not there yet.
///
/// # Errors
/// EEXIST, EACCES, EROFS, ENOENT.
pub fn create(walk: &Walk<'_>, found: &Found, mode: u32, body: Body) -> Result<Rc<Node>> {
    if found.node.is_some() {
        return Err(Errno::EEXIST);
    }
    if found.slash && mode & S_IFMT != S_IFDIR {
        return Err(Errno::ENOENT);
    }
    writable(walk.who, &found.parent)?;
    let node = Node::new(&found.parent.volume, inherited(walk.who, &found.parent, mode), body);
    add(found, &node)?;
    if node.dir().is_some() {
        found.parent.update(|meta| meta.nlink += 1);
    }
    notify_entry(&found.parent, &found.name, &node, event::CREATE, 0);
    Ok(node)
}

/// Adds an entry where there was none.
fn add(found: &Found, node: &Rc<Node>) -> Result<()> {
    found.parent.volume.charge_entry()?;
    dir::insert(&found.parent, &found.name, node).inspect_err(|_| found.parent.volume.release_entry())
}

/// Attributes of a new inode in a directory: a set-group-id directory passes its group on.
fn inherited(who: &Credentials, parent: &Rc<Node>, mode: u32) -> Meta {
    let above = parent.meta.get();
    if above.mode & S_ISGID == 0 {
        return Meta::new(mode, who.fs_uid, who.fs_gid);
    }
    let bit = if mode & S_IFMT == S_IFDIR { S_ISGID } else { 0 };
    Meta::new(mode | bit, who.fs_uid, above.gid)
}

/// Creates a regular file.
///
/// # Errors
/// As [`create`].
pub fn create_file(walk: &Walk<'_>, found: &Found, mode: u32) -> Result<Rc<Node>> {
    create(walk, found, S_IFREG | mode & 0o7777, Body::File(Data::default()))
}

/// Creates a regular file without a name in a directory (O_TMPFILE).
///
/// # Errors
/// As [`create`].
pub fn create_nameless(
    walk: &Walk<'_>,
    parent: &Rc<Node>,
    mode: u32,
    can_be_named: bool,
) -> Result<Rc<Node>> {
    writable(walk.who, parent)?;
    let mut meta = inherited(walk.who, parent, S_IFREG | mode & 0o7777);
    meta.nlink = 0;
    let node = Node::new(&parent.volume, meta, Body::File(Data::default()));
    // `#` marks a file that linkat(2) may give a name, `!` one that stays without (O_EXCL).
    let mark = if can_be_named { '#' } else { '!' };
    node.set_place(parent, alloc::format!("{mark}{}", node.ino).as_bytes());
    Ok(node)
}

/// mkdir(2).
///
/// # Errors
/// As [`create`].
pub fn make_dir(walk: &Walk<'_>, found: &Found, mode: u32) -> Result<()> {
    create(walk, found, S_IFDIR | mode & 0o1777, Body::Dir(Dir::empty())).map(drop)
}

/// symlink(2).
///
/// # Errors
/// As [`create`]; ENOENT for an empty target.
pub fn make_link(walk: &Walk<'_>, found: &Found, target: &[u8]) -> Result<()> {
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    create(walk, found, S_IFLNK | 0o777, Body::Link(target.to_vec())).map(drop)
}

/// mknod(2).
///
/// # Errors
/// As [`create`]; EPERM for a directory or an unprivileged device, EINVAL for an unknown type.
pub fn make_node(walk: &Walk<'_>, found: &Found, mode: u32, rdev: u32) -> Result<Rc<Node>> {
    let kind = if mode & S_IFMT == 0 { S_IFREG } else { mode & S_IFMT };
    let mode = kind | mode & 0o7777;
    match kind {
        S_IFREG => create_file(walk, found, mode),
        meta::S_IFIFO | meta::S_IFSOCK => create(walk, found, mode, Body::Special),
        meta::S_IFCHR | meta::S_IFBLK if !walk.who.can(meta::CAP_MKNOD) && found.node.is_none() => {
            writable(walk.who, &found.parent)?;
            Err(Errno::EPERM)
        }
        meta::S_IFCHR | meta::S_IFBLK => {
            let node = create(walk, found, mode, Body::Special)?;
            node.update(|meta| meta.rdev = rdev);
            Ok(node)
        }
        S_IFDIR => Err(Errno::EPERM),
        _ => Err(Errno::EINVAL),
    }
}

/// link(2): another name for `node`.
///
/// # Errors
/// EPERM for a directory, EXDEV across file systems, EMLINK, and as [`create`].
pub fn hard_link(walk: &Walk<'_>, node: &Rc<Node>, found: &Found) -> Result<()> {
    if found.node.is_some() {
        return Err(Errno::EEXIST);
    }
    if !Rc::ptr_eq(&node.volume, &found.parent.volume) {
        return Err(Errno::EXDEV);
    }
    if found.slash {
        return Err(Errno::ENOENT);
    }
    writable(walk.who, &found.parent)?;
    let meta = node.meta.get();
    if meta.is_dir() || !meta::owns(walk.who, &meta) && meta::check(walk.who, &meta, 6).is_err() {
        return Err(Errno::EPERM);
    }
    if meta.nlink >= LINK_MAX {
        return Err(Errno::EMLINK);
    }
    add(found, node)?;
    node.touch(|meta| meta.nlink += 1);
    notify_self(node, event::ATTRIB);
    notify_entry(&found.parent, &found.name, node, event::CREATE, 0);
    Ok(())
}

/// Checks that an entry may be removed, and gives its node.
fn removable(walk: &Walk<'_>, found: &Found) -> Result<Rc<Node>> {
    let node = found.node.clone().ok_or(Errno::ENOENT)?;
    if found.parent.volume.kind == FsKind::Proc {
        return Err(Errno::EPERM);
    }
    writable(walk.who, &found.parent)?;
    meta::check_sticky(walk.who, &found.parent.meta.get(), &node.meta.get())?;
    if is_mount_root(&node, &found.parent) { Err(Errno::EBUSY) } else { Ok(node) }
}

fn is_mount_root(node: &Rc<Node>, parent: &Rc<Node>) -> bool {
    !Rc::ptr_eq(&node.volume, &parent.volume)
}

/// unlink(2).
///
/// # Errors
/// EISDIR, EACCES, EPERM, EBUSY, ENOENT.
pub fn unlink(walk: &Walk<'_>, found: &Found) -> Result<()> {
    if found.name.is_empty() {
        return Err(Errno::EISDIR);
    }
    let node = removable(walk, found)?;
    if node.meta.get().is_dir() {
        return Err(Errno::EISDIR);
    }
    if found.slash {
        return Err(Errno::ENOTDIR);
    }
    dir::remove(&found.parent, &found.name)?;
    node.drop_link();
    notify_self(&node, event::ATTRIB);
    removed(found, &node);
    Ok(())
}

/// Gives the room of an entry back, and tells watchers that its node is gone, if that was the last name, and the entry.
fn removed(found: &Found, node: &Rc<Node>) {
    found.parent.volume.release_entry();
    if node.meta.get().nlink == 0 {
        notify_gone(node);
    }
    notify_entry(&found.parent, &found.name, node, event::DELETE, 0);
}

/// rmdir(2). `path` tells `.` and `..` apart from the root.
///
/// # Errors
/// ENOTDIR, ENOTEMPTY, EINVAL for `.`, EBUSY for a mount, EACCES, EPERM.
pub fn remove_dir(walk: &Walk<'_>, found: &Found, path: &[u8]) -> Result<()> {
    if found.name.is_empty() {
        let trimmed = path.iter().rposition(|&byte| byte != b'/').map_or(&[][..], |end| &path[..=end]);
        return Err(match trimmed {
            [b'.', b'.'] | [.., b'/', b'.', b'.'] => Errno::ENOTEMPTY,
            [b'.'] | [.., b'/', b'.'] => Errno::EINVAL,
            _ => Errno::EBUSY,
        });
    }
    let node = removable(walk, found)?;
    let Some(entries) = node.dir() else { return Err(Errno::ENOTDIR) };
    if !dir::is_empty(&node)? {
        return Err(Errno::ENOTEMPTY);
    }
    dir::remove(&found.parent, &found.name)?;
    entries.removed.set(true);
    found.parent.update(|meta| meta.nlink = meta.nlink.saturating_sub(1));
    node.touch(|meta| meta.nlink = 1);
    node.drop_link();
    removed(found, &node);
    Ok(())
}

/// RENAME_NOREPLACE: fail when the new name is taken.
pub const RENAME_NOREPLACE: u64 = 1;
/// RENAME_EXCHANGE: swap the two.
pub const RENAME_EXCHANGE: u64 = 2;

/// rename(2) and renameat2(2).
///
/// # Errors
/// As the manual pages say.
pub fn rename(walk: &Walk<'_>, from: &Found, to: &Found, flags: u64) -> Result<()> {
    if from.name.is_empty() || to.name.is_empty() {
        return Err(if flags & RENAME_NOREPLACE != 0 { Errno::EEXIST } else { Errno::EBUSY });
    }
    if !Rc::ptr_eq(&from.parent.volume, &to.parent.volume) {
        return Err(Errno::EXDEV);
    }
    let node = removable(walk, from)?;
    let is_dir = node.dir().is_some();
    check_slashes(from, to, is_dir, flags)?;
    if is_dir && is_below(&to.parent, &node) {
        return Err(Errno::EINVAL);
    }
    match &to.node {
        Some(target) if Rc::ptr_eq(target, &node) => return Ok(()),
        Some(_) if flags & RENAME_EXCHANGE != 0 => return exchange(walk, from, to, &node),
        Some(target) => replace(walk, to, target, is_dir, &from.parent)?,
        None => writable(walk.who, &to.parent)?,
    }
    dir::insert(&to.parent, &to.name, &node)?;
    dir::remove(&from.parent, &from.name)?;
    if is_dir {
        from.parent.update(|meta| meta.nlink = meta.nlink.saturating_sub(1));
        to.parent.update(|meta| meta.nlink += 1);
    }
    node.touch(|_| ());
    moved(from, to, &node, to.node.as_ref());
    Ok(())
}

/// Whether the names of a rename may be there, or not, and end with a slash; `is_dir` says what is renamed.
fn check_slashes(from: &Found, to: &Found, is_dir: bool, flags: u64) -> Result<()> {
    let exchanges = flags & RENAME_EXCHANGE != 0;
    let becomes_dir = match &to.node {
        Some(_) if flags & RENAME_NOREPLACE != 0 => return Err(Errno::EEXIST),
        None if exchanges => return Err(Errno::ENOENT),
        Some(target) if exchanges => target.dir().is_some(),
        _ => is_dir,
    };
    if from.slash && !is_dir || to.slash && !becomes_dir { Err(Errno::ENOTDIR) } else { Ok(()) }
}

/// Tells watchers of a rename; its two events have a number in common. `replaced` is what had the new name before.
fn moved(from: &Found, to: &Found, node: &Rc<Node>, replaced: Option<&Rc<Node>>) {
    let cookie = node.volume.new_ino() as u32;
    notify_entry(&from.parent, &from.name, node, event::MOVED_FROM, cookie);
    notify_entry(&to.parent, &to.name, node, event::MOVED_TO, cookie);
    if let Some(replaced) = replaced {
        notify_self(replaced, event::ATTRIB);
    }
    notify_self(node, event::MOVE_SELF);
    if let Some(replaced) = replaced.filter(|replaced| replaced.meta.get().nlink == 0) {
        notify_gone(replaced);
    }
}

/// Checks that a rename may replace the target, and takes it out of the counts.
fn replace(
    walk: &Walk<'_>,
    to: &Found,
    target: &Rc<Node>,
    is_dir: bool,
    from_parent: &Rc<Node>,
) -> Result<()> {
    if is_below(from_parent, target) {
        return Err(Errno::ENOTEMPTY);
    }
    let target = removable(walk, to).map(|_| target)?;
    match (is_dir, target.dir()) {
        (true, None) => return Err(Errno::ENOTDIR),
        (false, Some(_)) => return Err(Errno::EISDIR),
        (true, Some(entries)) => {
            if !dir::is_empty(target)? {
                return Err(Errno::ENOTEMPTY);
            }
            entries.removed.set(true);
            to.parent.update(|meta| meta.nlink = meta.nlink.saturating_sub(1));
            target.touch(|meta| meta.nlink = 1);
        }
        (false, None) => {}
    }
    target.drop_link();
    to.parent.volume.release_entry();
    Ok(())
}

fn exchange(walk: &Walk<'_>, from: &Found, to: &Found, node: &Rc<Node>) -> Result<()> {
    let other = removable(walk, to)?;
    if other.dir().is_some() && is_below(&from.parent, &other) {
        return Err(Errno::EINVAL);
    }
    let change = |found: &Found, gone: &Rc<Node>, come: &Rc<Node>| {
        let links = i64::from(come.dir().is_some()) - i64::from(gone.dir().is_some());
        found.parent.update(|meta| meta.nlink = (i64::from(meta.nlink) + links).max(0) as u32);
    };
    dir::insert(&to.parent, &to.name, node)?;
    dir::insert(&from.parent, &from.name, &other)?;
    change(to, &other, node);
    change(from, node, &other);
    node.touch(|_| ());
    other.touch(|_| ());
    moved(from, to, node, None);
    moved(to, from, &other, None);
    Ok(())
}

/// Whether a directory is `top` or lies below it.
fn is_below(directory: &Rc<Node>, top: &Rc<Node>) -> bool {
    let mut here = Some(Rc::clone(directory));
    while let Some(node) = here {
        if Rc::ptr_eq(&node, top) {
            return true;
        }
        here = node.place().map(|place| place.parent);
    }
    false
}
