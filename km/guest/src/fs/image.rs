//! The bytes of the rootfs image: the part that the second memory slot shows, and the rest by hypercall.

use crate::errno::{Errno, Result};
use crate::mm::frame::PageFrame;
use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use km_abi::hypercall::{OPS_MAX, Op, OpCode};
use km_abi::layout::PAGE_SIZE;

/// How bytes beyond the slot are read: fills the buffer from a position of the image on, or says that it cannot.
pub type Fetch = fn(offset: u64, buffer: &mut [u8]) -> bool;

/// A rootfs image. It comes from a stranger: every position is checked, and a bad one is EIO.
#[derive(Clone, Copy, Debug)]
pub struct RootfsImage {
    mapped: &'static [u8],
    total: u64,
    fetch: Fetch,
}

impl RootfsImage {
    /// An image of `total` bytes of which `mapped` are the first.
    #[must_use]
    pub fn new(mapped: &'static [u8], total: u64, fetch: Fetch) -> Self {
        Self { mapped, total: total.max(mapped.len() as u64), fetch }
    }

    /// The image of this machine, of `total` bytes.
    #[must_use]
    pub fn of_machine(total: u64) -> Self {
        Self::new(km_hal::phys::rootfs(), total, fetch)
    }

    /// An image that is mapped whole.
    #[must_use]
    pub fn whole(mapped: &'static [u8]) -> Self {
        Self::new(mapped, mapped.len() as u64, |_, _| false)
    }

    /// Bytes in the whole image.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The bytes at `offset`, if all of them are in the slot.
    #[must_use]
    pub fn mapped(&self, offset: u64, len: usize) -> Option<&'static [u8]> {
        let start = usize::try_from(offset).ok()?;
        self.mapped.get(start..start.checked_add(len)?)
    }

    /// The bytes at `offset`, wherever they are.
    ///
    /// # Errors
    /// EIO outside of the image.
    pub fn view(&self, offset: u64, len: usize) -> Result<Cow<'static, [u8]>> {
        if let Some(bytes) = self.mapped(offset, len) {
            return Ok(Cow::Borrowed(bytes));
        }
        let mut buffer = vec![0; self.checked_len(offset, len)?];
        self.read(offset, &mut buffer)?;
        Ok(Cow::Owned(buffer))
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// EIO outside of the image, or when the host cannot read it.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<()> {
        if let Some(bytes) = self.mapped(offset, buffer.len()) {
            buffer.copy_from_slice(bytes);
            return Ok(());
        }
        self.checked_len(offset, buffer.len())?;
        if (self.fetch)(offset, buffer) { Ok(()) } else { Err(Errno::EIO) }
    }

    fn checked_len(&self, offset: u64, len: usize) -> Result<usize> {
        let end = offset.checked_add(len as u64).ok_or(Errno::EIO)?;
        if end <= self.total { Ok(len) } else { Err(Errno::EIO) }
    }
}

/// Has the monitor read a part of the image. It goes into pages of its own: the buffers shared with the monitor may
/// hold bytes of a stream whose reader's memory is being paged in right now.
fn fetch(offset: u64, buffer: &mut [u8]) -> bool {
    let mut offset = offset;
    for batch in buffer.chunks_mut(OPS_MAX * PAGE_SIZE as usize) {
        if fetch_batch(offset, batch).is_none() {
            return false;
        }
        offset += batch.len() as u64;
    }
    true
}

/// What one doorbell can bring.
fn fetch_batch(offset: u64, buffer: &mut [u8]) -> Option<()> {
    let mut pages = Vec::with_capacity(OPS_MAX);
    let mut ops = Vec::with_capacity(OPS_MAX);
    for (index, part) in buffer.chunks(PAGE_SIZE as usize).enumerate() {
        let page = PageFrame::zeroed().ok()?;
        let (code, len) = (OpCode::RootfsRead as u32, part.len() as u64);
        let offset = offset + index as u64 * PAGE_SIZE;
        ops.push(Op { code, gpa: page.gpa(), len, offset, ..Op::default() });
        pages.push(page);
    }
    crate::host::events::keep(&km_hal::hyper::submit(&mut ops));
    for ((part, page), op) in buffer.chunks_mut(PAGE_SIZE as usize).zip(&pages).zip(&ops) {
        if op.result != op.len.cast_signed() {
            return None;
        }
        page.read(0, part);
    }
    Some(())
}
