//! Inodes: [`Node`], the one kind of object that every path leads to.
//!
//! * [`meta`]: attributes and permission checks. [`data`]: bytes of regular files. [`dir`]: directory entries.
//! * [`volume`]: the file system that a node belongs to.
//!
//! The overlay has no layers of nodes: a node of the image is the same node after it was changed. Its attributes are
//! copied when it is loaded, its data page by page when it is written, its entries when a directory changes, so hard
//! links, inode numbers and open files survive a copy-up, which they do not on Linux's overlayfs.

pub mod data;
pub mod dir;
pub mod meta;
pub mod volume;
mod xattrs;

use super::erofs::inode::Inode;
use super::inotify::NodeWatches;
use super::locks::Locks;
use super::synthetic::{Generate, Magic, Synthetic};
use crate::fs::file::OpenFile;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;
use core::cell::{Cell, RefCell};
use data::Data;
use dir::Dir;
use meta::{Meta, S_IFDIR, S_IFLNK, S_IFREG, Time};
use volume::{FsKind, Volume};

/// What a node is made of.
pub enum Body {
    /// A regular file and its bytes.
    File(Data),
    /// A directory and its entries.
    Dir(Dir),
    /// A symbolic link and its target.
    Link(Vec<u8>),
    /// A device, a named pipe or a bound socket: the mode says which.
    Special,
    /// A directory whose entries are computed (`/proc`).
    Synthetic(Rc<dyn Synthetic>),
    /// A file whose content is computed when it is opened.
    Generated(Rc<dyn Generate>),
    /// A link that leads to an object, not to a path (`/proc/self/exe`).
    Magic(Rc<dyn Magic>),
    /// An open file without an inode of its own (a pipe, a socket), as `/proc/self/fd` leads to it.
    Open(Rc<OpenFile>),
}

/// Where a node was last found: its directory and its name there.
#[derive(Clone)]
pub struct NodePlace {
    /// The directory that has the entry.
    pub parent: Rc<Node>,
    /// The entry's name in `parent`, without `/`.
    pub name: Rc<[u8]>,
}

/// An inode: all names and open files of it share this one object.
pub struct Node {
    /// The file system that it is of.
    pub volume: Rc<Volume>,
    /// Inode number, unique within `volume`.
    pub ino: u64,
    /// Mode, owner, times and links (inode(7)).
    pub meta: Cell<Meta>,
    /// What makes its file type: bytes, entries, a target, or what computes them.
    pub body: Body,
    /// Who is told of changes (inotify(7)).
    pub watches: NodeWatches,
    /// Locks of flock(2) and fcntl(2).
    pub locks: Locks,
    /// What other parts hang on it: the buffer of a named pipe, the socket bound to a name.
    pub attachment: RefCell<Option<Rc<dyn Any>>>,
    place: RefCell<Option<NodePlace>>,
    mounted: RefCell<Option<Rc<Self>>>,
    xattrs: RefCell<Option<xattrs::Attributes>>,
    lower: Option<Inode>,
}

impl Node {
    /// A new node of a file system.
    #[must_use]
    pub fn new(volume: &Rc<Volume>, meta: Meta, body: Body) -> Rc<Self> {
        Self::with_ino(volume, volume.new_ino(), meta, body)
    }

    /// The same with a number that the caller has chosen.
    #[must_use]
    pub fn with_ino(volume: &Rc<Volume>, ino: u64, meta: Meta, body: Body) -> Rc<Self> {
        Rc::new(Self {
            volume: Rc::clone(volume),
            ino,
            meta: Cell::new(meta),
            body,
            watches: NodeWatches::default(),
            locks: Locks::default(),
            attachment: RefCell::default(),
            place: RefCell::default(),
            mounted: RefCell::default(),
            xattrs: RefCell::default(),
            lower: None,
        })
    }

    /// An empty directory that belongs to root.
    #[must_use]
    pub fn directory(volume: &Rc<Volume>, mode: u32) -> Rc<Self> {
        Self::new(volume, Meta::new(S_IFDIR | mode, 0, 0), Body::Dir(Dir::empty()))
    }

    pub(super) fn from_image(volume: &Rc<Volume>, inode: Inode) -> Rc<Self> {
        let time = Time { s: inode.mtime_s.cast_signed(), ns: inode.mtime_ns };
        let meta = Meta {
            mode: inode.mode,
            uid: inode.uid,
            gid: inode.gid,
            nlink: inode.nlink,
            rdev: inode.rdev,
            atime: time,
            mtime: time,
            ctime: time,
            btime: time,
        };
        let body = match meta.kind() {
            S_IFREG => Body::File(Data::of_image(inode.extent)),
            S_IFDIR => Body::Dir(Dir::of_image()),
            S_IFLNK => Body::Link(link_target(volume, &inode)),
            _ => Body::Special,
        };
        // Numbers are shifted by one: the image may use 0, which is no inode number for readdir(3).
        let mut node = Self::with_ino(volume, inode.nid + 1, meta, body);
        if let Some(new) = Rc::get_mut(&mut node) {
            new.lower = Some(inode);
        }
        node
    }

    /// Where it was last found.
    #[must_use]
    pub fn place(&self) -> Option<NodePlace> {
        self.place.borrow().clone()
    }

    /// Notes where it was found.
    pub fn set_place(&self, parent: &Rc<Self>, name: &[u8]) {
        let known = self
            .place
            .borrow()
            .as_ref()
            .is_some_and(|place| Rc::ptr_eq(&place.parent, parent) && *place.name == *name);
        if !known {
            *self.place.borrow_mut() = Some(NodePlace { parent: Rc::clone(parent), name: name.into() });
        }
    }

    /// The root of what is mounted here.
    #[must_use]
    pub fn mounted(&self) -> Option<Rc<Self>> {
        self.mounted.borrow().clone()
    }

    /// Mounts a root on this directory.
    pub fn mount(self: &Rc<Self>, root: &Rc<Self>) {
        self.pin();
        *root.place.borrow_mut() = self.place();
        *self.mounted.borrow_mut() = Some(Rc::clone(root));
    }

    /// Changes attributes, and keeps a node of the image from then on.
    pub fn update(self: &Rc<Self>, change: impl FnOnce(&mut Meta)) {
        self.pin();
        let mut meta = self.meta.get();
        change(&mut meta);
        self.meta.set(meta);
    }

    /// Changes attributes, and notes that it did.
    pub fn touch(self: &Rc<Self>, change: impl FnOnce(&mut Meta)) {
        let now = Time::now();
        self.update(|meta| {
            change(meta);
            meta.ctime = now;
        });
    }

    /// The data or the entries changed.
    pub fn modified(self: &Rc<Self>) {
        let now = Time::now();
        self.update(|meta| (meta.mtime, meta.ctime) = (now, now));
    }

    /// The data or the entries were read, or the link was followed.
    pub fn accessed(self: &Rc<Self>) {
        let now = Time::now();
        if matches!(self.volume.kind, FsKind::Overlay | FsKind::Tmpfs) && self.meta.get().access_is_old(now) {
            self.update(|meta| meta.atime = now);
        }
    }

    /// A link is gone.
    pub fn drop_link(self: &Rc<Self>) {
        self.touch(|meta| meta.nlink = meta.nlink.saturating_sub(1));
        if let Some(inode) = &self.lower
            && self.meta.get().nlink == 0
        {
            drop(self.volume.unpin(inode.nid));
        }
    }

    /// Keeps a node of the image in memory: it differs from the image from now on.
    pub(super) fn pin(self: &Rc<Self>) {
        if let Some(inode) = &self.lower
            && self.meta.get().nlink > 0
        {
            self.volume.pin(inode.nid, self);
        }
    }

    /// The data of a regular file.
    #[must_use]
    pub fn data(&self) -> Option<&Data> {
        match &self.body {
            Body::File(data) => Some(data),
            _ => None,
        }
    }

    /// The entries of a directory.
    #[must_use]
    pub fn dir(&self) -> Option<&Dir> {
        match &self.body {
            Body::Dir(dir) => Some(dir),
            _ => None,
        }
    }

    /// The inode of the image.
    #[must_use]
    pub fn lower(&self) -> Option<&Inode> {
        self.lower.as_ref()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(inode) = &self.lower {
            self.volume.forget(inode.nid);
        }
        if let Body::File(data) = &self.body {
            self.volume.release(data.pages_in_memory());
        }
    }
}

/// The target of a symbolic link of the image. If it cannot be read the target is empty, which gives ENOENT when
/// followed.
fn link_target(volume: &Volume, inode: &Inode) -> Vec<u8> {
    let len = inode.extent.size.min(4095) as usize;
    let mut target = alloc::vec![0; len];
    let read = volume.lower().zip(inode.extent.locate(0)).is_some_and(|(fs, (position, together))| {
        together >= len as u64 && fs.image().read(position, &mut target).is_ok()
    });
    if read { target } else { Vec::new() }
}
