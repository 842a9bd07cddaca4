//! Page frames: reference-counted pages of guest memory, shared by files and mappings.

use crate::errno::{Errno, Result};
use km_abi::layout::PAGE_SIZE;
use km_hal::{frames, phys};

/// A page of guest memory. Clones are the same page; the last one frees it.
#[derive(Debug, PartialEq, Eq)]
pub struct PageFrame {
    gpa: u64,
}

impl PageFrame {
    /// A new page of zeros.
    ///
    /// # Errors
    /// ENOMEM when guest memory is used up.
    pub fn zeroed() -> Result<Self> {
        frames::alloc().map(|gpa| Self { gpa }).ok_or(Errno::ENOMEM)
    }

    /// A new page with the contents of the page at `gpa`, which may lie in the rootfs slot.
    ///
    /// # Errors
    /// ENOMEM when guest memory is used up.
    pub fn copy_of(gpa: u64) -> Result<Self> {
        let frame = frames::alloc_uninit().map(|gpa| Self { gpa }).ok_or(Errno::ENOMEM)?;
        super::bytes::copy_page(gpa, frame.gpa);
        Ok(frame)
    }

    /// The page whose reference [`Self::into_raw`] left in a page table.
    #[must_use]
    pub(super) fn from_raw(gpa: u64) -> Self {
        Self { gpa }
    }

    /// Leaves the reference to a page table; [`Self::from_raw`] takes it back.
    #[must_use]
    pub(super) fn into_raw(self) -> u64 {
        let gpa = self.gpa;
        core::mem::forget(self);
        gpa
    }

    /// Guest-physical address of its first byte.
    #[must_use]
    pub fn gpa(&self) -> u64 {
        self.gpa
    }

    /// Copies out of the page.
    ///
    /// # Panics
    /// When the range does not lie within the page: a bug of the library OS.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        assert!(offset + buffer.len() <= PAGE_SIZE as usize, "a read beyond a page");
        phys::read(self.gpa + offset as u64, buffer);
    }

    /// Copies into the page.
    ///
    /// # Panics
    /// When the range does not lie within the page: a bug of the library OS.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset + bytes.len() <= PAGE_SIZE as usize, "a write beyond a page");
        phys::write(self.gpa + offset as u64, bytes);
    }
}

impl Clone for PageFrame {
    fn clone(&self) -> Self {
        frames::retain(self.gpa);
        Self { gpa: self.gpa }
    }
}

impl Drop for PageFrame {
    fn drop(&mut self) {
        frames::release(self.gpa);
    }
}
