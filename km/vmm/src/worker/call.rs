//! One call: a machine that has seen none before, the frames of its connection, its end.

use std::time::{Duration, Instant};

use km_abi::hypercall::{End, EventKind, IDLE_AT_START};
use km_abi::layout::PAGE_SIZE;

use super::conversation::{Conversation, Verdict};
use super::drive::{Finished, Guest, Over};
use super::function::micros;
use super::growth::faults;
use super::ready::{Readiness, Until, message};
use super::slot::{Held, Slot, SlotError, ended};
use super::stream::SlotStream;
use crate::jail::urgency::Urgency;
use crate::memory::GRANULE;
use crate::protocol::{Call, Ended, Kind, Outcome, Started};
use crate::shell::Shell;
use crate::snapshot::working_set::Learns;
use crate::vm::{Arrivals, Breakdown};

/// Longest call (contract: at most an hour); a larger wish is cut.
const DEADLINE_MAX: Duration = Duration::from_secs(3600 + 60);
/// What is left of the response goes out within this time, or not at all.
const LAST_BYTES: Duration = Duration::from_secs(10);

/// Runs a call on what the slot holds and destroys the machine. `taken` is when the call came.
///
/// # Errors
/// The stream is of no use any more, or KVM fails.
pub fn run(
    slot: &mut Slot,
    held: Held,
    call: &Call,
    taken: Instant,
    stream: &mut SlotStream,
) -> Result<Ended, SlotError> {
    let deadline = taken + Duration::from_millis(call.deadline_ms).min(DEADLINE_MAX);
    let granule = if matches!(held, Held::Shell(_)) { PAGE_SIZE } else { GRANULE };
    let growth = slot.growth(call.memory, granule);
    // A clone is there when its call comes, so the count taken while the slot waited is the one to begin with.
    let waited = matches!(held, Held::Shell(_)).then(|| slot.faults_when_waiting());
    let (mut machine, fresh, learns) = match obtain(slot, held) {
        Ok(machine) => machine,
        Err(message) => return Ok(ended(Outcome::Fault { message })),
    };
    let (exits_before, faults_before) = (machine.vm.usage().exits, waited.unwrap_or_else(faults));
    let mut conversation =
        Conversation::new(stream, growth, slot.stride(), slot.function.spec.wire, Some(deadline));
    conversation.inlay = std::mem::take(&mut slot.inlay).into();
    conversation.connect(machine.next_connection())?;
    let mut timing = Timing { taken, boot: None };
    let over = answer(slot, &mut machine, fresh, call.port, &mut conversation, &mut timing)?;
    let outcome = outcome(over, &mut conversation);
    let first_byte = conversation.first_byte();
    let limit = match outcome {
        Outcome::Cancelled => Duration::ZERO,
        // Its output is the response, and a client may take its time with that.
        Outcome::Exited { .. } => deadline.saturating_duration_since(Instant::now()).max(LAST_BYTES),
        _ => LAST_BYTES,
    };
    conversation.stream.flush_within(Some(limit))?;
    let failure = conversation.take_failure();
    let run_us = micros(taken.elapsed());
    let exits = machine.vm.usage().exits - exits_before;
    let page_faults = faults().saturating_sub(faults_before);
    let mut report = ended(outcome);
    tear_down(slot, machine, learns, &mut report);
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    let first_byte_us = first_byte.map(|at| micros(at - taken));
    let boot_us = timing.boot.map_or(run_us, micros);
    Ok(Ended { boot_us, first_byte_us, run_us, exits, page_faults, ..report })
}

struct Timing {
    taken: Instant,
    boot: Option<Duration>,
}

/// The machine of a call, whether it is a clone that must be told so, and whether to learn from it.
fn obtain(slot: &mut Slot, held: Held) -> Result<(Guest, bool, Learns), String> {
    let clone = |shell: Shell| (Guest::new(shell.vm, Some(shell.idle)), true, shell.learns);
    match held {
        Held::Shell(shell) => Ok(clone(*shell)),
        Held::Booted(machine) => Ok((*machine, false, Learns::Writes)),
        Held::Empty => match slot.function.shell(&mut slot.ticker) {
            Ok(Some((shell, _))) => Ok(clone(shell)),
            Ok(None) => slot
                .function
                .boot(slot.starts_with_its_call())
                .map(|machine| (machine, false, Learns::Writes))
                .map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Brings the machine to where it listens, where that is not done yet, and lets it answer.
fn answer(
    slot: &mut Slot,
    machine: &mut Guest,
    fresh: bool,
    port: u16,
    conversation: &mut Conversation<'_>,
    timing: &mut Timing,
) -> Result<Over, SlotError> {
    let mut arrivals = Arrivals::default();
    if fresh {
        if let Err(error) = slot.function.begin(&machine.vm) {
            return Ok(Over::Broken(Breakdown::of_reason(error.to_string())));
        }
        arrivals.push(EventKind::Restored, 0);
    }
    let awaited = slot.function.awaited();
    if machine.idle.is_none() && !slot.function.spec.wire.is_connection() || !conversation.inlay.is_empty() {
        let over = put_in(slot, machine, &mut arrivals, conversation)?;
        if !matches!(over, Over::Reached) {
            return Ok(over);
        }
    }
    let at_start = machine.idle.as_ref().is_none_or(|idle| idle.flags & IDLE_AT_START != 0);
    if at_start && slot.function.spec.wire.is_connection() {
        started(conversation, timing)?;
        let mut ready = Readiness::new(awaited, Until::Listening);
        let over = machine.drive(conversation, &mut arrivals, &mut ready, &mut slot.ticker)?;
        if let (Over::Reached, Some(reason)) = (&over, ready.failure()) {
            let text = message(reason, port, machine.idle.as_deref(), Duration::ZERO, None);
            return Ok(Over::Broken(Breakdown::of_reason(format!("the program {text}"))));
        }
        if !matches!(over, Over::Reached) {
            return Ok(over);
        }
        arrivals.clear();
    }
    conversation.open(port, &mut arrivals);
    started(conversation, timing)?;
    Ok(machine.drive(conversation, &mut arrivals, &mut Finished, &mut slot.ticker)?)
}

/// Brings a machine that boots to the program's first instruction, and announces what is to be put in.
fn put_in(
    slot: &mut Slot,
    machine: &mut Guest,
    arrivals: &mut Arrivals,
    conversation: &mut Conversation<'_>,
) -> Result<Over, SlotError> {
    if machine.idle.is_none() {
        let mut loaded = Readiness::new(slot.function.awaited(), Until::Start);
        let over = machine.drive(conversation, arrivals, &mut loaded, &mut slot.ticker)?;
        if !matches!(over, Over::Reached) {
            return Ok(over);
        }
        arrivals.clear();
    }
    arrivals.inlay(conversation.inlay.len());
    Ok(Over::Reached)
}

/// Notes, once, that the next thing is the first instruction of the call. The frame goes out with the first output.
fn started(conversation: &mut Conversation<'_>, timing: &mut Timing) -> Result<(), SlotError> {
    if timing.boot.is_none() {
        let boot = timing.taken.elapsed();
        conversation.stream.queue_record(Kind::Started, &Started { boot_us: micros(boot) })?;
        timing.boot = Some(boot);
    }
    Ok(())
}

fn outcome(over: Over, conversation: &mut Conversation<'_>) -> Outcome {
    match over {
        Over::Reached => Outcome::Idle,
        Over::Stopped(Verdict::GraceOver) => Outcome::Closed,
        Over::Stopped(Verdict::Deadline) => Outcome::Deadline,
        Over::Stopped(Verdict::Cancelled) => Outcome::Cancelled,
        Over::Stopped(Verdict::NoMemory) => Outcome::NodeOutOfMemory,
        Over::Ended(end) => ended_by_itself(end),
        Over::Broken(breakdown) => broken(&breakdown, conversation.tail.text()),
    }
}

fn ended_by_itself(end: End) -> Outcome {
    match end {
        End::Exited { status } => Outcome::Exited { status },
        End::Killed { signal } => Outcome::Signaled { signal },
        End::OutOfMemory => Outcome::OutOfMemory,
    }
}

fn broken(breakdown: &Breakdown, tail: Option<String>) -> Outcome {
    let tail = tail.map(|tail| format!("\nlast output: {tail}")).unwrap_or_default();
    Outcome::Fault { message: format!("{breakdown}{tail}") }
}

/// Looks at what the machine used, destroys it, and then learns: nobody waits for that.
fn tear_down(slot: &mut Slot, machine: Guest, learns: Learns, report: &mut Ended) {
    slot.pace.set(Urgency::Patient);
    let start = Instant::now();
    let usage = slot.function.usage(&machine.vm);
    // A program that has no connection to close ends with its call.
    let exits = !slot.function.spec.wire.is_connection();
    let whole = match report.outcome {
        Outcome::Idle => true,
        Outcome::Exited { status: 0 } => exits,
        _ => false,
    };
    let accessed =
        (whole && learns.by_accessed_bits()).then(|| slot.function.accessed(&machine.vm)).flatten();
    drop(machine);
    report.teardown_us = micros(start.elapsed());
    if let Ok(usage) = usage {
        report.dirty_pages = usage.written_pages();
        report.touched_pages = usage.written_pages() + usage.read_pages();
        if whole {
            slot.function.learn(&usage, learns, accessed.as_ref());
        }
    }
}
