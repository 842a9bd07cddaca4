//! Shells of one revision of a function: made ahead by demand, taken by calls, slots used again.
//!
//! A call takes a shell in one short critical section; whatever takes time is done by tasks of their own. The pool decides
//! when a machine is made or ended, its [`Maker`] knows how.

use std::fmt::Debug;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use egress::Usage;
use km_vmm::protocol::Ended;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::demand::Found;
use super::node::Node;
use super::table::{ChargedSlot, Counts, FAILURES_MAX, SlotOfWorker, Table, TakeError};
use super::workers::{Source, Workers};
use crate::logs::CallLog;

/// Shells that a pool begins at once.
const MAKING_MAX: usize = 16;
/// Shells below which the next one is begun at once.
const WAITING_LOW: usize = 1;
/// How long a call may last before the shell that it took is replaced.
const TEND_DELAY: Duration = Duration::from_millis(5);
/// How long a shell may take to be made.
const MAKE_LIMIT: Duration = Duration::from_secs(30);
/// First and longest pause after a shell could not be made.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// What happens to a pool that its owner must know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolEvent {
    /// Workers do not take the snapshot, or make no machine of it; with their reason.
    SnapshotUnusable(String),
    /// The snapshot is not there: it was evicted.
    SnapshotMissing,
    /// A call came, and was served, from a snapshot that is older than the node's limit.
    SnapshotOld,
}

/// How a machine's use ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its response is complete: it may run until it is idle.
    Finish,
    /// Nobody wants its response.
    Cancel,
    /// It ended by itself.
    Ended,
}

type WorkerOf<M> = <<M as Maker>::Slot as SlotOfWorker>::Worker;

/// Makes and ends the machines of a pool, which decides when.
pub trait Maker: Sized + Send + Sync + 'static {
    /// Where a machine is.
    type Slot: SlotOfWorker<Worker: Debug + Send + Sync> + Debug + Send;
    /// Held by a call that waits for a machine.
    type Waits: Send;

    /// The function's name, for the log.
    fn function(&self) -> &str;

    /// Most machines with a call.
    fn concurrency(&self) -> u32;

    /// After so long without a call all workers leave.
    fn idle(&self) -> Duration;

    /// A call waits for a machine, until what is given is dropped.
    fn wait(&self) -> Self::Waits;

    /// Makes a shell; also says how long the machine itself took.
    fn make(
        &self,
        pool: &Arc<Pool<Self>>,
    ) -> impl Future<Output = Result<(ChargedSlot<Self::Slot>, Duration), TakeError>> + Send;

    /// The error for a machine that was not made for this reason.
    fn unmade(&self, why: String) -> TakeError;

    /// Ends the machine in a slot: what its worker says of it, or nothing where the slot is of no use any more; and what it
    /// has used of the network.
    fn end(
        &self,
        slot: &mut Self::Slot,
        ending: Ending,
        log: &mut (dyn FnMut(&[u8]) + Send),
    ) -> impl Future<Output = (Option<Option<Ended>>, Usage)> + Send;

    /// Gives all workers of the function one share of the processors together.
    fn share(&self, workers: &[Arc<WorkerOf<Self>>]);

    /// The pool has let go of its workers, since nobody calls.
    fn sleeps(&self);
}

/// The machines of one revision of a function, and who waits for one.
#[derive(Debug)]
pub struct Pool<M: Maker = Workers> {
    maker: M,
    table: Mutex<Table<M::Slot>>,
    /// A task will look after the pool in a moment.
    tending: AtomicBool,
    /// When the snapshot is too old, until its owner was told. Set when the first worker opens it.
    stale: Mutex<Option<Instant>>,
    events: mpsc::UnboundedSender<PoolEvent>,
}

impl Pool {
    /// A pool, which gets its first shells in its turn if the node allows.
    pub fn new(node: Arc<Node>, source: Source, events: mpsc::UnboundedSender<PoolEvent>) -> Arc<Self> {
        let pool = Self::of(Workers::new(node.clone(), source), events);
        // Without a snapshot the first shell would only find that out, and it would be made again for nobody.
        if node.register(&pool) && (pool.boots() || node.snapshots.contains(pool.key())) {
            tokio::spawn(warm(Arc::downgrade(&pool), node));
        }
        pool
    }

    /// Machines boot for each call.
    pub fn boots(&self) -> bool {
        self.maker.source().boots
    }

    /// Key of the snapshot.
    pub fn key(&self) -> &str {
        &self.maker.source().function.snapshot_key
    }

    /// Where the program listens.
    pub fn port(&self) -> u16 {
        self.maker.source().function.port
    }
}

impl<M: Maker> Pool<M> {
    fn of(maker: M, events: mpsc::UnboundedSender<PoolEvent>) -> Arc<Self> {
        Arc::new(Self {
            maker,
            table: Mutex::new(Table::new(Instant::now())),
            tending: AtomicBool::new(false),
            stale: Mutex::default(),
            events,
        })
    }

    /// How many machines and workers it has, by what they do.
    pub fn counts(&self) -> Counts {
        self.table().counts()
    }

    /// Shells that wait.
    pub fn waiting(&self) -> usize {
        self.table().counts().waiting
    }

    /// When a shell was last asked for.
    pub fn last_call(&self) -> Instant {
        self.table().last()
    }

    /// Takes a shell, waiting for one if need be; says whether one was there.
    ///
    /// # Errors
    /// When none can be made.
    pub async fn take(self: &Arc<Self>) -> Result<(ChargedSlot<M::Slot>, Found), TakeError> {
        let found = self.take_shell().await?;
        self.tell_age();
        Ok(found)
    }

    /// Tells the owner once that the snapshot is too old.
    fn tell_age(&self) {
        let mut stale = self.stale.lock().unwrap_or_else(PoisonError::into_inner);
        if stale.is_some_and(|at| at <= Instant::now()) {
            *stale = None;
            let _ = self.events.send(PoolEvent::SnapshotOld);
        }
    }

    /// Takes the snapshot for younger than it is: its owner is told again when a call comes after so long.
    pub fn excuse_age(&self, pause: Duration) {
        *self.stale.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(pause);
    }

    async fn take_shell(self: &Arc<Self>) -> Result<(ChargedSlot<M::Slot>, Found), TakeError> {
        let taken = self.table().take(Instant::now())?;
        match taken {
            Ok(shell) => {
                self.tend_soon();
                Ok((shell, Found::Shell))
            }
            Err(waiting) => {
                let _waits = self.maker.wait();
                self.tend();
                let mut done = Done(Some(self.clone()));
                let shell = waiting.await.unwrap_or(Err(TakeError::Closed))?;
                done.0 = None;
                Ok((shell, Found::Nothing))
            }
        }
    }

    /// Takes a machine back whose call is over; gives what the worker says of it, and what it has used of the network.
    pub async fn recycle(
        self: &Arc<Self>,
        mut shell: ChargedSlot<M::Slot>,
        ending: Ending,
        log: &mut CallLog,
    ) -> (Option<Ended>, Usage) {
        let _done = Done(Some(self.clone()));
        let (ended, usage) = self.maker.end(&mut shell.slot, ending, &mut |bytes| log.frame(bytes)).await;
        let Some(ended) = ended else { return (None, usage) };
        let mut table = self.table();
        if let Some(ended) = &ended {
            table.sample(ended.dirty_pages);
        }
        table.emptied(shell.slot);
        (ended, usage)
    }

    /// Looks after the pool when nothing else does: depth, idle workers.
    pub fn tick(self: &Arc<Self>) {
        let (mut surplus, gone) = {
            let mut table = self.table();
            table.purge();
            let mut gone = table.sleep(Instant::now(), self.maker.idle());
            if gone.is_empty() {
                gone = table.spare_workers();
            } else {
                self.maker.sleeps();
            }
            (table.surplus(Instant::now(), self.maker.concurrency()), gone)
        };
        drop(gone);
        self.share();
        if let Some(shell) = surplus.take() {
            self.destroy(shell);
        }
        self.tend();
    }

    fn share(&self) {
        let workers = self.table().live_workers();
        self.maker.share(&workers);
    }

    /// Destroys one waiting shell.
    pub fn give_up_shell(self: &Arc<Self>) -> bool {
        let shell = self.table().give_up();
        shell.is_some_and(|shell| {
            self.destroy(shell);
            true
        })
    }

    /// Lets go of all shells and workers; calls in flight finish.
    pub fn close(&self) {
        let gone = self.table().close();
        drop(gone);
    }

    fn destroy(self: &Arc<Self>, mut shell: ChargedSlot<M::Slot>) {
        let pool = self.clone();
        tokio::spawn(async move {
            let (ended, _) = pool.maker.end(&mut shell.slot, Ending::Cancel, &mut |_| ()).await;
            if ended.is_some() {
                pool.table().emptied(shell.slot);
            }
        });
    }

    /// Which slots are empty or hold a shell, and who waits.
    pub(super) fn table(&self) -> MutexGuard<'_, Table<M::Slot>> {
        // The table is whole between any two statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has another worker, whose end `gone` tells.
    pub(super) fn hired(self: &Arc<Self>, worker: &Arc<WorkerOf<M>>, gone: CancellationToken) {
        self.table().hired(worker);
        self.share();
        tokio::spawn(watch(Arc::downgrade(self), gone));
    }

    /// Begins the shells that are missing.
    fn tend(self: &Arc<Self>) {
        for _ in 0..self.missing() {
            tokio::spawn(self.clone().make());
        }
    }

    /// How many shells to begin now.
    fn missing(&self) -> usize {
        let mut table = self.table();
        let room = MAKING_MAX.saturating_sub(table.counts().making);
        if room == 0 { 0 } else { table.missing(Instant::now(), self.maker.concurrency()) }
    }

    /// Begins the shells that are missing, but not while the call that took one is being answered: making a machine takes
    /// a core for longer than most calls last. The end of a short call comes first and tends to the pool itself.
    fn tend_soon(self: &Arc<Self>) {
        if self.waiting() < WAITING_LOW {
            self.tend();
        } else if !self.tending.swap(true, Ordering::Relaxed) {
            let pool = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(TEND_DELAY).await;
                pool.tending.store(false, Ordering::Relaxed);
                pool.tend();
            });
        }
    }

    async fn make(self: Arc<Self>) {
        match tokio::time::timeout(MAKE_LIMIT, self.maker.make(&self)).await {
            Ok(Ok((shell, took))) => {
                let unwanted = self.table().made(shell, took);
                drop(unwanted);
            }
            Ok(Err(error)) => self.make_failed(error).await,
            Err(_) => self.make_failed(self.maker.unmade("it took too long".to_owned())).await,
        }
    }

    async fn make_failed(self: &Arc<Self>, error: TakeError) {
        if error != TakeError::Closed {
            tracing::warn!(function = self.maker.function(), %error, "no machine can be made");
        }
        let failures = {
            let mut table = self.table();
            let error = match &error {
                TakeError::Restore(why) if table.failures() + 1 >= FAILURES_MAX => {
                    self.lost(PoolEvent::SnapshotUnusable(why.clone()))
                }
                other => other.clone(),
            };
            table.failed(Instant::now(), &error);
            table.failures()
        };
        let pause = RETRY_FIRST.saturating_mul(1 << failures.min(10)).min(RETRY_MAX);
        tokio::time::sleep(pause).await;
        self.tend();
    }

    /// Tells the owner, who puts another pool into this one's place.
    pub(super) fn lost(&self, event: PoolEvent) -> TakeError {
        // The owner is gone when the function was removed meanwhile.
        let _ = self.events.send(event);
        TakeError::Closed
    }
}

/// Makes the shells that a pool has before its first call: a few pools at a time, and not while calls wait. After a start
/// all functions of a node come here at once.
async fn warm(pool: Weak<Pool>, node: Arc<Node>) {
    let _turn = node.warmers.acquire().await;
    node.calm().await;
    // It may be replaced or called by now.
    let Some(pool) = pool.upgrade() else { return };
    pool.table().wake();
    for _ in 0..pool.missing() {
        pool.clone().make().await;
    }
}

/// Whoever took a shell or waited for one is done with it when this is dropped.
struct Done<M: Maker>(Option<Arc<Pool<M>>>);

impl<M: Maker> Drop for Done<M> {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.table().done();
            pool.tend();
        }
    }
}

/// Notices the end of a worker at once, so that its shells are replaced before a call asks for them.
async fn watch<M: Maker>(pool: Weak<Pool<M>>, gone: CancellationToken) {
    gone.cancelled().await;
    if let Some(pool) = pool.upgrade() {
        pool.table().purge();
        pool.tend();
    }
}

#[cfg(test)]
mod tests;
