//! ROM: what all machines of a process share and no guest may write, the library OS's code and the rootfs image.
//!
//! ```text
//! ROM:     code, CODE_BYTES, one large page of memory where the host has one │ rootfs image, mapped from its file
//! ```

use km_abi::layout::{CODE_BYTES, PAGE_SIZE, ROOTFS_MAPPED_MAX};
use nix::sys::stat::fstat;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::ptr;

/// A rootfs image in use, behind the code of the library OS that reads it.
#[derive(Debug)]
pub struct Rootfs {
    file: File,
    bytes: u64,
    mapped: u64,
    rom: Mapping,
}

impl Rootfs {
    /// Maps `code`, at most [`CODE_BYTES`] of it, and the first [`ROOTFS_MAPPED_MAX`] bytes of an image, in whole pages.
    ///
    /// # Errors
    /// The file cannot be looked at or mapped.
    pub fn open(file: File, code: &[u8]) -> Result<Self, RootfsError> {
        // Not `File::metadata`, which is statx(2): that takes a path, and workers may not.
        let about = fstat(&file).map_err(|errno| RootfsError::File(errno.into()))?;
        let bytes = about.st_size.unsigned_abs();
        let mapped = bytes.min(ROOTFS_MAPPED_MAX) & !(PAGE_SIZE - 1);
        let rom = Mapping::new(code, &file, mapped as usize).map_err(RootfsError::Map)?;
        Ok(Self { file, bytes, mapped, rom })
    }

    /// Size of the image in bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of it that ROM shows.
    #[must_use]
    pub fn mapped(&self) -> u64 {
        self.mapped
    }

    /// Where the mapped part lies in this process.
    #[must_use]
    pub fn host_address(&self) -> u64 {
        self.rom.start.addr() as u64 + CODE_BYTES
    }

    /// Where ROM lies in this process, and its bytes.
    #[must_use]
    pub fn rom(&self) -> (u64, u64) {
        (self.rom.start.addr() as u64, CODE_BYTES + self.mapped)
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

/// Why a rootfs image cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RootfsError {
    /// The file's size cannot be read.
    #[error("look at the rootfs image: {0}")]
    File(#[source] io::Error),
    /// It cannot be mapped.
    #[error("map the rootfs image: {0}")]
    Map(#[source] io::Error),
}

/// Code and rootfs, one behind the other.
#[derive(Debug)]
struct Mapping {
    /// The code, at a multiple of its size: only so can the host show it by one large page.
    start: *mut libc::c_void,
    /// What is to be given back.
    reserved: (*mut libc::c_void, usize),
}

// SAFETY: the memory is never written after `new`, and addresses mean the same in every thread.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(code: &[u8], file: &File, mapped: usize) -> io::Result<Self> {
        let size = CODE_BYTES as usize;
        let reserve = 2 * size + mapped;
        // SAFETY: a mapping at an address of the kernel's choice.
        let base = unsafe { map(ptr::null_mut(), reserve, libc::PROT_NONE, ANONYMOUS, -1)? };
        let start = base.map_addr(|address| address.next_multiple_of(size));
        let mapping = Self { start, reserved: (base, reserve) };
        // SAFETY: `size` and `mapped` bytes from `start` on lie in the reservation, which nobody else knows yet; the code
        // is copied into memory that was just made writable, and is read-only from then on. The rootfs is never written
        // through its mapping. If its file changes, guests see other bytes; this process reads none of them.
        unsafe {
            map(start, size, libc::PROT_READ | libc::PROT_WRITE, ANONYMOUS | libc::MAP_FIXED, -1)?;
            // A host without large pages refuses, and shows small ones.
            let _ = libc::madvise(start, size, libc::MADV_HUGEPAGE);
            ptr::copy_nonoverlapping(code.as_ptr(), start.cast(), code.len().min(size));
            if libc::mprotect(start, size, libc::PROT_READ) != 0 {
                return Err(io::Error::last_os_error());
            }
            if mapped > 0 {
                let flags = libc::MAP_SHARED | libc::MAP_FIXED;
                map(start.byte_add(size), mapped, libc::PROT_READ, flags, file.as_raw_fd())?;
            }
        }
        Ok(mapping)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        let (base, bytes) = self.reserved;
        // SAFETY: `new` made the reservation; machines keep the rootfs that they show, so none does any more.
        unsafe { libc::munmap(base, bytes) };
    }
}

const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;

/// # Safety
/// With MAP_FIXED, nobody may use what is mapped at `address`.
unsafe fn map(
    address: *mut libc::c_void,
    len: usize,
    protection: i32,
    flags: i32,
    fd: i32,
) -> io::Result<*mut libc::c_void> {
    // SAFETY: the caller's word.
    let mapped = unsafe { libc::mmap(address, len, protection, flags, fd, 0) };
    if mapped == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(mapped) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn code_comes_first_and_the_rootfs_behind_it() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 5000]).unwrap();
        let rootfs = Rootfs::open(file, b"code").unwrap();
        let (start, bytes) = rootfs.rom();
        assert!(start.is_multiple_of(CODE_BYTES));
        assert_eq!((rootfs.bytes(), rootfs.mapped(), bytes), (5000, PAGE_SIZE, CODE_BYTES + PAGE_SIZE));
        assert_eq!(rootfs.host_address(), start + CODE_BYTES);
        // SAFETY: ROM is mapped and readable for as long as `rootfs` lives.
        let rom = unsafe { std::slice::from_raw_parts(rootfs.rom.start.cast::<u8>(), bytes as usize) };
        assert_eq!((&rom[..5], rom[CODE_BYTES as usize]), (b"code\0".as_slice(), 7));
        let mut rest = [0; 2000];
        assert_eq!(rootfs.read_at(4000, &mut rest).unwrap(), 1000);
    }
}
