//! What is learned from calls, and what is forgotten.

use super::super::page_list::tests::any_pages;
use super::*;
use crate::memory::GuestMemory;
use km_abi::layout::{DIRECT_MAP, INPUT_GPA, INPUT_SIZE, MEMORY_MIN};
use proptest::prelude::*;

/// Pages 0x9000 (writable) and 0xa000 (read-only) at 0 and 0x1000.
fn snapshot() -> GuestMemory {
    let memory = GuestMemory::anonymous(MEMORY_MIN).unwrap();
    for (gpa, entry) in
        [(0x1000u64, 0x2027u64), (0x2000, 0x3027), (0x3000, 0x4027), (0x4000, 0x9027), (0x4008, 0xa025)]
    {
        memory.store(gpa, &entry).unwrap();
    }
    memory
}

fn written(range: Range<u64>) -> UsedPages {
    UsedPages { written: vec![range], read: Vec::new() }
}

fn learn_writes(set: &mut WorkingSet, range: Range<u64>) {
    set.learn(&written(range), Learns::Writes, None, &snapshot(), 0x1000);
}

fn addresses(set: &mut WorkingSet) -> Vec<u64> {
    set.plan().touch.iter().map(|entry| entry.address).collect()
}

fn direct(gpa: u64, write: bool) -> ListedPage {
    ListedPage { va: DIRECT_MAP + gpa, gpa, write }
}

/// A set that is past its first calls.
fn of_pages(pages: Vec<ListedPage>) -> WorkingSet {
    WorkingSet::of_list(&PageList { snapshot: [0; 32], calls: LEARNING_CALLS, pages })
}

/// The next trial.
fn trial(set: &mut WorkingSet) -> Plan {
    let mut plans = std::iter::repeat_with(|| set.plan()).take(2 * TRIAL_EVERY as usize);
    plans.find(|plan| plan.learns.by_accessed_bits()).unwrap()
}

/// A call that uses pages of the direct map, some of which it writes. As in a machine, what was touched for it is used.
fn call(set: &mut WorkingSet, plan: &Plan, uses: &[ListedPage]) {
    let touched = plan.touch.iter().map(|entry| entry.address & !1);
    let used = touched.chain(uses.iter().map(|page| page.va));
    let pages = used.map(|va| Used { va, gpa: va - DIRECT_MAP, writable: true }).collect();
    let mut gpas: Vec<u64> = uses.iter().filter(|page| page.write).map(|page| page.gpa).collect();
    gpas.extend(plan.copied.iter().flat_map(|range| range.clone().step_by(PAGE_SIZE as usize)));
    let written = gpas.into_iter().map(|gpa| gpa..gpa + PAGE_SIZE).collect();
    let accessed = Accessed { pages, tables: HashSet::new() };
    let accessed = plan.learns.by_accessed_bits().then_some(&accessed);
    set.learn(&UsedPages { written, read: vec![] }, plan.learns, accessed, &snapshot(), 0x1000);
}

#[test]
fn what_was_used_is_touched_and_what_was_written_is_written() {
    let mut set = WorkingSet::default();
    let page = |va, gpa| Used { va, gpa, writable: va == 0 || va >= 0x2000 };
    let kernel = DIRECT_MAP - PAGE_SIZE;
    let accessed = Accessed {
        // The snapshot shows nothing at 0x2000 and 0x3000, and the library OS's own pages are not made for it.
        pages: vec![
            page(0, 0x9000),
            page(0x1000, 0xa000),
            page(0x2000, 0xb000),
            page(0x3000, 0xc000),
            page(kernel, 0xd000),
        ],
        tables: HashSet::from([0x4000]),
    };
    assert_eq!(set.plan().learns, Learns::All);
    let usage = UsedPages { written: vec![0x4000..0x6000, 0x9000..0xc000], read: vec![] };
    set.learn(&usage, Learns::All, Some(&accessed), &snapshot(), 0x1000);
    // 0xa000 is mapped read-only, so it was written through the direct map, as 0x5000 was. So was 0xb000, before
    // the program got it.
    let direct = [0x5001, 0xa001, 0xb001].map(|gpa| DIRECT_MAP + gpa);
    assert_eq!(addresses(&mut set), [&[1, 0x1000, 0x2001, 0x3000], &direct[..]].concat());
}

#[test]
fn later_calls_add_what_they_wrote_where_it_pays() {
    let mut set = WorkingSet::default();
    learn_writes(&mut set, 0x9000..0xa000);
    assert_eq!(addresses(&mut set), [1]);
    learn_writes(&mut set, 0x10_0000..0x12_0000);
    assert_eq!(addresses(&mut set).len(), 33);
    learn_writes(&mut set, 0x20_0000..0x20_1000);
    assert_eq!(addresses(&mut set).len(), 33);
    set.give_up();
    learn_writes(&mut set, 0x9000..0xa000);
    assert!(addresses(&mut set).is_empty() && set.plan().learns == Learns::Writes && !set.has_news());
}

#[test]
fn a_set_is_bounded_and_the_touch_list_is_not_in_it() {
    let mut set = WorkingSet::default();
    learn_writes(&mut set, INPUT_GPA..INPUT_GPA + INPUT_SIZE);
    assert_eq!(addresses(&mut set), [DIRECT_MAP + INPUT_GPA + 1]);
    learn_writes(&mut set, 0..(PAGES_MAX as u64 + 64) * PAGE_SIZE);
    assert_eq!(addresses(&mut set).len(), PAGES_MAX);
}

#[test]
fn the_next_worker_begins_with_what_this_one_knows() {
    let mut set = WorkingSet::default();
    learn_writes(&mut set, 0x9000..0x20_0000);
    assert!(set.has_news() && set.is_new());
    let list = set.list([7; 32]);
    let bytes = list.encode();
    let mut next = WorkingSet::of_list(&PageList::decode(&bytes, MEMORY_MIN).unwrap());
    assert_eq!(next.plan().touch, set.plan().touch);
    assert_eq!(next.plan().copied, set.plan().copied);
    assert!(!next.has_news(), "nobody has to be told what was read");
    learn_writes(&mut next, 0x9000..0x20_0000);
    assert!(!next.has_news(), "a call that uses the same teaches nothing");
    learn_writes(&mut next, 0x20_0000..0x40_0000);
    assert!(next.has_news());
    next.told();
    assert!(!next.has_news());
}

#[test]
fn a_list_from_elsewhere_makes_no_machine_take_more_than_is_charged_for_it() {
    let pages = (0x200..0x200 + 2 * LISTED_PAGES_MAX).map(|page| direct(page << 12, true)).collect();
    let plan = of_pages(pages).plan();
    let bytes: u64 = plan.copied.iter().map(|range| range.end - range.start).sum();
    assert_eq!(bytes, LISTED_PAGES_MAX << 12);
    assert_eq!(plan.touch.len() as u64, LISTED_PAGES_MAX);
    // Pages of the program that are far apart have page tables of their own, and what is read may have to be made.
    let far = |at: u64| ListedPage { va: at << 30, gpa: at << 12, write: false };
    let near = |at: u64| ListedPage { va: (1 << 45) + (at << 12), gpa: at << 12, write: false };
    let mut pages: Vec<_> = (1..=1000).map(far).collect();
    assert_eq!(of_pages(pages.clone()).plan().touch.len(), 1000);
    pages.extend((1..=1000).map(near));
    assert_eq!(of_pages(pages.clone()).plan().touch.len(), 1000 + 581);
    // What the library OS writes goes first, and what it reads takes nothing.
    pages.extend((0x200..0x300).map(|page| direct(page << 12, page % 2 == 0)));
    let plan = of_pages(pages).plan();
    assert_eq!(plan.touch.iter().filter(|entry| entry.address >= DIRECT_MAP).count(), 256);
    assert_eq!(plan.touch.len(), 1000 + 454 + 256);
}

#[test]
fn a_list_that_cannot_be_touched_is_learned_anew_and_then_given_up() {
    let mut set = of_pages(vec![direct(0x20_0000, true)]);
    set.give_up();
    assert_eq!((set.plan().learns, set.plan().touch.len()), (Learns::All, 0));
    learn_writes(&mut set, 0x9000..0xa000);
    assert_eq!(addresses(&mut set).len(), 1);
    set.give_up();
    assert_eq!(set.plan().learns, Learns::Writes);
}

#[test]
fn trials_are_few_and_leave_a_slice_out() {
    let pages: Vec<_> = (0x200..0x300).map(|page| direct(page << 12, true)).collect();
    let mut set = of_pages(pages);
    let plans: Vec<Plan> = std::iter::repeat_with(|| set.plan()).take(1024).collect();
    let trials: Vec<&Plan> = plans.iter().filter(|plan| plan.learns.by_accessed_bits()).collect();
    assert_eq!(trials.len(), 1024 / TRIAL_EVERY as usize);
    for trial in trials {
        assert_eq!(trial.touch.len(), 240);
        let copied: u64 = trial.copied.iter().map(|range| (range.end - range.start) / PAGE_SIZE).sum();
        assert_eq!(copied, 240);
    }
}

#[test]
fn pages_of_one_large_call_decay_and_those_that_are_used_stay() {
    let used: Vec<_> = (0x200..0x240).map(|page| direct(page << 12, page % 3 != 0)).collect();
    let large: Vec<_> = (0x400..0x600).map(|page| direct(page << 12, page % 2 != 0)).collect();
    let mut set = of_pages([used.clone(), large].concat());
    for _ in 0..400 {
        let plan = trial(&mut set);
        call(&mut set, &plan, &used);
    }
    assert!(set.has_news());
    assert_eq!(set.list([0; 32]).pages, used);
}

#[test]
fn a_page_that_is_only_read_by_now_is_not_copied_any_more() {
    let mut set = of_pages(vec![direct(0x20_0000, true), direct(0x30_0000, true)]);
    let uses = [direct(0x20_0000, false), direct(0x30_0000, true)];
    for _ in 0..40 {
        let plan = trial(&mut set);
        call(&mut set, &plan, &uses);
    }
    assert_eq!(set.list([0; 32]).pages, uses);
}

#[test]
fn what_two_trials_in_a_row_use_is_added_and_what_one_uses_is_not() {
    let old = direct(0x20_0000, true);
    let mut set = of_pages(vec![old]);
    let (once, new) = (direct(0x40_0000, true), direct(0x50_0000, true));
    for uses in [[old, once], [old, new]] {
        let plan = trial(&mut set);
        call(&mut set, &plan, &uses);
        assert_eq!(set.list([0; 32]).pages, [old]);
    }
    let plan = trial(&mut set);
    call(&mut set, &plan, &[old, new]);
    assert_eq!(set.list([0; 32]).pages, [old, new]);
}

proptest! {
    #[test]
    fn a_plan_copies_what_it_writes_and_trials_touch_less(pages in any_pages(), trials in 0u32..3) {
        let mut set = of_pages(pages.clone());
        let whole = set.plan();
        let mut plan = whole.clone();
        for _ in 0..trials {
            if !pages.is_empty() {
                plan = trial(&mut set);
            }
        }
        let gpa: HashMap<u64, u64> = pages.iter().map(|page| (page.va, page.gpa)).collect();
        let writes: HashSet<u64> = plan
            .touch
            .iter()
            .filter(|entry| entry.address & 1 != 0)
            .map(|entry| gpa[&(entry.address & !1)])
            .collect();
        let copied: HashSet<u64> = each_page(&plan.copied).collect();
        prop_assert_eq!(writes, copied);
        prop_assert!(plan.copied.windows(2).all(|two| two[0].end < two[1].start));
        prop_assert!(plan.touch.iter().all(|entry| whole.touch.contains(entry)));
        prop_assert!(plan.touch.len() == whole.touch.len() || plan.learns.by_accessed_bits());
    }
}
