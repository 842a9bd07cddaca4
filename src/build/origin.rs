//! What COPY and ADD take files from: a context, or the tree of a stage or an image.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use bundles::tree::{Kind as TreeKind, Meta, NodeId, Tree};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::layer::join;
use crate::pattern::Patterns;

/// Files of a context at most.
const ENTRIES_MAX: usize = 1_000_000;
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

/// The files of a folder that `.dockerignore` leaves, as they were when the build began; bytes are read when they are needed.
#[derive(Debug)]
pub struct Context {
    root: File,
    path: PathBuf,
    entries: BTreeMap<Vec<u8>, Found>,
}

impl Context {
    /// Looks through a folder.
    ///
    /// # Errors
    /// When it cannot be read, or has too much in it.
    pub fn open(path: &Path, ignore: &Patterns) -> io::Result<Self> {
        let mut context = Self { root: File::open(path)?, path: path.to_owned(), entries: BTreeMap::new() };
        let mut pending = vec![Vec::new()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(path.join(OsStr::from_bytes(&folder)))? {
                let entry = entry?;
                let name = join(&folder, entry.file_name().as_bytes());
                let metadata = entry.metadata()?;
                let ignored = ignore.contains(&name);
                if metadata.is_dir() && (!ignored || ignore.has_exceptions()) {
                    pending.push(name.clone());
                }
                if !ignored && let Some(found) = found(&entry.path(), &metadata)? {
                    context.add(name, found)?;
                }
            }
        }
        context.add_parents();
        Ok(context)
    }

    fn add(&mut self, name: Vec<u8>, found: Found) -> io::Result<()> {
        self.entries.insert(name, found);
        if self.entries.len() > ENTRIES_MAX {
            return Err(io::Error::other(format!(
                "more than {ENTRIES_MAX} files: name others in .dockerignore"
            )));
        }
        Ok(())
    }

    /// A directory that is left out, and has something in it that is not, is there for that.
    fn add_parents(&mut self) {
        let paths: Vec<Vec<u8>> = self.entries.keys().cloned().collect();
        for path in paths {
            for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
                let directory =
                    || Found { meta: Meta::with_mode(0o755), kind: FoundKind::Directory, inode: None };
                self.entries.entry(path.get(..at).unwrap_or_default().to_vec()).or_insert_with(directory);
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, path: &[u8]) -> io::Result<File> {
        let resolve = ResolveFlag::RESOLVE_BENEATH
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        let how = OpenHow::new().flags(flags).mode(Mode::empty()).resolve(resolve);
        Ok(openat2(&self.root, OsStr::from_bytes(path), how)?.into())
    }
}

fn found(path: &Path, metadata: &fs::Metadata) -> io::Result<Option<Found>> {
    let kind = metadata.file_type();
    let kind = match () {
        () if kind.is_dir() => FoundKind::Directory,
        () if kind.is_file() => FoundKind::File(metadata.len()),
        () if kind.is_symlink() => FoundKind::Symlink(fs::read_link(path)?.as_os_str().as_bytes().to_vec()),
        () if kind.is_fifo() => FoundKind::Special(TreeKindOfDevice::Fifo),
        // Devices and sockets of this machine are nobody's source.
        () => return Ok(None),
    };
    let mode = (metadata.permissions().mode() & 0o7777) as u16;
    // Who owns a file here means nothing there.
    let meta = Meta { mode, mtime: metadata.mtime(), ..Meta::default() };
    Ok(Some(Found { meta, kind, inode: None }))
}

/// Where files come from.
pub enum Origin<'a> {
    /// A folder.
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
            Self::Context(context) => context.entries.get(path).cloned(),
            Self::Tree(tree) => node_at(tree, path).map(|id| of_node(tree, id)),
        }
    }

    /// Names in a directory, sorted.
    pub fn names(&self, path: &[u8]) -> Vec<Vec<u8>> {
        match self {
            Self::Context(context) => {
                let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
                let below = context.entries.range(prefix.clone()..);
                let below = below.take_while(|(name, _)| name.starts_with(&prefix));
                let name = |(name, _): (&Vec<u8>, _)| name.get(prefix.len()..).unwrap_or_default().to_vec();
                below.map(name).filter(|name| !name.is_empty() && !name.contains(&b'/')).collect()
            }
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
            Self::Context(context) => Ok(Box::new(context.read(path)?)),
            Self::Tree(tree) => match node_at(tree, path).map(|id| &tree.node(id).kind) {
                Some(TreeKind::File(extent)) => Ok(Box::new(tree.spool().reader(*extent))),
                _ => Err(io::ErrorKind::NotFound.into()),
            },
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

/// The node at a path without links on the way.
pub fn node_at(tree: &Tree, path: &[u8]) -> Option<NodeId> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.into_iter().try_fold(NodeId::ROOT, |id, name| tree.child(id, name))
}

fn of_node(tree: &Tree, id: NodeId) -> Found {
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
