//! Names to nodes: splitting paths of an image strictly, and walking them inside the tree.
//!
//! A walk starts at the root and keeps the directories passed on a stack, so `..` in a symbolic link's target goes up
//! and stops at the root, as it would for a program that has this tree as its root. Paths of entries themselves may
//! not contain `..` at all.

use std::collections::VecDeque;

use super::error::show;
use super::{Kind, Meta, NodeId, Tree, TreeError};

/// Longest path (Linux's PATH_MAX).
pub const PATH_MAX: usize = 4096;
/// Longest component (Linux's NAME_MAX).
pub const NAME_MAX: usize = 255;
/// Symbolic links followed in one walk, as in Linux.
const SYMLINKS_MAX: usize = 40;
/// Components passed in one walk, those of links' targets included: bounds the time that `a/../a/../…` can take.
const STEPS_MAX: usize = 4096;

/// The components of an entry's path, relative to the root; none for the root itself.
///
/// # Errors
/// For `..`, NUL bytes, an empty path, and lengths beyond Linux's.
pub fn components(path: &[u8]) -> Result<Vec<&[u8]>, TreeError> {
    check_text(path)?;
    let mut components = Vec::new();
    for component in path.split(|&byte| byte == b'/') {
        match component {
            b"" | b"." => {}
            b".." => return Err(TreeError::ParentComponent(show(path))),
            _ if component.len() > NAME_MAX => return Err(TreeError::ComponentTooLong(show(path))),
            _ => components.push(component),
        }
    }
    Ok(components)
}

/// What paths and link targets have in common.
pub(super) fn check_text(text: &[u8]) -> Result<(), TreeError> {
    if text.is_empty() {
        return Err(TreeError::Empty);
    }
    if text.contains(&0) {
        return Err(TreeError::Nul(show(text)));
    }
    if text.len() >= PATH_MAX {
        return Err(TreeError::PathTooLong(show(text)));
    }
    Ok(())
}

/// What to do with a directory that is missing on the way.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// The walk ends with `None`.
    Stop,
    /// Make it, also in place of a file that is in the way.
    Create,
}

/// Directories passed on the way from the root with the name of each in the one before, and what is still to be walked.
pub(super) struct Walk {
    stack: Vec<(NodeId, Box<[u8]>)>,
    name_bytes: usize,
    pending: VecDeque<Box<[u8]>>,
    symlinks: usize,
    steps: usize,
}

impl Walk {
    fn new(path: &[&[u8]]) -> Self {
        let pending = path.iter().map(|&name| name.into()).collect();
        Self { stack: Vec::new(), name_bytes: 0, pending, symlinks: 0, steps: 0 }
    }

    /// Where the walk is.
    pub(super) fn here(&self) -> NodeId {
        self.stack.last().map_or(NodeId::ROOT, |(id, _)| *id)
    }

    /// The next component that goes down; `..` of links' targets are gone on the way.
    fn next(&mut self) -> Result<Option<Box<[u8]>>, TreeError> {
        while let Some(name) = self.pending.pop_front() {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err(TreeError::SymlinkLoop(show(&name)));
            }
            if &*name != b".." {
                return Ok(Some(name));
            }
            if let Some((_, name)) = self.stack.pop() {
                self.name_bytes -= name.len() + 1;
            }
        }
        Ok(None)
    }

    fn down(&mut self, id: NodeId, name: Box<[u8]>) -> Result<(), TreeError> {
        self.name_bytes += name.len() + 1;
        if self.name_bytes >= PATH_MAX {
            return Err(TreeError::PathTooLong(show(&name)));
        }
        self.stack.push((id, name));
        Ok(())
    }

    /// Puts the components of a link's target in front of what is still to be walked.
    fn follow(&mut self, name: &[u8], target: &[u8]) -> Result<(), TreeError> {
        self.symlinks += 1;
        if self.symlinks > SYMLINKS_MAX {
            return Err(TreeError::SymlinkLoop(show(name)));
        }
        if target.first() == Some(&b'/') {
            self.stack.clear();
            self.name_bytes = 0;
        }
        for component in target.split(|&byte| byte == b'/').rev() {
            match component {
                b"" | b"." => {}
                _ if component.len() > NAME_MAX => return Err(TreeError::ComponentTooLong(show(target))),
                _ => self.pending.push_front(component.into()),
            }
        }
        Ok(())
    }
}

impl Tree {
    /// Walks to the directory `path`, through symbolic links. `None` if it is not there and not to be made.
    pub(super) fn walk(&mut self, path: &[&[u8]], missing: Missing) -> Result<Option<Walk>, TreeError> {
        let mut walk = Walk::new(path);
        while let Some(name) = walk.next()? {
            let child = self.child(walk.here(), &name);
            match child.map(|id| (id, &self.node(id).kind)) {
                Some((id, Kind::Directory(_))) => walk.down(id, name)?,
                Some((_, Kind::Symlink(target))) => walk.follow(&name, target)?,
                _ if missing == Missing::Stop => return Ok(None),
                _ => {
                    let id = self.add_directory(walk.here(), &name, Meta::with_mode(0o755))?;
                    walk.down(id, name)?;
                }
            }
        }
        if missing == Missing::Create {
            self.touch(&walk);
        }
        Ok(Some(walk))
    }

    /// The node at `path`; symbolic links on the way are followed, and the last one too.
    ///
    /// # Errors
    /// For paths that are none, and for loops of links.
    pub fn lookup(&self, path: &[u8]) -> Result<Option<NodeId>, TreeError> {
        let mut walk = Walk::new(&components(path)?);
        while let Some(name) = walk.next()? {
            let Some(id) = self.child(walk.here(), &name) else { return Ok(None) };
            match &self.node(id).kind {
                Kind::Directory(_) => walk.down(id, name)?,
                Kind::Symlink(target) => walk.follow(&name, target)?,
                _ => return Ok(walk.pending.is_empty().then_some(id)),
            }
        }
        Ok(Some(walk.here()))
    }

    /// The node that a directory has under this name.
    #[must_use]
    pub fn child(&self, directory: NodeId, name: &[u8]) -> Option<NodeId> {
        match &self.node(directory).kind {
            Kind::Directory(map) => map.get(name).map(|entry| entry.node),
            _ => None,
        }
    }

    /// Notes on every entry of the way that the current layer set something below it.
    fn touch(&mut self, walk: &Walk) {
        let layer = self.layer;
        let mut parent = NodeId::ROOT;
        for (id, name) in &walk.stack {
            if let Kind::Directory(map) = &mut self.nodes[parent.index()].kind
                && let Some(entry) = map.get_mut(name)
            {
                entry.layer = layer;
            }
            parent = *id;
        }
    }
}
