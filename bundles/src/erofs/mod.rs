//! The root file system of a bundle: an EROFS image, written here, read by the library OS and by Linux's own driver.
//!
//! Only this subset of the format is written, and a reader may rely on every point (all numbers little-endian):
//!
//! ```text
//! block 0          0      1024 bytes of zeros
//!                  1024   superblock, 128 bytes
//!                  1152   inodes from here on, each followed by its extended attributes and its inline data
//! …
//! data start       page-aligned data: directories and links that are not inline, then the data of the files
//! ```
//!
//! **Superblock** (offsets in it): 0 magic 0xE0F5E1E2 · 4 checksum (CRC-32C, start value !0, no final inversion, of
//! bytes 1024..4096 with this field 0) · 8 feature_compat = 1 (checksum) · 12 log2 of the block size = 12, always
//! 4096-byte blocks · 14 u16 nid of the root = 36 · 16 u64 number of inodes · 24 u64 time = 0 · 32 u32 = 0 · 36 u32
//! blocks of the image · 40 u32 meta_blkaddr = 0 · 44 u32 xattr_blkaddr = 0 · 48 UUID · 80 feature_incompat = 0 (no
//! compression, no chunks, no fragments, no extra devices) · everything else 0.
//!
//! **An inode** has the number ("nid") of its offset in the image divided by 32: `offset = nid * 32`. All are of the
//! 64-byte extended form, and none crosses a block boundary: 0 u16 format = 1 (plain) or 5 (inline) · 2 u16 xattr
//! count · 4 u16 mode with type bits · 8 u64 size · 16 u32 first data block (plain), or device number
//! (`(minor & 0xff) | major << 8 | (minor & !0xff) << 12`) · 20 u32 running number · 24 u32 uid · 28 u32 gid · 32 i64
//! mtime · 40 u32 its nanoseconds · 44 u32 links (of a directory 2 + its subdirectories) · 48 zeros.
//! Hard links are directory entries with the same nid.
//!
//! **Data** is in one piece. Plain: from byte `4096 * first block` on, `size` bytes, zeros to the end of the block.
//! Inline: all of it directly behind the inode and its extended attributes, within one block. Files are always plain,
//! so that their pages can be mapped in place; directories and symbolic links are inline wherever they fit.
//! An empty file is plain with first block 0.
//!
//! **A directory's** data is cut into blocks of 4096 bytes, the last one shorter. Each block starts with its entries of
//! 12 bytes: 0 u64 nid · 8 u16 offset of the name in the block · 10 u8 type (1 file, 2 directory, 3 character device, 4
//! block device, 5 pipe, 7 symbolic link) · 11 zero. The first name's offset divided by 12 is the number of entries. A
//! name ends where the next one starts; the last one of a block at the first NUL, or at the block's (data's) end.
//! Names ascend by their bytes, through all blocks, `.` and `..` among them in their places.
//!
//! **Extended attributes** are there if the count is not 0, and take `12 + 4 * (count - 1)` bytes directly behind the
//! inode: 12 bytes of header (zeros: none are shared), then attributes, each 0 u8 length of the name · 1 u8 prefix (1
//! `user.`, 2 `system.posix_acl_access`, 3 `system.posix_acl_default`, 4 `trusted.`, 6 `security.`) · 2 u16 length of
//! the value · the name without the prefix · the value · zeros to a multiple of 4.
//!
//! The same tree gives the same bytes: nodes are laid out breadth-first in the order of names, and nothing of the host
//! (time, random numbers, directory order) enters.

mod dirents;
mod error;
mod inode;
mod plan;
mod superblock;
mod writer;
mod xattr;

pub use error::ErofsError;
pub use writer::{EROFS_FORMAT, write};
pub(crate) use xattr::representable;

/// Size of a block.
pub(crate) const BLOCK: u64 = 4096;
/// Unit of inode numbers.
const NID_UNIT: u64 = 32;
/// Where the first inode, the root directory, is.
const FIRST_INODE: u64 = 1024 + 128;

/// Offset rounded up to a block boundary.
const fn align_block(offset: u64) -> u64 {
    offset.next_multiple_of(BLOCK)
}
