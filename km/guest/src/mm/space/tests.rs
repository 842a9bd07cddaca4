//! Address spaces over the host's arena: laziness, copy-on-write, protection, moving; and a random walk against a model.

use super::*;
use crate::mm::shared::SharedMemory;
use crate::mm::user::UserMemory;
use crate::mm::{Access, Advice, FaultError, Remap};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;
use proptest::prelude::*;

const RW: Prot = Prot::READ.union(Prot::WRITE);

fn machine() -> (u64, Rc<RefCell<AddressSpace>>, UserMemory) {
    km_hal::host::reset(32 << 20);
    let free = frames::available();
    let space = Rc::new(RefCell::new(AddressSpace::new().unwrap()));
    (free, Rc::clone(&space), UserMemory::new(space))
}

fn anonymous(placement: Placement, len: u64, prot: Prot) -> MapRequest {
    let (traits, backing) = (Traits::empty(), Backing::Anonymous);
    MapRequest { placement, len, prot, traits, backing, populate: false, no_reserve: false }
}

#[test]
fn a_huge_reservation_costs_nothing() {
    let (_, space, _) = machine();
    let before = frames::available();
    let mut request = anonymous(Placement::Hint(0), 64 << 30, Prot::empty());
    request.no_reserve = true;
    let address = space.borrow_mut().map(request).unwrap();
    assert_eq!(frames::available(), before);
    assert_eq!(space.borrow_mut().fault(address, Access::Read), Err(FaultError::Denied));
    let writable = anonymous(Placement::Hint(0), 64 << 30, RW);
    assert_eq!(space.borrow_mut().map(writable), Err(Errno::ENOMEM));
}

#[test]
fn all_frames_come_back() {
    let (free, space, memory) = machine();
    for len in [4096, 300 << 10, 1 << 20] {
        let address = space.borrow_mut().map(anonymous(Placement::Hint(0), len, RW)).unwrap();
        memory.write(address, &alloc::vec![7; len as usize]).unwrap();
    }
    let child = space.borrow_mut().fork().unwrap();
    drop(child);
    drop(memory);
    drop(space);
    assert_eq!(frames::available(), free);
}

#[test]
fn a_child_sees_a_copy() {
    let (_, space, memory) = machine();
    let private = space.borrow_mut().map(anonymous(Placement::Hint(0), 8192, RW)).unwrap();
    let shared = space.borrow_mut().map(MapRequest {
        traits: Traits::SHARED,
        backing: Backing::File { pages: Rc::new(SharedMemory::default()), offset: 0 },
        ..anonymous(Placement::Hint(0), 8192, RW)
    });
    let shared = shared.unwrap();
    memory.store(private, &1u32).unwrap();
    memory.store(shared, &1u32).unwrap();
    let child = UserMemory::new(Rc::new(RefCell::new(space.borrow_mut().fork().unwrap())));
    memory.store(private, &2u32).unwrap();
    child.store(shared, &3u32).unwrap();
    assert_eq!((child.load(private), child.load(shared)), (Ok(1u32), Ok(3u32)));
    assert_eq!((memory.load(private), memory.load(shared)), (Ok(2u32), Ok(3u32)));
    assert_eq!(memory.physical(shared), child.physical(shared));
    assert_ne!(memory.physical(private), child.physical(private));
}

#[test]
fn protection_is_kept_with_contents() {
    let (_, space, memory) = machine();
    let address = space.borrow_mut().map(anonymous(Placement::Hint(0), 3 * 4096, RW)).unwrap();
    memory.store(address + 4096, &5u64).unwrap();
    space.borrow_mut().protect(address + 4096, 4096, Prot::empty()).unwrap();
    assert_eq!(memory.load::<u64>(address + 4096), Err(Errno::EFAULT));
    assert_eq!(memory.load::<u64>(address), Ok(0));
    space.borrow_mut().protect(address, 3 * 4096, Prot::READ).unwrap();
    assert_eq!(memory.load::<u64>(address + 4096), Ok(5));
    assert_eq!(memory.store(address, &1u8), Err(Errno::EFAULT));
    assert_eq!(space.borrow().mappings().count(), 1, "equal neighbours are joined");
    assert_eq!(space.borrow_mut().protect(address, 5 * 4096, RW), Err(Errno::ENOMEM));
    assert_eq!(memory.store(address, &1u8), Ok(()), "the mapped part has changed");
}

#[test]
fn a_moved_mapping_takes_its_pages_along() {
    let (_, space, memory) = machine();
    let address = space.borrow_mut().map(anonymous(Placement::Hint(0), 2 * 4096, RW)).unwrap();
    memory.store(address + 4096, &9u64).unwrap();
    let blocker = anonymous(Placement::Exact(address + 2 * 4096), 4096, Prot::READ);
    space.borrow_mut().map(blocker).unwrap();
    assert_eq!(space.borrow_mut().remap(address, 8192, 5 * 4096, Remap::InPlace), Err(Errno::ENOMEM));
    let moved = space.borrow_mut().remap(address, 8192, 5 * 4096, Remap::MayMove).unwrap();
    assert_ne!(moved, address);
    assert_eq!(memory.load(moved + 4096), Ok(9u64));
    assert_eq!(memory.load::<u64>(address), Err(Errno::EFAULT));
    memory.store(moved + 4 * 4096, &1u64).unwrap();
}

#[test]
fn advice_wipes_small_and_large_ranges() {
    let (_, space, memory) = machine();
    let address = space.borrow_mut().map(anonymous(Placement::Hint(0), 1 << 20, RW)).unwrap();
    for len in [4096, 1 << 20] {
        memory.store(address, &5u64).unwrap();
        space.borrow_mut().advise(address, len, Advice::Discard).unwrap();
        assert_eq!(memory.load(address), Ok(0u64));
    }
}

#[test]
fn the_heap_grows_and_shrinks() {
    let (_, space, memory) = machine();
    space.borrow_mut().set_brk_start(0x50_0000);
    assert_eq!(space.borrow_mut().brk(0), 0x50_0000);
    assert_eq!(space.borrow_mut().brk(0x50_1234), 0x50_1234);
    memory.store(0x50_1ff8, &5u64).unwrap();
    assert_eq!(space.borrow_mut().brk(0x52_0000), 0x52_0000);
    assert_eq!(memory.load(0x50_1ff8), Ok(5u64));
    assert_eq!(space.borrow_mut().brk(0x50_0000), 0x50_0000);
    assert_eq!(memory.load::<u64>(0x50_0000), Err(Errno::EFAULT));
}

/// Pages of the random walk.
const PAGES: u64 = 24;
const BASE: u64 = 0x4000_0000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn contents_follow_the_model(steps in prop::collection::vec((0..6u8, 0..PAGES, 1..8u64, any::<u64>()), 1..60)) {
        let (_, space, memory) = machine();
        let mut model: BTreeMap<u64, (bool, u64)> = BTreeMap::new();
        let mut children = alloc::vec::Vec::new();
        for (kind, page, count, value) in steps {
            let (address, len) = (BASE + page * PAGE_SIZE, count * PAGE_SIZE);
            let range = page..page + count;
            match kind {
                0 => {
                    space.borrow_mut().map(anonymous(Placement::Replace(address), len, RW)).unwrap();
                    range.for_each(|page| { model.insert(page, (true, 0)); });
                }
                1 => {
                    space.borrow_mut().unmap(address, len).unwrap();
                    range.for_each(|page| { model.remove(&page); });
                }
                2 => {
                    let prot = if value & 1 == 0 { RW } else { Prot::READ };
                    let covered = range.clone().all(|page| model.contains_key(&page));
                    prop_assert_eq!(space.borrow_mut().protect(address, len, prot).is_ok(), covered);
                    range.for_each(|page| if let Some(entry) = model.get_mut(&page) { entry.0 = value & 1 == 0; });
                }
                3 => {
                    let allowed = model.get(&page).is_some_and(|entry| entry.0);
                    prop_assert_eq!(memory.store(address, &value).is_ok(), allowed);
                    if allowed { model.insert(page, (true, value)); }
                }
                4 => {
                    let _ = space.borrow_mut().advise(address, len, Advice::Discard);
                    range.for_each(|page| if let Some(entry) = model.get_mut(&page) { entry.1 = 0; });
                }
                _ => {
                    let child = space.borrow_mut().fork().unwrap();
                    children.push((UserMemory::new(Rc::new(RefCell::new(child))), model.clone()));
                }
            }
            children.push((memory.clone(), model.clone()));
            for (memory, model) in &children[children.len().saturating_sub(1)..] {
                for page in 0..PAGES + 8 {
                    let expected = model.get(&page).map(|entry| entry.1).ok_or(Errno::EFAULT);
                    prop_assert_eq!(memory.load(BASE + page * PAGE_SIZE), expected);
                }
            }
            children.pop();
        }
        for (memory, model) in &children {
            for page in 0..PAGES + 8 {
                let expected = model.get(&page).map(|entry| entry.1).ok_or(Errno::EFAULT);
                prop_assert_eq!(memory.load(BASE + page * PAGE_SIZE), expected);
            }
        }
    }
}
