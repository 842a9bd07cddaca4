//! Memory that processes share without a file: MAP_SHARED | MAP_ANONYMOUS.

use super::frame::PageFrame;
use crate::errno::Result;
use crate::fs::file::{FilePage, PageUse, Pages};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// Device number of shared memory objects; no file system has it.
const DEVICE: u64 = 0x100;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A number that no other object of shared memory has.
#[must_use]
pub fn new_number() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Pages that come into being when they are first touched.
pub struct SharedMemory {
    number: u64,
    frames: RefCell<BTreeMap<u64, PageFrame>>,
}

impl Default for SharedMemory {
    fn default() -> Self {
        Self { number: new_number(), frames: RefCell::default() }
    }
}

impl Pages for SharedMemory {
    fn id(&self) -> (u64, u64) {
        (DEVICE, self.number)
    }

    fn path(&self) -> Vec<u8> {
        b"/dev/zero (deleted)".to_vec()
    }

    fn page(&self, index: u64, _: PageUse) -> Result<FilePage> {
        let mut frames = self.frames.borrow_mut();
        if let Some(frame) = frames.get(&index) {
            return Ok(FilePage::Frame(frame.clone()));
        }
        let frame = PageFrame::zeroed()?;
        frames.insert(index, frame.clone());
        Ok(FilePage::Frame(frame))
    }
}

/// Pages that lie fixed in guest memory and are only read: the vDSO and its clock page.
pub struct FixedPages {
    /// What /proc/PID/maps shows as the path.
    pub name: &'static str,
    /// Read-only pages, the first at the mapping's start.
    pub pages: Vec<FilePage>,
}

impl Pages for FixedPages {
    fn id(&self) -> (u64, u64) {
        (0, 0)
    }

    fn path(&self) -> Vec<u8> {
        self.name.as_bytes().to_vec()
    }

    fn page(&self, index: u64, _: PageUse) -> Result<FilePage> {
        self.pages.get(index as usize).cloned().ok_or(crate::errno::Errno::ENXIO)
    }
}
