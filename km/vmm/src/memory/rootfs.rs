//! The rootfs image: one read-only mapping that all machines of a worker show to their guests.

use super::MemoryError;
use km_abi::layout::{PAGE_SIZE, ROOTFS_SLOT_MAX};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use vm_memory::{FileOffset, MmapRegion};

/// A rootfs image in use.
#[derive(Debug)]
pub struct Rootfs {
    file: File,
    bytes: u64,
    region: Option<MmapRegion<()>>,
}

impl Rootfs {
    /// Maps the first [`ROOTFS_SLOT_MAX`] bytes of an image, in whole pages.
    ///
    /// # Errors
    /// The file cannot be looked at or mapped.
    pub fn open(file: File) -> Result<Self, RootfsError> {
        let bytes = file.metadata().map_err(RootfsError::Stat)?.len();
        let mapped = bytes.min(ROOTFS_SLOT_MAX) & !(PAGE_SIZE - 1);
        let region = if mapped == 0 { None } else { Some(map(&file, mapped)?) };
        Ok(Self { file, bytes, region })
    }

    /// Size of the image in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of it that slot 1 shows.
    #[must_use]
    pub fn mapped(&self) -> u64 {
        self.region.as_ref().map_or(0, |region| region.size() as u64)
    }

    /// Where the mapped part lies in this process.
    #[must_use]
    pub fn host_address(&self) -> u64 {
        self.region.as_ref().map_or(0, |region| region.as_ptr().addr() as u64)
    }

    /// Reads from anywhere in the image; fewer bytes than asked for at its end.
    ///
    /// # Errors
    /// As pread(2).
    pub fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            let Some(at) = offset.checked_add(done as u64) else { break };
            match self.file.read_at(&mut buffer[done..], at) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }
}

fn map(file: &File, bytes: u64) -> Result<MmapRegion<()>, RootfsError> {
    let file = file.try_clone().map_err(RootfsError::Stat)?;
    let size = usize::try_from(bytes).map_err(|_| MemoryError::Size(bytes))?;
    let region = MmapRegion::build(Some(FileOffset::new(file, 0)), size, libc::PROT_READ, libc::MAP_SHARED);
    Ok(region.map_err(MemoryError::from)?)
}

/// Why a rootfs image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// The file's size cannot be read.
    #[error("look at the rootfs image: {0}")]
    Stat(#[source] io::Error),
    /// It cannot be mapped.
    #[error(transparent)]
    Map(#[from] MemoryError),
}
