//! Entries of a directory.
//!
//! A directory of the image is looked up in place. Its entries are copied to memory when somebody lists or changes it;
//! each gets a *cookie*, the position that getdents64(2) reports, which never changes and is never used again. So a
//! listing in several calls meets every entry that was there all the time exactly once.

use super::volume::Volume;
use super::{Node, meta};
use crate::errno::{Errno, Result};
use crate::fs::erofs;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Cookies below this one are of `.` and `..`.
const FIRST_COOKIE: u64 = 2;

enum Child {
    Image { nid: u64, kind: u8 },
    Node(Rc<Node>),
}

#[derive(Default)]
struct Entries {
    by_name: BTreeMap<Rc<[u8]>, (u64, Child)>,
    by_cookie: BTreeMap<u64, Rc<[u8]>>,
    next_cookie: u64,
}

impl Entries {
    fn insert(&mut self, name: &[u8], child: Child) {
        let cookie = self.next_cookie.max(FIRST_COOKIE);
        self.next_cookie = cookie + 1;
        let name: Rc<[u8]> = name.into();
        if let Some((old, _)) = self.by_name.insert(Rc::clone(&name), (cookie, child)) {
            self.by_cookie.remove(&old);
        }
        self.by_cookie.insert(cookie, name);
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some((cookie, _)) = self.by_name.remove(name) {
            self.by_cookie.remove(&cookie);
        }
    }
}

/// What a listing says of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Position of the entry; the next listing starts after it.
    pub cookie: u64,
    /// The entry's name, `.` and `..` included.
    pub name: Vec<u8>,
    /// Inode number of what it leads to, as d_ino.
    pub ino: u64,
    /// DT_* value of the file type (readdir(3)).
    pub kind: u8,
}

/// The entries of a directory.
pub struct Dir {
    /// `None` while they are those of the image.
    entries: RefCell<Option<Entries>>,
    /// rmdir(2) took it out of the tree: nothing can be created in it.
    pub removed: Cell<bool>,
}

impl Dir {
    /// A directory without entries.
    #[must_use]
    pub fn empty() -> Self {
        Self { entries: RefCell::new(Some(Entries::default())), removed: Cell::new(false) }
    }

    /// A directory with the entries of the image.
    #[must_use]
    pub fn of_image() -> Self {
        Self { entries: RefCell::new(None), removed: Cell::new(false) }
    }
}

/// Looks a name up in a directory node.
///
/// # Errors
/// ENOTDIR; EIO for a bad image.
pub fn lookup(node: &Rc<Node>, name: &[u8]) -> Result<Option<Rc<Node>>> {
    let dir = node.dir().ok_or(Errno::ENOTDIR)?;
    let nid = match dir.entries.borrow().as_ref().map(|entries| entries.by_name.get(name)) {
        Some(None) => return Ok(None),
        Some(Some((_, Child::Node(child)))) => return Ok(Some(Rc::clone(child))),
        Some(Some((_, Child::Image { nid, .. }))) => Some(*nid),
        None => image_lookup(node, name)?,
    };
    nid.map(|nid| node.volume.load(nid)).transpose()
}

fn image_lookup(node: &Rc<Node>, name: &[u8]) -> Result<Option<u64>> {
    match (node.volume.lower(), node.lower()) {
        (Some(fs), Some(inode)) => erofs::dir::lookup(fs, inode, name),
        _ => Ok(None),
    }
}

fn image_entries(volume: &Volume, node: &Node) -> Result<Entries> {
    let mut entries = Entries::default();
    if let (Some(fs), Some(inode)) = (volume.lower(), node.lower()) {
        for entry in erofs::dir::list(fs, inode)? {
            entries.insert(&entry.name, Child::Image { nid: entry.nid, kind: entry.kind });
        }
    }
    Ok(entries)
}

/// Works with the entries in memory.
fn with<R>(node: &Rc<Node>, work: impl FnOnce(&mut Entries) -> R) -> Result<R> {
    let dir = node.dir().ok_or(Errno::ENOTDIR)?;
    let mut slot = dir.entries.borrow_mut();
    if slot.is_none() {
        *slot = Some(image_entries(&node.volume, node)?);
    }
    slot.as_mut().map(work).ok_or(Errno::EIO)
}

/// Adds an entry, or replaces one. Link counts are the caller's.
///
/// # Errors
/// ENOENT in a removed directory, EIO for a bad image.
pub fn insert(node: &Rc<Node>, name: &[u8], child: &Rc<Node>) -> Result<()> {
    if node.dir().is_some_and(|dir| dir.removed.get()) {
        return Err(Errno::ENOENT);
    }
    let old = with(node, |entries| {
        let old = entries.by_name.get(name).and_then(|(_, child)| match child {
            Child::Node(node) => Some(Rc::clone(node)),
            Child::Image { .. } => None,
        });
        entries.insert(name, Child::Node(Rc::clone(child)));
        old
    })?;
    drop(old);
    child.set_place(node, name);
    node.modified();
    Ok(())
}

/// Removes an entry. Link counts are the caller's.
///
/// # Errors
/// EIO for a bad image.
pub fn remove(node: &Rc<Node>, name: &[u8]) -> Result<()> {
    with(node, |entries| entries.remove(name))?;
    node.modified();
    Ok(())
}

/// The names in a directory, sorted; nothing while they are those of the image.
#[must_use]
pub fn changed_names(node: &Node) -> Option<Vec<Rc<[u8]>>> {
    let entries = node.dir()?.entries.borrow();
    Some(entries.as_ref()?.by_name.keys().cloned().collect())
}

/// Whether there are no entries.
///
/// # Errors
/// ENOTDIR; EIO for a bad image.
pub fn is_empty(node: &Rc<Node>) -> Result<bool> {
    with(node, |entries| entries.by_name.is_empty())
}

/// Up to `limit` entries after a cookie; `.` and `..` come first.
///
/// # Errors
/// ENOTDIR; EIO for a bad image.
pub fn list(node: &Rc<Node>, after: u64, limit: usize) -> Result<Vec<Listed>> {
    let mut listed = Vec::new();
    if after < 1 {
        listed.push(Listed { cookie: 1, name: b".".to_vec(), ino: node.ino, kind: 4 });
    }
    if after < FIRST_COOKIE {
        let parent = node.place().map_or(node.ino, |place| place.parent.ino);
        listed.push(Listed { cookie: FIRST_COOKIE, name: b"..".to_vec(), ino: parent, kind: 4 });
    }
    with(node, |entries| {
        for (&cookie, name) in entries.by_cookie.range(after.max(FIRST_COOKIE)..).take(limit) {
            let (ino, kind) = match entries.by_name.get(name) {
                Some((_, Child::Image { nid, kind })) => (nid + 1, *kind),
                Some((_, Child::Node(child))) => visible(child),
                None => continue,
            };
            listed.push(Listed { cookie: cookie + 1, name: name.to_vec(), ino, kind });
        }
    })?;
    Ok(listed)
}

/// Inode number and kind of an entry; those of the mounted root where something is mounted.
fn visible(child: &Rc<Node>) -> (u64, u8) {
    let shown = child.mounted().unwrap_or_else(|| Rc::clone(child));
    let meta: meta::Meta = shown.meta.get();
    (shown.ino, meta.dirent_kind())
}
