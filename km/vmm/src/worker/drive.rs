//! Runs a machine through a conversation until a goal is reached: the loop of boot, warm-up and call alike.

use std::time::{Duration, Instant};

use km_abi::hypercall::{End, FIRST_CONNECTION, Idle, NEVER};

use super::conversation::{Conversation, Verdict};
use crate::kvm::KvmError;
use crate::vm::kick::Ticker;
use crate::vm::{Arrivals, Breakdown, GuestStreams, Stop, Vm};

/// A machine and what it said last.
pub struct Guest {
    /// The VM in which it runs.
    pub vm: Vm,
    /// What it said when it went idle; nothing before that.
    pub idle: Option<Box<Idle>>,
    /// When it did, if it did.
    idle_at: Instant,
    connections: u32,
}

/// Where a run ended.
#[derive(Debug)]
pub enum Over {
    /// The goal was reached; the machine is idle.
    Reached,
    /// The machine ended itself.
    Ended(End),
    /// The machine cannot go on.
    Broken(Breakdown),
    /// It would go on, but must not.
    Stopped(Verdict),
}

/// What an idle machine is looked at for.
pub trait Goal {
    /// Judges an idle machine that has used `guest` of CPU time so far.
    fn look(&mut self, idle: &Idle, guest: Duration, conversation: &Conversation<'_>) -> Look;
}

/// What came of looking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// The goal is reached.
    Reached,
    /// Not yet; look again then at the latest.
    Wait(Option<Instant>),
}

/// The server has the whole response.
pub struct Finished;

impl Goal for Finished {
    fn look(&mut self, _idle: &Idle, _guest: Duration, conversation: &Conversation<'_>) -> Look {
        let is_over = conversation.finished() && !conversation.owes();
        if is_over { Look::Reached } else { Look::Wait(None) }
    }
}

impl Guest {
    /// A machine that was not run yet, or one that is idle.
    #[must_use]
    pub fn new(vm: Vm, idle: Option<Box<Idle>>) -> Self {
        Self { vm, idle, idle_at: Instant::now(), connections: 0 }
    }

    /// The machine went idle just now.
    pub fn rests(&mut self, idle: Box<Idle>) {
        self.idle = Some(idle);
        self.idle_at = Instant::now();
    }

    /// What the machine said when it went idle, and when that was.
    #[must_use]
    pub fn rest(&self) -> Option<(&Idle, Instant)> {
        self.idle.as_deref().map(|idle| (idle, self.idle_at))
    }

    /// The stream of the next connection.
    pub fn next_connection(&mut self) -> u32 {
        self.connections += 1;
        FIRST_CONNECTION + self.connections - 1
    }

    /// Tells the guest of `arrivals` and runs it until the goal is reached or it cannot go on.
    ///
    /// # Errors
    /// KVM fails, or the slot's stream cannot be waited for.
    pub fn drive(
        &mut self,
        conversation: &mut Conversation<'_>,
        arrivals: &mut Arrivals,
        goal: &mut dyn Goal,
        ticker: &mut Ticker,
    ) -> Result<Over, DriveError> {
        loop {
            if let Some(verdict) = conversation.verdict() {
                return Ok(Over::Stopped(verdict));
            }
            self.vm.deliver(arrivals)?;
            ticker.start()?;
            let stop = self.vm.run(conversation);
            conversation.send();
            ticker.stop()?;
            match stop? {
                Stop::Idle(idle) => {
                    self.rests(idle);
                    conversation.idle(self.vm.memory(), self.vm.usage().guest);
                }
                Stop::Ended(end) => return Ok(Over::Ended(end)),
                Stop::Broken(breakdown) => return Ok(Over::Broken(breakdown)),
                Stop::Cancelled => {
                    return Ok(Over::Stopped(conversation.verdict().unwrap_or(Verdict::Cancelled)));
                }
            }
            if let Some(over) = self.wait(conversation, arrivals, goal)? {
                return Ok(over);
            }
        }
    }

    /// The machine is idle: waits until there is news for it or its timer fires.
    fn wait(
        &self,
        conversation: &mut Conversation<'_>,
        arrivals: &mut Arrivals,
        goal: &mut dyn Goal,
    ) -> Result<Option<Over>, DriveError> {
        let Some(idle) = &self.idle else { return Ok(None) };
        let timer = timer(idle).and_then(|after| self.idle_at.checked_add(after));
        loop {
            arrivals.clear();
            conversation.poll(arrivals);
            if let Some(verdict) = conversation.verdict() {
                return Ok(Some(Over::Stopped(verdict)));
            }
            let mut again = None;
            if arrivals.is_empty() || conversation.finished() {
                match goal.look(idle, self.vm.usage().guest, conversation) {
                    Look::Reached => return Ok(Some(Over::Reached)),
                    Look::Wait(at) => again = at,
                }
            }
            let now = Instant::now();
            if !arrivals.is_empty() || timer.is_some_and(|timer| now >= timer) {
                return Ok(None);
            }
            let next = [timer, conversation.next_moment(), again].into_iter().flatten().min();
            let limit = next.map(|next| next.saturating_duration_since(now));
            conversation.stream.wait(conversation.takes_input(), limit)?;
        }
    }
}

/// How long after it went idle the guest wants to be run again.
fn timer(idle: &Idle) -> Option<Duration> {
    (idle.deadline_ns != NEVER)
        .then(|| Duration::from_nanos(idle.deadline_ns.saturating_sub(idle.monotonic_ns)))
}

/// Why a machine cannot be driven. The cause is the host or the server, never the guest.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A request to KVM failed.
    #[error(transparent)]
    Kvm(#[from] KvmError),
    /// Guest memory cannot be written.
    #[error(transparent)]
    Memory(#[from] crate::memory::MemoryError),
    /// The tick cannot be set.
    #[error("tick: {0}")]
    Tick(#[from] nix::Error),
    /// The slot's stream failed.
    #[error("slot stream: {0}")]
    Stream(#[from] std::io::Error),
}
