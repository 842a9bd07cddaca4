//! Directories: blocks of entries, sorted by name within a block and from block to block.

use super::inode::Inode;
use super::{BLOCK, Erofs, le16, le64};
use crate::errno::{Errno, Result};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::cmp::Ordering;

const ENTRY_LEN: usize = 12;

/// An entry of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErofsEntry {
    /// Without `/` and NUL; `.` and `..` are left out.
    pub name: Vec<u8>,
    /// Number of the inode.
    pub nid: u64,
    /// DT_* value of getdents64(2).
    pub kind: u8,
}

/// A block of a directory whose entry table was checked against its length.
struct DirBlock {
    bytes: Cow<'static, [u8]>,
    count: usize,
}

impl DirBlock {
    fn read(fs: &Erofs, dir: &Inode, index: u64) -> Result<Self> {
        let offset = index * BLOCK;
        let len = BLOCK.min(dir.extent.size - offset) as usize;
        let (position, together) = dir.extent.locate(offset).ok_or(Errno::EIO)?;
        if together < len as u64 {
            return Err(Errno::EIO);
        }
        let bytes = fs.image().view(position, len)?;
        let first_name = usize::from(le16(&bytes, 8));
        let count = first_name / ENTRY_LEN;
        if count == 0 || first_name > len || !first_name.is_multiple_of(ENTRY_LEN) {
            return Err(Errno::EIO);
        }
        Ok(Self { bytes, count })
    }

    fn name(&self, index: usize) -> Result<&[u8]> {
        let start = usize::from(le16(&self.bytes, index * ENTRY_LEN + 8));
        let end = match index + 1 {
            next if next < self.count => usize::from(le16(&self.bytes, next * ENTRY_LEN + 8)),
            _ => self.bytes.len(),
        };
        let name = self.bytes.get(start..end).ok_or(Errno::EIO)?;
        // The last name of a block ends at its end or with NUL.
        let name = name.split(|&byte| byte == 0).next().unwrap_or(name);
        if name.is_empty() || name.len() > 255 || name.contains(&b'/') {
            return Err(Errno::EIO);
        }
        Ok(name)
    }

    fn entry(&self, index: usize) -> Result<ErofsEntry> {
        let at = index * ENTRY_LEN;
        let kind = match self.bytes[at + 10] {
            1 => 8,
            2 => 4,
            3 => 2,
            4 => 6,
            5 => 1,
            6 => 12,
            7 => 10,
            _ => 0,
        };
        Ok(ErofsEntry { name: self.name(index)?.to_vec(), nid: le64(&self.bytes, at), kind })
    }

    fn find(&self, name: &[u8]) -> Result<Option<u64>> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low.midpoint(high);
            match self.name(middle)?.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Some(le64(&self.bytes, middle * ENTRY_LEN))),
            }
        }
        Ok(None)
    }
}

fn blocks(dir: &Inode) -> Result<u64> {
    if dir.mode & 0o170_000 == 0o040_000 { Ok(dir.extent.size.div_ceil(BLOCK)) } else { Err(Errno::ENOTDIR) }
}

/// The inode number behind a name.
///
/// # Errors
/// EIO for a malformed directory, ENOTDIR for something else.
pub fn lookup(fs: &Erofs, dir: &Inode, name: &[u8]) -> Result<Option<u64>> {
    let (mut low, mut high) = (0, blocks(dir)?);
    // The block that has the name is the last one whose first name is not greater.
    while low < high {
        let middle = low.midpoint(high);
        let block = DirBlock::read(fs, dir, middle)?;
        match block.name(0)?.cmp(name) {
            Ordering::Greater => high = middle,
            _ if middle + 1 == high => return block.find(name),
            _ => {
                if let Some(nid) = block.find(name)? {
                    return Ok(Some(nid));
                }
                low = middle + 1;
            }
        }
    }
    Ok(None)
}

/// All entries but `.` and `..`.
///
/// # Errors
/// EIO for a malformed directory, ENOTDIR for something else.
pub fn list(fs: &Erofs, dir: &Inode) -> Result<Vec<ErofsEntry>> {
    let mut entries = Vec::new();
    for index in 0..blocks(dir)? {
        let block = DirBlock::read(fs, dir, index)?;
        for entry in 0..block.count {
            let entry = block.entry(entry)?;
            if entry.name != b"." && entry.name != b".." {
                entries.push(entry);
            }
        }
    }
    Ok(entries)
}
