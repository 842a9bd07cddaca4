//! Which pages the calls of a function use, learned from calls that have ended.
//!
//! A new machine touches these pages before it gets a call, so that the call finds them copied and mapped. A missing page
//! costs a fault, a needless one a little memory: nothing depends on the set being right. Of the library OS's own
//! addresses, the list has only those that the snapshot's page tables map, since a new machine has no others. Pages of
//! the program may be missing there: the library OS maps them when it touches them.
//!
//! ```text
//! first calls     machine learns ─► all that it used, page by page
//! later calls     ─► what it wrote, where that is much more than was known
//! one in many     machine learns and is led over all but a slice ─► the slice's pages that it did not use decay;
//!                                                        what two such machines in a row used is added
//! ```
//!
//! A set begins with the list of the workers before it, and tells its own where that changes ([`super::page_list`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use km_abi::hypercall::TouchEntry;
use km_abi::layout::{CODE_GPA, PAGE_SIZE, PROGRAM_END};

use super::accessed::{Accessed, Used};
use super::page_list::{ListedPage, PAGES_MAX, PageList, is_learned};
use super::walk::{self, Leaf, TableSource};

/// First calls of a snapshot: all that they use is learned. Later ones add only what they wrote.
pub const LEARNING_CALLS: u32 = 3;
/// Pages that a list from elsewhere may make a machine take (14 MiB), page tables included: no more than the node charges the
/// first machine of a function, of which it knows nothing.
pub const LISTED_PAGES_MAX: u64 = 3584;
/// What one table of single pages covers, and one table of those.
const TABLE_BYTES: [u64; 2] = [2 << 20, 1 << 30];
/// One machine in so many tries which pages are still used: its call is slower, and it must not be one of those that a
/// 99th percentile shows.
const TRIAL_EVERY: u32 = 128;
/// Such a machine is not led over one page in so many, within these bounds.
const SLICES: u64 = 16;
const SLICE_PAGES: std::ops::RangeInclusive<u64> = 8..=64;
/// A page is dropped that so many trials in a row did not use.
const MISSES_MAX: u8 = 4;

/// What one machine used, as guest-physical ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsedPages {
    /// Private copies: written by the call or by the pre-run.
    pub written: Vec<Range<u64>>,
    /// Mapped from the snapshot or the rootfs: read, or a neighbour of such a page.
    pub read: Vec<Range<u64>>,
}

impl UsedPages {
    /// How many pages were written.
    #[must_use]
    pub fn written_pages(&self) -> u64 {
        pages(&self.written)
    }

    /// Pages mapped and not written.
    #[must_use]
    pub fn read_pages(&self) -> u64 {
        pages(&self.read)
    }
}

fn pages(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end.saturating_sub(range.start) / PAGE_SIZE).sum()
}

/// Pages that a machine was not led over, to see whether its call uses them: those of one remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    of: u64,
    index: u64,
}

impl Slice {
    fn has(self, gpa: u64) -> bool {
        gpa / PAGE_SIZE % self.of == self.index
    }
}

/// What is learned from a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learns {
    /// Every page that it uses: its accessed bits are cleared before it runs ([`super::accessed::forget`]), which makes it
    /// a little slower.
    All,
    /// The same, and which pages of the slice are still used.
    Trial(Slice),
    /// What it wrote. It is as the snapshot is.
    Writes,
}

impl Learns {
    /// Its accessed bits are needed.
    #[must_use]
    pub fn by_accessed_bits(self) -> bool {
        self != Self::Writes
    }
}

/// How a new machine is made ready.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The touch list, to be delivered in as many pieces as it takes.
    pub touch: Arc<[TouchEntry]>,
    /// The guest-physical pages of the list that are written, as ranges.
    pub copied: Arc<[Range<u64>]>,
    /// What is learned from it.
    pub learns: Learns,
}

impl Plan {
    /// It is led over nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self { touch: Arc::default(), copied: Arc::default(), learns: Learns::Writes }
    }
}

/// A page of the set, by its virtual address.
#[derive(Clone, Copy, Debug)]
struct Known {
    gpa: u64,
    write: bool,
    /// Trials in a row that did not use it.
    missed: u8,
}

/// The pages to touch in a new machine.
#[derive(Debug, Default)]
pub struct WorkingSet {
    calls: u32,
    /// Machines that were planned, and trials among them.
    machines: u32,
    trials: u64,
    pages: BTreeMap<u64, Known>,
    /// Guest-physical pages among them that are written.
    written: HashSet<u64>,
    /// Guest-physical pages that the last trial used and that are not in the set.
    candidates: HashSet<u64>,
    touch: Arc<[TouchEntry]>,
    copied: Arc<[Range<u64>]>,
    /// Something was learned that nobody was told.
    has_news: bool,
    /// It began with a list.
    is_listed: bool,
    /// Touching failed: from then on machines of this snapshot are not pre-run.
    given_up: bool,
}

impl WorkingSet {
    /// Begins with what was learned before, as far as [`LISTED_PAGES_MAX`] allows: whoever made the list may want the node's
    /// memory.
    #[must_use]
    pub fn of_list(list: &PageList) -> Self {
        let (program, own): (Vec<ListedPage>, Vec<_>) =
            list.pages.iter().partition(|page| page.va < PROGRAM_END);
        let (mut room, mut before) = (LISTED_PAGES_MAX, [u64::MAX; 2]);
        let mut fits = |page: &ListedPage| {
            // What is read of the library OS's own is there. A page of the program may have to be made, with its tables.
            let tables = TABLE_BYTES.map(|bytes| page.va / bytes);
            let is_program = page.va < PROGRAM_END;
            let fresh = tables.iter().zip(&before).filter(|(table, before)| table != before).count() as u64;
            let takes = match (page.write, is_program) {
                (_, true) => 1 + fresh,
                (write, false) => u64::from(write),
            };
            let fits = takes <= room;
            if fits {
                room -= takes;
                before = if is_program { tables } else { before };
            }
            fits
        };
        let known = |page: ListedPage| (page.va, Known { gpa: page.gpa, write: page.write, missed: 0 });
        let pages = own.into_iter().chain(program).filter(|page| fits(page)).map(known).collect();
        let mut set = Self { calls: list.calls, pages, is_listed: true, ..Self::default() };
        set.rebuild();
        set.told();
        set
    }

    /// How to make the next machine.
    #[must_use]
    pub fn plan(&mut self) -> Plan {
        self.machines = self.machines.wrapping_add(1);
        let learns = match () {
            () if self.given_up => Learns::Writes,
            () if self.calls < LEARNING_CALLS => Learns::All,
            () if self.machines.is_multiple_of(TRIAL_EVERY) && !self.pages.is_empty() => {
                return self.trial();
            }
            () => Learns::Writes,
        };
        Plan { touch: Arc::clone(&self.touch), copied: Arc::clone(&self.copied), learns }
    }

    fn trial(&mut self) -> Plan {
        let pages = self.pages.len() as u64;
        let left_out = (pages / SLICES).clamp(*SLICE_PAGES.start(), *SLICE_PAGES.end());
        let of = pages.div_ceil(left_out).max(2);
        let slice = Slice { of, index: self.trials % of };
        self.trials = self.trials.wrapping_add(1);
        let stays = self.pages.iter().filter(|(_, known)| !slice.has(known.gpa));
        let touch = stays.map(|(&va, known)| entry(va, known)).collect();
        let copied = ranges(self.written.iter().copied().filter(|&gpa| !slice.has(gpa)));
        Plan { touch, copied, learns: Learns::Trial(slice) }
    }

    /// Learns from the call of a machine that `learns`, when it has ended. `source` and `cr3` are the snapshot's.
    pub fn learn(
        &mut self,
        usage: &UsedPages,
        learns: Learns,
        accessed: Option<&Accessed>,
        source: &dyn TableSource,
        cr3: u64,
    ) {
        if self.given_up {
            return;
        }
        self.calls = self.calls.saturating_add(1);
        self.has_news |= learns == Learns::All;
        let ours = |gpa: &u64| accessed.is_some_and(|accessed| accessed.tables.contains(gpa));
        let written = || each_page(&usage.written).filter(|gpa| is_learned(*gpa) && !ours(gpa));
        let fresh: HashSet<u64> = written().filter(|gpa| !self.written.contains(gpa)).collect();
        match (learns, accessed) {
            (Learns::Trial(slice), Some(accessed)) => {
                self.decay(slice, &written().collect(), accessed);
                self.learn_trial(fresh, accessed, source, cr3);
            }
            (_, Some(accessed)) => self.add(fresh, &accessed.pages, source, cr3),
            // A walk must pay: by an eighth more pages that are written.
            (_, None) if fresh.len() * 8 > self.pages.len() => self.add(fresh, &[], source, cr3),
            (_, None) => {}
        }
    }

    /// Drops the pages of a slice that a machine did not use, though nothing had touched them for it.
    fn decay(&mut self, slice: Slice, written: &HashSet<u64>, accessed: &Accessed) {
        let read: HashSet<u64> = accessed.pages.iter().map(|page| page.va).collect();
        let mut changed = false;
        self.pages.retain(|va, known| {
            if !slice.has(known.gpa) {
                return true;
            }
            let used = if known.write { written.contains(&known.gpa) } else { read.contains(va) };
            known.missed = if used { 0 } else { known.missed + 1 };
            if known.missed < MISSES_MAX {
                return true;
            }
            changed = true;
            // One that is read alone is not to be copied any more.
            let stays = known.write && read.contains(va);
            (known.write, known.missed) = (false, 0);
            stays
        });
        if changed {
            self.rebuild();
        }
    }

    /// Adds what this trial used and the last one too: a page of one call alone is nobody else's.
    fn learn_trial(
        &mut self,
        mut fresh: HashSet<u64>,
        accessed: &Accessed,
        source: &dyn TableSource,
        cr3: u64,
    ) {
        let missing = |page: &&Used| is_learned(page.gpa) && !self.pages.contains_key(&page.va);
        let used: HashSet<u64> = accessed.pages.iter().filter(missing).map(|page| page.gpa).collect();
        let candidates = used.union(&fresh).copied().take(PAGES_MAX).collect();
        let before = std::mem::replace(&mut self.candidates, candidates);
        let again: Vec<Used> =
            accessed.pages.iter().filter(|page| before.contains(&page.gpa)).copied().collect();
        fresh.retain(|gpa| before.contains(gpa));
        if !again.is_empty() || !fresh.is_empty() {
            self.add(fresh, &again, source, cr3);
        }
    }

    fn add(&mut self, mut fresh: HashSet<u64>, used: &[Used], source: &dyn TableSource, cr3: u64) {
        let mut used: HashMap<u64, Used> = used.iter().map(|page| (page.va, *page)).collect();
        let mut found: HashMap<u64, u64> = HashMap::new();
        let written = &self.written;
        let pages = &mut self.pages;
        let mut put = |va: u64, gpa: u64, write: bool| {
            if pages.len() < PAGES_MAX || pages.contains_key(&va) {
                let known = pages.entry(va).or_insert(Known { gpa, write, missed: 0 });
                *known = Known { gpa, write: known.write || write, missed: 0 };
            }
        };
        walk::leaves(source, cr3, &mut |leaf: &Leaf| {
            for offset in (0..leaf.len).step_by(PAGE_SIZE as usize) {
                let (va, gpa) = (leaf.va + offset, leaf.gpa + offset);
                let is_fresh = fresh.contains(&gpa);
                let same = used.get(&va).filter(|page| page.gpa == gpa && is_learned(gpa)).copied();
                if let Some(page) = same {
                    used.remove(&va);
                    let writable = leaf.writable || page.writable && va < PROGRAM_END;
                    let write = writable && gpa < CODE_GPA && (is_fresh || written.contains(&gpa));
                    put(va, gpa, write);
                    if write {
                        found.insert(gpa, va);
                    }
                } else if is_fresh && leaf.writable && !walk::is_direct(va) {
                    found.entry(gpa).or_insert(va);
                }
            }
            true
        });
        // What the snapshot does not show in the same way: the direct map, which it has in large pages, and pages of the
        // program that came or were copied during the call.
        for Used { va, gpa, writable } in used.into_values() {
            let makes = va < PROGRAM_END || walk::direct(gpa) == Some(va);
            if makes && is_learned(gpa) {
                let write = writable && gpa < CODE_GPA && (fresh.contains(&gpa) || written.contains(&gpa));
                put(va, gpa, write);
            }
        }
        // The monitor and the library OS write through it too.
        for gpa in fresh.drain() {
            let va = found.get(&gpa).copied().or_else(|| walk::direct(gpa).filter(|_| gpa < CODE_GPA));
            if let Some(va) = va {
                put(va, gpa, true);
            }
        }
        self.rebuild();
    }

    /// Makes the lists anew, where the set has changed.
    fn rebuild(&mut self) {
        let write = |known: &&Known| known.write;
        self.written = self.pages.values().filter(write).map(|known| known.gpa).collect();
        let touch: Arc<[TouchEntry]> = self.pages.iter().map(|(&va, known)| entry(va, known)).collect();
        self.has_news |= touch != self.touch;
        self.touch = touch;
        self.copied = ranges(self.written.iter().copied());
    }

    /// Touching failed. Where a list is to blame, calls teach anew; else there is no touch list from now on.
    pub fn give_up(&mut self) {
        *self = Self { given_up: !self.is_listed, ..Self::default() };
    }

    /// It has learned something since [`Self::told`].
    #[must_use]
    pub fn has_news(&self) -> bool {
        self.has_news && !self.given_up
    }

    /// It still learns all that calls use.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.calls <= LEARNING_CALLS
    }

    /// Whoever keeps the set has it as it is now.
    pub fn told(&mut self) {
        self.has_news = false;
    }

    /// All of it, for the snapshot whose content has this digest.
    #[must_use]
    pub fn list(&self, snapshot: [u8; 32]) -> PageList {
        let page = |(&va, known): (&u64, &Known)| ListedPage { va, gpa: known.gpa, write: known.write };
        PageList { snapshot, calls: self.calls, pages: self.pages.iter().map(page).collect() }
    }
}

fn entry(va: u64, known: &Known) -> TouchEntry {
    TouchEntry { address: va | u64::from(known.write) }
}

/// Pages as ascending ranges, neighbours joined.
fn ranges(pages: impl Iterator<Item = u64>) -> Arc<[Range<u64>]> {
    let mut pages: Vec<u64> = pages.collect();
    pages.sort_unstable();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for page in pages {
        match ranges.last_mut() {
            Some(last) if last.end == page => last.end += PAGE_SIZE,
            _ => ranges.push(page..page + PAGE_SIZE),
        }
    }
    ranges.into()
}

fn each_page(ranges: &[Range<u64>]) -> impl Iterator<Item = u64> + '_ {
    ranges.iter().flat_map(|range| range.clone().step_by(PAGE_SIZE as usize))
}

#[cfg(test)]
mod tests;
