//! Putting things into a tree, by path, as the entries of a layer ask.
//!
//! A directory over a directory keeps what is in it and takes the new metadata; everything else replaces what has the
//! name, symbolic links included (they are followed on the way only, never at the end). A hard link takes no metadata:
//! its target has some already, and a link to a symbolic link must not change what that points to.

use std::collections::BTreeMap;

use super::error::show;
use super::path::{Missing, check_text, components};
use super::{Entry, Kind, Meta, Node, NodeId, Tree, TreeError};

/// What a node costs in memory besides its names; part of the bound on metadata.
const NODE_BYTES: u64 = 160;

impl Tree {
    /// Puts a directory at `path`, or gives the one that is there this metadata.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn put_directory(&mut self, path: &[u8], meta: Meta) -> Result<NodeId, TreeError> {
        let components = components(path)?;
        let Some((name, parents)) = components.split_last() else {
            self.charge_meta(&meta)?;
            self.nodes[0].meta = meta;
            return Ok(NodeId::ROOT);
        };
        let parent = self.parent(parents)?;
        let Some(id) = self.child(parent, name).filter(|&id| self.is_directory(id)) else {
            return self.add_directory(parent, name, meta);
        };
        self.charge_meta(&meta)?;
        self.nodes[id.index()].meta = meta;
        self.enter(parent, name, id)?;
        Ok(id)
    }

    /// Puts anything but a directory at `path`, in place of what is there.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn put(&mut self, path: &[u8], meta: Meta, kind: Kind) -> Result<NodeId, TreeError> {
        if let Kind::Symlink(target) = &kind {
            check_text(target)?;
        }
        let components = components(path)?;
        let (name, parents) = components.split_last().ok_or(TreeError::RootReplaced)?;
        let parent = self.parent(parents)?;
        let id = self.add_node(meta, kind)?;
        self.enter(parent, name, id)?;
        Ok(id)
    }

    /// Makes `path` another name of what `target` names. The target may be a symbolic link, not a directory.
    ///
    /// # Errors
    /// See [`TreeError`].
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<NodeId, TreeError> {
        let missing = || TreeError::LinkTargetMissing { link: show(path), target: show(target) };
        let directory = || TreeError::LinkToDirectory { link: show(path), target: show(target) };
        let target_components = components(target)?;
        let (target_name, target_parents) = target_components.split_last().ok_or_else(directory)?;
        let walk = self.walk(target_parents, Missing::Stop)?.ok_or_else(missing)?;
        let id = self.child(walk.here(), target_name).ok_or_else(missing)?;
        if self.is_directory(id) {
            return Err(directory());
        }
        let components = components(path)?;
        let (name, parents) = components.split_last().ok_or(TreeError::RootReplaced)?;
        let parent = self.parent(parents)?;
        self.enter(parent, name, id)?;
        Ok(id)
    }

    /// The directory that these components name, made where it is missing.
    pub(super) fn parent(&mut self, parents: &[&[u8]]) -> Result<NodeId, TreeError> {
        Ok(self.walk(parents, Missing::Create)?.map_or(NodeId::ROOT, |walk| walk.here()))
    }

    pub(super) fn is_directory(&self, id: NodeId) -> bool {
        matches!(self.node(id).kind, Kind::Directory(_))
    }

    pub(super) fn add_directory(
        &mut self,
        parent: NodeId,
        name: &[u8],
        meta: Meta,
    ) -> Result<NodeId, TreeError> {
        let id = self.add_node(meta, Kind::Directory(BTreeMap::new()))?;
        self.enter(parent, name, id)?;
        Ok(id)
    }

    fn add_node(&mut self, meta: Meta, kind: Kind) -> Result<NodeId, TreeError> {
        let number = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        if number >= self.max_inodes {
            return Err(TreeError::TooManyInodes(self.max_inodes));
        }
        let target_bytes = if let Kind::Symlink(target) = &kind { target.len() } else { 0 };
        self.charge(NODE_BYTES + target_bytes as u64)?;
        self.charge_meta(&meta)?;
        self.nodes.push(Node { meta, kind });
        Ok(NodeId(number))
    }

    fn enter(&mut self, parent: NodeId, name: &[u8], node: NodeId) -> Result<(), TreeError> {
        // Names that come and go are charged each time: what bounds memory bounds the work as well.
        self.charge(name.len() as u64 + 40)?;
        let layer = self.layer;
        if let Kind::Directory(map) = &mut self.nodes[parent.index()].kind {
            map.insert(name.into(), Entry { node, layer });
        }
        Ok(())
    }

    fn charge_meta(&mut self, meta: &Meta) -> Result<(), TreeError> {
        self.charge(meta.xattrs.iter().map(|(name, value)| (name.len() + value.len() + 80) as u64).sum())
    }

    fn charge(&mut self, bytes: u64) -> Result<(), TreeError> {
        self.metadata_bytes += bytes;
        if self.metadata_bytes > self.max_metadata_bytes {
            return Err(TreeError::TooMuchMetadata(self.max_metadata_bytes));
        }
        Ok(())
    }
}
