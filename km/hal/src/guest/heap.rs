//! The library OS's heap: it grows from the end of memory downwards, towards the frames.

use crate::backend;
use crate::frames::Frames;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, Ordering};
use km_abi::layout::{DIRECT_MAP, PAGE_SIZE};
use talc::base::Talc;
use talc::base::binning::{Binning, DefaultBinning};
use talc::cell::{TalcCell, TalcSyncCell};
use talc::source::Source;

/// The heap grows by at least so much.
const STEP_MIN: u64 = 256 << 10;
/// Room for the allocator's own words beside an allocation.
const OVERHEAD: u64 = PAGE_SIZE;

/// Takes memory from below the heap.
#[derive(Debug)]
struct Grow;

// SAFETY: `acquire` touches no allocator but the one given; the memory it claims is nobody else's from then on.
unsafe impl Source for Grow {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let wanted = layout.size() as u64 + layout.align() as u64 + OVERHEAD;
        let least = wanted.next_multiple_of(PAGE_SIZE);
        let (base, bytes) = take(least.max(STEP_MIN)).or_else(|| take(least)).ok_or(())?;
        // SAFETY: the range was just taken from the frames, is mapped writable, and is never given back.
        let end = unsafe { talc.claim((DIRECT_MAP + base) as *mut u8, bytes as usize) };
        end.map(|_| ()).ok_or(())
    }
}

fn take(bytes: u64) -> Option<(u64, u64)> {
    let base = backend::with_frames(|frames: &mut Frames| frames.lower_floor(bytes))?;
    Some((base, bytes))
}

/// The heap, which notes how the last request for memory ended.
struct Heap {
    talc: TalcSyncCell<Grow, DefaultBinning>,
    last_failed: AtomicBool,
}

impl Heap {
    fn noted(&self, memory: *mut u8) -> *mut u8 {
        self.last_failed.store(memory.is_null(), Ordering::Relaxed);
        memory
    }
}

// SAFETY: every request goes to the allocator inside as it is, and its answer back.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this very function.
        self.noted(unsafe { self.talc.alloc(layout) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.talc.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.noted(unsafe { self.talc.alloc_zeroed(layout) })
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        self.noted(unsafe { self.talc.realloc(memory, layout, size) })
    }
}

#[global_allocator]
static HEAP: Heap = Heap {
    // SAFETY: one CPU, and no entry interrupts the library OS.
    talc: unsafe { TalcSyncCell::new(TalcCell::new(Grow)) },
    last_failed: AtomicBool::new(false),
};

/// Whether the last request for memory could not be met.
pub(super) fn last_failed() -> bool {
    HEAP.last_failed.load(Ordering::Relaxed)
}
