//! A pool over machines that are made as a script says.

use std::collections::VecDeque;
use std::future::pending;

use super::super::budget::Budget;
use super::super::table::WorkerOfSlots;
use super::*;

#[derive(Debug, Default)]
struct TestWorker {
    gone: AtomicBool,
}

impl WorkerOfSlots for TestWorker {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }

    fn has_room(&self) -> bool {
        true
    }

    fn slots(&self) -> usize {
        1
    }
}

#[derive(Debug)]
struct TestSlot(Arc<TestWorker>);

impl SlotOfWorker for TestSlot {
    type Worker = TestWorker;

    fn worker(&self) -> &Arc<TestWorker> {
        &self.0
    }
}

/// What becomes of a machine that is begun.
#[derive(Clone, Debug)]
enum Step {
    Made,
    Fails(TakeError),
    NeverEnds,
}

#[derive(Debug, Default)]
struct Script {
    most: u32,
    steps: Mutex<VecDeque<Step>>,
    worker: Arc<TestWorker>,
    begun: Mutex<usize>,
    ends_badly: AtomicBool,
}

impl Script {
    fn begun(&self) -> usize {
        *self.begun.lock().unwrap()
    }
}

impl Maker for Script {
    type Slot = TestSlot;
    type Waits = ();

    fn function(&self) -> &str {
        "test"
    }

    fn concurrency(&self) -> u32 {
        self.most
    }

    fn idle(&self) -> Duration {
        Duration::from_secs(300)
    }

    fn wait(&self) {}

    async fn make(&self, _pool: &Arc<Pool<Self>>) -> Result<(ChargedSlot<TestSlot>, Duration), TakeError> {
        *self.begun.lock().unwrap() += 1;
        let step = self.steps.lock().unwrap().pop_front().unwrap_or(Step::Made);
        match step {
            Step::Made => {
                let charge = Budget::new(1).charge(1).unwrap();
                Ok((ChargedSlot { slot: TestSlot(self.worker.clone()), charge }, Duration::ZERO))
            }
            Step::Fails(error) => Err(error),
            Step::NeverEnds => pending().await,
        }
    }

    fn unmade(&self, why: String) -> TakeError {
        TakeError::Restore(why)
    }

    async fn end(
        &self,
        _slot: &mut TestSlot,
        _ending: Ending,
        _log: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Option<Option<Ended>> {
        (!self.ends_badly.load(Ordering::Relaxed)).then_some(None)
    }

    fn share(&self, _workers: &[Arc<TestWorker>]) {}

    fn sleeps(&self) {}
}

type Events = mpsc::UnboundedReceiver<PoolEvent>;

fn pool(steps: impl IntoIterator<Item = Step>) -> (Arc<Pool<Script>>, Events) {
    pool_of(64, steps)
}

/// A pool of at most so many shells.
fn pool_of(most: u32, steps: impl IntoIterator<Item = Step>) -> (Arc<Pool<Script>>, Events) {
    let (sender, events) = mpsc::unbounded_channel();
    let script = Script { most, steps: Mutex::new(steps.into_iter().collect()), ..Script::default() };
    (Pool::of(script, sender), events)
}

/// Lets every task go as far as it can without time passing.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn restore() -> Step {
    Step::Fails(TakeError::Restore("bad page".into()))
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_the_shell_that_is_made_for_it() {
    let (pool, _events) = pool([]);
    let (shell, found) = pool.take().await.unwrap();
    assert_eq!((found, pool.counts().running), (Found::Nothing, 1));
    drop(shell);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_gives_up_waiting_leaves_no_trace() {
    let (pool, _events) = pool(vec![Step::NeverEnds; MAKING_MAX]);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.take().await.map(drop) }
    });
    settle().await;
    assert_eq!(pool.counts().running, 1);
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    assert_eq!(pool.counts().running, 0);
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_once_of_a_snapshot_that_cannot_be_restored() {
    let (pool, mut events) = pool([restore(), restore(), restore()]);
    assert_eq!(pool.take().await.unwrap_err(), TakeError::Closed);
    assert_eq!(pool.counts().running, 0);
    assert_eq!(events.try_recv().unwrap(), PoolEvent::SnapshotUnusable("bad page".into()));
    assert!(events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn two_failures_are_not_told() {
    let (pool, mut events) = pool([restore(), restore(), Step::Made]);
    assert!(pool.take().await.is_ok());
    assert!(events.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_takes_too_long_is_made_again() {
    // One for the call, and one ahead of the next.
    let (pool, _events) = pool_of(1, vec![Step::NeverEnds; 2]);
    const { assert!(FAILURES_MAX > 2, "or the call would be told") };
    let begun = tokio::time::Instant::now();
    assert!(pool.take().await.is_ok());
    assert!(begun.elapsed() >= MAKE_LIMIT && pool.maker.begun() >= 2);
}

#[tokio::test(start_paused = true)]
async fn who_waits_when_a_pool_closes_asks_its_successor() {
    let (pool, _events) = pool(vec![Step::NeverEnds; MAKING_MAX]);
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.take().await.map(drop) }
    });
    settle().await;
    pool.close();
    assert_eq!(waiting.await.unwrap(), Err(TakeError::Closed));
    assert_eq!(pool.take().await.unwrap_err(), TakeError::Closed);
    // What was being made comes to nobody.
    tokio::time::sleep(2 * MAKE_LIMIT).await;
    assert_eq!((pool.counts().waiting, pool.counts().making), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_taken_shell_is_replaced_after_a_moment_once() {
    let (pool, _events) = pool([]);
    pool.table().wake();
    pool.tend();
    settle().await;
    let begun = pool.maker.begun();
    assert!(pool.waiting() >= 2, "{:?}", pool.counts());
    let (_one, found) = pool.take().await.unwrap();
    assert_eq!(found, Found::Shell);
    settle().await;
    assert_eq!(pool.maker.begun(), begun, "not while the call is being answered");
    assert!(pool.tending.load(Ordering::Relaxed));
    tokio::time::sleep(2 * TEND_DELAY).await;
    settle().await;
    assert!(pool.maker.begun() > begun && !pool.tending.load(Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn an_old_snapshot_is_told_once_until_it_is_excused() {
    let (pool, mut events) = pool([]);
    pool.excuse_age(Duration::ZERO);
    for _ in 0..2 {
        drop(pool.take().await.unwrap());
    }
    assert_eq!(events.try_recv().unwrap(), PoolEvent::SnapshotOld);
    assert!(events.try_recv().is_err());
    pool.excuse_age(Duration::from_secs(3600));
    drop(pool.take().await.unwrap());
    assert!(events.try_recv().is_err());
    pool.excuse_age(Duration::ZERO);
    drop(pool.take().await.unwrap());
    assert_eq!(events.try_recv().unwrap(), PoolEvent::SnapshotOld);
}

#[tokio::test(start_paused = true)]
async fn shells_of_a_worker_that_ends_are_replaced_before_a_call_asks() {
    let (pool, _events) = pool([]);
    let gone = CancellationToken::new();
    pool.hired(&pool.maker.worker, gone.clone());
    pool.table().wake();
    pool.tend();
    settle().await;
    let (begun, waiting) = (pool.maker.begun(), pool.waiting());
    assert!(waiting > 0);
    pool.maker.worker.gone.store(true, Ordering::Relaxed);
    gone.cancel();
    settle().await;
    assert!(pool.maker.begun() > begun);
}

#[tokio::test(start_paused = true)]
async fn a_slot_comes_back_only_where_its_machine_has_ended() {
    let (pool, _events) = pool([]);
    let name = "default/test".parse().unwrap();
    let mut log = CallLog::new(crate::logs::FunctionLog::new(name, 1, <_>::default()), "call".into());
    let (shell, _) = pool.take().await.unwrap();
    assert!(pool.recycle(shell, Ending::Finish, &mut log).await.is_none());
    assert!(pool.table().empty_slot().is_some());
    assert_eq!(pool.counts().running, 0);
    let (shell, _) = pool.take().await.unwrap();
    pool.maker.ends_badly.store(true, Ordering::Relaxed);
    pool.recycle(shell, Ending::Cancel, &mut log).await;
    assert!(pool.table().empty_slot().is_none());
    assert_eq!(pool.counts().running, 0);
}
