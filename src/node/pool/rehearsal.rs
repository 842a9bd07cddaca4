//! Rehearsal: after a bake, throw-away clones answer the warm-up requests, or `GET /`, so that the first call of every
//! worker finds the pages that calls use. Without it the first callers would teach them.
//!
//! Where no warm-up is declared, a clone also answers `GET /` twice: a program whose second answer comes much sooner would
//! serve every call sooner after a warm-up, and its owner is told.
//!
//! Nobody outside can notice: the clones reach nothing, have no secrets, what they print is dropped, and no record or
//! metric counts them. A program that does not answer in time is left alone; its calls teach, then.

use std::fmt;
use std::fs::File;
use std::sync::{Arc, Weak};
use std::time::Duration;

use api::status::WARMUP_ADVICE;
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
/// Clones that answer twice; the shortest times count, since other work may hold one up.
const MEASURED: usize = 3;
/// A warm-up is advised where the first answer takes so many times as long as the second, and so much longer.
const ADVISED_TIMES: u32 = 2;
const ADVISED_MORE: Duration = Duration::from_millis(1);

/// What a warm-up would save.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    first: Duration,
    second: Duration,
}

impl Advice {
    /// Of how long a program's first answer and its second took, if it is worth to be told.
    fn of([first, second]: [Duration; 2]) -> Option<Self> {
        let saves = first > second * ADVISED_TIMES && first - second > ADVISED_MORE;
        saves.then_some(Self { first, second })
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let (first, second) = (ms(self.first), ms(self.second));
        let saved = first - second;
        write!(
            f,
            "the program's first `GET /` takes {first:.1} ms and its second {second:.1} ms: with `{WARMUP_ADVICE}` in the \
             spec every call like it saves {saved:.1} ms"
        )
    }
}

/// Rehearses a function whose snapshot has just been published under `key`, and keeps what that teaches. Gives what a warm-up
/// would save, where there is none.
pub async fn rehearse(
    node: &Arc<Node>,
    published: &Published,
    program: &Program,
    key: &str,
) -> Option<Advice> {
    let begin = std::time::Instant::now();
    let result = tokio::time::timeout(LIMIT, run(node, published, program, key)).await;
    let function = published.name.as_str();
    match result.unwrap_or_else(|_| Err("it takes too long".to_owned())) {
        Ok(advice) => {
            tracing::debug!(function, ms = begin.elapsed().as_millis(), "rehearsed");
            advice
        }
        Err(why) => {
            tracing::debug!(function, why, "not rehearsed: the first calls teach what calls use");
            None
        }
    }
}

async fn run(
    node: &Arc<Node>,
    published: &Published,
    program: &Program,
    key: &str,
) -> Result<Option<Advice>, String> {
    let function = program.function(published, key);
    // Others get their input with the call; what they do with none says nothing of calls.
    if function.wire != Wire::Http || function.snapshot != SnapshotMode::Ready {
        return Ok(None);
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
        let machine = begin(shell, published, program.port).await?;
        warmup::exchange(&machine, request).await.map_err(|error| text(&error))?;
        shell = finish(&machine).await?;
    }
    let told = tokio::time::timeout(TOLD_LIMIT, learned.changed()).await;
    told.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    let list = learned.borrow_and_update().clone().ok_or("nothing was learned")?;
    let (node, key) = (node.clone(), key.to_owned());
    let kept = tokio::task::spawn_blocking(move || node.snapshots.seed(&key, &list, function.memory_bytes));
    kept.await.map_err(|error| text(&error))?.map_err(|error| text(&error))?;
    if !published.spec.warmup.is_empty() {
        return Ok(None);
    }
    let mut least = [Duration::MAX; 2];
    for _ in 0..MEASURED {
        let machine = begin(shell, published, program.port).await?;
        let times = warmup::exchange_twice(&machine, &own[0]).await.map_err(|error| text(&error))?;
        let Some(times) = times else { return Ok(None) };
        least = [least[0].min(times[0]), least[1].min(times[1])];
        shell = finish(&machine).await?;
    }
    Ok(Advice::of(least))
}

/// Makes a machine and opens a connection to it.
async fn begin(mut shell: ChargedSlot, published: &Published, port: u16) -> Result<Machine, String> {
    prepare(&mut shell.slot).await.map_err(|error| error.to_string())?;
    // A log of its own, which nobody looks at.
    let log = FunctionLog::new(published.name.clone(), 0, Counter::default());
    let machine = Machine::new(shell, CallLog::new(log, "rehearsal".into()), 0);
    machine.begin("rehearsal", port, CALL_LIMIT).map_err(|error| error.to_string())?;
    Ok(machine)
}

/// Ends a machine and gives its slot back.
async fn finish(machine: &Machine) -> Result<ChargedSlot, String> {
    let (mut shell, _, ended) = machine.take().ok_or("the machine is gone")?;
    if ended.is_none() {
        end(&mut shell.slot, Kind::Finish, &mut |_| ()).await.map_err(|error| error.to_string())?;
    }
    Ok(shell)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_is_advised_where_it_saves_much() {
        let of = |first_us, second_us| Advice::of([first_us, second_us].map(Duration::from_micros));
        assert_eq!(of(129_000, 65_000), None, "less than twice");
        assert_eq!(of(1_200, 300), None, "less than a millisecond");
        assert_eq!(of(300, 1_200), None);
        let text = of(129_000, 6_100).unwrap().to_string();
        assert!(text.contains("129.0 ms") && text.contains("saves 122.9 ms") && text.contains(WARMUP_ADVICE));
    }
}
