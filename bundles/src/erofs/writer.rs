//! Writes a tree as an image: one pass from front to back, then the checksum.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

use super::dirents::Dirent;
use super::error::ErofsError;
use super::inode::Placement;
use super::plan::{Plan, names};
use super::{BLOCK, align_block, dirents, inode, superblock, xattr};
use crate::tree::{Kind, NodeId, Tree};

/// Version of the subset that this module writes and of what is put in besides the image's files; a bundle with another
/// one is written anew.
pub const EROFS_FORMAT: u32 = 2;

/// Writes `tree` to the empty file `out` and says how many bytes that were. The file is not synced.
///
/// # Errors
/// When the tree is too large for the format, or the disk refuses.
pub fn write(tree: &Tree, uuid: [u8; 16], out: &File) -> Result<u64, ErofsError> {
    let plan = Plan::new(tree)?;
    let mut image = Image { out: BufWriter::with_capacity(256 * 1024, out), at: 0 };
    let blocks = u32::try_from(plan.end / BLOCK).map_err(|_| ErofsError::TooLarge)?;
    image.pad_to(superblock::OFFSET as u64)?;
    image.put(&superblock::encode(plan.order.len() as u64, blocks, uuid))?;
    for &(id, parent) in &plan.order {
        image.put_inode(tree, &plan, id, parent)?;
    }
    image.pad_to(plan.data_start)?;
    image.put_blocks(tree, &plan, |kind| !matches!(kind, Kind::File(_)))?;
    image.put_blocks(tree, &plan, |kind| matches!(kind, Kind::File(_)))?;
    image.out.flush()?;
    drop(image);
    seal(out)?;
    Ok(plan.end)
}

/// Puts the checksum of the first block into the superblock.
fn seal(out: &File) -> io::Result<()> {
    let mut block = [0; BLOCK as usize];
    out.read_exact_at(&mut block, 0)?;
    out.write_all_at(&superblock::checksum(&block), superblock::OFFSET as u64 + 4)
}

struct Image<W> {
    out: W,
    at: u64,
}

impl<W: Write> Image<W> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn pad_to(&mut self, offset: u64) -> io::Result<()> {
        const ZEROS: [u8; BLOCK as usize] = [0; BLOCK as usize];
        while self.at < offset {
            let step = BLOCK.min(offset - self.at);
            self.put(&ZEROS[..usize::try_from(step).unwrap_or(ZEROS.len())])?;
        }
        Ok(())
    }

    fn put_inode(&mut self, tree: &Tree, plan: &Plan, id: NodeId, parent: NodeId) -> Result<(), ErofsError> {
        let (node, planned) = (tree.node(id), plan.get(id)?);
        self.pad_to(planned.offset)?;
        let count = xattr::count(planned.xattr_size).ok_or(ErofsError::TooLarge)?;
        let mut bytes = inode::encode(node, planned, count).to_vec();
        xattr::encode(&node.meta.xattrs, &mut bytes);
        if planned.placement == Placement::Inline {
            bytes.extend(small_data(tree, plan, id, parent)?);
        }
        Ok(self.put(&bytes)?)
    }

    fn put_blocks(
        &mut self,
        tree: &Tree,
        plan: &Plan,
        wanted: impl Fn(&Kind) -> bool,
    ) -> Result<(), ErofsError> {
        for &(id, parent) in &plan.order {
            let (kind, planned) = (&tree.node(id).kind, plan.get(id)?);
            if planned.placement == Placement::Inline || planned.size == 0 || !wanted(kind) {
                continue;
            }
            if let Kind::File(extent) = kind {
                self.at += io::copy(&mut tree.spool().reader(*extent), &mut self.out)?;
            } else {
                self.put(&small_data(tree, plan, id, parent)?)?;
            }
            self.pad_to(align_block(self.at))?;
        }
        Ok(())
    }
}

/// The data of a directory or a symbolic link.
fn small_data(tree: &Tree, plan: &Plan, id: NodeId, parent: NodeId) -> Result<Vec<u8>, ErofsError> {
    if let Kind::Symlink(target) = &tree.node(id).kind {
        return Ok(target.to_vec());
    }
    let mut entries = Vec::new();
    for name in names(tree, id) {
        let target = match name {
            b"." => id,
            b".." => parent,
            _ => tree.child(id, name).ok_or(ErofsError::TooLarge)?,
        };
        entries.push(Dirent { name, nid: plan.nid(target)?, kind: inode::types(&tree.node(target).kind).0 });
    }
    Ok(dirents::encode(&entries))
}
