//! Page frames: reference-counted pages of guest memory, shared by files and mappings.

use crate::errno::Result;
use alloc::rc::Rc;
use core::cell::RefCell;

/// A page of guest memory. Clones are the same page; the last one frees it.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Rc<RefCell<[u8; 4096]>>,
}

impl Frame {
    /// A new page of zeros.
    ///
    /// # Errors
    /// ENOMEM when guest memory is used up.
    pub fn zeroed() -> Result<Self> {
        Ok(Self { bytes: Rc::new(RefCell::new([0; 4096])) })
    }

    /// Its guest-physical address.
    #[must_use]
    pub fn gpa(&self) -> u64 {
        self.bytes.as_ptr().addr() as u64
    }

    /// Copies out of the page.
    ///
    /// # Panics
    /// When the range does not lie within the page: a bug of the library OS.
    pub fn read(&self, offset: usize, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.bytes.borrow()[offset..offset + buffer.len()]);
    }

    /// Copies into the page.
    ///
    /// # Panics
    /// When the range does not lie within the page: a bug of the library OS.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        self.bytes.borrow_mut()[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
}
