//! What the functions of a node share: the stock of workers, the memory budget, the snapshots, and fairness.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use super::budget::{Budget, Growth};
use super::function_pool::Pool;
use super::queue::BakeQueue;
use super::snapshots::Snapshots;
use super::table::ESTIMATE_FIXED;
use crate::reach::Reach;
use api::Published;
use km_vmm::protocol::{FunctionSpec, Grown, Learned};
use worker::process::{Report, Reports, Worker};
use worker::stock::Stock;

/// How often pools are looked after when nothing happens to them.
const TICK: Duration = Duration::from_secs(1);
/// Functions that get shells before their first call; beyond, a function's first call waits for its worker.
const WARM_POOLS_MAX: usize = 64;
/// Bakes at once beyond one for each processor: the queue keeps its last turn for a namespace that has none.
const BAKES_SPARE: usize = 1;
/// For a machine that grows, waiting shells are given up of its function, and of those that were not called for this long…
const RECLAIM_IDLE: Duration = Duration::from_secs(10);
/// …so many of them, with this pause to destroy each.
const RECLAIM_MAX: usize = 8;
const RECLAIM_PAUSE: Duration = Duration::from_millis(5);
/// How often, and with which pause, to look whether a machine has ended for which there was no memory.
const ENDING_MAX: usize = 25;
const ENDING_PAUSE: Duration = Duration::from_millis(2);
/// What a function's calls use is written no sooner again.
const KEEP_PAUSE: Duration = Duration::from_secs(1);
/// How long who makes shells for nobody in particular steps aside for calls before looking again, and how often at most:
/// on a node where some call always waits, others get theirs slowly.
const ASIDE: Duration = Duration::from_millis(10);
const ASIDE_MAX: u32 = 100;

/// Options of a node.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    /// The `km` program, which workers are started from.
    pub km: PathBuf,
    /// Workers that wait for a function.
    pub stock: usize,
    /// After so long without a call a function's workers leave.
    pub idle: Duration,
    /// How long a program may take from its start to being ready.
    pub ready_limit: Duration,
    /// A snapshot that is older is made again once a call has come.
    pub snapshot_max_age: Duration,
}

/// What a function may reach, for its bake and its calls.
pub type Way = Option<Arc<egress::Function>>;

/// What all pools of a node share: workers, memory, snapshots, and turns to make machines.
#[derive(Debug)]
pub struct Node {
    /// Workers without a function.
    pub stock: Arc<Stock>,
    /// Memory for machines.
    pub budget: Arc<Budget>,
    /// Snapshots on disk.
    pub snapshots: Snapshots,
    /// The broker of connections outward; none where functions reach nothing.
    pub reach: Option<Reach>,
    /// Shells that are made at once: more than the cores can carry would only make each of them later.
    pub makers: Semaphore,
    /// Who bakes next.
    pub bakes: Arc<BakeQueue>,
    /// Pools at once that get their first shells before a call asks for one.
    pub warmers: Semaphore,
    /// Calls that wait for a machine.
    waiting: AtomicUsize,
    /// Held by who ends a machine that grows, until it is gone.
    refusals: tokio::sync::Mutex<()>,
    /// [`NodeOptions::idle`].
    pub idle: Duration,
    /// [`NodeOptions::ready_limit`].
    pub ready_limit: Duration,
    /// [`NodeOptions::snapshot_max_age`].
    pub snapshot_max_age: Duration,
    pools: Mutex<Vec<Weak<Pool>>>,
}

impl Node {
    /// A node, with a task that looks after its pools.
    pub fn new(
        options: &NodeOptions,
        snapshots: Snapshots,
        budget: Arc<Budget>,
        reach: Option<Reach>,
    ) -> Arc<Self> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let node = Arc::new(Self {
            stock: Stock::new(options.km.clone(), options.stock),
            budget,
            snapshots,
            reach,
            makers: Semaphore::new(cores),
            bakes: BakeQueue::new(cores + BAKES_SPARE),
            warmers: Semaphore::new(cores),
            waiting: AtomicUsize::new(0),
            refusals: tokio::sync::Mutex::default(),
            idle: options.idle,
            ready_limit: options.ready_limit,
            snapshot_max_age: options.snapshot_max_age,
            pools: Mutex::default(),
        });
        tokio::spawn(tick(Arc::downgrade(&node)));
        node
    }

    /// What a version of a function may reach whose machines begin with this snapshot, if with any.
    ///
    /// # Errors
    /// When its rules cannot be read.
    pub fn way(&self, published: &Published, snapshot: Option<&str>) -> Result<Way, egress::RuleError> {
        let Some(reach) = &self.reach else { return Ok(None) };
        reach.function(published, snapshot.map(|key| self.snapshots.names(key)).unwrap_or_default())
    }

    /// Adds a pool; says whether it may make shells before its first call.
    pub(super) fn register(&self, pool: &Arc<Pool>) -> bool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
        pools.len() <= WARM_POOLS_MAX
    }

    /// A call waits for a machine, until this is dropped.
    pub fn wait(self: &Arc<Self>) -> Waits {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(self.clone())
    }

    /// Until no call waits for a machine, within limits.
    pub(super) async fn calm(&self) {
        for _ in 0..ASIDE_MAX {
            if self.waiting.load(Ordering::Relaxed) == 0 {
                return;
            }
            tokio::time::sleep(ASIDE).await;
        }
    }

    /// Hears a worker for as long as it lives: charges its machines as they grow, and passes on what it has learned, of
    /// which the last counts. A worker that bakes has no pool.
    pub(super) fn hear(
        self: &Arc<Self>,
        worker: &Arc<Worker>,
        function: &FunctionSpec,
        pool: Weak<Pool>,
    ) -> watch::Receiver<Option<Learned>> {
        let most = function.memory_bytes.saturating_add(ESTIMATE_FIXED);
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(hear(Arc::downgrade(self), worker.reports(), most, pool, sender));
        receiver
    }

    /// Keeps what a worker learns beside the snapshot, for those that come after.
    pub(super) fn keep(self: &Arc<Self>, learned: watch::Receiver<Option<Learned>>, function: &FunctionSpec) {
        tokio::spawn(keep(Arc::downgrade(self), learned, function.clone()));
    }

    /// Charges a machine more; says whether there was so much.
    async fn grow(&self, worker: u32, grown: Grown, pool: &Weak<Pool>) -> bool {
        for _ in 0..RECLAIM_MAX {
            match self.budget.grow(worker, grown.machine, grown.bytes) {
                Growth::Charged | Growth::Unknown => return true,
                Growth::NoMemory if !self.reclaim_for_growth(pool) => return false,
                Growth::NoMemory => tokio::time::sleep(RECLAIM_PAUSE).await,
            }
        }
        false
    }

    /// Waits for the end of a machine, but not for long: others grow meanwhile.
    async fn ended(&self, machine: u64) {
        for _ in 0..ENDING_MAX {
            if !self.budget.knows(machine) {
                return;
            }
            tokio::time::sleep(ENDING_PAUSE).await;
        }
    }

    /// Destroys a waiting shell of another function than `taker`, to free its memory: of the one that was not called for the
    /// longest time.
    pub(super) fn reclaim(&self, taker: &Arc<Pool>) -> bool {
        self.reclaim_by(|pool| (!Arc::ptr_eq(pool, taker)).then(|| pool.last_call()))
    }

    /// The same for a machine of `taker` that grows. Its own function's shells go first; others' only if they are not called.
    fn reclaim_for_growth(&self, taker: &Weak<Pool>) -> bool {
        self.reclaim_by(|pool| {
            let (own, last) = (std::ptr::eq(Arc::as_ptr(pool), taker.as_ptr()), pool.last_call());
            (own || last.elapsed() >= RECLAIM_IDLE).then_some((!own, last))
        })
    }

    /// Destroys a waiting shell of the pool of the least rank; those without a rank keep theirs.
    fn reclaim_by<R: Ord>(&self, rank: impl Fn(&Arc<Pool>) -> Option<R>) -> bool {
        let pools = self.live_pools();
        let waiting = pools.iter().filter(|pool| pool.waiting() > 0);
        let first = waiting.filter_map(|pool| Some((rank(pool)?, pool))).min_by(|a, b| a.0.cmp(&b.0));
        first.is_some_and(|(_, pool)| pool.give_up_shell())
    }

    fn live_pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().filter_map(Weak::upgrade).collect()
    }
}

/// A call that waits for a machine.
#[derive(Debug)]
pub struct Waits(Arc<Node>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn hear(
    node: Weak<Node>,
    mut reports: Reports,
    most: u64,
    pool: Weak<Pool>,
    learned: watch::Sender<Option<Learned>>,
) {
    while let Some(report) = reports.next().await {
        let grown = match report {
            Report::Grown(grown) => grown,
            Report::Learned(list) => {
                learned.send_replace(Some(list));
                continue;
            }
        };
        let Some(node) = node.upgrade() else { return };
        // No machine is larger, whatever its worker says.
        let grown = Grown { bytes: grown.bytes.min(most), ..grown };
        if node.grow(reports.pid(), grown, &pool).await {
            continue;
        }
        // One at a time: what one gives back may be enough for the next.
        let _turn = node.refusals.lock().await;
        if node.budget.grow(reports.pid(), grown.machine, grown.bytes) == Growth::NoMemory {
            tracing::warn!(
                pid = reports.pid(),
                bytes = grown.bytes,
                "no memory is left for a machine that grows: it ends"
            );
            reports.refuse(grown.machine).await;
            node.ended(grown.machine).await;
        }
    }
}

/// Ends with the worker.
async fn keep(node: Weak<Node>, mut learned: watch::Receiver<Option<Learned>>, function: FunctionSpec) {
    while learned.changed().await.is_ok() {
        let list = learned.borrow_and_update().clone();
        let (Some(list), Some(node)) = (list, node.upgrade()) else { continue };
        let (key, memory) = (function.snapshot_key.clone(), function.memory_bytes);
        let kept = tokio::task::spawn_blocking(move || node.snapshots.keep(&key, &list, memory));
        if let Ok(Err(error)) = kept.await {
            tracing::debug!(function = function.name, %error, "what calls use is not kept");
        }
        tokio::time::sleep(KEEP_PAUSE).await;
    }
}

async fn tick(node: Weak<Node>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        let Some(node) = node.upgrade() else { return };
        for pool in node.live_pools() {
            pool.tick();
        }
    }
}
