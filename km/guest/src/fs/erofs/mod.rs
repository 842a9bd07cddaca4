//! Reader of the rootfs image: EROFS, uncompressed.
//!
//! What is read: compact and extended inodes, the layouts *flat plain* (contiguous blocks) and *flat inline* (the last
//! part of the data behind the inode), 4 KiB blocks, sorted directory blocks, inline and shared extended attributes.
//! Anything else (compression, chunks, several devices) is refused when the image is opened or the inode is read.
//!
//! * [`Erofs`]: the superblock and the way to an inode.
//! * [`inode`]: inodes and where their data lies. [`dir`]: directories. [`xattr`]: extended attributes.
//!
//! The image is hostile: no number of it is used unchecked, no loop is longer than the data it walks.

pub mod dir;
pub mod inode;
pub mod xattr;

#[cfg(test)]
pub(crate) mod tests;

use super::image::RootfsImage;
use crate::errno::{Errno, Result};
use inode::Inode;

/// Bytes in a block.
pub const BLOCK: u64 = 4096;
const SUPER_OFFSET: u64 = 1024;
const SUPER_LEN: usize = 128;
const MAGIC: u32 = 0xE0F5_E1E2;
/// Incompatible features that change nothing for uncompressed images: zero padding, and long xattr prefixes that
/// are not used unless an attribute names one.
const INCOMPAT_HARMLESS: u32 = 0x1 | 0x40;

/// An image whose superblock was accepted.
#[derive(Clone, Copy, Debug)]
pub struct Erofs {
    image: RootfsImage,
    meta_offset: u64,
    xattr_offset: u64,
    root: u64,
    build_time_s: u64,
    build_time_ns: u32,
    blocks: u64,
    inodes: u64,
}

pub(super) fn le16(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

pub(super) fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from(le16(bytes, at)) | u32::from(le16(bytes, at + 2)) << 16
}

pub(super) fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

impl Erofs {
    /// Looks at the superblock.
    ///
    /// # Errors
    /// EINVAL when this is no EROFS image or needs a feature that is not there, EIO when it is too short.
    pub fn open(image: RootfsImage) -> Result<Self> {
        let sb = image.view(SUPER_OFFSET, SUPER_LEN)?;
        let features = le32(&sb, 80) & !INCOMPAT_HARMLESS;
        // Bytes 12 and 90: block size and directory block size as powers of two.
        if le32(&sb, 0) != MAGIC || sb[12] != 12 || sb[90] != 0 || features != 0 {
            return Err(Errno::EINVAL);
        }
        Ok(Self {
            image,
            meta_offset: u64::from(le32(&sb, 40)) * BLOCK,
            xattr_offset: u64::from(le32(&sb, 44)) * BLOCK,
            root: u64::from(le16(&sb, 14)),
            build_time_s: le64(&sb, 24),
            build_time_ns: le32(&sb, 32).min(999_999_999),
            blocks: u64::from(le32(&sb, 36)),
            inodes: le64(&sb, 16),
        })
    }

    /// The bytes that the superblock was read from.
    #[must_use]
    pub fn image(&self) -> &RootfsImage {
        &self.image
    }

    /// Number of the root directory's inode.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Blocks and inodes, for statfs(2).
    #[must_use]
    pub fn totals(&self) -> (u64, u64) {
        (self.blocks, self.inodes)
    }

    /// The inode with a number.
    ///
    /// # Errors
    /// EIO when it lies outside of the image or is malformed, EOPNOTSUPP for other data layouts.
    pub fn inode(&self, nid: u64) -> Result<Inode> {
        let offset = nid.checked_mul(32).and_then(|at| at.checked_add(self.meta_offset)).ok_or(Errno::EIO)?;
        Inode::parse(self, nid, offset)
    }
}
