//! Rehearsal: after a bake, throw-away clones answer the warm-up requests, or `GET /`, so that the first call of every
//! worker finds the pages that calls use. Without it the first callers would teach them.
//!
//! Nobody outside can notice: the clones reach nothing, have no secrets, what they print is dropped, and no record or
//! metric counts them. A program that does not answer in time is left alone; its calls teach, then.

use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::Duration;

use api::{Published, Warmup};
use km_vmm::protocol::{GivenSnapshot, Kind, SnapshotMode, Wire};
use km_vmm::snapshot::working_set::LEARNING_CALLS;
use prometheus_client::metrics::counter::Counter;

use super::machine::Machine;
use super::node::Node;
use super::program::Program;
use super::slot::MachineSlot;
use super::table::{ChargedSlot, ESTIMATE_FIRST};
use super::warmup;
use super::workers::{end, prepare};
use crate::logs::{CallLog, FunctionLog};

/// How long all of it may take: the owner waits for the function meanwhile.
const LIMIT: Duration = Duration::from_secs(3);
/// Time to answer one request.
const CALL_LIMIT: Duration = Duration::from_secs(1);
/// A worker says what it has learned before it says that the last machine is gone; the news come over two sockets.
const TOLD_LIMIT: Duration = Duration::from_millis(100);

/// Rehearses a function whose snapshot has just been published under `key`, and keeps what that teaches.
pub async fn rehearse(node: &Arc<Node>, published: &Published, program: &Program, key: &str) {
    let begin = std::time::Instant::now();
    let result = tokio::time::timeout(LIMIT, run(node, published, program, key)).await;
    let function = published.name.as_str();
    match result.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
        Ok(()) => tracing::debug!(function, ms = begin.elapsed().as_millis(), "rehearsed"),
        Err(why) => tracing::debug!(function, why, "not rehearsed: the first calls teach what calls use"),
    }
}

async fn run(node: &Arc<Node>, published: &Published, program: &Program, key: &str) -> Result<(), String> {
    let function = program.function(published, key);
    // Others get their input with the call; what they do with none says nothing of calls.
    if function.wire != Wire::Http || function.snapshot != SnapshotMode::Ready {
        return Ok(());
    }
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let charge = node.budget.charge(ESTIMATE_FIRST.min(node.budget.limit())).ok_or("no memory")?;
    let rootfs = File::open(&program.rootfs).map_err(|error| text(&error))?;
    let (snapshot, _) = node.snapshots.get(key).ok_or("the snapshot is gone")?;
    let worker = node.stock.take().await.map_err(|error| text(&error))?;
    charge.of_worker(worker.pid());
    worker.share().bake();
    // Not verified: no caller gets an answer of it, and the worker is jailed like any other.
    let assign = function.clone().to_serve(GivenSnapshot::Verified);
    worker.assign(assign, &rootfs, Some(&snapshot)).await.map_err(|error| text(&error))?;
    let mut learned = node.hear(&worker, &function, Weak::new());
    let slot = MachineSlot::of(&worker, node, None).await.map_err(|error| text(&error))?;
    let mut shell = ChargedSlot { slot, charge };
    let own = [Warmup { method: "GET".to_owned(), path: "/".to_owned(), body: String::new() }];
    let requests = if published.spec.warmup.is_empty() { &own[..] } else { &published.spec.warmup };
    for request in requests.iter().cycle().take(LEARNING_CALLS as usize) {
        shell = call(shell, published, request, program.port).await?;
    }
    let told = tokio::time::timeout(TOLD_LIMIT, learned.changed()).await;
    told.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    let list = learned.borrow_and_update().clone().ok_or("nothing was learned")?;
    let (node, key) = (node.clone(), key.to_owned());
    let kept = tokio::task::spawn_blocking(move || node.snapshots.seed(&key, &list, function.memory_bytes));
    kept.await.map_err(|error| text(&error))?.map_err(|error| text(&error))
}

/// One request to a machine of its own; gives the slot back.
async fn call(
    mut shell: ChargedSlot,
    published: &Published,
    request: &Warmup,
    port: u16,
) -> Result<ChargedSlot, String> {
    prepare(&mut shell.slot).await.map_err(|error| error.to_string())?;
    // A log of its own, which nobody looks at.
    let log = FunctionLog::new(published.name.clone(), 0, Counter::default());
    let machine = Machine::new(shell, CallLog::new(log, "rehearsal".into()));
    machine.begin("rehearsal", port, CALL_LIMIT).map_err(|error| error.to_string())?;
    warmup::exchange(&machine, request).await.map_err(|error| error.to_string())?;
    let (mut shell, _, ended) = machine.take().ok_or("the machine is gone")?;
    if ended.is_none() {
        end(&mut shell.slot, Kind::Finish, &mut |_| ()).await.map_err(|error| error.to_string())?;
    }
    Ok(shell)
}
