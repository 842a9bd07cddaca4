//! Inodes: types, device numbers and the 64-byte extended form.

use crate::tree::{Kind, Node};

/// Size of an extended inode.
pub(super) const SIZE: u64 = 64;

/// Where an inode's data is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// Behind the inode and its attributes.
    Inline,
    /// In blocks of its own, from this one on.
    Plain(u32),
}

/// What the plan decided about a node.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// Running number, from 1.
    pub(super) number: u32,
    /// Offset in the image.
    pub(super) offset: u64,
    /// Size of the data.
    pub(super) size: u64,
    /// Bytes of extended attributes.
    pub(super) xattr_size: usize,
    /// Names it has; of a directory 2 + its subdirectories.
    pub(super) links: u32,
    /// Where its data is.
    pub(super) placement: Placement,
}

/// Number in directory entries and type bits of the mode.
pub(super) const fn types(kind: &Kind) -> (u8, u16) {
    match kind {
        Kind::File(_) => (1, 0o100_000),
        Kind::Directory(_) => (2, 0o040_000),
        Kind::CharDevice(..) => (3, 0o020_000),
        Kind::BlockDevice(..) => (4, 0o060_000),
        Kind::Fifo => (5, 0o010_000),
        Kind::Symlink(_) => (7, 0o120_000),
    }
}

const fn device(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The inode itself, without what follows it.
pub(super) fn encode(node: &Node, planned: &Planned, xattr_count: u16) -> [u8; SIZE as usize] {
    let (format, block) = match planned.placement {
        Placement::Inline => (5u16, 0),
        Placement::Plain(block) => (1, block),
    };
    let union = match node.kind {
        Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => device(major, minor),
        _ => block,
    };
    let mut bytes = [0; SIZE as usize];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &format.to_le_bytes());
    put(2, &xattr_count.to_le_bytes());
    put(4, &(types(&node.kind).1 | (node.meta.mode & 0o7777)).to_le_bytes());
    put(8, &planned.size.to_le_bytes());
    put(16, &union.to_le_bytes());
    put(20, &planned.number.to_le_bytes());
    put(24, &node.meta.uid.to_le_bytes());
    put(28, &node.meta.gid.to_le_bytes());
    put(32, &node.meta.mtime.to_le_bytes());
    put(40, &node.meta.mtime_nsec.to_le_bytes());
    put(44, &planned.links.to_le_bytes());
    bytes
}
