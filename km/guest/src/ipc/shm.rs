//! Shared memory (shm_overview of System V: shmget(2), shmat(2)).
//!
//! A segment is what its mappings show, so the references to it, besides the registry's own, are its attachments. One that
//! is marked for removal goes with the last of them.

use super::now_s;
use super::registry::{IPC_PRIVATE, Object, Permissions, Registry};
use crate::errno::Result;
use crate::fs::file::{FilePage, PageUse, Pages};
use crate::mm::frame::PageFrame;
use crate::task::Pid;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// Device number of segments; no file system has it.
pub const DEVICE: u64 = 0x101;
/// Marked for removal: it goes with its last attachment.
pub const SHM_DEST: u32 = 0o1000;
/// Must stay in memory, as all memory does.
pub const SHM_LOCKED: u32 = 0o2000;

/// A segment of shared memory.
pub struct Segment {
    permissions: Cell<Permissions>,
    /// Tells segments apart; its inode number in /proc/PID/maps.
    number: u64,
    /// Size in bytes, as it was asked for.
    pub size: u64,
    frames: RefCell<BTreeMap<u64, PageFrame>>,
    /// When it was attached last, in seconds since 1970; 0 for never, as the other times.
    pub attached_s: Cell<i64>,
    /// When it was detached last.
    pub detached_s: Cell<i64>,
    /// When it was made or changed last.
    pub changed_s: Cell<i64>,
    /// Who made it.
    pub maker: Pid,
    /// Who attached or detached it last.
    pub last_user: Cell<Pid>,
}

impl Segment {
    /// A segment of zeros.
    #[must_use]
    pub fn new(permissions: Permissions, size: u64, maker: Pid, number: u64) -> Self {
        Self {
            permissions: Cell::new(permissions),
            number,
            size,
            frames: RefCell::default(),
            attached_s: Cell::new(0),
            detached_s: Cell::new(0),
            changed_s: Cell::new(now_s()),
            maker,
            last_user: Cell::new(0),
        }
    }

    /// Notes that a process has attached it.
    pub fn attached(&self, pid: Pid) {
        self.attached_s.set(now_s());
        self.last_user.set(pid);
    }

    /// Notes that a process has detached it.
    pub fn detached(&self, pid: Pid) {
        self.detached_s.set(now_s());
        self.last_user.set(pid);
    }

    /// Pages that are in memory.
    #[must_use]
    pub fn pages_in_memory(&self) -> u64 {
        self.frames.borrow().len() as u64
    }

    /// Tells it apart from all others.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl Object for Segment {
    fn permissions(&self) -> &Cell<Permissions> {
        &self.permissions
    }
}

impl Pages for Segment {
    fn id(&self) -> (u64, u64) {
        (DEVICE, self.number)
    }

    fn path(&self) -> Vec<u8> {
        format!("/SYSV{:08x} (deleted)", self.permissions.get().key).into_bytes()
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

impl Registry<Segment> {
    /// Mappings of a segment, which somebody holds `others` times besides.
    #[must_use]
    pub fn attachments(segment: &Rc<Segment>, others: usize) -> u64 {
        (Rc::strong_count(segment) - 1).saturating_sub(others) as u64
    }

    /// Marks a segment for removal: its key names it no more.
    pub fn condemn(&mut self, segment: &Segment) {
        let mut permissions = segment.permissions.get();
        permissions.key = IPC_PRIVATE;
        permissions.mode |= SHM_DEST;
        segment.permissions.set(permissions);
    }

    /// Removes the segments that are marked and not attached any more.
    pub fn collect(&mut self) {
        let is_over = |segment: &Rc<Segment>| {
            segment.permissions.get().mode & SHM_DEST != 0 && Self::attachments(segment, 0) == 0
        };
        let over: Vec<i32> = self.iter().filter(|(_, segment)| is_over(segment)).map(|(id, _)| id).collect();
        for id in over {
            self.remove(id);
        }
    }

    /// Bytes of all segments, rounded up to pages.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.iter().map(|(_, segment)| segment.size.div_ceil(km_abi::layout::PAGE_SIZE)).sum()
    }
}
