//! Guest-physical memory (slot 0) and the rootfs image (slot 1).
//!
//! An address out of range is a bug of the library OS, never input of the program: these functions panic on it.

use crate::backend;
use core::ptr;
use km_abi::layout::PAGE_SIZE;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Size of slot 0 in bytes.
#[must_use]
pub fn memory_bytes() -> u64 {
    backend::memory_bytes()
}

/// The part of the rootfs image that is mapped.
#[must_use]
pub fn rootfs() -> &'static [u8] {
    backend::rootfs()
}

/// Copies memory at `gpa` into `bytes`.
pub fn read(gpa: u64, bytes: &mut [u8]) {
    let source = backend::phys_pointer(gpa, bytes.len() as u64);
    // SAFETY: `phys_pointer` checked the range; `bytes` is ours, so it cannot be memory that others write to, and an
    // overlap (a slice of the heap, which lies in slot 0) is what `copy` allows.
    unsafe { ptr::copy(source, bytes.as_mut_ptr(), bytes.len()) }
}

/// Copies `bytes` into memory at `gpa`, which must be a frame that nothing else in the library OS refers to.
pub fn write(gpa: u64, bytes: &[u8]) {
    let target = backend::phys_pointer(gpa, bytes.len() as u64);
    // SAFETY: `phys_pointer` checked the range and refuses the library OS's image and heap.
    unsafe { ptr::copy(bytes.as_ptr(), target, bytes.len()) }
}

/// Fills `len` bytes at `gpa` with zeros.
pub fn zero(gpa: u64, len: u64) {
    let target = backend::phys_pointer(gpa, len);
    // SAFETY: as in `write`.
    unsafe { ptr::write_bytes(target, 0, len as usize) }
}

/// Copies `len` bytes from one place in slot 0 to another; they may overlap.
pub fn copy(from_gpa: u64, to_gpa: u64, len: u64) {
    let source = backend::phys_pointer(from_gpa, len);
    let target = backend::phys_pointer(to_gpa, len);
    // SAFETY: as in `write`, for both ranges.
    unsafe { ptr::copy(source, target, len as usize) }
}

/// Reads one plain value at `gpa`.
#[must_use]
pub fn read_value<T: FromBytes + IntoBytes>(gpa: u64) -> T {
    let mut value = T::new_zeroed();
    read(gpa, value.as_mut_bytes());
    value
}

/// Writes one plain value at `gpa`.
pub fn write_value<T: IntoBytes + Immutable>(gpa: u64, value: &T) {
    write(gpa, value.as_bytes());
}

/// Reads a 64-bit word.
#[must_use]
pub fn read_u64(gpa: u64) -> u64 {
    read_value(gpa)
}

/// Writes a 64-bit word.
pub fn write_u64(gpa: u64, value: u64) {
    write_value(gpa, &value);
}

/// The page that `address` lies in.
#[must_use]
pub const fn page_of(address: u64) -> u64 {
    address & !(PAGE_SIZE - 1)
}
