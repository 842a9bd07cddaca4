//! COPY and ADD: sources of an origin into the changes of a layer.

use std::collections::HashMap;
use std::io::Read;

use bundles::tree::{Kind as TreeKind, Meta, Tree};

use crate::layer::{Changes, Kind, LayerError, join, show, split};
use crate::origin::{Found, FoundKind, Origin, TreeKindOfDevice, node_at, place_in};
use crate::pattern::{self, PatternError, Patterns};

/// Why something cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A source that is not there.
    #[error("{0:?} is not in {1}")]
    Missing(String, &'static str),
    /// A file where a directory must be, or links without end.
    #[error("{0:?} cannot be a destination: a part of it is no directory")]
    Destination(String),
    /// A directory, for a file without a name.
    #[error("{0:?} is a directory, and the source has no name for a file in it")]
    Unnamed(String),
    /// A mode that is none.
    #[error("--chmod={0}: expected an octal number")]
    Mode(String),
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The layer cannot take it.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// A file cannot be read.
    #[error("cannot read {path:?}")]
    Read {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        error: std::io::Error,
    },
}

/// How to copy.
pub struct Copier<'a> {
    /// Where files come from.
    pub origin: Origin<'a>,
    /// What that is called in messages.
    pub called: &'static str,
    /// The tree that they go to.
    pub tree: &'a Tree,
    /// Their owner; by default that of the source.
    pub owner: Option<(u32, u32)>,
    /// Their mode; by default that of the source.
    pub mode: Option<u16>,
    /// What is left out.
    pub exclude: Patterns,
    /// Paths of sources are kept below the destination.
    pub parents: bool,
    /// No time in the layer is later, in seconds.
    pub latest: i64,
}

/// The mode that `--chmod` gives.
///
/// # Errors
/// When it is no octal number.
pub fn mode(text: &str) -> Result<u16, CopyError> {
    let octal = text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u16::from_str_radix(text, 8).ok().filter(|mode| octal && *mode <= 0o7777);
    mode.ok_or_else(|| CopyError::Mode(text.to_owned()))
}

impl Copier<'_> {
    /// The paths that a source names, sorted; the root of the origin is empty.
    ///
    /// # Errors
    /// When there are none, unless it is a pattern.
    pub fn sources(&self, source: &str) -> Result<Vec<Vec<u8>>, CopyError> {
        let clean = pattern::clean(source);
        if !pattern::is_pattern(&clean) {
            let found = self.origin.resolve(clean.as_bytes());
            return Ok(vec![found.ok_or_else(|| CopyError::Missing(source.to_owned(), self.called))?]);
        }
        let mut matches = vec![Vec::new()];
        for part in clean.split('/') {
            let regex = pattern::of_source(part)?;
            let mut next = Vec::new();
            for parent in &matches {
                let names = self.origin.names(parent).into_iter().filter(|name| regex.is_match(name));
                next.extend(names.map(|name| join(parent, &name)));
            }
            matches = next;
        }
        if matches.is_empty() {
            return Err(CopyError::Missing(source.to_owned(), self.called));
        }
        Ok(matches)
    }

    /// Copies what a source names to `destination`, absolute, with a slash at its end if it is to be a directory.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn copy(&self, source: &str, destination: &str, changes: &mut Changes) -> Result<(), CopyError> {
        let sources = self.sources(source)?;
        let several = sources.len() > 1;
        for path in sources {
            let found = self.origin.get(&path);
            let found = found.ok_or_else(|| CopyError::Missing(source.to_owned(), self.called))?;
            // What is named itself is what a link leads to.
            let (path, found) = match found.kind {
                FoundKind::Symlink(_) => {
                    let missing = || CopyError::Missing(source.to_owned(), self.called);
                    let real = self.origin.resolve(&path).ok_or_else(missing)?;
                    let found = self.origin.get(&real).ok_or_else(missing)?;
                    (real, found)
                }
                _ => (path, found),
            };
            self.copy_one(&path, found, destination, several, changes)?;
        }
        Ok(())
    }

    fn copy_one(
        &self,
        path: &[u8],
        found: Found,
        destination: &str,
        several: bool,
        changes: &mut Changes,
    ) -> Result<(), CopyError> {
        let place = self.place(destination.as_bytes())?;
        let mut names = HashMap::new();
        if self.parents {
            let below = join(&place, path);
            self.make_directories(&below, changes)?;
            return self.put(path, path, found, &below, changes, &mut names);
        }
        if found.kind == FoundKind::Directory {
            self.make_directories(&place, changes)?;
            if !self.is_directory(&place, changes) && !place.is_empty() {
                changes.put(&place, self.meta(&found), Kind::Directory { opaque: false })?;
            }
            return self.put_all(path, path, &place, changes, &mut names);
        }
        let into = several || destination.ends_with('/') || self.is_directory(&place, changes);
        let target = if into { join(&place, split(path).1) } else { place };
        self.make_directories(&target, changes)?;
        let target = self.place(&target)?;
        self.put(path, path, found, &target, changes, &mut names)
    }

    /// Puts `len` bytes into a file: at the destination, or called `name` if that is a directory. `mode` is what it has without
    /// `--chmod`.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn file(
        &self,
        name: &str,
        content: &mut dyn Read,
        len: u64,
        mode: u16,
        destination: &str,
        changes: &mut Changes,
    ) -> Result<(), CopyError> {
        let place = self.place(destination.as_bytes())?;
        let into = destination.ends_with('/') || self.is_directory(&place, changes);
        if into && name.is_empty() {
            return Err(CopyError::Unnamed(destination.to_owned()));
        }
        let target = if into { join(&place, name.as_bytes()) } else { place };
        self.make_directories(&target, changes)?;
        let kind = changes.spool(content, len)?;
        let (uid, gid) = self.owner.unwrap_or_default();
        let meta = Meta { uid, gid, mtime: i64::MAX, ..Meta::with_mode(self.mode.unwrap_or(mode)) };
        Ok(changes.put(&target, meta, kind)?)
    }

    /// Where a path leads in the tree.
    fn place(&self, path: &[u8]) -> Result<Vec<u8>, CopyError> {
        place_in(self.tree, path).ok_or_else(|| CopyError::Destination(show(path)))
    }

    fn is_directory(&self, path: &[u8], changes: &Changes) -> bool {
        let kind = node_at(self.tree, path).map(|id| &self.tree.node(id).kind);
        changes.has_directory(path) || matches!(kind, Some(TreeKind::Directory(_)))
    }

    /// The directories above a path that are not there yet.
    pub(crate) fn make_directories(&self, path: &[u8], changes: &mut Changes) -> Result<(), CopyError> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let parent = path.get(..at).unwrap_or_default();
            if !self.is_directory(parent, changes) {
                let (uid, gid) = self.owner.unwrap_or_default();
                let meta = Meta { uid, gid, mtime: i64::MAX, ..Meta::with_mode(0o755) };
                changes.put(parent, meta, Kind::Directory { opaque: false })?;
            }
        }
        Ok(())
    }

    fn meta(&self, found: &Found) -> Meta {
        let mut meta = found.meta.clone();
        if let Some((uid, gid)) = self.owner {
            (meta.uid, meta.gid) = (uid, gid);
        }
        if let Some(mode) = self.mode.filter(|_| !matches!(found.kind, FoundKind::Symlink(_))) {
            meta.mode = mode;
        }
        meta
    }

    /// What is in a directory, into another one. `top` is the source that was named: patterns to leave out are relative to it.
    fn put_all(
        &self,
        top: &[u8],
        from: &[u8],
        to: &[u8],
        changes: &mut Changes,
        names: &mut HashMap<usize, Vec<u8>>,
    ) -> Result<(), CopyError> {
        let mut pending = vec![(from.to_vec(), to.to_vec())];
        while let Some((from, to)) = pending.pop() {
            for name in self.origin.names(&from) {
                let path = join(&from, &name);
                let relative = path.get(top.len()..).unwrap_or_default();
                let relative = relative.strip_prefix(b"/").unwrap_or(relative);
                let excluded = self.exclude.contains(relative);
                let Some(found) = self.origin.get(&path) else { continue };
                let target = join(&to, &name);
                if found.kind != FoundKind::Directory {
                    if !excluded {
                        self.put_file(&path, &found, &target, changes, names)?;
                    }
                    continue;
                }
                if !excluded {
                    changes.put(&target, self.meta(&found), Kind::Directory { opaque: false })?;
                }
                if !excluded || self.exclude.has_exceptions() {
                    pending.push((path, target));
                }
            }
        }
        Ok(())
    }

    fn put(
        &self,
        top: &[u8],
        path: &[u8],
        found: Found,
        target: &[u8],
        changes: &mut Changes,
        names: &mut HashMap<usize, Vec<u8>>,
    ) -> Result<(), CopyError> {
        if found.kind != FoundKind::Directory {
            return self.put_file(path, &found, target, changes, names);
        }
        if !target.is_empty() {
            changes.put(target, self.meta(&found), Kind::Directory { opaque: false })?;
        }
        self.put_all(top, path, target, changes, names)
    }

    fn put_file(
        &self,
        path: &[u8],
        found: &Found,
        target: &[u8],
        changes: &mut Changes,
        names: &mut HashMap<usize, Vec<u8>>,
    ) -> Result<(), CopyError> {
        if let Some(first) = found.inode.and_then(|inode| names.get(&inode)) {
            return Ok(changes.link(target, first)?);
        }
        if let Some(inode) = found.inode {
            names.insert(inode, target.to_vec());
        }
        let kind = match &found.kind {
            FoundKind::File(len) => {
                let read = |error| CopyError::Read { path: show(path), error };
                let mut reader = self.origin.open(path).map_err(read)?;
                changes.spool(&mut reader, *len).map_err(|error| match error {
                    LayerError::Io(error) => read(error),
                    error => error.into(),
                })?
            }
            FoundKind::Symlink(link) => Kind::Symlink(link.clone()),
            FoundKind::Special(TreeKindOfDevice::Char(major, minor)) => Kind::CharDevice(*major, *minor),
            FoundKind::Special(TreeKindOfDevice::Block(major, minor)) => Kind::BlockDevice(*major, *minor),
            FoundKind::Special(TreeKindOfDevice::Fifo) => Kind::Fifo,
            FoundKind::Directory => return Ok(()),
        };
        Ok(changes.put(target, self.meta(found), kind)?)
    }

    /// Feeds what identifies the sources to `digest`: their paths, modes, owners and bytes.
    ///
    /// # Errors
    /// See [`CopyError`].
    pub fn identify(&self, source: &str, digest: &mut dyn FnMut(&[u8])) -> Result<(), CopyError> {
        let mut pending = self.sources(source)?;
        pending.reverse();
        while let Some(path) = pending.pop() {
            let Some(found) = self.origin.get(&path) else { continue };
            let text = format!("{:?} {:?} {:?} {:?} ", path, found.meta.mode, found.meta.xattrs, found.kind);
            digest(text.as_bytes());
            digest(
                format!("{} {} {}\n", found.meta.uid, found.meta.gid, found.meta.mtime.min(self.latest))
                    .as_bytes(),
            );
            match found.kind {
                FoundKind::Directory => {
                    pending.extend(self.origin.names(&path).iter().rev().map(|name| join(&path, name)));
                }
                FoundKind::File(_) => {
                    let read = |error| CopyError::Read { path: show(&path), error };
                    let mut reader = self.origin.open(&path).map_err(read)?;
                    let mut buffer = [0; 64 << 10];
                    loop {
                        let count = reader.read(&mut buffer).map_err(read)?;
                        if count == 0 {
                            break;
                        }
                        digest(buffer.get(..count).unwrap_or_default());
                    }
                }
                FoundKind::Symlink(_) | FoundKind::Special(_) => {}
            }
        }
        Ok(())
    }
}
