//! The program's memory, through the page tables in use.
//!
//! An access that the tables do not allow comes back as a [`Fault`]: the memory manager makes the page present or
//! copies it, and the caller tries again. Bytes before the faulting address may have been transferred then.
//! Nothing of the program runs meanwhile, so a read followed by a write is atomic to it.

use crate::{backend, phys};
use alloc::vec::Vec;
use km_abi::layout::{PAGE_SIZE, PROGRAM_END};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// An access to the program's memory that the page tables do not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The first byte that could not be reached.
    pub address: u64,
    /// It was to be written.
    pub write: bool,
}

/// Refuses ranges that leave the program's half.
fn check(va: u64, len: u64, write: bool) -> Result<(), Fault> {
    match va.checked_add(len) {
        Some(end) if end <= PROGRAM_END => Ok(()),
        _ => Err(Fault { address: va.max(PROGRAM_END), write }),
    }
}

/// Copies from the program at `va`.
///
/// # Errors
/// The first address that cannot be read.
pub fn copy_in(va: u64, bytes: &mut [u8]) -> Result<(), Fault> {
    check(va, bytes.len() as u64, false)?;
    // SAFETY: the range lies in the program's half, where nothing of the library OS is; `bytes` is ours.
    unsafe { backend::user_read(va, bytes.as_mut_ptr(), bytes.len()) }
}

/// Copies to the program at `va`.
///
/// # Errors
/// The first address that cannot be written.
pub fn copy_out(va: u64, bytes: &[u8]) -> Result<(), Fault> {
    check(va, bytes.len() as u64, true)?;
    // SAFETY: as in `copy_in`.
    unsafe { backend::user_write(va, bytes.as_ptr(), bytes.len()) }
}

/// Copies from the program at `va` to slot 0 at `gpa`.
///
/// # Errors
/// The first address that cannot be read.
pub fn copy_in_phys(va: u64, gpa: u64, len: u64) -> Result<(), Fault> {
    check(va, len, false)?;
    let target = backend::phys_pointer(gpa, len);
    // SAFETY: as in `copy_in`; `phys_pointer` checked the target.
    unsafe { backend::user_read(va, target, len as usize) }
}

/// Copies from slot 0 at `gpa` to the program at `va`.
///
/// # Errors
/// The first address that cannot be written.
pub fn copy_out_phys(va: u64, gpa: u64, len: u64) -> Result<(), Fault> {
    check(va, len, true)?;
    let source = backend::phys_pointer(gpa, len);
    // SAFETY: as in `copy_in`; `phys_pointer` checked the source.
    unsafe { backend::user_write(va, source, len as usize) }
}

/// Fills `len` bytes of the program at `va` with zeros.
///
/// # Errors
/// The first address that cannot be written.
pub fn zero(va: u64, len: u64) -> Result<(), Fault> {
    check(va, len, true)?;
    // SAFETY: the range lies in the program's half.
    unsafe { backend::user_zero(va, len as usize) }
}

/// Reads one plain value of the program.
///
/// # Errors
/// The first address that cannot be read.
pub fn read<T: FromBytes + IntoBytes>(va: u64) -> Result<T, Fault> {
    let mut value = T::new_zeroed();
    copy_in(va, value.as_mut_bytes())?;
    Ok(value)
}

/// Writes one plain value to the program.
///
/// # Errors
/// The first address that cannot be written.
pub fn write<T: IntoBytes + Immutable>(va: u64, value: &T) -> Result<(), Fault> {
    copy_out(va, value.as_bytes())
}

/// Reads a 32-bit word, for futexes.
///
/// # Errors
/// When it cannot be read.
pub fn load_u32(va: u64) -> Result<u32, Fault> {
    read(va)
}

/// Replaces the word at `va` by `new` if it is `old`; returns what it was.
///
/// # Errors
/// When it cannot be read, or not be written.
pub fn cmpxchg_u32(va: u64, old: u32, new: u32) -> Result<u32, Fault> {
    let was = load_u32(va)?;
    if was == old {
        write(va, &new)?;
    }
    Ok(was)
}

/// Replaces the word at `va` by `new`; returns what it was.
///
/// # Errors
/// When it cannot be read, or not be written.
pub fn xchg_u32(va: u64, new: u32) -> Result<u32, Fault> {
    let was = load_u32(va)?;
    write(va, &new)?;
    Ok(was)
}

/// Appends bytes from `va` on up to, without, the first NUL to `bytes`; `false` when there is none in `max` bytes.
///
/// # Errors
/// The first address that cannot be read; what came before it has been appended.
pub fn read_string(va: u64, max: u64, bytes: &mut Vec<u8>) -> Result<bool, Fault> {
    let mut done = 0;
    while done < max {
        let at = va.checked_add(done).ok_or(Fault { address: va, write: false })?;
        let piece = (PAGE_SIZE - at % PAGE_SIZE).min(max - done).min(256);
        let mut buffer = [0; 256];
        let part = &mut buffer[..piece as usize];
        copy_in(at, part)?;
        if let Some(end) = part.iter().position(|byte| *byte == 0) {
            bytes.extend_from_slice(&part[..end]);
            return Ok(true);
        }
        bytes.extend_from_slice(part);
        done += piece;
    }
    Ok(false)
}

/// Number of bytes from `va` to the end of its page, for callers that go page by page.
#[must_use]
pub const fn rest_of_page(va: u64) -> u64 {
    PAGE_SIZE - (va - phys::page_of(va))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paging::{self, Flags, Pool};
    use crate::{frames, host};

    const VA: u64 = 0x40_0000;

    /// Two pages, the second read-only, nothing behind.
    fn program() {
        host::reset(16 << 20);
        let root = paging::new_root(&mut Pool).unwrap();
        for (page, flags) in [(0, Flags::BASE | Flags::WRITE), (1, Flags::BASE)] {
            let frame = frames::alloc().unwrap();
            paging::map(root, VA + page * PAGE_SIZE, frame, flags, &mut Pool).unwrap();
        }
        paging::switch(root);
    }

    #[test]
    fn bytes_cross_a_page_border() {
        program();
        copy_out(VA + 4000, &[7; 96]).unwrap();
        let mut bytes = [1; 200];
        copy_in(VA + 4000, &mut bytes).unwrap();
        assert_eq!((&bytes[..96], &bytes[96..]), (&[7; 96][..], &[0; 104][..]));
    }

    #[test]
    fn faults_name_the_first_address() {
        program();
        let read_only = Fault { address: VA + 4096, write: true };
        assert_eq!(copy_out(VA + 4090, &[1; 10]), Err(read_only));
        let missing = Fault { address: VA + 8192, write: false };
        assert_eq!(copy_in(VA + 8000, &mut [0; 500]), Err(missing));
        assert_eq!(read::<u64>(8), Err(Fault { address: 8, write: false }));
    }

    #[test]
    fn ranges_that_leave_the_program_are_faults() {
        program();
        for va in [PROGRAM_END, PROGRAM_END - 1, u64::MAX - 1, u64::MAX, 1 << 63] {
            assert!(copy_in(va, &mut [0; 2]).is_err(), "{va:#x}");
            assert!(zero(va, 2).is_err(), "{va:#x}");
        }
        assert!(zero(VA, u64::MAX).is_err());
        assert_eq!(copy_in(0, &mut []), Ok(()));
    }

    #[test]
    fn strings_end_at_nul_or_at_the_limit() {
        program();
        copy_out(VA + 4090, b"abcdef").unwrap();
        let mut bytes = Vec::new();
        assert_eq!(read_string(VA + 4090, 100, &mut bytes), Ok(true));
        assert_eq!(bytes, b"abcdef");
        assert_eq!(read_string(VA + 4090, 3, &mut bytes), Ok(false));
        assert_eq!(bytes, b"abcdefabc");
    }

    #[test]
    fn words_are_exchanged() {
        program();
        assert_eq!(cmpxchg_u32(VA, 0, 5), Ok(0));
        assert_eq!(cmpxchg_u32(VA, 0, 6), Ok(5));
        assert_eq!(xchg_u32(VA, 9), Ok(5));
        assert_eq!(load_u32(VA), Ok(9));
        assert_eq!(xchg_u32(VA + 4096, 9), Err(Fault { address: VA + 4096, write: true }));
    }
}
