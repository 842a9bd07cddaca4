//! Boot until ready, warm-up calls, and the snapshot.

use std::time::{Duration, Instant};

use super::conversation::{Conversation, Verdict};
use super::drive::{Finished, Guest, Over};
use super::function::micros;
use super::ready::{Readiness, Until, message, ports};
use super::slot::{Held, Slot, SlotError};
use super::stream::SlotStream;
use crate::memory::GRANULE;
use crate::protocol::{Boot, Call, Kind, NotReady, NotReadyReason, Ready, Role, SnapshotMode};
use crate::shell::{ShellError, run_to_idle};
use crate::vm::{Arrivals, GuestStreams};
use km_abi::hypercall::{End, EventKind};

/// Longest boot; a larger wish is cut.
const BOOT_MAX: Duration = Duration::from_secs(600);
/// Longest search of a machine's memory, which takes a tenth of a second in most.
const SEARCH_MAX: Duration = Duration::from_secs(60);

/// Boots the program and runs it until it is ready. Answers `Ready` or `NotReady`.
///
/// # Errors
/// The stream is of no use any more, or KVM fails.
pub fn boot(
    slot: &mut Slot,
    boot: &Boot,
    since: Instant,
    stream: &mut SlotStream,
) -> Result<Held, SlotError> {
    let until = match (slot.function.role, slot.function.spec.snapshot) {
        (Role::Bake, SnapshotMode::Start) => Until::Start,
        (Role::Bake, _) => Until::Ready,
        // What the call brings along is put in before the program runs, and its input is there then.
        (Role::Serve, _) if slot.starts_with_its_call() => Until::Start,
        (Role::Serve, _) => Until::Listening,
    };
    let machine = match slot.function.boot(until == Until::Start) {
        Ok(machine) => machine,
        Err(error) => {
            stream.queue_record(
                Kind::NotReady,
                &NotReady { reason: NotReadyReason::Fault, message: error.to_string(), ports: Vec::new() },
            )?;
            return Ok(Held::Empty);
        }
    };
    let limit = Duration::from_millis(boot.timeout_ms).min(BOOT_MAX);
    let growth = slot.growth(boot.memory, GRANULE);
    let mut conversation =
        Conversation::new(stream, growth, slot.stride(), slot.function.spec.wire, Some(since + limit));
    let wish = Wish { until, since, limit };
    become_ready(slot, machine, &wish, Arrivals::default(), &mut conversation)
}

/// What a program is to reach, and by when.
struct Wish {
    until: Until,
    since: Instant,
    limit: Duration,
}

fn become_ready(
    slot: &mut Slot,
    mut machine: Guest,
    wish: &Wish,
    mut arrivals: Arrivals,
    conversation: &mut Conversation<'_>,
) -> Result<Held, SlotError> {
    let port = slot.function.spec.port;
    let mut ready = Readiness::new(slot.function.awaited(), wish.until);
    let over = machine.drive(conversation, &mut arrivals, &mut ready, &mut slot.ticker)?;
    let idle = machine.idle.as_deref();
    let (reason, text) = match over {
        Over::Reached => match (ready.failure(), idle) {
            (None, Some(idle)) => {
                let threads = idle.threads;
                let ready = Ready { ready_us: micros(wish.since.elapsed()), ports: ports(idle), threads };
                conversation.stream.queue_record(Kind::Ready, &ready)?;
                return Ok(Held::Booted(Box::new(machine)));
            }
            (failure, idle) => {
                let reason = failure.unwrap_or(NotReadyReason::NotListening);
                (reason, message(reason, port, idle, wish.limit, None))
            }
        },
        Over::Stopped(Verdict::Deadline) => {
            let reason = ready.reason_at_limit(idle);
            let running = machine.vm.running();
            (reason, message(reason, port, idle, wish.limit, running.as_deref()))
        }
        Over::Stopped(Verdict::NoMemory) => {
            (NotReadyReason::NodeMemory, message(NotReadyReason::NodeMemory, port, idle, wish.limit, None))
        }
        Over::Stopped(_) => (NotReadyReason::Fault, "was cancelled".to_owned()),
        Over::Ended(end) => (NotReadyReason::Exited, early_end(end)),
        Over::Broken(breakdown) => (NotReadyReason::Fault, breakdown.to_string()),
    };
    let message = match conversation.tail.text() {
        Some(tail) => format!("{text}; last output: {tail}"),
        None => text,
    };
    let ports = idle.map(ports).unwrap_or_default().iter().map(|listening| listening.port).collect();
    conversation.stream.queue_record(Kind::NotReady, &NotReady { reason, message, ports })?;
    Ok(Held::Empty)
}

/// What became of a program that should have become ready.
fn early_end(end: End) -> String {
    match end {
        // What goes to the background leaves its parent, whose work is done well.
        End::Exited { status: 0 } => "exited with status 0 while starting: a program that serves must stay; if it starts a daemon, keep that in the foreground (nginx: daemon off; httpd: -DFOREGROUND)".to_owned(),
        End::Exited { status } => format!("exited with status {status} while starting"),
        End::Killed { signal } => format!("was ended by signal {signal} while starting"),
        End::OutOfMemory => "ran out of memory while starting: give it more".to_owned(),
    }
}

/// Lets the program answer a warm-up call and come to rest again. Answers with the response, then `Ready` or `NotReady`.
///
/// # Errors
/// The stream is of no use any more, or KVM fails.
pub fn warm_up(
    slot: &mut Slot,
    mut machine: Box<Guest>,
    call: &Call,
    since: Instant,
    stream: &mut SlotStream,
) -> Result<Held, SlotError> {
    let limit = Duration::from_millis(call.deadline_ms).min(BOOT_MAX);
    let growth = slot.growth(call.memory, GRANULE);
    let mut conversation =
        Conversation::new(stream, growth, slot.stride(), slot.function.spec.wire, Some(since + limit));
    let mut arrivals = Arrivals::default();
    conversation.connect(machine.next_connection())?;
    conversation.open(call.port, &mut arrivals);
    let over = machine.drive(&mut conversation, &mut arrivals, &mut Finished, &mut slot.ticker)?;
    let wish = Wish { until: Until::Ready, since, limit };
    match over {
        Over::Reached | Over::Stopped(Verdict::GraceOver) => {
            conversation.hang_up();
            arrivals.clear();
            conversation.poll(&mut arrivals);
            become_ready(slot, *machine, &wish, arrivals, &mut conversation)
        }
        other => {
            let (reason, text) = match other {
                Over::Stopped(Verdict::NoMemory) => (
                    NotReadyReason::NodeMemory,
                    message(NotReadyReason::NodeMemory, call.port, None, limit, None),
                ),
                Over::Ended(_) => {
                    (NotReadyReason::Exited, format!("did not answer a warm-up request: {other:?}"))
                }
                _ => (NotReadyReason::Fault, format!("did not answer a warm-up request: {other:?}")),
            };
            conversation
                .stream
                .queue_record(Kind::NotReady, &NotReady { reason, message: text, ports: vec![] })?;
            Ok(Held::Empty)
        }
    }
}

/// Writes the snapshot and lets the machine go: the template never runs again.
///
/// # Errors
/// The stream is of no use any more.
pub fn snapshot(slot: &mut Slot, machine: &mut Guest, stream: &mut SlotStream) -> Result<Held, SlotError> {
    if let Err(error) = search(slot, machine) {
        return slot.failed(&error.to_string(), stream);
    }
    match slot.function.snapshot(machine) {
        Ok(snapshotted) => stream.queue_record(Kind::Snapshotted, &snapshotted)?,
        Err(error) => return slot.failed(&error.to_string(), stream),
    }
    Ok(Held::Empty)
}

/// Lets the library OS note what clones have to make fresh.
fn search(slot: &mut Slot, machine: &mut Guest) -> Result<(), ShellError> {
    let mut arrivals = Arrivals::default();
    arrivals.push(EventKind::Search, 0);
    slot.ticker.start()?;
    let idle = run_to_idle(&mut machine.vm, &arrivals, Instant::now() + SEARCH_MAX);
    slot.ticker.stop()?;
    machine.rests(idle?);
    Ok(())
}
