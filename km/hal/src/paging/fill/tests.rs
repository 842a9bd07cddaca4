//! Tables that are used again show what the last user asked for and nothing else.

use super::*;
use crate::paging::{map, new_root, query};
use crate::{frames, host};
use std::collections::BTreeMap;

const LEAF: Flags = Flags::BASE.union(Flags::WRITE);
/// Three regions at table borders of every level.
const BASES: [u64; 3] = [0x1f_f000, 0x3fff_f000, 0x7f_ffff_f000];

fn shown(root: u64) -> BTreeMap<u64, Mapping> {
    let mut all = BTreeMap::new();
    update(root, 0, PROGRAM_END, &mut |va, mapping| {
        all.insert(va, mapping);
        Some(mapping)
    });
    all
}

#[test]
fn kept_tables_are_empty_for_the_next_address_space() {
    host::reset(32 << 20);
    let before = frames::available();
    let first = new_root(&mut Pool).unwrap();
    map(first, 0x5000_0000, 0x40_0000, LEAF, &mut Pool).unwrap();
    let used = before - frames::available();
    free_root(first, &mut |_, _| ());
    assert_eq!(frames::available(), before, "what is kept can be had");
    let second = new_root(&mut Pool).unwrap();
    assert_eq!((second, before - frames::available()), (first, used));
    assert_eq!(query(second, 0x5000_0000), None);
}

#[test]
fn only_so_many_are_kept_and_all_come_back() {
    host::reset(32 << 20);
    let before = frames::available();
    let roots: Vec<u64> = (0..10).map(|_| new_root(&mut Pool).unwrap()).collect();
    for root in roots {
        map(root, 0x5000_0000, 0x40_0000, LEAF, &mut Pool).unwrap();
        free_root(root, &mut |_, _| ());
    }
    assert_eq!(frames::available(), before);
    let mut taken = 0;
    while frames::alloc_uninit().is_some() {
        taken += 1;
    }
    assert_eq!(taken, before);
}

#[test]
fn a_page_is_kept_only_where_it_is_the_same() {
    host::reset(32 << 20);
    let old = new_root(&mut Pool).unwrap();
    let (same, other) = (Mapping { gpa: 0x40_0000, flags: LEAF }, Mapping { gpa: 0x40_1000, flags: LEAF });
    for va in [0x1000, 0x2000, 0x3000] {
        map(old, va, same.gpa, same.flags, &mut Pool).unwrap();
    }
    free_root(old, &mut |_, _| ());
    let mut fill = Fill::new(&mut Pool).unwrap();
    assert!(fill.keep(0x1000, same));
    assert!(!fill.keep(0x2000, other));
    assert!(!fill.keep(0x7000_0000, same));
    let root = fill.finish();
    assert_eq!(shown(root), BTreeMap::from([(0x1000, same)]));
}

#[test]
fn random_address_spaces_agree_with_a_model() {
    host::reset(32 << 20);
    let mut random = 1u64;
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    for _ in 0..300 {
        let mut model = BTreeMap::new();
        let (mut fill, mut wanted) = (Fill::new(&mut Pool).unwrap(), BTreeMap::new());
        for _ in 0..next(60) {
            let va = BASES[next(3) as usize] + next(40) * PAGE_SIZE;
            wanted.insert(va, Mapping { gpa: next(4) * PAGE_SIZE + 0x40_0000, flags: LEAF });
        }
        for (va, mapping) in wanted {
            let there =
                if next(2) == 0 { fill.keep(va, mapping) } else { fill.put(va, mapping, &mut Pool).is_ok() };
            if there {
                model.insert(va, mapping);
            }
        }
        let root = fill.finish();
        assert_eq!(shown(root), model);
        free_root(root, &mut |va, mapping| assert_eq!(model.remove(&va), Some(mapping)));
        assert_eq!(model, BTreeMap::new());
    }
}
