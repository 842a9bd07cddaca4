//! Pages that are written soon after a fork, on either side.
//!
//! A process that forks once does so again, and the same few pages (stack, thread block, allocator) are written right
//! away each time. The copy of a page costs a fraction of the fault that asks for it, so a fork copies these at once.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Most pages that a fork copies ahead of need.
const PAGES_MAX: usize = 32;

/// The pages of an address space and of those that were forked from it: they learn together.
#[derive(Clone, Default)]
pub(super) struct Hot {
    recent: Rc<RefCell<Recent>>,
}

#[derive(Default)]
struct Recent {
    pages: Vec<u64>,
    /// Where the oldest is, once there are enough.
    oldest: usize,
}

impl Hot {
    /// A page that fork had made read-only is written.
    pub(super) fn note(&self, va: u64) {
        let mut recent = self.recent.borrow_mut();
        if recent.pages.contains(&va) {
            return;
        }
        if recent.pages.len() < PAGES_MAX {
            recent.pages.push(va);
            return;
        }
        let oldest = recent.oldest;
        recent.pages[oldest] = va;
        recent.oldest = (oldest + 1) % PAGES_MAX;
    }

    /// Page addresses, ascending.
    pub(super) fn sorted(&self) -> Vec<u64> {
        let mut pages = self.recent.borrow().pages.clone();
        pages.sort_unstable();
        pages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pages_are_known_once_each() {
        let hot = Hot::default();
        let family = hot.clone();
        for va in (0..40).chain(30..35) {
            family.note(va * 4096);
        }
        let expected: Vec<u64> = (8..40).map(|page| page * 4096).collect();
        assert_eq!(hot.sorted(), expected);
    }
}
