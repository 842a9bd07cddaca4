//! Bytes of a regular file: pages in memory above the data of the image, holes elsewhere.
//!
//! ```text
//! page 0        1        2        3        4
//!      image    FRAME    image    (hole)   FRAME      a frame hides the image's page
//!      |<------ lower_end ----->|              |size
//! ```
//! A write copies the page first if it covers it in part. Truncation lowers `lower_end` for good, so that what was cut
//! off never comes back.

use crate::errno::{Errno, Result};
use crate::fs::erofs::inode::Extent;
use crate::fs::file::{FilePage, PageUse};
use crate::fs::io::{Sink, Source};
use crate::fs::node::volume::Volume;
use crate::mm::frame::PageFrame;
use alloc::collections::BTreeMap;
use core::cell::{Cell, RefCell};
use km_abi::layout::ROOTFS_GPA;

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// Bytes that one read brings from beyond the rootfs slot at a time.
const FETCH: u64 = 16 * PAGE;
/// Largest size of a file.
pub const SIZE_MAX: u64 = i64::MAX as u64;

/// The bytes of a regular file.
#[derive(Default)]
pub struct Data {
    size: Cell<u64>,
    frames: RefCell<BTreeMap<u64, PageFrame>>,
    lower: Extent,
    lower_end: Cell<u64>,
    /// Pages were handed out to mappings.
    pub mapped: Cell<bool>,
    /// Open files that may write.
    pub writers: Cell<usize>,
    /// Processes that run it.
    pub runners: Cell<usize>,
    /// F_SEAL_* bits (memfd_create(2)): what may not be done to the file any more.
    pub seals: Cell<u32>,
}

/// A run of bytes that come from one place.
enum Run {
    Image(u64),
    Frame(PageFrame),
    Hole,
}

impl Data {
    /// The data of an inode of the image.
    #[must_use]
    pub fn of_image(extent: Extent) -> Self {
        let (size, lower_end) = (Cell::new(extent.size), Cell::new(extent.size));
        Self { size, lower_end, lower: extent, ..Self::default() }
    }

    /// Bytes in the file.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size.get()
    }

    /// Pages that are in memory.
    #[must_use]
    pub fn pages_in_memory(&self) -> u64 {
        self.frames.borrow().len() as u64
    }

    /// Whether something was written or cut since the image.
    #[must_use]
    pub fn differs(&self) -> bool {
        let size = self.lower.size;
        self.size.get() != size || self.lower_end.get() != size || !self.frames.borrow().is_empty()
    }

    /// Units of 512 bytes that the file takes (st_blocks).
    #[must_use]
    pub fn blocks(&self) -> u64 {
        let lower = self.lower_end.get().div_ceil(PAGE);
        let hidden = self.frames.borrow().range(..lower).count() as u64;
        (lower + self.pages_in_memory() - hidden) * (PAGE / 512)
    }

    /// Reads from `offset` on until the end of the file or of the room.
    ///
    /// # Errors
    /// EIO for a bad image; what the sink says when nothing was read.
    pub fn read(&self, volume: &Volume, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while out.room() > 0 && offset + (done as u64) < self.size.get() {
            let position = offset + done as u64;
            let left = (self.size.get() - position).min(out.room() as u64);
            let count = match self.read_run(volume, position, left, out) {
                Ok(count) => count,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            };
            done += count;
            if count == 0 {
                break;
            }
        }
        Ok(done)
    }

    /// Reads what lies together at `position`, at most `left` bytes.
    fn read_run(&self, volume: &Volume, position: u64, left: u64, out: &mut dyn Sink) -> Result<usize> {
        let (run, together) = self.run_at(position);
        let count = together.min(left);
        let mut page = [0; PAGE as usize];
        let in_page = count.min(PAGE - position % PAGE) as usize;
        match run {
            Run::Image(at) => {
                let image = volume.lower().ok_or(Errno::EIO)?.image();
                if let Some(bytes) = image.mapped(at, count as usize) {
                    return out.put(bytes);
                }
                // Read several pages at once: each read beyond the slot costs an exit.
                return out.put(&image.view(at, count.min(FETCH) as usize)?);
            }
            Run::Frame(frame) => frame.read((position % PAGE) as usize, &mut page[..in_page]),
            Run::Hole => {}
        }
        out.put(&page[..in_page])
    }

    /// Where the byte at `position` comes from, and how many after it come from there as well.
    fn run_at(&self, position: u64) -> (Run, u64) {
        let index = position / PAGE;
        let frames = self.frames.borrow();
        if let Some(frame) = frames.get(&index) {
            return (Run::Frame(frame.clone()), PAGE - position % PAGE);
        }
        let lower_left = self.lower_end.get().saturating_sub(position);
        match self.lower.locate(position) {
            Some((at, together)) if lower_left > 0 => {
                let next_frame = frames.range(index..).next().map_or(u64::MAX, |(index, _)| index * PAGE);
                (Run::Image(at), together.min(lower_left).min(next_frame - position))
            }
            _ => (Run::Hole, PAGE - position % PAGE),
        }
    }

    /// Writes at `offset`, and lets the file grow.
    ///
    /// # Errors
    /// EFBIG, ENOSPC, ENOMEM, EFAULT, EPERM (seals) when nothing was written.
    pub fn write(&self, volume: &Volume, offset: u64, from: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        while from.left() > 0 {
            match self.write_page(volume, offset + done as u64, from) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(errno) if done == 0 => return Err(errno),
                Err(_) => break,
            }
        }
        Ok(done)
    }

    fn write_page(&self, volume: &Volume, position: u64, from: &mut dyn Source) -> Result<usize> {
        if position >= SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        let mut page = [0; PAGE as usize];
        let at = (position % PAGE) as usize;
        let room = (PAGE as usize - at).min((SIZE_MAX - position) as usize);
        self.check_seals(position, room.min(from.left()) as u64)?;
        let frame = self.frame(volume, position / PAGE)?;
        let count = from.take(&mut page[..room])?;
        frame.write(at, &page[..count]);
        self.size.set(self.size.get().max(position + count as u64));
        Ok(count)
    }

    /// The frame of a page; the page is copied or made of zeros if there is none yet.
    fn frame(&self, volume: &Volume, index: u64) -> Result<PageFrame> {
        if let Some(frame) = self.frames.borrow().get(&index) {
            return Ok(frame.clone());
        }
        volume.charge()?;
        let frame = self.copied(volume, index).inspect_err(|_| volume.release(1))?;
        self.frames.borrow_mut().insert(index, frame.clone());
        Ok(frame)
    }

    fn copied(&self, volume: &Volume, index: u64) -> Result<PageFrame> {
        let frame = PageFrame::zeroed()?;
        let (start, end) = (index * PAGE, self.lower_end.get().min((index + 1) * PAGE));
        let mut position = start;
        while position < end {
            let (at, together) = self.lower.locate(position).ok_or(Errno::EIO)?;
            let count = together.min(end - position) as usize;
            let bytes = volume.lower().ok_or(Errno::EIO)?.image().view(at, count)?;
            frame.write((position - start) as usize, &bytes);
            position += count as u64;
        }
        Ok(frame)
    }

    /// The page as a mapping wants it.
    ///
    /// # Errors
    /// ENXIO beyond the end; ENOSPC, ENOMEM.
    pub fn page(&self, volume: &Volume, index: u64, usage: PageUse) -> Result<FilePage> {
        if index >= self.size.get().div_ceil(PAGE) {
            return Err(Errno::ENXIO);
        }
        self.mapped.set(true);
        if let Some(frame) = self.frames.borrow().get(&index) {
            return Ok(FilePage::Frame(frame.clone()));
        }
        if usage == PageUse::Write || index * PAGE >= self.lower_end.get() {
            return self.frame(volume, index).map(FilePage::Frame);
        }
        match self.page_in_slot(volume, index) {
            Some(gpa) => Ok(FilePage::Rootfs(gpa)),
            // A copy for the mapping alone, so that reading does not use up the overlay's room.
            None => self.copied(volume, index).map(FilePage::Frame),
        }
    }

    /// The page in the rootfs slot, if all of it may be shown: a page that ends within the data is padded with zeros
    /// by the image's writer, but not if a truncation cut it shorter.
    fn page_in_slot(&self, volume: &Volume, index: u64) -> Option<u64> {
        let end = (index + 1) * PAGE;
        let uncut = self.lower_end.get() == self.lower.size && self.lower.contiguous == self.lower.size;
        if end > self.lower_end.get() && !(uncut && index * PAGE < self.lower.size) {
            return None;
        }
        let (at, _) = self.lower.locate(index * PAGE)?;
        let in_slot = at % PAGE == 0 && volume.lower()?.image().mapped(at, PAGE as usize).is_some();
        in_slot.then_some(ROOTFS_GPA + at)
    }

    /// Whether the page is in memory already. If so, a write changes it in place and no mapping must let go of it.
    #[must_use]
    pub fn in_memory(&self, index: u64) -> bool {
        self.frames.borrow().contains_key(&index)
    }

    /// Sets the size in bytes (ftruncate(2)).
    ///
    /// # Errors
    /// EFBIG, EPERM (seals), and what the copy of a cut page meets.
    pub fn truncate(&self, volume: &Volume, size: u64) -> Result<()> {
        if size > SIZE_MAX {
            return Err(Errno::EFBIG);
        }
        self.check_resize(size)?;
        let cut = self.frames.borrow_mut().split_off(&size.div_ceil(PAGE));
        volume.release(cut.len() as u64);
        if !size.is_multiple_of(PAGE)
            && let Some(frame) = self.frames.borrow().get(&(size / PAGE))
        {
            let from = (size % PAGE) as usize;
            frame.write(from, &[0; PAGE as usize][from..]);
        }
        self.lower_end.set(self.lower_end.get().min(size));
        self.size.set(size);
        Ok(())
    }

    /// Gives every page of a range memory (fallocate(2)).
    ///
    /// # Errors
    /// ENOSPC, ENOMEM.
    pub fn allocate(&self, volume: &Volume, start: u64, end: u64) -> Result<()> {
        for index in start / PAGE..end.div_ceil(PAGE) {
            let in_image = (index + 1) * PAGE <= self.lower_end.get();
            if !in_image {
                self.frame(volume, index)?;
            }
        }
        Ok(())
    }

    /// Lets the file grow without data.
    pub fn grow(&self, size: u64) {
        self.size.set(self.size.get().max(size));
    }

    /// Makes a range zero; whole pages of it become holes (FALLOC_FL_PUNCH_HOLE).
    ///
    /// # Errors
    /// ENOSPC and ENOMEM where a page of the image must be hidden.
    pub fn punch(&self, volume: &Volume, start: u64, end: u64) -> Result<()> {
        let mut position = start;
        while position < end {
            let index = position / PAGE;
            let stop = end.min((index + 1) * PAGE);
            let below = index * PAGE < self.lower_end.get();
            if stop - position == PAGE && !below {
                let gone = self.frames.borrow_mut().remove(&index);
                volume.release(u64::from(gone.is_some()));
            } else if below || self.in_memory(index) {
                let frame = self.frame(volume, index)?;
                let at = (position % PAGE) as usize;
                frame.write(at, &[0; PAGE as usize][..(stop - position) as usize]);
            }
            position = stop;
        }
        Ok(())
    }

    /// The next position from `offset` on that has data (SEEK_DATA).
    #[must_use]
    pub fn next_data(&self, offset: u64) -> Option<u64> {
        let size = self.size.get();
        if offset < self.lower_end.get() {
            return Some(offset);
        }
        let frames = self.frames.borrow();
        let (index, _) = frames.range(offset / PAGE..).next()?;
        Some(offset.max(index * PAGE)).filter(|&at| at < size)
    }

    /// The next position from `offset` on that has none (SEEK_HOLE); the end counts as a hole.
    #[must_use]
    pub fn next_hole(&self, offset: u64) -> u64 {
        let mut position = offset.max(self.lower_end.get().next_multiple_of(PAGE).min(self.size.get()));
        while position < self.size.get() && self.in_memory(position / PAGE) {
            position = (position / PAGE + 1) * PAGE;
        }
        position.min(self.size.get())
    }

    fn check_seals(&self, position: u64, len: u64) -> Result<()> {
        let seals = self.seals.get();
        let grows = position + len > self.size.get();
        let sealed = seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE) != 0 || grows && seals & F_SEAL_GROW != 0;
        if sealed { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether the seals let something be written, up to `end` if it is not 0.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_growth(&self, end: u64) -> Result<()> {
        self.check_seals(self.size.get().min(end), end.saturating_sub(self.size.get().min(end)))
    }

    fn check_resize(&self, size: u64) -> Result<()> {
        let (seals, old) = (self.seals.get(), self.size.get());
        let sealed = size < old && seals & F_SEAL_SHRINK != 0 || size > old && seals & F_SEAL_GROW != 0;
        if sealed { Err(Errno::EPERM) } else { Ok(()) }
    }
}

/// No seal can be added.
pub const F_SEAL_SEAL: u32 = 1;
/// The file does not shrink.
pub const F_SEAL_SHRINK: u32 = 2;
/// The file does not grow.
pub const F_SEAL_GROW: u32 = 4;
/// Neither write(2) nor a shared mapping changes the bytes.
pub const F_SEAL_WRITE: u32 = 8;
/// Nothing is written through new descriptors and mappings.
pub const F_SEAL_FUTURE_WRITE: u32 = 16;
/// F_SEAL_EXEC: its execute bits stay as they are.
pub const F_SEAL_EXEC: u32 = 32;
