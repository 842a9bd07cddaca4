//! The map against a model with one entry per page.

use super::*;
use proptest::prelude::*;

const PAGES: u64 = 64;

fn vma(start: u64, end: u64, prot: u32) -> Vma {
    Vma {
        start: start * PAGE_SIZE,
        end: end * PAGE_SIZE,
        prot: Prot::from_bits_truncate(prot),
        traits: Traits::empty(),
        backing: Backing::Anonymous,
    }
}

#[derive(Clone, Debug)]
enum VmaStep {
    Map { start: u64, len: u64, prot: u32 },
    Unmap { start: u64, len: u64 },
    Protect { start: u64, len: u64, prot: u32 },
}

fn step() -> impl Strategy<Value = VmaStep> {
    let range = || (0..PAGES - 1, 1..16u64);
    prop_oneof![
        (range(), 0..8u32).prop_map(|((start, len), prot)| VmaStep::Map { start, len, prot }),
        range().prop_map(|(start, len)| VmaStep::Unmap { start, len }),
        (range(), 0..8u32).prop_map(|((start, len), prot)| VmaStep::Protect { start, len, prot }),
    ]
}

/// What the map says of each page, and that its entries are ordered, disjoint and joined.
fn pages_of(map: &VmaMap) -> Vec<Option<u32>> {
    let mut pages = alloc::vec![None; 2 * PAGES as usize];
    let mut previous: Option<&Vma> = None;
    for vma in map.iter() {
        assert!(vma.start < vma.end);
        if let Some(before) = previous {
            assert!(before.end <= vma.start && !before.continues(vma));
        }
        previous = Some(vma);
        for page in vma.start / PAGE_SIZE..vma.end / PAGE_SIZE {
            pages[page as usize] = Some(vma.prot.bits());
        }
    }
    pages
}

proptest! {
    #[test]
    fn the_map_agrees_with_the_model(steps in prop::collection::vec(step(), 1..60)) {
        let mut map = VmaMap::default();
        let mut model = alloc::vec![None; 2 * PAGES as usize];
        for step in steps {
            let (start, len) = match &step {
                VmaStep::Map { start, len, .. } | VmaStep::Unmap { start, len } | VmaStep::Protect { start, len, .. } => (*start, *len),
            };
            let (first, last) = (start * PAGE_SIZE, (start + len) * PAGE_SIZE);
            let range = start as usize..(start + len) as usize;
            match step {
                VmaStep::Map { prot, .. } => {
                    map.carve(first, last);
                    map.insert(vma(start, start + len, prot));
                    model[range].fill(Some(prot));
                }
                VmaStep::Unmap { .. } => {
                    map.carve(first, last);
                    model[range].fill(None);
                }
                VmaStep::Protect { prot, .. } => {
                    map.modify(first, last, |vma| vma.prot = Prot::from_bits_truncate(prot));
                    model[range].iter_mut().flatten().for_each(|old| *old = prot);
                }
            }
            prop_assert_eq!(&pages_of(&map), &model);
        }
        for len in [1, 2, 5, 17] {
            let found = map.gap_below(len * PAGE_SIZE, 0, PAGES * PAGE_SIZE);
            let expected = (0..=PAGES - len).rev().find(|start| (*start..start + len).all(|page| model[page as usize].is_none()));
            prop_assert_eq!(found, expected.map(|page| page * PAGE_SIZE));
        }
        for page in 0..PAGES {
            prop_assert_eq!(map.find(page * PAGE_SIZE + 7).is_some(), model[page as usize].is_some());
            let covered = (page..page + 3).all(|page| model[page as usize].is_some());
            prop_assert_eq!(map.is_covered(page * PAGE_SIZE, (page + 3) * PAGE_SIZE), covered);
        }
    }
}
