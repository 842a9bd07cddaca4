//! RAM of one machine: anonymous for a boot, a private copy-on-write mapping of a snapshot for a clone.

use km_abi::layout::{MEMORY_MAX, MEMORY_MIN, PAGE_SIZE};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory, VolatileMemoryError};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// RAM sizes are multiples of this, so that the direct map consists of whole large pages.
pub const GRANULE: u64 = 2 << 20;

/// Why guest memory cannot be mapped, or an access to it is refused.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// A size that no machine may have.
    #[error("memory of {0} bytes: it must be a multiple of 2 MiB from {MEMORY_MIN} to {MEMORY_MAX} bytes")]
    Size(u64),
    /// The host refused the mapping.
    #[error("map guest memory: {0}")]
    Map(#[from] vm_memory::mmap::MmapRegionError),
    /// The host refused the mapping of a piece of a snapshot.
    #[error("map a piece of guest memory: {0}")]
    Piece(#[source] io::Error),
    /// A range that is not within RAM.
    #[error("guest address {gpa:#x} with length {len:#x} is outside of its memory")]
    Range {
        /// Where it begins, guest-physical.
        gpa: u64,
        /// How many bytes it has.
        len: u64,
    },
}

/// RAM of one machine.
#[derive(Debug)]
pub struct GuestMemory {
    region: MmapRegion<()>,
}

impl GuestMemory {
    /// Memory of zeros.
    ///
    /// # Errors
    /// A size out of range, or the host has no memory.
    pub fn anonymous(bytes: u64) -> Result<Self, MemoryError> {
        let memory = Self::map(None, bytes, libc::MAP_ANONYMOUS)?;
        // A booting program touches most of what it gets: large pages save it most of the faults.
        let address = memory.region.as_ptr();
        // SAFETY: the range is this mapping; the advice changes no byte of it, and a host without large pages refuses it.
        let _ = unsafe { libc::madvise(address.cast(), memory.region.size(), libc::MADV_HUGEPAGE) };
        Ok(memory)
    }

    /// A private copy-on-write view of `bytes` of a snapshot file from `offset` on. The file never changes by it.
    ///
    /// # Errors
    /// A size out of range, a file that is shorter, or the host refuses.
    pub fn clone_of(file: File, offset: u64, bytes: u64) -> Result<Self, MemoryError> {
        Self::map(Some(FileOffset::new(file, offset)), bytes, 0)
    }

    /// Like [`Self::clone_of`] from offset 0, but maps only `pieces` of the file: ascending ranges of whole pages. The rest is
    /// anonymous memory of zeros, so that the file is never read there.
    ///
    /// # Errors
    /// A size out of range, a piece that is not within it, or the host refuses.
    pub fn clone_of_pieces(file: &File, pieces: &[Range<u64>], bytes: u64) -> Result<Self, MemoryError> {
        let memory = Self::map(None, bytes, libc::MAP_ANONYMOUS)?;
        // SAFETY: the range is this mapping as a whole; the advice changes no byte of it. Without it a byte between two
        // pieces could cost a page of 2 MiB.
        let _ = unsafe {
            libc::madvise(memory.region.as_ptr().cast(), memory.region.size(), libc::MADV_NOHUGEPAGE)
        };
        pieces.iter().try_for_each(|piece| memory.show(file, piece))?;
        Ok(memory)
    }

    /// Maps a piece of a file over the same range of this memory.
    fn show(&self, file: &File, piece: &Range<u64>) -> Result<(), MemoryError> {
        let len = piece.end.saturating_sub(piece.start);
        let wrong = || MemoryError::Range { gpa: piece.start, len };
        let slice = self.slice(piece.start, usize::try_from(len).map_err(|_| wrong())?)?;
        if slice.is_empty() || !piece.start.is_multiple_of(PAGE_SIZE) || !len.is_multiple_of(PAGE_SIZE) {
            return Err(wrong());
        }
        let at = libc::off_t::try_from(piece.start).map_err(|_| wrong())?;
        let address = slice.ptr_guard_mut().as_ptr();
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_NORESERVE | libc::MAP_FIXED;
        // SAFETY: the pages lie within this region's mapping, which is given back as a whole when the region is dropped, and
        // nobody has seen this memory yet: no reference and no machine loses anything.
        let mapped =
            unsafe { libc::mmap(address.cast(), slice.len(), protection, flags, file.as_raw_fd(), at) };
        if mapped == libc::MAP_FAILED { Err(MemoryError::Piece(io::Error::last_os_error())) } else { Ok(()) }
    }

    fn map(file: Option<FileOffset>, bytes: u64, flags: i32) -> Result<Self, MemoryError> {
        let size = usize::try_from(bytes).map_err(|_| MemoryError::Size(bytes))?;
        if !(MEMORY_MIN..=MEMORY_MAX).contains(&bytes) || !bytes.is_multiple_of(GRANULE) {
            return Err(MemoryError::Size(bytes));
        }
        let flags = flags | libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let region = MmapRegion::build(file, size, libc::PROT_READ | libc::PROT_WRITE, flags)?;
        Ok(Self { region })
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.region.size() as u64
    }

    /// Where it lies in this process, for the memory slot and for page-map scans.
    #[must_use]
    pub fn host_address(&self) -> u64 {
        self.region.as_ptr().addr() as u64
    }

    /// Copies from guest memory.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn read(&self, gpa: u64, bytes: &mut [u8]) -> Result<(), MemoryError> {
        let slice = self.slice(gpa, bytes.len())?;
        slice.copy_to(bytes);
        Ok(())
    }

    /// Copies to guest memory.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn write(&self, gpa: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let slice = self.slice(gpa, bytes.len())?;
        slice.copy_from(bytes);
        Ok(())
    }

    /// Copies a plain structure from guest memory, once: check the copy, use the copy.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn load<T: FromBytes + IntoBytes>(&self, gpa: u64) -> Result<T, MemoryError> {
        let mut value = T::new_zeroed();
        self.read(gpa, value.as_mut_bytes())?;
        Ok(value)
    }

    /// Copies a plain structure to guest memory.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn store<T: IntoBytes + Immutable>(&self, gpa: u64, value: &T) -> Result<(), MemoryError> {
        self.write(gpa, value.as_bytes())
    }

    /// Copies pages before they are written: many at once cost a quarter of one fault each. On a host that cannot do it the
    /// faults do.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn populate(&self, gpas: &Range<u64>) -> Result<(), MemoryError> {
        let len = gpas.end.saturating_sub(gpas.start);
        let slice = self.slice(gpas.start, usize::try_from(len).unwrap_or(usize::MAX))?;
        let address = slice.ptr_guard_mut().as_ptr();
        // SAFETY: the range lies within this mapping, which is writable; populating it changes no byte of it.
        let _ = unsafe { libc::madvise(address.cast(), slice.len(), libc::MADV_POPULATE_WRITE) };
        Ok(())
    }

    /// Receives into guest memory what a socket has, without waiting and without a copy in between (recv(2)).
    ///
    /// # Errors
    /// [`MemoryError::Range`]; inside, what the socket says.
    pub fn receive(
        &self,
        socket: BorrowedFd<'_>,
        gpa: u64,
        len: usize,
    ) -> Result<io::Result<usize>, MemoryError> {
        let slice = self.slice(gpa, len)?;
        let (fd, address) = (socket.as_raw_fd(), slice.ptr_guard_mut().as_ptr());
        // SAFETY: the kernel writes at most `len` bytes into this mapping; nobody holds a reference to guest memory.
        let count = unsafe { libc::recv(fd, address.cast(), len, libc::MSG_DONTWAIT) };
        Ok(usize::try_from(count).map_err(|_| io::Error::last_os_error()))
    }

    /// Sends from guest memory what a socket takes, without waiting and without a copy in between (send(2)).
    ///
    /// # Errors
    /// [`MemoryError::Range`]; inside, what the socket says.
    pub fn send(
        &self,
        socket: BorrowedFd<'_>,
        gpa: u64,
        len: usize,
    ) -> Result<io::Result<usize>, MemoryError> {
        let slice = self.slice(gpa, len)?;
        let (fd, address) = (socket.as_raw_fd(), slice.ptr_guard().as_ptr());
        // SAFETY: the kernel reads at most `len` bytes of this mapping. Should they change meanwhile, it sends what it finds.
        let count = unsafe { libc::send(fd, address.cast(), len, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) };
        Ok(usize::try_from(count).map_err(|_| io::Error::last_os_error()))
    }

    /// Lets `body` read from or write to a checked range without a copy in between, for transfers to and from
    /// descriptors.
    ///
    /// # Errors
    /// [`MemoryError::Range`].
    pub fn slice(&self, gpa: u64, len: usize) -> Result<vm_memory::VolatileSlice<'_>, MemoryError> {
        let out_of_range = |_: VolatileMemoryError| MemoryError::Range { gpa, len: len as u64 };
        let offset = usize::try_from(gpa).map_err(|_| MemoryError::Range { gpa, len: len as u64 })?;
        self.region.get_slice(offset, len).map_err(out_of_range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = MEMORY_MIN;

    #[test]
    fn sizes_out_of_range_are_refused() {
        for bytes in [0, 4096, MEMORY_MIN - GRANULE, MEMORY_MIN + 4096, MEMORY_MAX + GRANULE, u64::MAX] {
            assert!(matches!(GuestMemory::anonymous(bytes), Err(MemoryError::Size(_))), "{bytes}");
        }
    }

    #[test]
    fn a_clone_does_not_change_its_snapshot() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(SIZE + 4096).unwrap();
        let memory = GuestMemory::clone_of(file.try_clone().unwrap(), 4096, SIZE).unwrap();
        memory.write(0x5000, b"written").unwrap();
        let again = GuestMemory::clone_of(file, 4096, SIZE).unwrap();
        assert_eq!(again.load::<[u8; 7]>(0x5000).unwrap(), [0; 7]);
    }

    #[test]
    fn what_no_piece_shows_is_zero_and_asks_nothing_of_the_file() {
        use nix::sys::memfd::{MFdFlags, memfd_create};
        use std::os::unix::fs::{FileExt, MetadataExt};
        // Memory files give a page of their own to a hole that is only read, as all files of a tmpfs do.
        let file = File::from(memfd_create("snapshot", MFdFlags::MFD_CLOEXEC).unwrap());
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"piece", 0x5000).unwrap();
        file.write_all_at(b"other", SIZE - 0x1000).unwrap();
        let blocks = || file.metadata().unwrap().blocks();
        let before = blocks();
        let pieces = [0x5000..0x6000, SIZE - 0x1000..SIZE];
        let memory = GuestMemory::clone_of_pieces(&file, &pieces, SIZE).unwrap();
        assert_eq!(memory.load::<[u8; 5]>(0x5000).unwrap(), *b"piece");
        assert_eq!(memory.load::<[u8; 5]>(SIZE - 0x1000).unwrap(), *b"other");
        for gpa in (0x6000..SIZE - 0x1000).step_by(0x1000) {
            assert_eq!(memory.load::<u64>(gpa).unwrap(), 0);
            memory.write(gpa, &[1]).unwrap();
        }
        memory.write(0x5000, b"mine!").unwrap();
        assert_eq!(blocks(), before);
        let again = GuestMemory::clone_of_pieces(&file, &pieces, SIZE).unwrap();
        assert_eq!(again.load::<[u8; 5]>(0x5000).unwrap(), *b"piece");
        // The same without pieces.
        let whole = GuestMemory::clone_of(file.try_clone().unwrap(), 0, SIZE).unwrap();
        whole.load::<u64>(0x10000).unwrap();
        assert!(blocks() > before);
        for wrong in [0x5001..0x6001, 0..SIZE + 0x1000, 0x5000..0x5000, Range { start: 0x6000, end: 0x5000 }]
        {
            assert!(GuestMemory::clone_of_pieces(&file, &[wrong], SIZE).is_err());
        }
    }

    proptest! {
        #[test]
        fn only_ranges_within_ram_are_reached(gpa in prop_oneof![
            any::<u64>(), SIZE - 64..SIZE + 64, 0..SIZE, u64::MAX - 64..=u64::MAX,
        ], len in 0usize..128) {
            let memory = GuestMemory::anonymous(SIZE).unwrap();
            let within = gpa.checked_add(len as u64).is_some_and(|end| end <= SIZE);
            let mut bytes = vec![0; len];
            prop_assert_eq!(memory.read(gpa, &mut bytes).is_ok(), within);
            prop_assert_eq!(memory.write(gpa, &bytes).is_ok(), within);
        }
    }
}
