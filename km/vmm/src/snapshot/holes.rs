//! Snapshots on file systems that fill holes.
//!
//! A hole of a file is zeros that take no room; on most file systems that stays so however often it is read. tmpfs gives
//! a hole a page as soon as someone reads it through a mapping, a private one too: each call would make the file grow,
//! and where the file system is full, the read is a SIGBUS. On a tmpfs, machines therefore map the pieces of a snapshot
//! that have data, and memory of their own between them. So that the pieces are few, short holes are written out as zeros.
//!
//! Elsewhere a snapshot is mapped by one request, whatever it consists of.

use std::fs::File;

use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::PAGE;
use super::format::SnapshotError;

/// Pieces of one machine at most: a process may have 65,530 mappings by default, and eight machines.
pub const PIECES_MAX: usize = 4096;
/// Shortest hole that divides two pieces, in small machines.
const HOLE_MIN: u64 = 16 * PAGE as u64;

/// Whether reading a hole of this file fills it.
///
/// # Errors
/// The file system does not tell what it is.
pub fn are_filled(file: &File) -> Result<bool, SnapshotError> {
    let about = fstatfs(file).map_err(std::io::Error::from)?;
    Ok(about.filesystem_type() == TMPFS_MAGIC)
}

/// Holes of at most so many bytes are written out in this file.
///
/// # Errors
/// As [`are_filled`].
pub fn written_out(file: &File, memory_bytes: u64) -> Result<u64, SnapshotError> {
    // Pieces and holes take turns, so that holes longer than this divide the memory into fewer than PIECES_MAX.
    let least = memory_bytes / PIECES_MAX as u64;
    Ok(if are_filled(file)? { least.max(HOLE_MIN) } else { 0 })
}
