//! Shells of one revision of a function: made ahead by demand, taken by calls, slots used again.
//!
//! A call takes a shell in one short critical section; whatever takes time (workers, machines, teardown) is done by tasks
//! of their own.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bundles::store::Lease;
use km_vmm::protocol::{Ended, FunctionSpec, GivenSnapshot, Kind, Outcome, RefusedReason};
use tokio::sync::mpsc;

use super::demand::Found;
use super::node::Node;
use super::table::{Counts, FAILURES_MAX, Shell, Table, TakeError};
use crate::logs::CallLog;
use worker::process::{Worker, WorkerError};
use worker::slot::{Event, Slot, SlotError, record};

/// Shells that a pool begins at once.
const MAKING_MAX: usize = 16;
/// Shells below which the next one is begun at once.
const WAITING_LOW: usize = 1;
/// How long a call may last before the shell that it took is replaced.
const TEND_DELAY: Duration = Duration::from_millis(5);
/// How long a shell may take to be made.
const MAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long a machine may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long the frame that ends a machine may take to be sent.
const STALL_LIMIT: Duration = Duration::from_millis(100);
/// First and longest pause after a shell could not be made.
const RETRY_FIRST: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(2);

/// What machines are made from.
#[derive(Debug)]
pub struct Source {
    /// The function, as workers are told of it.
    pub function: FunctionSpec,
    /// The root file system.
    pub rootfs: Arc<File>,
    /// Keeps the bundle from being collected.
    pub _lease: Arc<Lease>,
    /// Machines boot, because there is no snapshot or it is being made.
    pub boots: bool,
    /// Most machines with a call; more shells than that are never made.
    pub concurrency: u32,
}

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

/// The machines of one revision of a function, and who waits for one.
#[derive(Debug)]
pub struct Pool {
    node: Arc<Node>,
    source: Source,
    table: Mutex<Table>,
    /// Held while a worker or slot is added, so that a burst of calls does not start a worker each.
    growth: tokio::sync::Mutex<()>,
    verified: AtomicBool,
    /// A task will look after the pool in a moment.
    tending: AtomicBool,
    /// When the snapshot is too old, until its owner was told. Set when the first worker opens it.
    stale: Mutex<Option<Instant>>,
    events: mpsc::UnboundedSender<PoolEvent>,
}

impl Pool {
    /// A pool, which gets its first shells in its turn if the node allows.
    pub fn new(node: Arc<Node>, source: Source, events: mpsc::UnboundedSender<PoolEvent>) -> Arc<Self> {
        let pool = Arc::new_cyclic(|_| Self {
            node: node.clone(),
            source,
            table: Mutex::new(Table::new(Instant::now())),
            growth: tokio::sync::Mutex::default(),
            verified: AtomicBool::new(false),
            tending: AtomicBool::new(false),
            stale: Mutex::default(),
            events,
        });
        // Without a snapshot the first shell would only find that out, and it would be made again for nobody.
        if node.register(&pool) && (pool.boots() || node.snapshots.contains(pool.key())) {
            tokio::spawn(warm(Arc::downgrade(&pool), node));
        }
        pool
    }

    /// Machines boot for each call.
    pub fn boots(&self) -> bool {
        self.source.boots
    }

    /// Key of the snapshot.
    pub fn key(&self) -> &str {
        &self.source.function.snapshot_key
    }

    /// Where the program listens.
    pub fn port(&self) -> u16 {
        self.source.function.port
    }

    /// How many machines and workers it has, by what they do.
    pub fn counts(&self) -> Counts {
        self.lock().counts()
    }

    /// Shells that wait.
    pub fn waiting(&self) -> usize {
        self.lock().counts().waiting
    }

    /// When a shell was last asked for.
    pub fn last_call(&self) -> Instant {
        self.lock().last()
    }

    /// Takes a shell, waiting for one if need be; says whether one was there.
    ///
    /// # Errors
    /// When none can be made.
    pub async fn take(self: &Arc<Self>) -> Result<(Shell, Found), TakeError> {
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

    async fn take_shell(self: &Arc<Self>) -> Result<(Shell, Found), TakeError> {
        let taken = self.lock().take(Instant::now())?;
        match taken {
            Ok(shell) => {
                self.tend_soon();
                Ok((shell, Found::Shell))
            }
            Err(waiting) => {
                let _waits = self.node.wait();
                self.tend();
                let mut done = Done(Some(self.clone()));
                let shell = waiting.await.unwrap_or(Err(TakeError::Closed))?;
                done.0 = None;
                Ok((shell, Found::Nothing))
            }
        }
    }

    /// Takes a machine back whose call is over; gives what the worker says of it.
    pub async fn recycle(
        self: &Arc<Self>,
        mut shell: Shell,
        ending: Ending,
        log: &mut CallLog,
    ) -> Option<Ended> {
        let _done = Done(Some(self.clone()));
        let ended = match ending {
            Ending::Ended => Ok(None),
            Ending::Finish => {
                end(&mut shell.slot, Kind::Finish, &mut |bytes| log.frame(bytes)).await.map(Some)
            }
            Ending::Cancel => {
                end(&mut shell.slot, Kind::Cancel, &mut |bytes| log.frame(bytes)).await.map(Some)
            }
        };
        match ended {
            Ok(ended) => {
                shell.slot.shrink();
                let mut table = self.lock();
                if let Some(ended) = &ended {
                    table.sample(ended.dirty_pages);
                }
                table.emptied(shell.slot);
                drop(table);
                ended
            }
            Err(error) => {
                self.give_up(&shell.slot, &error);
                None
            }
        }
    }

    /// Looks after the pool when nothing else does: depth, idle workers.
    pub fn tick(self: &Arc<Self>) {
        let (mut surplus, gone) = {
            let mut table = self.lock();
            table.purge();
            let mut gone = table.sleep(Instant::now(), self.node.idle);
            if gone.is_empty() {
                gone = table.spare_workers();
            } else {
                // Its snapshot is like any other now; the next worker opens it again.
                self.node.snapshots.release(&self.source.function.snapshot_key);
            }
            (table.surplus(Instant::now(), self.source.concurrency), gone)
        };
        drop(gone);
        self.share();
        if let Some(shell) = surplus.take() {
            self.destroy(shell);
        }
        self.tend();
    }

    /// Gives all workers of the function one share of the processors together.
    fn share(&self) {
        let workers = self.lock().live_workers();
        for worker in &workers {
            worker.share().divide(workers.len());
        }
    }

    /// Destroys one waiting shell.
    pub fn give_up_shell(self: &Arc<Self>) -> bool {
        let shell = self.lock().give_up();
        shell.is_some_and(|shell| {
            self.destroy(shell);
            true
        })
    }

    /// Lets go of all shells and workers; calls in flight finish.
    pub fn close(&self) {
        let gone = self.lock().close();
        drop(gone);
    }

    fn destroy(self: &Arc<Self>, mut shell: Shell) {
        let pool = self.clone();
        tokio::spawn(async move {
            match end(&mut shell.slot, Kind::Cancel, &mut |_| ()).await {
                Ok(_) => pool.lock().emptied(shell.slot),
                Err(error) => pool.give_up(&shell.slot, &error),
            }
        });
    }

    /// A slot that is not used again: the end of its stream destroys its machine. A worker that does not keep to the
    /// protocol goes with it.
    fn give_up(&self, slot: &Slot, error: &SlotError) {
        match error {
            SlotError::Gone | SlotError::Stalled | SlotError::NoMachine(_) => {}
            error => {
                tracing::warn!(function = self.source.function.name, %error, "a worker is given up");
                slot.worker().kill();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // The table is whole between any two statements.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the shells that are missing.
    fn tend(self: &Arc<Self>) {
        for _ in 0..self.missing() {
            tokio::spawn(self.clone().make());
        }
    }

    /// How many shells to begin now.
    fn missing(&self) -> usize {
        let mut table = self.lock();
        let room = MAKING_MAX.saturating_sub(table.counts().making);
        if room == 0 { 0 } else { table.missing(Instant::now(), self.source.concurrency) }
    }

    /// Begins the shells that are missing, but not while the call that took one is being answered: making a machine takes
    /// a core for longer than most calls last. The end of a short call comes first and tends to the pool itself.
    fn tend_soon(self: &Arc<Self>) {
        if self.lock().counts().waiting < WAITING_LOW {
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
        match tokio::time::timeout(MAKE_LIMIT, self.make_shell()).await {
            Ok(Ok((shell, took))) => {
                let unwanted = self.lock().made(shell, took);
                drop(unwanted);
            }
            Ok(Err(error)) => self.make_failed(error).await,
            Err(_) => self.make_failed(self.unmade("it took too long".to_owned())).await,
        }
    }

    async fn make_failed(self: &Arc<Self>, error: TakeError) {
        if error != TakeError::Closed {
            tracing::warn!(function = self.source.function.name, %error, "no machine can be made");
        }
        let failures = {
            let mut table = self.lock();
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

    async fn make_shell(self: &Arc<Self>) -> Result<(Shell, Duration), TakeError> {
        let charge = self.charge().await?;
        let mut slot = self.slot().await?;
        charge.of_worker(slot.worker().pid());
        if self.boots() {
            return Ok((Shell { slot, charge }, Duration::ZERO));
        }
        let _permit = self.node.makers.acquire().await;
        let begin = Instant::now();
        if let Err(error) = prepare(&mut slot).await {
            self.give_up(&slot, &error);
            return Err(self.unmade(error.to_string()));
        }
        Ok((Shell { slot, charge }, begin.elapsed()))
    }

    async fn charge(self: &Arc<Self>) -> Result<super::budget::Charge, TakeError> {
        let bytes = self.lock().estimate();
        if let Some(charge) = self.node.budget.charge(bytes) {
            return Ok(charge);
        }
        if self.node.reclaim(self) {
            tokio::time::sleep(RETRY_FIRST).await;
        }
        self.node.budget.charge(bytes).ok_or(TakeError::Memory)
    }

    /// An empty slot: one that is there, another one of a worker, one of another worker.
    async fn slot(self: &Arc<Self>) -> Result<Slot, TakeError> {
        if let Some(slot) = self.lock().empty_slot() {
            return Ok(slot);
        }
        let _growth = self.growth.lock().await;
        let (slot, growable) = {
            let mut table = self.lock();
            (table.empty_slot(), table.growable())
        };
        match (slot, growable) {
            (Some(slot), _) => Ok(slot),
            (None, Some(worker)) => worker.add_slot().await.map_err(|error| self.refusal(error)),
            (None, None) => self.hire().await?.add_slot().await.map_err(|error| self.refusal(error)),
        }
    }

    /// The snapshot's file. It is opened for each worker, and held open by those alone, so that a snapshot that is evicted
    /// while its function sleeps gives its space back.
    fn snapshot(&self) -> Result<Option<File>, TakeError> {
        if self.boots() {
            return Ok(None);
        }
        self.node.snapshots.hold(&self.source.function.snapshot_key);
        match self.node.snapshots.get(&self.source.function.snapshot_key) {
            Some((file, age)) => {
                if !self.verified.load(Ordering::Relaxed) {
                    self.excuse_age(self.node.snapshot_max_age.saturating_sub(age));
                }
                Ok(Some(file))
            }
            // Evicted while the pool waited for its first shells: it is made again when a call asks for it.
            None if self.lock().rest() => Err(TakeError::Closed),
            None => Err(self.lost(PoolEvent::SnapshotMissing)),
        }
    }

    async fn hire(self: &Arc<Self>) -> Result<Arc<Worker>, TakeError> {
        let snapshot = self.snapshot()?;
        let worker = self.assigned(snapshot.as_ref()).await.map_err(|error| self.refusal(error))?;
        self.verified.store(true, Ordering::Relaxed);
        self.node.charge_growth(&worker, &self.source.function, Arc::downgrade(self));
        self.lock().hired(&worker);
        self.share();
        tokio::spawn(watch(Arc::downgrade(self), worker.gone()));
        Ok(worker)
    }

    async fn assigned(&self, snapshot: Option<&File>) -> Result<Arc<Worker>, WorkerError> {
        let worker = self.node.stock.take().await?;
        let given = match snapshot {
            None => GivenSnapshot::Nothing,
            Some(_) if self.verified.load(Ordering::Relaxed) => GivenSnapshot::Verified,
            Some(_) => GivenSnapshot::Unverified,
        };
        worker.assign(self.source.function.clone().to_serve(given), &self.source.rootfs, snapshot).await?;
        Ok(worker)
    }

    fn refusal(&self, error: WorkerError) -> TakeError {
        if let WorkerError::Refused(refused) = &error
            && refused.reason == RefusedReason::Snapshot
        {
            return self.lost(PoolEvent::SnapshotUnusable(refused.message.clone()));
        }
        TakeError::Worker(error.to_string())
    }

    /// For a worker that has made no machine.
    fn unmade(&self, why: String) -> TakeError {
        if self.boots() { TakeError::Worker(why) } else { TakeError::Restore(why) }
    }

    /// Tells the owner, who puts another pool into this one's place.
    fn lost(&self, event: PoolEvent) -> TakeError {
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
    pool.lock().wake();
    for _ in 0..pool.missing() {
        pool.clone().make().await;
    }
}

/// Whoever took a shell or waited for one is done with it when this is dropped.
struct Done(Option<Arc<Pool>>);

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(pool) = self.0.take() {
            pool.lock().done();
            pool.tend();
        }
    }
}

/// Notices the end of a worker at once, so that its shells are replaced before a call asks for them.
async fn watch(pool: Weak<Pool>, gone: tokio_util::sync::CancellationToken) {
    gone.cancelled().await;
    if let Some(pool) = pool.upgrade() {
        pool.lock().purge();
        pool.tend();
    }
}

async fn prepare(slot: &mut Slot) -> Result<(), SlotError> {
    slot.queue_empty(Kind::Prepare);
    slot.flush().await?;
    loop {
        match slot.event().await? {
            Event::Frame(Kind::Prepared, _) => return Ok(()),
            // What a program writes while it is pre-run belongs to no call.
            Event::Frame(Kind::Log, _) => {}
            Event::Frame(Kind::Ended, payload) => return Err(no_machine(&payload)),
            Event::Frame(kind, _) => return Err(SlotError::Unexpected(kind)),
            Event::Data => return Err(SlotError::Unexpected(Kind::Data)),
        }
    }
}

/// Ends the machine in a slot and waits until the slot is empty.
async fn end(slot: &mut Slot, how: Kind, log: &mut impl FnMut(&[u8])) -> Result<Ended, SlotError> {
    slot.queue_empty(how);
    // A machine that reads no more of its request would not let the frame through.
    tokio::time::timeout(STALL_LIMIT, slot.flush()).await.unwrap_or(Err(SlotError::Stalled))?;
    let wait = async {
        loop {
            match slot.event().await? {
                Event::Data => slot.consume(usize::MAX),
                Event::Frame(Kind::Log, payload) => log(&payload),
                Event::Frame(Kind::Ended, payload) => return record(Kind::Ended, &payload),
                Event::Frame(..) => {}
            }
        }
    };
    tokio::time::timeout(END_LIMIT, wait)
        .await
        .unwrap_or_else(|_| Err(SlotError::Io(std::io::ErrorKind::TimedOut.into())))
}

/// What the worker said instead of making a machine.
pub fn no_machine(payload: &[u8]) -> SlotError {
    match record::<Ended>(Kind::Ended, payload) {
        Ok(Ended { outcome: Outcome::Fault { message }, .. }) => SlotError::NoMachine(message),
        Ok(ended) => SlotError::NoMachine(format!("{:?}", ended.outcome)),
        Err(error) => error,
    }
}
