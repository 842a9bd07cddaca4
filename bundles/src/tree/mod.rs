//! The file system of an image: metadata in memory, the data of all files in one unlinked spool file.
//!
//! ```text
//! Tree ── nodes: Vec<Node>            arena; a NodeId is an index, replaced nodes stay until the tree is dropped
//!   │       ├─ meta: owner, mode, time, extended attributes
//!   │       └─ kind: Directory(name → (NodeId, layer)) | File(Extent) | Symlink | devices | Fifo
//!   └── spool: Spool                  file data, appended; an Extent is (offset, length)
//! ```
//!
//! Two names with the same [`NodeId`] are hard links. Each directory entry remembers the layer that last set something
//! at or below it, which is what whiteouts need: they hide lower layers only ([`whiteout`]). All names are resolved by
//! [`path`] inside the tree, with symbolic links followed as a program with this root would: there is no host path to
//! escape to.

mod apply;
mod error;
pub mod path;
mod spool;
mod whiteout;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

pub use error::TreeError;
pub(crate) use error::show;
pub use spool::{Extent, Spool};

use crate::limits::Limits;

/// Number of a file, directory or other object of a [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(u32);

impl NodeId {
    /// The root directory, which every tree has.
    pub const ROOT: Self = Self(0);

    /// Position in an array with one element per node.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Extended attributes, sorted by full name (`user.x`).
pub type Xattrs = BTreeMap<Box<[u8]>, Box<[u8]>>;

/// Metadata that every kind of node has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Permissions with the set-id and sticky bits (`0o7777`).
    pub mode: u16,
    /// Owner: numeric user id in the image.
    pub uid: u32,
    /// Group: numeric group id in the image.
    pub gid: u32,
    /// Modification time, seconds since the epoch.
    pub mtime: i64,
    /// Nanoseconds of the modification time.
    pub mtime_nsec: u32,
    /// Extended attributes, full name to value.
    pub xattrs: Xattrs,
}

impl Meta {
    /// Root's, with these permissions and the epoch as time.
    #[must_use]
    pub fn with_mode(mode: u16) -> Self {
        Self { mode, ..Self::default() }
    }
}

/// A name in a directory.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The node that has this name.
    pub node: NodeId,
    /// The last layer that set this name or something below it.
    layer: u32,
}

/// What a node is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Directory with its entries, sorted by name.
    Directory(BTreeMap<Box<[u8]>, Entry>),
    /// A regular file, its data in the spool.
    File(Extent),
    /// Symbolic link with its target.
    Symlink(Box<[u8]>),
    /// Character device (major, minor).
    CharDevice(u32, u32),
    /// Block device (major, minor).
    BlockDevice(u32, u32),
    /// A named pipe (FIFO).
    Fifo,
}

/// What a name stands for; several names may share one (hard links).
#[derive(Clone, Debug)]
pub struct Node {
    /// Owner, mode, time, attributes.
    pub meta: Meta,
    /// What kind of file it is, with its content.
    pub kind: Kind,
}

/// A whole file system.
#[derive(Debug)]
pub struct Tree {
    nodes: Vec<Node>,
    spool: Spool,
    layer: u32,
    /// Directories that have nothing of lower layers left.
    pruned: HashSet<NodeId>,
    metadata_bytes: u64,
    max_inodes: u32,
    max_metadata_bytes: u64,
}

impl Tree {
    /// An empty root directory; the spool file is made, unlinked, in `spool_dir`.
    ///
    /// # Errors
    /// When the spool file cannot be made.
    pub fn new(spool_dir: &Path, limits: &Limits) -> Result<Self, TreeError> {
        let root = Node { meta: Meta::with_mode(0o755), kind: Kind::Directory(BTreeMap::new()) };
        Ok(Self {
            nodes: vec![root],
            spool: Spool::create(spool_dir, limits.unpacked_bytes).map_err(TreeError::Spool)?,
            layer: 0,
            pruned: HashSet::new(),
            metadata_bytes: 0,
            max_inodes: limits.inodes,
            max_metadata_bytes: limits.metadata_bytes,
        })
    }

    /// What comes from now on belongs to the next layer: its whiteouts hide what is there already.
    pub fn begin_layer(&mut self) {
        self.layer += 1;
        self.pruned.clear();
    }

    /// The node with this number.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// Nodes in the arena, replaced ones included: an upper bound for every [`NodeId::index`].
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Entries of a directory; of anything else, none.
    pub fn entries(&self, id: NodeId) -> impl DoubleEndedIterator<Item = (&[u8], NodeId)> {
        let map = match &self.node(id).kind {
            Kind::Directory(map) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().map(|(name, entry)| (&**name, entry.node))
    }

    /// The data of all files.
    #[must_use]
    pub const fn spool(&self) -> &Spool {
        &self.spool
    }

    /// The spool, to put the data of a file in before the file itself is put in.
    pub const fn spool_mut(&mut self) -> &mut Spool {
        &mut self.spool
    }
}
