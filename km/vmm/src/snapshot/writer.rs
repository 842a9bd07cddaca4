//! Writes a machine at rest to a file.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use nix::sys::stat::fstat;

use super::format::{ContentHash, Expected, SnapshotError, State, Trailer, is_zero};
use super::holes;
use super::{PAGE, Page};

/// Memory of a machine that does not run.
pub trait RamSource {
    /// Ascending, page-aligned ranges outside of which all memory is zero.
    ///
    /// # Errors
    /// When the kernel does not say.
    fn populated(&self) -> io::Result<Vec<Range<u64>>>;
    /// Reads the page at `gpa`.
    ///
    /// # Errors
    /// When there is none.
    fn read_page(&self, gpa: u64, page: &mut Page) -> io::Result<()>;
}

/// What writing a snapshot came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Length of the file.
    pub file_bytes: u64,
    /// Bytes of it that are not holes.
    pub data_bytes: u64,
    /// Digest of the content, hexadecimal.
    pub digest: String,
}

/// Replaces the content of `file` by a snapshot.
///
/// The trailer comes last, so that a file whose writer died is refused.
///
/// # Errors
/// When others may read the file, when it cannot be written (no space, a limit) or the memory cannot be read.
pub fn write(
    file: &File,
    memory: &dyn RamSource,
    expected: &Expected,
    state: State,
) -> Result<Written, SnapshotError> {
    let file_bytes = expected.memory_bytes + PAGE as u64;
    check_mode(fstat(file).map_err(io::Error::from)?.st_mode)?;
    file.set_len(0)?;
    file.set_len(file_bytes)?;
    let written_out = holes::written_out(file, expected.memory_bytes)?;
    let mut runs = Runs { file, start: 0, bytes: Vec::with_capacity(RUN_MAX), written_out };
    let mut hash = ContentHash::default();
    let mut page = [0; PAGE];
    for range in memory.populated()? {
        for gpa in (range.start..range.end.min(expected.memory_bytes)).step_by(PAGE) {
            memory.read_page(gpa, &mut page)?;
            if !is_zero(&page) {
                hash.page(gpa, &page);
                runs.push(gpa, &page)?;
            }
        }
    }
    runs.flush()?;
    let trailer = Trailer::new(expected, state).seal(hash);
    file.write_all_at(&trailer.encode(), expected.memory_bytes)?;
    let data_bytes = (trailer.data_pages() + 1) * PAGE as u64;
    Ok(Written { file_bytes, data_bytes, digest: trailer.digest_hex() })
}

/// Refuses a file that others than its owner may access. A writer in a jail cannot change the mode: whoever creates the
/// file for it has to.
pub(super) fn check_mode(mode: u32) -> Result<(), SnapshotError> {
    if mode & 0o077 != 0 { Err(SnapshotError::Mode(mode & 0o7777)) } else { Ok(()) }
}

/// Bytes that one write(2) takes at most.
const RUN_MAX: usize = 1 << 20;

/// Joins neighbouring pages to long writes.
struct Runs<'a> {
    file: &'a File,
    start: u64,
    bytes: Vec<u8>,
    /// Longest hole that is written as zeros.
    written_out: u64,
}

impl Runs<'_> {
    fn push(&mut self, gpa: u64, page: &Page) -> io::Result<()> {
        let end = self.start + self.bytes.len() as u64;
        if end > 0 && gpa > end && gpa - end <= self.written_out {
            for hole in (end..gpa).step_by(PAGE) {
                self.append(hole, &[0; PAGE])?;
            }
        }
        self.append(gpa, page)
    }

    fn append(&mut self, gpa: u64, page: &Page) -> io::Result<()> {
        if self.start + self.bytes.len() as u64 != gpa || self.bytes.len() == RUN_MAX {
            self.flush()?;
            self.start = gpa;
        }
        self.bytes.extend_from_slice(page);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.bytes, self.start)?;
        self.start += self.bytes.len() as u64;
        self.bytes.clear();
        Ok(())
    }
}
