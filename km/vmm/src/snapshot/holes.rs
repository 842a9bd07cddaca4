//! Snapshots on file systems that fill holes.
//!
//! A hole of a file is zeros that take no room. On most file systems reading it changes nothing. tmpfs allocates a page as
//! soon as a hole is read through a mapping, even a private one: each call would make the file grow, and on a full file
//! system the read is a SIGBUS. On a tmpfs, machines therefore map only the pieces of a snapshot that have data, with
//! anonymous memory between them. Short holes are written out as zeros, which keeps the pieces few.
//!
//! Elsewhere a snapshot is mapped by one request, whatever it consists of.

use std::fs::File;

use nix::sys::statfs::{TMPFS_MAGIC, fstatfs};

use super::PAGE;
use super::format::SnapshotError;

/// Pieces of one machine at most: a process may have 65,530 mappings by default, and eight machines.
pub const PIECES_MAX: usize = 4096;
/// In small machines, only holes longer than this divide two pieces.
const HOLE_MIN: u64 = 16 * PAGE as u64;

/// Whether reading a hole of this file fills it.
///
/// # Errors
/// The file system does not tell what it is.
pub fn are_filled(file: &File) -> Result<bool, SnapshotError> {
    let about = fstatfs(file).map_err(std::io::Error::from)?;
    Ok(about.filesystem_type() == TMPFS_MAGIC)
}

/// The longest hole, in bytes, that is written to this file as zeros.
///
/// # Errors
/// As [`are_filled`].
pub fn written_out(file: &File, memory_bytes: u64) -> Result<u64, SnapshotError> {
    // Pieces and holes take turns, so that holes longer than this divide the memory into fewer than PIECES_MAX.
    let least = memory_bytes / PIECES_MAX as u64;
    Ok(if are_filled(file)? { least.max(HOLE_MIN) } else { 0 })
}
