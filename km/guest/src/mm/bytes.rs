//! Bytes of guest-physical pages, whichever memory slot they lie in.

use km_abi::layout::{PAGE_SIZE, ROOTFS_GPA};
use km_hal::phys;

/// Reads within one page of slot 0 or of the rootfs slot.
pub(crate) fn read(gpa: u64, buffer: &mut [u8]) {
    if gpa < ROOTFS_GPA {
        return phys::read(gpa, buffer);
    }
    let rest = phys::rootfs().get((gpa - ROOTFS_GPA) as usize..).unwrap_or_default();
    let count = rest.len().min(buffer.len());
    buffer[..count].copy_from_slice(&rest[..count]);
    buffer[count..].fill(0);
}

/// Copies a page of either slot to a page of slot 0.
pub(crate) fn copy_page(from_gpa: u64, to_gpa: u64) {
    if from_gpa < ROOTFS_GPA {
        return phys::copy(from_gpa, to_gpa, PAGE_SIZE);
    }
    let rest = phys::rootfs().get((from_gpa - ROOTFS_GPA) as usize..).unwrap_or_default();
    let count = rest.len().min(PAGE_SIZE as usize);
    phys::write(to_gpa, &rest[..count]);
    phys::zero(to_gpa + count as u64, PAGE_SIZE - count as u64);
}
