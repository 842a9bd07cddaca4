//! The superblock and its checksum; the format is in the parent module.

use super::{BLOCK, FIRST_INODE, NID_UNIT};

/// Where it is in the image.
pub(super) const OFFSET: usize = 1024;
const MAGIC: u32 = 0xE0F5_E1E2;
const COMPAT_CHECKSUM: u32 = 1;

/// The 128 bytes, with the checksum still 0.
pub(super) fn encode(inodes: u64, blocks: u32, uuid: [u8; 16]) -> [u8; 128] {
    let mut bytes = [0; 128];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &MAGIC.to_le_bytes());
    put(8, &COMPAT_CHECKSUM.to_le_bytes());
    put(12, &[BLOCK.trailing_zeros().to_le_bytes()[0]]);
    put(14, &(FIRST_INODE / NID_UNIT).to_le_bytes()[..2]);
    put(16, &inodes.to_le_bytes());
    put(36, &blocks.to_le_bytes());
    put(48, &uuid);
    bytes
}

/// The checksum of the image's first block, whose checksum field is 0.
pub(super) fn checksum(block: &[u8]) -> [u8; 4] {
    // The usual CRC-32C inverts at the end, EROFS does not.
    (!crc32c::crc32c(&block[OFFSET..])).to_le_bytes()
}
