//! The one file that holds the data of all files of a tree. It has no name: whatever happens, nothing is left behind.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::TreeError;

/// A piece of the spool: the data of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// First byte in the spool file.
    pub offset: u64,
    /// How long it is.
    pub len: u64,
}

/// The data of all files of a tree, one behind the other, in an unlinked file.
#[derive(Debug)]
pub struct Spool {
    file: File,
    len: u64,
    max: u64,
}

impl Spool {
    /// An empty one, unlinked, in `dir`, for at most `max` bytes.
    pub(crate) fn create(dir: &Path, max: u64) -> io::Result<Self> {
        Ok(Self { file: tempfile::tempfile_in(dir)?, len: 0, max })
    }

    /// Appends exactly `len` bytes of `reader`.
    ///
    /// # Errors
    /// When the reader ends early or fails, the bound is passed, or the disk refuses.
    pub fn append(&mut self, mut reader: impl Read, len: u64) -> Result<Extent, TreeError> {
        if len > self.max - self.len {
            return Err(TreeError::TooMuchData(self.max));
        }
        let offset = self.len;
        let mut buffer = [0; 64 * 1024];
        let mut left = len;
        while left > 0 {
            let want = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let got = match reader.read(&mut buffer[..want]) {
                Ok(0) => return Err(TreeError::Truncated(String::new())),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(TreeError::Read(error)),
            };
            self.file.write_all(&buffer[..got]).map_err(TreeError::Spool)?;
            self.len += got as u64;
            left -= got as u64;
        }
        Ok(Extent { offset, len })
    }

    /// A reader over one file's data.
    pub fn reader(&self, extent: Extent) -> impl Read + '_ {
        ExtentReader { file: &self.file, offset: extent.offset, left: extent.len }
    }

    /// The first `max` bytes of a file's data.
    ///
    /// # Errors
    /// When the spool cannot be read.
    pub fn head(&self, extent: Extent, max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader(extent).take(max).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

struct ExtentReader<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for ExtentReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let got = self.file.read_at(&mut buffer[..want], self.offset)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}
