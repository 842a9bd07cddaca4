//! Where everything goes: nodes breadth-first, one inode after the other, then the data that is not inline.

use std::collections::VecDeque;

use super::error::ErofsError;
use super::inode::{Placement, Planned, SIZE};
use super::{BLOCK, FIRST_INODE, NID_UNIT, align_block, dirents, xattr};
use crate::tree::{Kind, NodeId, Tree};

/// The layout of an image.
pub(super) struct Plan {
    /// Nodes in the order of their inodes, with the parent of each directory (the root is its own).
    pub(super) order: Vec<(NodeId, NodeId)>,
    /// By [`NodeId::index`]; `None` for nodes that nothing names any more.
    planned: Vec<Option<Planned>>,
    /// Where the inodes end and the blocks begin.
    pub(super) data_start: u64,
    /// Size of the image.
    pub(super) end: u64,
}

impl Plan {
    pub(super) fn new(tree: &Tree) -> Result<Self, ErofsError> {
        let (order, links) = reachable(tree);
        let mut plan =
            Self { order, planned: vec![None; tree.node_count()], data_start: 0, end: FIRST_INODE };
        plan.place_inodes(tree, &links)?;
        plan.data_start = align_block(plan.end);
        plan.end = plan.data_start;
        // Directories and links first: the guest looks names up in the part of the image that it can see at no cost.
        plan.place_data(tree, |kind| !matches!(kind, Kind::File(_)))?;
        plan.place_data(tree, |kind| matches!(kind, Kind::File(_)))?;
        Ok(plan)
    }

    /// What was decided about a node that has a name.
    pub(super) fn get(&self, id: NodeId) -> Result<&Planned, ErofsError> {
        self.planned[id.index()].as_ref().ok_or(ErofsError::TooLarge)
    }

    pub(super) fn nid(&self, id: NodeId) -> Result<u64, ErofsError> {
        Ok(self.get(id)?.offset / NID_UNIT)
    }

    fn place_inodes(&mut self, tree: &Tree, links: &[u32]) -> Result<(), ErofsError> {
        for (index, &(id, _)) in self.order.iter().enumerate() {
            let node = tree.node(id);
            let size = data_size(tree, id);
            let xattr_size = xattr::size(&node.meta.xattrs);
            let may_inline = size > 0 && !matches!(node.kind, Kind::File(_));
            let inline = if may_inline { Some(size) } else { None };
            let (offset, inlined) = place(self.end, SIZE + xattr_size as u64, inline);
            self.end = offset + SIZE + xattr_size as u64 + if inlined { size } else { 0 };
            self.planned[id.index()] = Some(Planned {
                number: u32::try_from(index + 1).map_err(|_| ErofsError::TooLarge)?,
                offset,
                size,
                xattr_size,
                links: links[id.index()],
                placement: if inlined { Placement::Inline } else { Placement::Plain(0) },
            });
        }
        Ok(())
    }

    fn place_data(&mut self, tree: &Tree, wanted: impl Fn(&Kind) -> bool) -> Result<(), ErofsError> {
        for &(id, _) in &self.order {
            let Some(planned) = &mut self.planned[id.index()] else { continue };
            if planned.placement == Placement::Inline || planned.size == 0 || !wanted(&tree.node(id).kind) {
                continue;
            }
            let block = u32::try_from(self.end / BLOCK).map_err(|_| ErofsError::TooLarge)?;
            planned.placement = Placement::Plain(block);
            self.end = align_block(self.end + planned.size);
        }
        Ok(())
    }
}

/// Where an inode with `head` bytes (attributes included) goes that wants `inline` bytes of data behind it, and whether
/// it gets them there: inline data must not cross a block boundary.
fn place(end: u64, head: u64, inline: Option<u64>) -> (u64, bool) {
    let mut offset = end.next_multiple_of(NID_UNIT);
    if offset % BLOCK + SIZE > BLOCK {
        offset = align_block(offset);
    }
    let Some(inline) = inline else { return (offset, false) };
    let fits =
        |offset: u64| (offset + head) % BLOCK + inline <= BLOCK && !(offset + head).is_multiple_of(BLOCK);
    if fits(offset) {
        (offset, true)
    } else if offset != FIRST_INODE && fits(align_block(offset)) {
        (align_block(offset), true)
    } else {
        (offset, false)
    }
}

fn data_size(tree: &Tree, id: NodeId) -> u64 {
    match &tree.node(id).kind {
        Kind::File(extent) => extent.len,
        Kind::Symlink(target) => target.len() as u64,
        Kind::Directory(_) => dirents::layout(names(tree, id).map(<[u8]>::len)).1,
        _ => 0,
    }
}

/// Names of a directory with the two that every directory has, in order.
pub(super) fn names(tree: &Tree, id: NodeId) -> impl Iterator<Item = &[u8]> {
    let before = |name: &&[u8]| *name < b".".as_slice();
    let between = |name: &&[u8]| *name > b".".as_slice() && *name < b"..".as_slice();
    let after = |name: &&[u8]| *name > b"..".as_slice();
    let all = move || tree.entries(id).map(|(name, _)| name);
    all()
        .filter(before)
        .chain([b".".as_slice()])
        .chain(all().filter(between))
        .chain([b"..".as_slice()])
        .chain(all().filter(after))
}

/// All nodes that have a name, breadth-first with the parent of each, and the link counts by index.
fn reachable(tree: &Tree) -> (Vec<(NodeId, NodeId)>, Vec<u32>) {
    let mut links = vec![0u32; tree.node_count()];
    let mut order = Vec::new();
    let mut queue = VecDeque::from([(NodeId::ROOT, NodeId::ROOT)]);
    links[NodeId::ROOT.index()] = 2;
    while let Some((id, parent)) = queue.pop_front() {
        order.push((id, parent));
        for (_, child) in tree.entries(id) {
            let is_directory = matches!(tree.node(child).kind, Kind::Directory(_));
            if links[child.index()] == 0 {
                queue.push_back((child, id));
            }
            links[child.index()] += if is_directory { 2 } else { 1 };
            links[id.index()] += u32::from(is_directory);
        }
    }
    (order, links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inline_data_never_crosses_a_block() {
        for end in (FIRST_INODE..3 * BLOCK).step_by(4) {
            for inline in [1, 60, 500, 3900, 4032, 4033] {
                let (offset, inlined) = place(end, SIZE, Some(inline));
                assert!(offset >= end && offset % NID_UNIT == 0 && offset % BLOCK + SIZE <= BLOCK);
                if inlined {
                    let start = offset + SIZE;
                    assert_eq!(start / BLOCK, (start + inline - 1) / BLOCK);
                }
            }
        }
        assert!(!place(8192, SIZE, Some(4033)).1);
    }
}
