//! The files of a build's context that `.dockerignore` leaves: of a folder of this machine, or of a tree in memory, which an archive
//! or a repository was unpacked to.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;

use bundles::tree::{Meta, NodeId, Tree};
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::Mode;

use crate::layer::join;
use crate::origin::{self, Found, FoundKind, TreeKindOfDevice, node_at};
use crate::pattern::Patterns;

/// Files of a context at most.
const ENTRIES_MAX: usize = 1_000_000;

/// The files as they were when the build began; bytes are read when they are needed.
#[derive(Debug)]
pub struct Context {
    files: Files,
    entries: BTreeMap<Vec<u8>, Found>,
    /// Texts that are there besides.
    supplied: BTreeMap<Vec<u8>, &'static str>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Files {
    Folder(File),
    /// A tree, and the directory in it that is the context's root.
    Tree(Tree, Vec<u8>),
}

impl Context {
    fn new(files: Files) -> Self {
        Self { files, entries: BTreeMap::new(), supplied: BTreeMap::new() }
    }

    /// Looks through a folder.
    ///
    /// # Errors
    /// When it cannot be read, or has too much in it.
    pub fn of_folder(path: &Path, ignore: &Patterns) -> io::Result<Self> {
        let mut context = Self::new(Files::Folder(File::open(path)?));
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

    /// Looks through a directory of a tree.
    ///
    /// # Errors
    /// When there is no such directory, or it has too much in it.
    pub fn of_tree(tree: Tree, folder: &[u8], ignore: &Patterns) -> io::Result<Self> {
        let root = node_at(&tree, folder).ok_or(io::ErrorKind::NotFound)?;
        let mut context = Self::new(Files::Tree(tree, folder.to_vec()));
        let mut pending = vec![(root, Vec::new())];
        while let Some((id, folder)) = pending.pop() {
            for (name, id, found) in context.children(id) {
                let name = join(&folder, &name);
                let ignored = ignore.contains(&name);
                if found.kind == FoundKind::Directory && (!ignored || ignore.has_exceptions()) {
                    pending.push((id, name.clone()));
                }
                if !ignored {
                    context.add(name, found)?;
                }
            }
        }
        context.add_parents();
        Ok(context)
    }

    /// What is in a directory of the tree, as sources are: who owns a file elsewhere means nothing here, and devices are
    /// nobody's source.
    fn children(&self, id: NodeId) -> Vec<(Vec<u8>, NodeId, Found)> {
        let Files::Tree(tree, _) = &self.files else { return Vec::new() };
        let entry = |(name, id): (&[u8], NodeId)| {
            let Found { meta, kind, .. } = origin::of_node(tree, id);
            let meta = Meta { mode: meta.mode, mtime: meta.mtime, ..Meta::default() };
            (name.to_vec(), id, Found { meta, kind, inode: None })
        };
        let is_source = |(_, _, found): &(Vec<u8>, NodeId, Found)| {
            use TreeKindOfDevice::{Block, Char};
            !matches!(found.kind, FoundKind::Special(Char(..) | Block(..)))
        };
        tree.entries(id).map(entry).filter(is_source).collect()
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

    /// Puts a text beside the files, unless there is a file of its name.
    pub(crate) fn supply(&mut self, name: &str, text: &'static str) {
        let name = name.as_bytes().to_vec();
        if !self.entries.contains_key(&name) {
            let kind = FoundKind::File(text.len() as u64);
            self.entries.insert(name.clone(), Found { meta: Meta::with_mode(0o644), kind, inode: None });
            self.supplied.insert(name, text);
        }
    }

    /// What is at a path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<&Found> {
        self.entries.get(path)
    }

    /// Names in a directory, sorted.
    pub(crate) fn names(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let prefix = if path.is_empty() { Vec::new() } else { [path, b"/"].concat() };
        let below = self.entries.range(prefix.clone()..);
        let below = below.take_while(|(name, _)| name.starts_with(&prefix));
        let name = |(name, _): (&Vec<u8>, _)| name.get(prefix.len()..).unwrap_or_default().to_vec();
        below.map(name).filter(|name| !name.is_empty() && !name.contains(&b'/')).collect()
    }

    /// The bytes of a file.
    pub(crate) fn open(&self, path: &[u8]) -> io::Result<Box<dyn Read + '_>> {
        if let Some(text) = self.supplied.get(path) {
            return Ok(Box::new(text.as_bytes()));
        }
        match &self.files {
            Files::Folder(root) => Ok(Box::new(read(root, path)?)),
            Files::Tree(tree, folder) => origin::open(tree, &join(folder, path)),
        }
    }
}

/// Opens a file of a folder, and nothing that a link leads to.
fn read(root: &File, path: &[u8]) -> io::Result<File> {
    let resolve =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let how = OpenHow::new().flags(flags).mode(Mode::empty()).resolve(resolve);
    Ok(openat2(root, OsStr::from_bytes(path), how)?.into())
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
