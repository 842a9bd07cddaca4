//! Frames of guest-physical memory: the allocator of the pages of slot 0.
//!
//! ```text
//! free_gpa        table_end         bump →                      ← heap floor          end
//! | counts: u32/frame | frames handed out before | never used | reserve | kernel heap |
//! ```
//! One word per frame counts its references, or links it into the list of free frames, so that a free frame is
//! not touched. Frames that were never used are known to be zero and are handed out last: what a snapshot has
//! touched is used again before new pages are.

use crate::{backend, paging, phys};
use km_abi::layout::PAGE_SIZE;

/// Counts below this are numbers of references; above, the word is a link of the free list.
const LINK: u32 = 1 << 31;
/// End of the free list.
const LAST: u32 = u32::MAX;

/// Most sets of page tables that are kept for the next address space: about one for each program of a shell pipeline.
const KEPT_MAX: usize = 4;

/// Where the allocator stands. Its words per frame are in guest memory, after `counts_gpa`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frames {
    counts_gpa: u64,
    /// First frame that is handed out.
    first_gpa: u64,
    /// First frame that was never used.
    bump_gpa: u64,
    /// Frames end here; the kernel heap begins.
    floor_gpa: u64,
    /// Bytes below the floor that are kept for the heap.
    reserve: u64,
    free_head: u32,
    free_count: u32,
    /// Page tables that are kept ([`crate::paging::Fill`]), oldest first: where their root is, and in the bits below how
    /// many they are.
    kept: [u64; KEPT_MAX],
}

impl Frames {
    pub(crate) const EMPTY: Self = Self {
        counts_gpa: 0,
        first_gpa: 0,
        bump_gpa: 0,
        floor_gpa: 0,
        reserve: 0,
        free_head: LAST,
        free_count: 0,
        kept: [0; KEPT_MAX],
    };

    pub(crate) fn new(free_gpa: u64, memory_bytes: u64) -> Self {
        let counts_gpa = free_gpa.next_multiple_of(PAGE_SIZE);
        let counts = memory_bytes / PAGE_SIZE * size_of::<u32>() as u64;
        let first_gpa = (counts_gpa + counts).next_multiple_of(PAGE_SIZE);
        Self {
            counts_gpa,
            first_gpa,
            bump_gpa: first_gpa,
            floor_gpa: memory_bytes & !(PAGE_SIZE - 1),
            reserve: (memory_bytes / 32).next_multiple_of(PAGE_SIZE),
            ..Self::EMPTY
        }
    }

    #[cfg(target_os = "none")]
    pub(crate) const fn floor_gpa(&self) -> u64 {
        self.floor_gpa
    }

    fn limit(&self) -> u64 {
        self.floor_gpa.saturating_sub(self.reserve)
    }

    fn word(&self, gpa: u64) -> u64 {
        assert!(
            gpa >= self.first_gpa && gpa < self.bump_gpa && gpa.is_multiple_of(PAGE_SIZE),
            "{gpa:#x} is not a frame"
        );
        self.word_at(gpa / PAGE_SIZE)
    }

    const fn word_at(&self, index: u64) -> u64 {
        self.counts_gpa + index * size_of::<u32>() as u64
    }

    /// Takes a frame; the flag says that it holds old contents.
    fn take(&mut self) -> Option<(u64, bool)> {
        if self.free_head != LAST {
            let gpa = u64::from(self.free_head & !LINK) * PAGE_SIZE;
            let word = self.word(gpa);
            self.free_head = phys::read_value::<u32>(word);
            self.free_count -= 1;
            phys::write_value(word, &1u32);
            return Some((gpa, true));
        }
        if self.bump_gpa >= self.limit() {
            return None;
        }
        let gpa = self.bump_gpa;
        self.bump_gpa += PAGE_SIZE;
        phys::write_value(self.word(gpa), &1u32);
        Some((gpa, false))
    }

    fn put(&mut self, gpa: u64) {
        phys::write_value(self.word(gpa), &self.free_head);
        self.free_head = LINK | (gpa / PAGE_SIZE) as u32;
        self.free_count += 1;
    }

    /// Keeps page tables while there is room.
    fn keep(&mut self, root: u64, tables: u64) -> bool {
        let room = self.kept.iter_mut().find(|kept| **kept == 0);
        room.map(|room| *room = root | tables).is_some()
    }

    fn take_kept(&mut self) -> Option<u64> {
        let root = self.kept[0] & !(PAGE_SIZE - 1);
        self.kept.rotate_left(1);
        self.kept[KEPT_MAX - 1] = 0;
        (root != 0).then_some(root)
    }

    /// Frames of kept page tables.
    fn kept_count(&self) -> u64 {
        self.kept.iter().map(|kept| kept % PAGE_SIZE).sum()
    }

    /// Moves the floor down by `bytes`; the heap has them from now on.
    #[cfg(target_os = "none")]
    pub(crate) fn lower_floor(&mut self, bytes: u64) -> Option<u64> {
        let floor = self.floor_gpa.checked_sub(bytes).filter(|floor| *floor >= self.bump_gpa)?;
        self.floor_gpa = floor;
        Some(floor)
    }
}

/// Takes a frame of zeros; `None` when memory is used up.
#[must_use]
pub fn alloc() -> Option<u64> {
    let (gpa, used) = take()?;
    if used {
        phys::zero(gpa, PAGE_SIZE);
    }
    Some(gpa)
}

/// Takes a frame whose contents are arbitrary, for a caller that overwrites all of it.
#[must_use]
pub fn alloc_uninit() -> Option<u64> {
    Some(take()?.0)
}

/// Takes a frame; when none is left, kept page tables are freed for it.
fn take() -> Option<(u64, bool)> {
    loop {
        let taken = backend::with_frames(Frames::take);
        if taken.is_some() {
            return taken;
        }
        paging::give_tables(take_kept()?);
    }
}

/// Keeps page tables that nobody uses, `tables` of them with their root; `false` when there are enough.
pub(crate) fn keep(root: u64, tables: u64) -> bool {
    backend::with_frames(|frames| frames.keep(root, tables))
}

/// Takes the page tables that were kept first: their root. The caller owns them.
pub(crate) fn take_kept() -> Option<u64> {
    backend::with_frames(Frames::take_kept)
}

/// Adds a reference to a frame.
pub fn retain(gpa: u64) {
    backend::with_frames(|frames| {
        let word = frames.word(gpa);
        let count: u32 = phys::read_value(word);
        assert!(count > 0 && count < LINK - 1, "frame {gpa:#x} is free or has too many references");
        phys::write_value(word, &(count + 1));
    });
}

/// Drops a reference; a frame without any is free again, and `true` is returned.
pub fn release(gpa: u64) -> bool {
    backend::with_frames(|frames| {
        let word = frames.word(gpa);
        let count: u32 = phys::read_value(word);
        assert!(count > 0 && count < LINK, "frame {gpa:#x} is free already");
        if count == 1 {
            frames.put(gpa);
        } else {
            phys::write_value(word, &(count - 1));
        }
        count == 1
    })
}

/// How many references a frame has.
#[must_use]
pub fn references(gpa: u64) -> u32 {
    backend::with_frames(|frames| phys::read_value(frames.word(gpa)))
}

/// Whether `gpa` is a frame of this allocator (as opposed to the rootfs slot or a page of the layout).
#[must_use]
pub fn owns(gpa: u64) -> bool {
    backend::with_frames(|frames| gpa >= frames.first_gpa && gpa < frames.bump_gpa)
}

/// Frames that can still be taken.
#[must_use]
pub fn available() -> u64 {
    backend::with_frames(|frames| {
        let unused = frames.limit().saturating_sub(frames.bump_gpa) / PAGE_SIZE;
        u64::from(frames.free_count) + frames.kept_count() + unused
    })
}

/// Bytes by which the kernel heap can still grow. A reserve is kept for it; what it has taken it never gives back.
#[must_use]
pub fn heap_room() -> u64 {
    backend::with_frames(|frames| frames.floor_gpa.saturating_sub(frames.bump_gpa))
}

/// Frames that there are in all.
#[must_use]
pub fn total() -> u64 {
    backend::with_frames(|frames| frames.limit().saturating_sub(frames.first_gpa) / PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host;

    #[test]
    fn frames_are_zero_unique_and_come_back() {
        host::reset(16 << 20);
        let (first, second) = (alloc().unwrap(), alloc().unwrap());
        assert_ne!(first, second);
        phys::write_u64(first, 7);
        let before = available();
        assert!(release(first));
        assert_eq!(available(), before + 1);
        assert_eq!(alloc(), Some(first));
        assert_eq!(phys::read_u64(first), 0);
    }

    #[test]
    fn a_shared_frame_is_free_after_its_last_reference() {
        host::reset(16 << 20);
        let frame = alloc().unwrap();
        retain(frame);
        assert_eq!(references(frame), 2);
        assert!(!release(frame));
        assert!(release(frame));
    }

    #[test]
    #[should_panic(expected = "free already")]
    fn releasing_twice_is_noticed() {
        host::reset(16 << 20);
        let frame = alloc().unwrap();
        release(frame);
        release(frame);
    }

    #[test]
    fn memory_runs_out_and_recovers() {
        host::reset(16 << 20);
        let mut frames = Vec::new();
        while let Some(frame) = alloc_uninit() {
            frames.push(frame);
        }
        assert_eq!(frames.len() as u64, total());
        assert_eq!(available(), 0);
        frames.iter().for_each(|frame| assert!(release(*frame)));
        assert_eq!(available(), total());
    }
}
