//! Whiteouts: a layer hides names of the layers below it, never its own.
//!
//! A name that the current layer set itself, before or after the whiteout, stays; a directory that both have keeps
//! what this layer put in. So the order of entries within a layer does not matter.

use super::path::{Missing, components};
use super::{Kind, NodeId, Tree, TreeError};

impl Tree {
    /// Hides what lower layers have at `name` in the directory `parent`.
    ///
    /// # Errors
    /// When the directory's path is no path.
    pub fn whiteout(&mut self, parent: &[u8], name: &[u8]) -> Result<(), TreeError> {
        let Some(directory) = self.whiteout_directory(parent)? else { return Ok(()) };
        let layer = self.layer;
        let Kind::Directory(map) = &mut self.nodes[directory.index()].kind else { return Ok(()) };
        match map.get(name).copied() {
            Some(entry) if entry.layer < layer => {
                map.remove(name);
            }
            Some(entry) => self.prune(entry.node),
            None => {}
        }
        Ok(())
    }

    /// Hides everything that lower layers have in the directory.
    ///
    /// # Errors
    /// When the directory's path is no path.
    pub fn opaque(&mut self, directory: &[u8]) -> Result<(), TreeError> {
        if let Some(directory) = self.whiteout_directory(directory)? {
            self.prune(directory);
        }
        Ok(())
    }

    fn whiteout_directory(&mut self, path: &[u8]) -> Result<Option<NodeId>, TreeError> {
        let components = if path.is_empty() { Vec::new() } else { components(path)? };
        Ok(self.walk(&components, Missing::Stop)?.map(|walk| walk.here()))
    }

    /// Removes from a directory, at every depth, what the current layer did not set.
    ///
    /// Once per directory and layer is enough, and keeps a layer full of whiteouts from costing quadratic time.
    fn prune(&mut self, directory: NodeId) {
        let layer = self.layer;
        let mut pending = vec![directory];
        while let Some(id) = pending.pop() {
            if !self.pruned.insert(id) {
                continue;
            }
            if let Kind::Directory(map) = &mut self.nodes[id.index()].kind {
                map.retain(|_, entry| entry.layer == layer);
                pending.extend(map.values().map(|entry| entry.node));
            }
        }
    }
}
