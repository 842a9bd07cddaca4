//! Inodes, and where the bytes of a file lie.

use super::{BLOCK, Erofs, le16, le32, le64};
use crate::errno::{Errno, Result};

const COMPACT_LEN: u64 = 32;
const EXTENDED_LEN: u64 = 64;
const LAYOUT_PLAIN: u16 = 0;
const LAYOUT_INLINE: u16 = 2;

/// An inode of the image.
#[derive(Clone, Copy, Debug)]
pub struct Inode {
    /// Its number: position in units of 32 bytes.
    pub nid: u64,
    /// File type and permission bits.
    pub mode: u32,
    /// Owner's user number.
    pub uid: u32,
    /// Owner's group number.
    pub gid: u32,
    /// How many names the inode has.
    pub nlink: u32,
    /// Seconds of the modification time.
    pub mtime_s: u64,
    /// Nanoseconds of the modification time.
    pub mtime_ns: u32,
    /// Device number as the kernel encodes it in 32 bits; 0 unless this is a device.
    pub rdev: u32,
    /// Where in the image the data lies.
    pub extent: Extent,
    pub(super) xattr_offset: u64,
    pub(super) xattr_len: u64,
}

/// Where the data of an inode lies: `[0, contiguous)` at `start`, the rest at `tail`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Bytes of data, which is the file's size.
    pub size: u64,
    /// Bytes of it that lie together from `start` on.
    pub contiguous: u64,
    /// Position in the image; a multiple of the block size.
    pub start: u64,
    /// Position of the rest.
    pub tail: u64,
}

impl Extent {
    /// Position in the image of the data from `offset` on, and how many bytes lie together there.
    #[must_use]
    pub fn locate(&self, offset: u64) -> Option<(u64, u64)> {
        if offset < self.contiguous {
            Some((self.start.checked_add(offset)?, self.contiguous - offset))
        } else if offset < self.size {
            Some((self.tail.checked_add(offset - self.contiguous)?, self.size - offset))
        } else {
            None
        }
    }
}

impl Inode {
    pub(super) fn parse(fs: &Erofs, nid: u64, offset: u64) -> Result<Self> {
        let head = fs.image().view(offset, 2)?;
        let format = le16(&head, 0);
        let extended = format & 1 != 0;
        let len = if extended { EXTENDED_LEN } else { COMPACT_LEN };
        let raw = fs.image().view(offset, len as usize)?;
        let xattr_len = match u64::from(le16(&raw, 2)) {
            0 => 0,
            count => 12 + (count - 1) * 4,
        };
        let mode = u32::from(le16(&raw, 4));
        let size = if extended { le64(&raw, 8) } else { u64::from(le32(&raw, 8)) };
        let mut inode = Self {
            nid,
            mode,
            uid: if extended { le32(&raw, 24) } else { u32::from(le16(&raw, 24)) },
            gid: if extended { le32(&raw, 28) } else { u32::from(le16(&raw, 26)) },
            nlink: if extended { le32(&raw, 44) } else { u32::from(le16(&raw, 6)) },
            mtime_s: if extended { le64(&raw, 32) } else { fs.build_time_s },
            mtime_ns: if extended { le32(&raw, 40).min(999_999_999) } else { fs.build_time_ns },
            rdev: 0,
            extent: Extent::default(),
            xattr_offset: offset + len,
            xattr_len,
        };
        match mode & 0o170_000 {
            0o100_000 | 0o040_000 | 0o120_000 => {
                inode.extent = extent(fs, format >> 1 & 7, size, le32(&raw, 16), offset + len + xattr_len)?;
            }
            0o020_000 | 0o060_000 => inode.rdev = le32(&raw, 16),
            0o010_000 | 0o140_000 => {}
            _ => return Err(Errno::EIO),
        }
        Ok(inode)
    }
}

/// Checks that the data lies within the image, so that no later reader has to.
fn extent(fs: &Erofs, layout: u16, size: u64, block: u32, behind_inode: u64) -> Result<Extent> {
    let contiguous = match layout {
        LAYOUT_PLAIN => size,
        LAYOUT_INLINE => size - size % BLOCK,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    let start = if contiguous == 0 { 0 } else { u64::from(block) * BLOCK };
    let extent = Extent { size, contiguous, start, tail: behind_inode };
    let end = start.checked_add(contiguous).ok_or(Errno::EIO)?;
    let tail_len = size - contiguous;
    // A tail never crosses a block, so that the inode and its tail are read at once.
    let tail_crosses = tail_len > 0 && behind_inode % BLOCK + tail_len > BLOCK;
    let tail_end = if tail_len == 0 { 0 } else { behind_inode + tail_len };
    if end > fs.image().total() || tail_end > fs.image().total() || tail_crosses {
        return Err(Errno::EIO);
    }
    Ok(extent)
}
