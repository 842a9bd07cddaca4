//! A file system: its device number, its room, its inode numbers and, for the rootfs, the image below.
//!
//! Inodes of the image become [`Node`]s when somebody looks at them and are forgotten when nobody does, unless they
//! were changed: those are *pinned* until their last link is gone.

use super::Node;
use crate::errno::{Errno, Result};
use crate::fs::erofs::Erofs;
use alloc::collections::BTreeMap;
use alloc::rc::{Rc, Weak};
use core::cell::{Cell, RefCell};

/// What kind of file system this is, with its name in /proc/mounts and its magic number in statfs(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsKind {
    /// The rootfs image with the overlay.
    Overlay,
    /// Memory alone, bounded by a number of pages.
    Tmpfs,
    /// `/proc`: computed at each look.
    Proc,
    /// `/sys`: fixed, and read-only to programs.
    Sysfs,
    /// `/sys/fs/cgroup`: fixed, and read-only to programs.
    Cgroup2,
    /// `/dev/pts`: one entry for each pseudo-terminal.
    Devpts,
}

impl FsKind {
    /// Its name as mount(8) knows it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Tmpfs => "tmpfs",
            Self::Proc => "proc",
            Self::Sysfs => "sysfs",
            Self::Cgroup2 => "cgroup2",
            Self::Devpts => "devpts",
        }
    }

    /// `f_type` of statfs(2), from linux/magic.h.
    #[must_use]
    pub fn magic(self) -> u64 {
        match self {
            Self::Overlay => 0x794c_7630,
            Self::Tmpfs => 0x0102_1994,
            Self::Proc => 0x9fa0,
            Self::Sysfs => 0x6265_6572,
            Self::Cgroup2 => 0x6367_7270,
            Self::Devpts => 0x1cd1,
        }
    }
}

/// Inode numbers above this one are of the overlay, the others of the image.
const FIRST_OWN_INO: u64 = 1 << 32;

/// A mounted file system.
pub struct Volume {
    /// Decides the name in /proc/mounts and what programs may change.
    pub kind: FsKind,
    /// Device number, `st_dev` of all its files.
    pub dev: u64,
    /// Pages that its files may have in memory.
    pub limit_pages: u64,
    /// Watches of inotify(7) on its nodes.
    pub watches: Cell<usize>,
    used_pages: Cell<u64>,
    used_entries: Cell<u64>,
    next_ino: Cell<u64>,
    lower: Option<Erofs>,
    loaded: RefCell<BTreeMap<u64, Weak<Node>>>,
    pinned: RefCell<BTreeMap<u64, Rc<Node>>>,
}

impl Volume {
    /// A file system in memory; `lower` is the image below it (the rootfs).
    #[must_use]
    pub fn new(kind: FsKind, dev: u64, limit_pages: u64, lower: Option<Erofs>) -> Rc<Self> {
        Rc::new(Self {
            kind,
            dev,
            limit_pages,
            watches: Cell::new(0),
            used_pages: Cell::new(0),
            used_entries: Cell::new(0),
            next_ino: Cell::new(if lower.is_some() { FIRST_OWN_INO } else { 1 }),
            lower,
            loaded: RefCell::default(),
            pinned: RefCell::default(),
        })
    }

    /// The read-only image below the overlay; the rootfs alone has one.
    #[must_use]
    pub fn lower(&self) -> Option<&Erofs> {
        self.lower.as_ref()
    }

    /// A number for a new inode.
    #[must_use]
    pub fn new_ino(&self) -> u64 {
        self.next_ino.replace(self.next_ino.get() + 1)
    }

    /// Pages that files and entries take of its room.
    #[must_use]
    pub fn used_pages(&self) -> u64 {
        self.used_pages.get()
    }

    /// Charges one page to the file system.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn charge(&self) -> Result<()> {
        if self.used_pages.get() >= self.limit_pages {
            return Err(Errno::ENOSPC);
        }
        self.used_pages.set(self.used_pages.get() + 1);
        Ok(())
    }

    /// Entries that were made.
    #[must_use]
    pub fn used_entries(&self) -> u64 {
        self.used_entries.get()
    }

    /// Charges one directory entry: names and inodes lie in the library OS's own memory. As many entries as pages are
    /// allowed, as on tmpfs.
    ///
    /// # Errors
    /// ENOSPC.
    pub fn charge_entry(&self) -> Result<()> {
        if self.used_entries.get() >= self.limit_pages {
            return Err(Errno::ENOSPC);
        }
        self.used_entries.set(self.used_entries.get() + 1);
        Ok(())
    }

    /// Gives the room of an entry back.
    pub fn release_entry(&self) {
        self.used_entries.set(self.used_entries.get().saturating_sub(1));
    }

    /// Gives back pages that [`Self::charge`] took.
    pub fn release(&self, pages: u64) {
        self.used_pages.set(self.used_pages.get().saturating_sub(pages));
    }

    /// The node of an inode of the image.
    ///
    /// # Errors
    /// EIO for a malformed inode, ENOENT without an image.
    pub fn load(self: &Rc<Self>, nid: u64) -> Result<Rc<Node>> {
        if let Some(node) = self.loaded.borrow().get(&nid).and_then(Weak::upgrade) {
            return Ok(node);
        }
        let lower = self.lower.as_ref().ok_or(Errno::ENOENT)?;
        let node = Node::from_image(self, lower.inode(nid)?);
        self.loaded.borrow_mut().insert(nid, Rc::downgrade(&node));
        Ok(node)
    }

    /// Keeps a changed node of the image for as long as it has links.
    pub(super) fn pin(&self, nid: u64, node: &Rc<Node>) {
        self.pinned.borrow_mut().entry(nid).or_insert_with(|| Rc::clone(node));
    }

    /// Unpins a node whose last link is gone; it lives on while it is open.
    pub(super) fn unpin(&self, nid: u64) -> Option<Rc<Node>> {
        self.pinned.borrow_mut().remove(&nid)
    }

    /// Whether a node of the image was kept because it may differ from it.
    #[must_use]
    pub fn is_pinned(&self, nid: u64) -> bool {
        self.pinned.borrow().contains_key(&nid)
    }

    pub(super) fn forget(&self, nid: u64) {
        self.loaded.borrow_mut().remove(&nid);
    }
}
