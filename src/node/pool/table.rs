//! The slot table of a pool: which slots are empty, which hold a shell, who waits for one. No I/O.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use km_vmm::snapshot::working_set::LISTED_PAGES_MAX;
use tokio::sync::oneshot;

use super::budget::Charge;
use super::demand::{Demand, Found};
use super::slot::MachineSlot;
use worker::process::Worker;

/// What a machine is charged before any was sampled.
pub const ESTIMATE_FIRST: u64 = 16 << 20;
/// What a machine costs beside what it writes: page tables, KVM's own, the worker's thread.
pub const ESTIMATE_FIXED: u64 = 2 << 20;
// What a list makes machines take is charged before any was sampled.
const _: () = assert!(LISTED_PAGES_MAX * 4096 + ESTIMATE_FIXED <= ESTIMATE_FIRST);
/// A sample counts as at most so many times the estimate.
const SAMPLE_MAX: u64 = 2;
/// Makes that fail in a row before those who wait are told.
pub const FAILURES_MAX: u32 = 3;
/// First and longest pause before a shell is made again that nobody waits for.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A slot of a worker process, as far as the table has to know it.
pub trait SlotOfWorker {
    /// The worker process that it is a slot of.
    type Worker: WorkerOfSlots;

    /// The worker that the slot is of.
    fn worker(&self) -> &Arc<Self::Worker>;
}

/// A worker process, as far as the table has to know it.
pub trait WorkerOfSlots {
    /// The process has ended; its slots are of no use.
    fn is_gone(&self) -> bool;

    /// It has slots to give.
    fn has_room(&self) -> bool;

    /// Slots that were given out.
    fn slots(&self) -> usize;
}

impl WorkerOfSlots for Worker {
    fn is_gone(&self) -> bool {
        Self::is_gone(self)
    }

    fn has_room(&self) -> bool {
        Self::has_room(self)
    }

    fn slots(&self) -> usize {
        Self::slots(self)
    }
}

/// A slot with its part of the memory budget: a shell, or (where machines boot) a place for one.
#[derive(Debug)]
pub struct ChargedSlot<S = MachineSlot> {
    /// Where the machine is, or will boot.
    pub slot: S,
    /// Its memory, given back with the slot.
    pub charge: Charge,
}

/// Why no shell can be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeError {
    /// The pool was replaced: ask its successor.
    #[error("the pool was replaced")]
    Closed,
    /// The node's memory is used up.
    #[error("the node's memory for machines is used up")]
    Memory,
    /// Workers or shells cannot be made.
    #[error("{0}")]
    Worker(String),
    /// Workers take the snapshot, but make no machine of it.
    #[error("no machine can be made from the snapshot: {0}")]
    Restore(String),
}

type Waiter<S> = oneshot::Sender<Result<ChargedSlot<S>, TakeError>>;
/// A shell that is there, or a place in the queue for the next one.
pub type Taken<S> = Result<ChargedSlot<S>, oneshot::Receiver<Result<ChargedSlot<S>, TakeError>>>;

/// Which slots are empty or hold a shell, who waits, and how many shells are wanted.
#[derive(Debug)]
pub struct Table<S: SlotOfWorker = MachineSlot> {
    idle: VecDeque<ChargedSlot<S>>,
    empty: Vec<S>,
    workers: Vec<Weak<S::Worker>>,
    waiters: VecDeque<Waiter<S>>,
    making: usize,
    running: usize,
    demand: Demand,
    failures: u32,
    /// After a failure no shell is made ahead of calls until then.
    paused: Option<Instant>,
    estimate: u64,
    awake: bool,
    called: bool,
    closed: bool,
}

/// How many machines a pool has, by what they do.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Counts {
    /// Shells that wait for a call.
    pub waiting: usize,
    /// Shells in the making.
    pub making: usize,
    /// Calls that hold a machine.
    pub running: usize,
    /// Worker processes.
    pub workers: usize,
}

impl<S: SlotOfWorker> Table<S> {
    /// An empty table, which makes nothing before it is asked or woken.
    pub fn new(now: Instant) -> Self {
        Self {
            idle: VecDeque::new(),
            empty: Vec::new(),
            workers: Vec::new(),
            waiters: VecDeque::new(),
            making: 0,
            running: 0,
            demand: Demand::new(now),
            failures: 0,
            paused: None,
            estimate: ESTIMATE_FIRST,
            awake: false,
            called: false,
            closed: false,
        }
    }

    /// It has shells from now on, asked or not.
    pub fn wake(&mut self) {
        self.awake = true;
    }

    /// Takes [`Self::wake`] back, if nobody asked since; says whether that is so.
    pub fn rest(&mut self) -> bool {
        self.awake = self.called;
        !self.called
    }

    /// Takes a shell, or a place in the queue for the next one.
    pub fn take(&mut self, now: Instant) -> Result<Taken<S>, TakeError> {
        if self.closed {
            return Err(TakeError::Closed);
        }
        (self.awake, self.called) = (true, true);
        // The youngest: its pages are the likeliest to be in the CPU's caches.
        let shell = std::iter::from_fn(|| self.idle.pop_back()).find(|shell| !shell.slot.worker().is_gone());
        let found = if shell.is_some() { Found::Shell } else { Found::Nothing };
        self.demand.arrival(now, found);
        self.running += 1;
        Ok(shell.ok_or_else(|| {
            let (sender, receiver) = oneshot::channel();
            self.waiters.push_back(sender);
            receiver
        }))
    }

    /// Someone who took or waited is done.
    pub fn done(&mut self) {
        self.running -= 1;
    }

    /// How many shells to begin now.
    pub fn missing(&mut self, now: Instant, most: u32) -> usize {
        self.waiters.retain(|waiter| !waiter.is_closed());
        if self.closed {
            return 0;
        }
        let makes = self.awake && self.paused.is_none_or(|until| now >= until);
        let depth = if makes { self.demand.depth(now, most) } else { 0 };
        let missing = (self.waiters.len() + depth).saturating_sub(self.idle.len() + self.making);
        self.making += missing;
        missing
    }

    /// A shell is made: it goes to whoever waits longest.
    pub fn made(&mut self, mut shell: ChargedSlot<S>, took: Duration) -> Option<ChargedSlot<S>> {
        self.making -= 1;
        (self.failures, self.paused) = (0, None);
        self.demand.made(took);
        if self.closed {
            return Some(shell);
        }
        while let Some(waiter) = self.waiters.pop_front() {
            match waiter.send(Ok(shell)) {
                Ok(()) => return None,
                Err(Ok(back)) => shell = back,
                Err(Err(_)) => return None,
            }
        }
        self.idle.push_back(shell);
        None
    }

    /// A shell could not be made; those who wait are told when it does not look like passing. Shells that nobody waits for
    /// are made again later and later.
    pub fn failed(&mut self, now: Instant, error: &TakeError) {
        self.making -= 1;
        self.failures += 1;
        self.paused = Some(now + PAUSE_FIRST.saturating_mul(1 << self.failures.min(12)).min(PAUSE_MAX));
        if self.failures >= FAILURES_MAX || *error == TakeError::Closed {
            self.fail_waiters(error);
        }
    }

    fn fail_waiters(&mut self, error: &TakeError) {
        for waiter in self.waiters.drain(..) {
            let _ = waiter.send(Err(error.clone()));
        }
    }

    /// Makes that failed since the last that did not.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// A slot without a machine, if there is one.
    pub fn empty_slot(&mut self) -> Option<S> {
        std::iter::from_fn(|| self.empty.pop()).find(|slot| !slot.worker().is_gone())
    }

    /// Puts a slot back whose machine is gone.
    pub fn emptied(&mut self, slot: S) {
        if !self.closed && !slot.worker().is_gone() {
            self.empty.push(slot);
        }
    }

    /// A worker that may have more slots.
    pub fn growable(&self) -> Option<Arc<S::Worker>> {
        self.live_workers().into_iter().find(|worker| worker.has_room())
    }

    /// A worker was assigned.
    pub fn hired(&mut self, worker: &Arc<S::Worker>) {
        self.workers.retain(|worker| worker.strong_count() > 0);
        self.workers.push(Arc::downgrade(worker));
    }

    /// The workers that live.
    pub fn live_workers(&self) -> Vec<Arc<S::Worker>> {
        let live = self.workers.iter().filter_map(Weak::upgrade);
        live.filter(|worker| !worker.is_gone()).collect()
    }

    /// Forgets the slots of workers that ended.
    pub fn purge(&mut self) {
        self.idle.retain(|shell| !shell.slot.worker().is_gone());
        self.empty.retain(|slot| !slot.worker().is_gone());
    }

    /// A shell that is not wanted any more; `None` while the depth is right.
    pub fn surplus(&mut self, now: Instant, most: u32) -> Option<ChargedSlot<S>> {
        let depth = if self.awake { self.demand.depth(now, most) } else { 0 };
        if self.idle.len() > depth + depth / 2 { self.idle.pop_front() } else { None }
    }

    /// The oldest shell, whatever the depth.
    pub fn give_up(&mut self) -> Option<ChargedSlot<S>> {
        self.idle.pop_front()
    }

    /// Goes to sleep after a long time without calls: gives out everything, so that the workers leave.
    pub fn sleep(&mut self, now: Instant, after: Duration) -> Vec<S> {
        if !self.awake
            || self.running > 0
            || self.making > 0
            || now.duration_since(self.demand.last()) < after
        {
            return Vec::new();
        }
        self.awake = false;
        self.idle.drain(..).map(|shell| shell.slot).chain(self.empty.drain(..)).collect()
    }

    /// Slots of workers that have no machine at all, when one such worker is enough.
    pub fn spare_workers(&mut self) -> Vec<S> {
        let workers: Vec<_> = self.workers.iter().filter_map(Weak::upgrade).collect();
        let unused = |worker: &Arc<S::Worker>| {
            let mine = self.empty.iter().filter(|slot| Arc::ptr_eq(slot.worker(), worker)).count();
            mine == worker.slots()
        };
        let Some(spare) = workers.iter().filter(|worker| unused(worker)).nth(1) else { return Vec::new() };
        let (leave, stay) = self.empty.drain(..).partition(|slot| Arc::ptr_eq(slot.worker(), spare));
        self.empty = stay;
        leave
    }

    /// No more shells from here on; gives out what there is.
    pub fn close(&mut self) -> Vec<S> {
        self.closed = true;
        self.fail_waiters(&TakeError::Closed);
        self.idle.drain(..).map(|shell| shell.slot).chain(self.empty.drain(..)).collect()
    }

    /// What to charge the next machine.
    pub fn estimate(&self) -> u64 {
        self.estimate
    }

    /// A machine ended that had so many pages of its own. A rare call that takes much more than others is charged while it
    /// grows: the forecast of all others follows slowly.
    pub fn sample(&mut self, dirty_pages: u64) {
        let bytes = dirty_pages.saturating_mul(4096).saturating_add(ESTIMATE_FIXED);
        let bytes = bytes.min(self.estimate.saturating_mul(SAMPLE_MAX));
        self.estimate = self.estimate - self.estimate / 16 + bytes / 16;
    }

    /// When a shell was last asked for.
    pub fn last(&self) -> Instant {
        self.demand.last()
    }

    /// How many machines it has, by what they do.
    pub fn counts(&self) -> Counts {
        Counts {
            waiting: self.idle.len(),
            making: self.making,
            running: self.running,
            workers: self.workers.iter().filter(|worker| worker.strong_count() > 0).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::budget::Budget;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    /// A worker of two slots.
    #[derive(Debug, Default)]
    struct TestWorker {
        gone: AtomicBool,
        slots: AtomicUsize,
    }

    impl WorkerOfSlots for TestWorker {
        fn is_gone(&self) -> bool {
            self.gone.load(Ordering::Relaxed)
        }

        fn has_room(&self) -> bool {
            self.slots() < 2
        }

        fn slots(&self) -> usize {
            self.slots.load(Ordering::Relaxed)
        }
    }

    #[derive(Debug)]
    struct TestSlot(Arc<TestWorker>);

    impl TestSlot {
        fn of(worker: &Arc<TestWorker>) -> Self {
            worker.slots.fetch_add(1, Ordering::Relaxed);
            Self(worker.clone())
        }
    }

    impl Drop for TestSlot {
        fn drop(&mut self) {
            self.0.slots.fetch_sub(1, Ordering::Relaxed);
        }
    }

    impl SlotOfWorker for TestSlot {
        type Worker = TestWorker;

        fn worker(&self) -> &Arc<TestWorker> {
            &self.0
        }
    }

    const MOST: u32 = 64;

    fn shell(worker: &Arc<TestWorker>) -> ChargedSlot<TestSlot> {
        let charge = Budget::new(1).charge(1).unwrap();
        ChargedSlot { slot: TestSlot::of(worker), charge }
    }

    fn table() -> (Table<TestSlot>, Instant, Arc<TestWorker>) {
        let now = Instant::now();
        let (mut table, worker) = (Table::new(now), Arc::<TestWorker>::default());
        table.hired(&worker);
        (table, now, worker)
    }

    #[test]
    fn nothing_is_made_before_it_is_asked_for() {
        let (mut table, now, _worker) = table();
        assert_eq!(table.missing(now, MOST), 0);
        table.wake();
        assert!(table.missing(now, MOST) > 0);
        assert!(table.rest() && table.counts().making > 0);
    }

    #[test]
    fn who_waits_longest_gets_the_next_shell() {
        let (mut table, now, worker) = table();
        let mut first = table.take(now).unwrap().unwrap_err();
        let mut second = table.take(now).unwrap().unwrap_err();
        assert!(table.missing(now, MOST) >= 2);
        assert!(table.made(shell(&worker), Duration::ZERO).is_none());
        assert!(first.try_recv().is_ok() && second.try_recv().is_err());
        // A waiter that left is passed over; with nobody left the shell waits.
        drop(second);
        assert!(table.made(shell(&worker), Duration::ZERO).is_none());
        assert_eq!((table.counts().waiting, table.counts().running), (1, 2));
        assert!(table.take(now).unwrap().is_ok());
    }

    #[test]
    fn failures_are_told_when_they_do_not_look_like_passing() {
        let (mut table, now, worker) = table();
        let mut waiter = table.take(now).unwrap().unwrap_err();
        let error = TakeError::Worker("no".into());
        table.missing(now, MOST);
        table.missing(now, MOST);
        table.failed(now, &error);
        table.failed(now, &error);
        assert!(waiter.try_recv().is_err() && table.failures() == 2);
        table.missing(now, MOST);
        table.failed(now, &error);
        assert_eq!(waiter.try_recv().unwrap().unwrap_err(), error);
        table.missing(now, MOST);
        table.made(shell(&worker), Duration::ZERO);
        assert_eq!(table.failures(), 0);
    }

    #[test]
    fn the_forecast_follows_most_calls() {
        let (mut table, _, _worker) = table();
        table.sample(u64::MAX);
        assert_eq!(table.estimate(), ESTIMATE_FIRST + ESTIMATE_FIRST / 16);
        (0..200).for_each(|_| table.sample(100 << 8));
        assert!((95 << 20..=102 << 20).contains(&table.estimate()), "{}", table.estimate());
        (0..200).for_each(|_| table.sample(0));
        assert!(table.estimate() < 3 << 20);
    }

    #[test]
    fn shells_that_nobody_waits_for_are_made_again_later_and_later() {
        let (mut table, now, worker) = table();
        let error = TakeError::Worker("no".into());
        table.wake();
        let mut pauses = Vec::new();
        let mut at = now;
        for _ in 0..16 {
            let begun = table.missing(at, MOST);
            assert!(begun > 0);
            (0..begun).for_each(|_| table.failed(at, &error));
            assert_eq!(table.missing(at, MOST), 0);
            let until = table.paused.unwrap();
            assert_eq!(table.missing(until - Duration::from_nanos(1), MOST), 0);
            pauses.push(until - at);
            at = until;
        }
        assert!(pauses.is_sorted() && pauses.last() == Some(&PAUSE_MAX), "{pauses:?}");
        // A call does not wait for that, and one shell that can be made ends it.
        let begun = table.missing(at, MOST);
        (0..begun).for_each(|_| table.failed(at, &error));
        let _waiter = table.take(at).unwrap().unwrap_err();
        assert_eq!(table.missing(at, MOST), 1);
        table.made(shell(&worker), Duration::ZERO);
        assert!(table.missing(at, MOST) > 0);
    }

    #[test]
    fn slots_of_dead_workers_are_forgotten() {
        let (mut table, now, worker) = table();
        table.emptied(TestSlot::of(&worker));
        table.wake();
        table.missing(now, MOST);
        table.made(shell(&worker), Duration::ZERO);
        assert!(table.growable().is_none(), "both slots are given out");
        worker.gone.store(true, Ordering::Relaxed);
        assert!(table.take(now).unwrap().is_err(), "a shell of a dead worker is none");
        assert!(table.empty_slot().is_none());
        table.purge();
        assert_eq!((table.counts().waiting, worker.slots()), (0, 0));
    }

    #[test]
    fn a_pool_that_sleeps_or_closes_gives_everything_out() {
        let (mut table, now, worker) = table();
        assert!(table.take(now).unwrap().is_err());
        table.done();
        table.emptied(TestSlot::of(&worker));
        assert!(table.sleep(now, Duration::from_secs(1)).is_empty());
        let later = now + Duration::from_secs(2);
        assert_eq!(table.sleep(later, Duration::from_secs(1)).len(), 1);
        let mut waiter = table.take(later).unwrap().unwrap_err();
        table.emptied(TestSlot::of(&worker));
        assert_eq!(table.close().len(), 1);
        assert_eq!(waiter.try_recv().unwrap().unwrap_err(), TakeError::Closed);
        assert_eq!(table.take(later).unwrap_err(), TakeError::Closed);
        table.emptied(TestSlot::of(&worker));
        assert_eq!(worker.slots(), 0, "a closed table keeps nothing");
    }

    #[test]
    fn one_worker_without_a_machine_is_enough() {
        let (mut table, _, worker) = table();
        let other = Arc::<TestWorker>::default();
        table.hired(&other);
        table.emptied(TestSlot::of(&worker));
        assert!(table.spare_workers().is_empty());
        table.emptied(TestSlot::of(&other));
        let spare = table.spare_workers();
        assert!(spare.len() == 1 && Arc::ptr_eq(&spare[0].0, &other));
    }
}
