//! What COPY and ADD take files from: a context, or the tree of a stage or an image.

use std::io::{self, Read};

use bundles::tree::{Kind as TreeKind, Meta, NodeId, Tree};

use crate::context::Context;
use crate::layer::join;

/// Links that are followed on the way to a source.
const LINKS_MAX: usize = 40;

/// A file that can be copied.
#[derive(Debug, Clone)]
pub struct Found {
    /// Owner, mode and time.
    pub meta: Meta,
    /// What it is.
    pub kind: FoundKind,
    /// Number of its inode where it may have further names.
    pub inode: Option<usize>,
}

/// What kind of file it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FoundKind {
    /// A directory.
    Directory,
    /// A regular file with so many bytes.
    File(u64),
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A device or a pipe, by its kind in a layer.
    Special(TreeKindOfDevice),
}

/// Devices and pipes of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeKindOfDevice {
    /// Character device.
    Char(u32, u32),
    /// Block device.
    Block(u32, u32),
    /// Named pipe.
    Fifo,
}

/// Where files come from.
pub enum Origin<'a> {
    /// A context.
    Context(&'a Context),
    /// A tree.
    Tree(&'a Tree),
}

impl Origin<'_> {
    /// What is at a path without links on the way; the root is empty.
    pub fn get(&self, path: &[u8]) -> Option<Found> {
        match self {
            Self::Context(_) if path.is_empty() => {
                Some(Found { meta: Meta::with_mode(0o755), kind: FoundKind::Directory, inode: None })
            }
            Self::Context(context) => context.get(path).cloned(),
            Self::Tree(tree) => node_at(tree, path).map(|id| of_node(tree, id)),
        }
    }

    /// Names in a directory, sorted.
    pub fn names(&self, path: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Context(context) => context.names(path),
            Self::Tree(tree) => {
                let id = node_at(tree, path);
                id.map(|id| tree.entries(id).map(|(name, _)| name.to_vec()).collect()).unwrap_or_default()
            }
        }
    }

    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        match self {
            Self::Context(context) => context.open(path),
            Self::Tree(tree) => open(tree, path),
        }
    }

    /// The path to which a path leads, links followed within this origin; nothing where it leads nowhere.
    pub fn resolve(&self, path: &[u8]) -> Option<Vec<u8>> {
        resolve(path, true, &|path| match self.get(path)?.kind {
            FoundKind::Symlink(target) => Some(Step::Link(target)),
            FoundKind::Directory => Some(Step::Directory),
            _ => Some(Step::Other),
        })
    }
}

/// What is on the way.
enum Step {
    Directory,
    Link(Vec<u8>),
    Other,
}

/// The place that a path means in a tree: links on the way are followed, what is missing is taken to be a directory.
pub fn place_in(tree: &Tree, path: &[u8]) -> Option<Vec<u8>> {
    resolve(path, false, &|path| match &tree.node(node_at(tree, path)?).kind {
        TreeKind::Symlink(target) => Some(Step::Link(target.to_vec())),
        TreeKind::Directory(_) => Some(Step::Directory),
        _ => Some(Step::Other),
    })
}

fn resolve(path: &[u8], must_exist: bool, look: &dyn Fn(&[u8]) -> Option<Step>) -> Option<Vec<u8>> {
    let mut pending: Vec<Vec<u8>> = path.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec).collect();
    let (mut here, mut links) = (Vec::new(), 0);
    while let Some(name) = pending.pop() {
        match &name[..] {
            b"" | b"." => continue,
            b".." => {
                here = crate::layer::split(&here).0.to_vec();
                continue;
            }
            _ => {}
        }
        let next = join(&here, &name);
        match look(&next) {
            Some(Step::Link(target)) => {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                if target.first() == Some(&b'/') {
                    here.clear();
                }
                pending.extend(target.split(|byte| *byte == b'/').rev().map(<[u8]>::to_vec));
            }
            Some(Step::Other) if pending.iter().any(|name| !name.is_empty()) => return None,
            Some(_) => here = next,
            None if must_exist => return None,
            None => here = next,
        }
    }
    Some(here)
}

/// The bytes of a file of a tree.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn open<'a>(tree: &'a Tree, path: &[u8]) -> io::Result<Box<dyn Read + 'a>> {
    match node_at(tree, path).map(|id| &tree.node(id).kind) {
        Some(TreeKind::File(extent)) => Ok(Box::new(tree.spool().reader(*extent))),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// The node at a path without links on the way.
pub fn node_at(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.into_iter().try_fold(NodeId::ROOT, |id, name| tree.child(id, name))
}

/// What a node of a tree is.
pub fn of_node(tree: &Tree, id: NodeId) -> Found {
    let node = tree.node(id);
    let kind = match &node.kind {
        TreeKind::Directory(_) => FoundKind::Directory,
        TreeKind::File(extent) => FoundKind::File(extent.len),
        TreeKind::Symlink(target) => FoundKind::Symlink(target.to_vec()),
        TreeKind::CharDevice(major, minor) => FoundKind::Special(TreeKindOfDevice::Char(*major, *minor)),
        TreeKind::BlockDevice(major, minor) => FoundKind::Special(TreeKindOfDevice::Block(*major, *minor)),
        TreeKind::Fifo => FoundKind::Special(TreeKindOfDevice::Fifo),
    };
    Found { meta: node.meta.clone(), kind, inode: Some(id.index()) }
}
