//! What a program left changed in its rootfs, as the library OS tells it on [`crate::hypercall::REPLY`] once the program has
//! ended well ([`crate::records::BootConfig::tells_changes`]).
//!
//! ```text
//! ┌──────────────┬───────────────────┬ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┐
//! │ u32, LE: len │ Change (postcard) │ bytes of a file   │ …   until Change::Whole
//! └──────────────┴───────────────────┴ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┘
//! ```
//! Whoever reads it reads what a program with its hands in the library OS may have written: nothing of it is to be trusted.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Longest encoded [`Change`] in bytes: two paths, and the attributes of one inode.
pub const CHANGE_MAX: usize = 160 << 10;

/// One difference between the rootfs and its image. Paths are relative to the root, without `.` and `..`; the root is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// The image has something at this path, the rootfs has nothing.
    Removed {
        /// Path in the image.
        path: Vec<u8>,
    },
    /// Something new, or with another content or other attributes.
    Entry(Entry),
    /// Nothing follows.
    Whole,
}

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Path in the rootfs.
    pub path: Vec<u8>,
    /// File type and permission bits (inode(7)).
    pub mode: u32,
    /// Owner's user number.
    pub uid: u32,
    /// Owner's group number.
    pub gid: u32,
    /// Seconds of the modification time.
    pub mtime_s: i64,
    /// Nanoseconds of the modification time.
    pub mtime_ns: u32,
    /// Extended attributes, full name and value.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
    /// What kind of file it is.
    pub body: Body,
}

/// What makes an entry's file type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// A regular file; its bytes follow the record.
    File {
        /// How many follow.
        size: u64,
    },
    /// A directory.
    Directory {
        /// Nothing of the directory that the image has at this path is in it.
        opaque: bool,
    },
    /// A symbolic link.
    Symlink {
        /// Where it leads.
        target: Vec<u8>,
    },
    /// A further name of a file whose entry came before.
    Link {
        /// Path of that entry.
        first: Vec<u8>,
    },
    /// A device, by the number in the kernel's 32 bits; or a named pipe.
    Special {
        /// Device number; 0 for a pipe.
        rdev: u32,
    },
}

impl Change {
    /// The record with its length in front.
    ///
    /// # Errors
    /// Only when memory for the bytes cannot be had.
    pub fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        let record = postcard::to_allocvec(self)?;
        let mut bytes = Vec::with_capacity(4 + record.len());
        bytes.extend_from_slice(&u32::try_from(record.len()).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&record);
        Ok(bytes)
    }

    /// Reads a record without its length.
    ///
    /// # Errors
    /// When the bytes are not such an encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, postcard::Error> {
        postcard::from_bytes(bytes)
    }
}
