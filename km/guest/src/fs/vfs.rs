//! The mounted file systems, and where a process stands in them.

use super::erofs::Erofs;
use super::image::RootfsImage;
use super::inotify::{event, notify};
use super::node::Node;
use super::node::meta::Meta;
use super::node::volume::{FsKind, Volume};
use super::node::{Body, dir};
use super::pty::Ptys;
use crate::errno::Result;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use km_abi::records::BootConfig;

/// A mount, as /proc/self/mountinfo lists it.
pub struct Mount {
    /// Absolute path of the mount point, as in /proc/mounts.
    pub path: &'static str,
    /// The root directory of what is mounted.
    pub root: Rc<Node>,
    /// Nothing can be written.
    pub read_only: bool,
}

/// What the file systems are made from.
pub struct Setup {
    /// The rootfs image; without one the root is empty.
    pub image: Option<RootfsImage>,
    /// Bytes of the machine's memory: files may take half of them, as tmpfs has it.
    pub memory_bytes: u64,
    /// What uname(2) answers and /etc/hostname has.
    pub hostname: String,
    /// What /etc/resolv.conf has; none where nothing beyond the machine is reachable.
    pub resolv_conf: Option<String>,
    /// Descriptors 0 to 2 are a terminal.
    pub terminal: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            image: None,
            memory_bytes: 64 << 20,
            hostname: String::from("localhost"),
            resolv_conf: None,
            terminal: false,
        }
    }
}

/// The mounted file systems.
pub struct Vfs {
    root: Rc<Node>,
    mounts: Vec<Mount>,
    generation: Option<Rc<Node>>,
    /// Inodes without a name: memfd_create(2).
    pub(crate) nameless: Rc<Volume>,
    /// The directory that their labels seem to lie in.
    pub(crate) nameless_dir: Rc<Node>,
    /// Descriptors 0 to 2 are a terminal.
    pub terminal: bool,
    /// Pseudo-terminals, by their number in /dev/pts.
    pub ptys: Ptys,
    /// Threads that wait for ranges of files.
    pub lock_queue: super::locks::Queue,
    /// What uname(2) answers as the node's name.
    pub hostname: String,
    /// Bytes of the machine's memory.
    pub memory_bytes: u64,
}

impl Default for Vfs {
    fn default() -> Self {
        Self::new(Setup::default())
    }
}

impl Vfs {
    /// Those of this machine.
    #[must_use]
    pub fn boot(config: &BootConfig) -> Self {
        let record = km_hal::records::boot();
        Self::new(Setup {
            image: (record.rootfs_bytes > 0).then(|| RootfsImage::of_machine(record.rootfs_bytes)),
            memory_bytes: record.memory_bytes,
            hostname: config.hostname.clone(),
            resolv_conf: config.resolv_conf.clone(),
            terminal: config.terminal,
        })
    }

    /// Mounts everything. A bad image gives an empty root: then there is no program to start, and that is reported.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let limit = setup.memory_bytes / 2 / 4096;
        let lower = setup.image.and_then(|image| Erofs::open(image).ok());
        let volume = Volume::new(FsKind::Overlay, 1, limit, lower);
        let loaded = lower.and_then(|fs| volume.load(fs.root()).ok()).filter(|root| root.dir().is_some());
        let root = loaded.unwrap_or_else(|| Node::directory(&volume, 0o755));
        let nameless = Volume::new(FsKind::Tmpfs, 9, limit, None);
        let resolv_conf = setup.resolv_conf;
        let mut vfs = Self {
            mounts: alloc::vec![Mount { path: "/", root: Rc::clone(&root), read_only: false }],
            root,
            generation: None,
            nameless_dir: Node::directory(&nameless, 0o755),
            nameless,
            terminal: setup.terminal,
            ptys: Ptys::default(),
            lock_queue: super::locks::Queue::default(),
            hostname: setup.hostname,
            memory_bytes: setup.memory_bytes,
        };
        vfs.populate(limit, resolv_conf.as_deref());
        vfs
    }

    /// Failures are ignored: they mean a malformed image, and what could not be made is missing for programs.
    fn populate(&mut self, limit: u64, resolv_conf: Option<&str>) {
        let root = Rc::clone(&self.root);
        let _ = directory(&root, b"tmp", 0o1777);
        let _ = self.mount(&root, "/proc", super::proc::volume(2), false);
        let sys = super::sys::tree(3);
        let _ = self.mount(&root, "/sys", Rc::clone(&sys), true);
        let cgroup = super::sys::cgroup(6, self.memory_bytes);
        if let Ok(Some(fs)) = dir::lookup(&sys, b"fs") {
            let _ = self.mount_at(&fs, b"cgroup", "/sys/fs/cgroup", cgroup, true);
        }
        let dev = super::dev::tree(4);
        let _ = self.mount(&root, "/dev", Rc::clone(&dev), false);
        let pts = Node::directory(&Volume::new(FsKind::Devpts, 7, 0, None), 0o755);
        self.ptys.show_in(&pts);
        let _ = self.mount_at(&dev, b"pts", "/dev/pts", pts, false);
        let _ = self.mount_at(&dev, b"shm", "/dev/shm", memory(5, limit), false);
        self.generation = dir::lookup(&dev, b"generation").ok().flatten();
        let _ = super::etc::supply(&root, &self.hostname, resolv_conf);
    }

    fn mount(&mut self, on: &Rc<Node>, path: &'static str, root: Rc<Node>, read_only: bool) -> Result<()> {
        self.mount_at(on, &path.as_bytes()[1..], path, root, read_only)
    }

    fn mount_at(
        &mut self,
        parent: &Rc<Node>,
        name: &[u8],
        path: &'static str,
        root: Rc<Node>,
        read_only: bool,
    ) -> Result<()> {
        let point = directory(parent, name, 0o755)?;
        point.set_place(parent, name);
        point.mount(&root);
        self.mounts.push(Mount { path, root, read_only });
        Ok(())
    }

    /// Right after a restore: tells the watchers of the generation file.
    pub fn generation_changed(&self) {
        if let Some(node) = &self.generation {
            notify(node, event::MODIFY);
        }
    }

    /// The root directory of the machine.
    #[must_use]
    pub fn root(&self) -> &Rc<Node> {
        &self.root
    }

    /// All mounts, in the order in which they were made.
    #[must_use]
    pub fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// Where a first process stands: at the root.
    #[must_use]
    pub fn context(&self) -> FsContext {
        FsContext { root: Rc::clone(&self.root), cwd: Rc::clone(&self.root), umask: 0o022 }
    }
}

/// What path lookups of a process start from.
#[derive(Clone)]
pub struct FsContext {
    /// Where `/` leads (chroot(2)).
    pub root: Rc<Node>,
    /// Where relative paths start (chdir(2)).
    pub cwd: Rc<Node>,
    /// File mode creation mask.
    pub umask: u32,
}

/// The directory with a name, made if there is none.
pub(super) fn directory(parent: &Rc<Node>, name: &[u8], mode: u32) -> Result<Rc<Node>> {
    if let Some(node) = dir::lookup(parent, name)?.filter(|node| node.dir().is_some()) {
        node.set_place(parent, name);
        return Ok(node);
    }
    let node = Node::directory(&parent.volume, mode);
    dir::insert(parent, name, &node)?;
    parent.update(|meta| meta.nlink += 1);
    Ok(node)
}

/// A file with content that belongs to root; what was there is kept.
pub(super) fn file(parent: &Rc<Node>, name: &[u8], mode: u32, content: &[u8]) -> Result<()> {
    if dir::lookup(parent, name)?.is_some() {
        return Ok(());
    }
    let meta = Meta::new(super::node::meta::S_IFREG | mode, 0, 0);
    let node = Node::new(&parent.volume, meta, Body::File(super::node::data::Data::default()));
    if let Some(data) = node.data() {
        data.write(&node.volume, 0, &mut { content })?;
    }
    dir::insert(parent, name, &node)
}

/// A symbolic link; what was there is kept.
pub(super) fn link(parent: &Rc<Node>, name: &[u8], target: &[u8]) -> Result<()> {
    if dir::lookup(parent, name)?.is_some() {
        return Ok(());
    }
    let meta = Meta::new(super::node::meta::S_IFLNK | 0o777, 0, 0);
    dir::insert(parent, name, &Node::new(&parent.volume, meta, Body::Link(target.to_vec())))
}

/// The root of an empty file system in memory.
fn memory(dev: u64, limit_pages: u64) -> Rc<Node> {
    Node::directory(&Volume::new(FsKind::Tmpfs, dev, limit_pages, None), 0o1777)
}
