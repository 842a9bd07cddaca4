//! Page tables against a model: a plain map of what was done.

use super::*;
use crate::host;
use std::collections::BTreeMap;

const LEAF: Flags = Flags::BASE.union(Flags::WRITE);

fn root() -> u64 {
    host::reset(32 << 20);
    let root = new_root(&mut Pool).unwrap();
    switch(root);
    root
}

#[test]
fn a_page_is_mapped_queried_and_unmapped() {
    let root = root();
    let frame = frames::alloc().unwrap();
    assert_eq!(query(root, 0x1_0000), None);
    assert_eq!(map(root, 0x1_0000, frame, LEAF, &mut Pool), Ok(None));
    assert_eq!(query(root, 0x1_0fff), Some(Mapping { gpa: frame, flags: LEAF }));
    assert_eq!(query(root, 0x1_1000), None);
    assert_eq!(unmap(root, 0x1_0000), Some(Mapping { gpa: frame, flags: LEAF }));
    assert_eq!(query(root, 0x1_0000), None);
}

#[test]
fn an_entry_keeps_its_frame_without_being_present() {
    let root = root();
    let none = Flags::USER | Flags::SHARED;
    map(root, 0x5000_0000, 0x30_0000, LEAF | Flags::NX, &mut Pool).unwrap();
    protect(root, 0x5000_0000, none).unwrap();
    assert_eq!(query(root, 0x5000_0000), Some(Mapping { gpa: 0x30_0000, flags: none }));
}

#[test]
#[should_panic(expected = "not an address of the program")]
fn the_library_os_cannot_be_mapped_over() {
    let root = root();
    let _ = map(root, DIRECT_MAP, 0, LEAF, &mut Pool);
}

#[test]
fn tables_come_back_when_a_root_is_freed() {
    let root = root();
    let before = frames::available();
    let other = new_root(&mut Pool).unwrap();
    for va in [0x1_0000, 0x7fff_f000, 0x1234_5678_9000, PROGRAM_END - PAGE_SIZE] {
        map(other, va, 0x40_0000, LEAF, &mut Pool).unwrap();
    }
    let mut seen = 0;
    free_root(other, &mut |_, _| seen += 1);
    assert_eq!((seen, frames::available()), (4, before));
    assert_eq!(current_root(), root);
}

#[test]
fn random_work_agrees_with_a_model() {
    let root = root();
    let mut model = BTreeMap::new();
    let mut random = 1u64;
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (random >> 33) % bound
    };
    for _ in 0..20_000 {
        // Three regions at table borders of every level.
        let base = [0x1f_f000, 0x3fff_f000, 0x7f_ffff_f000][next(3) as usize];
        let va = base + next(40) * PAGE_SIZE;
        match next(4) {
            0 | 1 => {
                let gpa = next(1 << 20) * PAGE_SIZE;
                let old = map(root, va, gpa, LEAF, &mut Pool).unwrap();
                assert_eq!(old.map(|mapping| mapping.gpa), model.insert(va, gpa));
            }
            2 => assert_eq!(unmap(root, va).map(|mapping| mapping.gpa), model.remove(&va)),
            _ => {
                let end = va + next(30) * PAGE_SIZE;
                let mut gone = Vec::new();
                clear(root, va, end, &mut Pool, &mut |va, mapping| gone.push((va, mapping.gpa)));
                let expected: Vec<_> = model.range(va..end).map(|(va, gpa)| (*va, *gpa)).collect();
                model.retain(|at, _| !(va..end).contains(at));
                assert_eq!(gone, expected);
            }
        }
    }
    let mut left = Vec::new();
    update(root, 0, PROGRAM_END, &mut |va, mapping| {
        left.push((va, mapping.gpa));
        Some(mapping)
    });
    assert_eq!(left, model.into_iter().collect::<Vec<_>>());
}
