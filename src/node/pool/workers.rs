//! Makes and ends the machines of a pool: workers of the node's stock, their slots, the snapshot that they open.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bundles::store::Lease;
use km_vmm::protocol::{Ended, FunctionSpec, GivenSnapshot, Kind, Outcome, RefusedReason};

use super::function_pool::{Ending, Maker, Pool, PoolEvent};
use super::node::{Node, Waits, Way};
use super::slot::MachineSlot;
use super::table::{ChargedSlot, TakeError};
use egress::Usage;
use worker::process::{Worker, WorkerError};
use worker::slot::{Event, FrameStream, Slot, SlotError, record};

/// How long a machine may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(5);
/// How long the frame that ends a machine may take to be sent.
const STALL_LIMIT: Duration = Duration::from_millis(100);
/// Pause after another function's shell was given up, for its memory to be there.
const RECLAIM_PAUSE: Duration = Duration::from_millis(20);

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
    /// What they may reach.
    pub way: Way,
}

/// The workers of one revision of a function.
#[derive(Debug)]
pub struct Workers {
    node: Arc<Node>,
    source: Source,
    /// Held while a worker or slot is added, so that a burst of calls does not start a worker each.
    growth: tokio::sync::Mutex<()>,
    /// A worker has opened the snapshot.
    verified: AtomicBool,
}

impl Workers {
    /// None yet.
    pub fn new(node: Arc<Node>, source: Source) -> Self {
        Self { node, source, growth: tokio::sync::Mutex::default(), verified: AtomicBool::new(false) }
    }

    /// The node that they are of.
    pub fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// What machines are made from.
    pub fn source(&self) -> &Source {
        &self.source
    }

    async fn charge(&self, pool: &Arc<Pool>) -> Result<super::budget::Charge, TakeError> {
        let bytes = pool.table().estimate();
        if let Some(charge) = self.node.budget.charge(bytes) {
            return Ok(charge);
        }
        if self.node.reclaim(pool) {
            tokio::time::sleep(RECLAIM_PAUSE).await;
        }
        self.node.budget.charge(bytes).ok_or(TakeError::Memory)
    }

    /// An empty slot: one that is there, another one of a worker, one of another worker.
    async fn slot(&self, pool: &Arc<Pool>) -> Result<MachineSlot, TakeError> {
        if let Some(slot) = pool.table().empty_slot() {
            return Ok(slot);
        }
        let _growth = self.growth.lock().await;
        let (slot, growable) = {
            let mut table = pool.table();
            (table.empty_slot(), table.growable())
        };
        match (slot, growable) {
            (Some(slot), _) => Ok(slot),
            (None, Some(worker)) => self.slot_of(&worker, pool).await,
            (None, None) => self.slot_of(&self.hire(pool).await?, pool).await,
        }
    }

    async fn slot_of(&self, worker: &Arc<Worker>, pool: &Pool) -> Result<MachineSlot, TakeError> {
        let made = MachineSlot::of(worker, &self.node, self.source.way.as_ref()).await;
        made.map_err(|error| refusal(pool, error))
    }

    /// The snapshot's file. It is opened for each worker, and held open by those alone, so that a snapshot that is evicted
    /// while its function sleeps gives its space back.
    fn snapshot(&self, pool: &Pool) -> Result<Option<File>, TakeError> {
        if self.source.boots {
            return Ok(None);
        }
        let key = &self.source.function.snapshot_key;
        self.node.snapshots.hold(key);
        match self.node.snapshots.get(key) {
            Some((file, age)) => {
                if !self.verified.load(Ordering::Relaxed) {
                    pool.excuse_age(self.node.snapshot_max_age.saturating_sub(age));
                }
                Ok(Some(file))
            }
            // Evicted while the pool waited for its first shells: it is made again when a call asks for it.
            None if pool.table().rest() => Err(TakeError::Closed),
            None => Err(pool.lost(PoolEvent::SnapshotMissing)),
        }
    }

    async fn hire(&self, pool: &Arc<Pool>) -> Result<Arc<Worker>, TakeError> {
        let snapshot = self.snapshot(pool)?;
        let worker = self.assigned(snapshot.as_ref()).await.map_err(|error| refusal(pool, error))?;
        self.verified.store(true, Ordering::Relaxed);
        let learned = self.node.hear(&worker, &self.source.function, Arc::downgrade(pool));
        self.node.keep(learned, &self.source.function);
        pool.hired(&worker, worker.gone());
        Ok(worker)
    }

    async fn assigned(&self, snapshot: Option<&File>) -> Result<Arc<Worker>, WorkerError> {
        let worker = self.node.stock.take().await?;
        let given = match snapshot {
            None => GivenSnapshot::Nothing,
            Some(_) if self.verified.load(Ordering::Relaxed) => GivenSnapshot::Verified,
            Some(_) => GivenSnapshot::Unverified,
        };
        let function = self.source.function.clone();
        let learned = snapshot.and_then(|_| self.node.snapshots.learned(&function.snapshot_key));
        let assign = function.to_serve(given).with(learned);
        worker.assign(assign, &self.source.rootfs, snapshot).await?;
        Ok(worker)
    }

    async fn end_machine(
        &self,
        slot: &mut MachineSlot,
        ending: Ending,
        log: &mut (dyn FnMut(&[u8]) + Send),
    ) -> Option<Option<Ended>> {
        let how = match ending {
            Ending::Ended => return Some(None),
            Ending::Finish => Kind::Finish,
            Ending::Cancel => Kind::Cancel,
        };
        match end(slot, how, log).await {
            Ok(ended) => {
                slot.shrink();
                Some(Some(ended))
            }
            Err(error) => {
                self.give_up(slot, &error);
                None
            }
        }
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
}

impl Maker for Workers {
    type Slot = MachineSlot;
    type Waits = Waits;

    fn function(&self) -> &str {
        &self.source.function.name
    }

    fn concurrency(&self) -> u32 {
        self.source.concurrency
    }

    fn idle(&self) -> Duration {
        self.node.idle
    }

    fn wait(&self) -> Waits {
        self.node.wait()
    }

    async fn make(&self, pool: &Arc<Pool>) -> Result<(ChargedSlot, Duration), TakeError> {
        let charge = self.charge(pool).await?;
        let mut slot = self.slot(pool).await?;
        charge.of_worker(slot.worker().pid());
        if self.source.boots {
            return Ok((ChargedSlot { slot, charge }, Duration::ZERO));
        }
        let _permit = self.node.makers.acquire().await;
        let begin = Instant::now();
        if let Err(error) = prepare(&mut slot).await {
            self.give_up(&slot, &error);
            return Err(self.unmade(error.to_string()));
        }
        Ok((ChargedSlot { slot, charge }, begin.elapsed()))
    }

    fn unmade(&self, why: String) -> TakeError {
        if self.source.boots { TakeError::Worker(why) } else { TakeError::Restore(why) }
    }

    async fn end(
        &self,
        slot: &mut MachineSlot,
        ending: Ending,
        log: &mut (dyn FnMut(&[u8]) + Send),
    ) -> (Option<Option<Ended>>, Usage) {
        let ended = self.end_machine(slot, ending, log).await;
        (ended, slot.ends())
    }

    fn share(&self, workers: &[Arc<Worker>]) {
        for worker in workers {
            worker.share().divide(workers.len());
        }
    }

    fn sleeps(&self) {
        // Its snapshot is like any other now; the next worker opens it again.
        self.node.snapshots.release(&self.source.function.snapshot_key);
    }
}

fn refusal(pool: &Pool, error: WorkerError) -> TakeError {
    if let WorkerError::Refused(refused) = &error
        && refused.reason == RefusedReason::Snapshot
    {
        return pool.lost(PoolEvent::SnapshotUnusable(refused.message.clone()));
    }
    TakeError::Worker(error.to_string())
}

/// Makes a shell in an empty slot.
///
/// # Errors
/// The worker's reason, or that it is gone or breaks the protocol.
pub(super) async fn prepare(slot: &mut FrameStream) -> Result<(), SlotError> {
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
///
/// # Errors
/// The worker is gone, does not answer in time, or breaks the protocol.
pub(super) async fn end(
    slot: &mut FrameStream,
    how: Kind,
    log: &mut (dyn FnMut(&[u8]) + Send),
) -> Result<Ended, SlotError> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use km_vmm::protocol::Frame;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    fn stream() -> (FrameStream, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (FrameStream::new(ours.into_std().unwrap()).unwrap(), theirs)
    }

    async fn says(worker: &mut UnixStream, frame: Frame) {
        worker.write_all(&frame.encode().unwrap()).await.unwrap();
    }

    fn ended(outcome: Outcome) -> Frame {
        let ended = Ended {
            outcome,
            boot_us: 0,
            first_byte_us: None,
            run_us: 0,
            teardown_us: 0,
            dirty_pages: 3,
            touched_pages: 0,
            exits: 0,
            page_faults: 0,
        };
        Frame::json(Kind::Ended, &ended).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_end_waits_for_the_workers_word_and_keeps_the_log() {
        let (mut slot, mut worker) = stream();
        says(&mut worker, Frame::new(Kind::Data, b"late".to_vec())).await;
        says(&mut worker, Frame::new(Kind::Log, b"\x01words".to_vec())).await;
        says(&mut worker, ended(Outcome::Idle)).await;
        let mut logged = Vec::new();
        let ended = end(&mut slot, Kind::Finish, &mut |bytes| logged.extend_from_slice(bytes)).await.unwrap();
        assert_eq!((ended.outcome, ended.dirty_pages), (Outcome::Idle, 3));
        assert_eq!(logged, b"\x01words");
        let mut head = [0; 8];
        worker.read_exact(&mut head).await.unwrap();
        assert_eq!(head[0], Kind::Finish as u8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_says_nothing_is_not_waited_for_for_ever() {
        let (mut slot, worker) = stream();
        let silent = end(&mut slot, Kind::Cancel, &mut |_| ()).await.unwrap_err();
        assert!(
            matches!(&silent, SlotError::Io(error) if error.kind() == std::io::ErrorKind::TimedOut),
            "{silent}"
        );
        drop(worker);
        let gone = end(&mut slot, Kind::Cancel, &mut |_| ()).await.unwrap_err();
        assert!(matches!(gone, SlotError::Gone), "{gone}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_reads_nothing_is_stalled() {
        let (mut slot, _worker) = stream();
        let full = Frame::new(Kind::Data, vec![0; 200 << 10]);
        for _ in 0..8 {
            slot.queue(&full).unwrap();
        }
        let stalled = end(&mut slot, Kind::Cancel, &mut |_| ()).await.unwrap_err();
        assert!(matches!(stalled, SlotError::Stalled), "{stalled}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_machine_is_prepared_or_there_is_a_reason() {
        let prepared = Frame::json(Kind::Prepared, &km_vmm::protocol::Prepared::default()).unwrap();
        let log = Frame::new(Kind::Log, b"\x02of the pre-run".to_vec());
        let (mut slot, mut worker) = stream();
        says(&mut worker, log).await;
        says(&mut worker, prepared).await;
        prepare(&mut slot).await.unwrap();

        let fault = ended(Outcome::Fault { message: "no memory slots".into() });
        let cases = [
            (fault, "no memory slots"),
            (ended(Outcome::OutOfMemory), "OutOfMemory"),
            (Frame::new(Kind::Data, b"x".to_vec()), "unexpected Data"),
            (Frame::empty(Kind::Eof), "unexpected Eof"),
        ];
        for (frame, expected) in cases {
            let (mut slot, mut worker) = stream();
            says(&mut worker, frame).await;
            let error = prepare(&mut slot).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
