//! Page lists: bytes out of fuzz, and the working set that begins with what they say. What decodes is sorted, and decodes
//! again from its own encoding.
#![no_main]

use km_abi::layout::MEMORY_MIN;
use km_vmm::snapshot::page_list::{PAGES_MAX, PageList};
use km_vmm::snapshot::working_set::WorkingSet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(list) = PageList::decode(bytes, MEMORY_MIN) else { return };
    assert!(list.pages.len() <= PAGES_MAX);
    assert!(list.pages.windows(2).all(|two| two[0].va < two[1].va));
    let again = PageList::decode(&list.encode(), MEMORY_MIN).unwrap();
    assert_eq!(again.pages, list.pages[..again.pages.len()]);
    let mut set = WorkingSet::of_list(&list);
    for _ in 0..130 {
        let plan = set.plan();
        assert!(plan.touch.len() <= list.pages.len());
        assert!(plan.copied.iter().all(|range| range.start < range.end && range.end <= MEMORY_MIN));
    }
});
