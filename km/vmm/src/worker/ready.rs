//! When a booting program is ready, and why it is not.
//!
//! Ready means three things. The machine is idle: every thread of every process is blocked. One thread waits for a
//! connection to the function's port, or for standard input where the call comes there. And the guest used less than
//! [`BUSY`] of CPU in the last [`WINDOW`]. Periodic timers of a runtime do not disturb that. A program that does a little all
//! the time, such as a shell that starts others every few milliseconds, is taken once it has waited for its call for
//! [`PATIENCE`], if it left most of the CPU alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use km_abi::hypercall::{IDLE_AT_START, IDLE_READS_STDIN, Idle, LISTENERS_MAX, Listener, NEVER};

use super::conversation::Conversation;
use super::drive::{Goal, Look};
use crate::protocol::{ListeningPort, NotReadyReason};

/// How far back the program's CPU time counts.
pub const WINDOW: Duration = Duration::from_millis(50);
/// CPU time of the guest in that window from which on it counts as busy.
pub const BUSY: Duration = Duration::from_millis(1);
/// How long a program that never is quiet must have waited for its call.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// It may have used one part in so many of that time.
const SHARE: u32 = 4;
/// A program that listens elsewhere and was quiet for this long will not listen at the right port any more.
const SETTLED: Duration = Duration::from_secs(10);

/// What a program must have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Loaded, no instruction executed.
    Start,
    /// Waiting for its call, this instant: good enough to serve it.
    Listening,
    /// Ready in the full sense: good enough for a snapshot.
    Ready,
}

/// What a program that is ready waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// Connections to this port.
    Port(u16),
    /// The call on its standard input.
    Input,
}

impl Awaited {
    /// A blocked thread waits for it.
    fn holds(self, idle: &Idle) -> bool {
        match self {
            Self::Port(port) => awaits(idle, port),
            Self::Input => idle.flags & IDLE_READS_STDIN != 0,
        }
    }
}

/// Looks whether a program is ready.
pub struct Readiness {
    awaited: Awaited,
    until: Until,
    samples: VecDeque<(Instant, Duration)>,
    quiet_since: Option<Instant>,
    /// Since when it waits for its call whenever it is idle, and what CPU time it had used then.
    waits_since: Option<(Instant, Duration)>,
    failure: Option<NotReadyReason>,
}

impl Readiness {
    /// For a program that should come to wait for `awaited`.
    #[must_use]
    pub fn new(awaited: Awaited, until: Until) -> Self {
        Self { awaited, until, samples: VecDeque::new(), quiet_since: None, waits_since: None, failure: None }
    }

    /// Why the program will never be ready, once that is certain.
    #[must_use]
    pub fn failure(&self) -> Option<NotReadyReason> {
        self.failure
    }

    /// Why a program whose time is over is not ready; `idle` is what it said last.
    #[must_use]
    pub fn reason_at_limit(&self, idle: Option<&Idle>) -> NotReadyReason {
        let Some(idle) = idle else { return NotReadyReason::NeverIdle };
        match () {
            () if self.awaited.holds(idle) => NotReadyReason::NeverIdle,
            () => self.elsewhere(idle),
        }
    }

    fn elsewhere(&self, idle: &Idle) -> NotReadyReason {
        let Awaited::Port(port) = self.awaited else { return NotReadyReason::NotReading };
        let here = listeners(idle).iter().any(|listener| listener.port == port);
        if here || listeners(idle).is_empty() {
            NotReadyReason::NotListening
        } else {
            NotReadyReason::WrongPort
        }
    }

    /// Adds a sample; gives the moment at which the window will be quiet if nothing more happens, `None` if it is so.
    fn sample(&mut self, now: Instant, guest: Duration) -> Option<Instant> {
        self.samples.push_back((now, guest));
        // One sample from before the window stays: what was used since then includes what was used in the window.
        while self.samples.get(1).is_some_and(|(at, _)| *at + WINDOW <= now) {
            self.samples.pop_front();
        }
        let quiet =
            |(at, before): &(Instant, Duration)| *at + WINDOW <= now && guest.saturating_sub(*before) < BUSY;
        if self.samples.front().is_some_and(quiet) {
            self.quiet_since.get_or_insert(now);
            return None;
        }
        self.quiet_since = None;
        // The oldest sample since which little was used becomes the start of the window.
        let start = self.samples.iter().find(|(_, before)| guest.saturating_sub(*before) < BUSY);
        Some(start.map_or(now, |(at, _)| *at) + WINDOW)
    }

    /// `hears`: peers beyond the machine may still have something to say to it.
    fn judge_of(&mut self, idle: &Idle, now: Instant, guest: Duration, hears: bool) -> Look {
        if self.until == Until::Start {
            return if idle.flags & IDLE_AT_START != 0 { Look::Reached } else { Look::Wait(None) };
        }
        let quiet_at = self.sample(now, guest);
        if self.awaited.holds(idle) {
            let (since, before) = *self.waits_since.get_or_insert((now, guest));
            let waited = now.saturating_duration_since(since);
            let modest = waited >= PATIENCE && guest.saturating_sub(before) < waited / SHARE;
            let reached = quiet_at.is_none() || modest || self.until == Until::Listening;
            return if reached { Look::Reached } else { Look::Wait(quiet_at) };
        }
        self.waits_since = None;
        let for_ever = idle.deadline_ns == NEVER && !hears;
        let settled = self.quiet_since.is_some_and(|since| now >= since + SETTLED);
        if for_ever || (settled && !listeners(idle).is_empty()) {
            self.failure = Some(self.elsewhere(idle));
            return Look::Reached;
        }
        Look::Wait(None)
    }
}

impl Goal for Readiness {
    fn look(&mut self, idle: &Idle, guest: Duration, conversation: &Conversation<'_>) -> Look {
        let hears = !conversation.stream.outbound.is_empty();
        self.judge_of(idle, Instant::now(), guest, hears)
    }
}

/// The listening sockets that a guest reports; the count is the guest's and may be anything.
#[must_use]
pub fn listeners(idle: &Idle) -> &[Listener] {
    &idle.listeners[..(idle.listener_count as usize).min(LISTENERS_MAX)]
}

/// A blocked thread waits for connections to `port`.
#[must_use]
pub fn awaits(idle: &Idle, port: u16) -> bool {
    listeners(idle).iter().any(|listener| listener.port == port && listener.awaited != 0)
}

/// The listening sockets, for the protocol.
#[must_use]
pub fn ports(idle: &Idle) -> Vec<ListeningPort> {
    let port = |listener: &Listener| ListeningPort { port: listener.port, awaited: listener.awaited != 0 };
    listeners(idle).iter().map(port).collect()
}

/// One line that names the fix; `running` is the process that had the CPU last.
#[must_use]
pub fn message(
    reason: NotReadyReason,
    port: u16,
    idle: Option<&Idle>,
    limit: Duration,
    running: Option<&str>,
) -> String {
    let listening: Vec<String> =
        idle.map(listeners).unwrap_or_default().iter().map(|listener| listener.port.to_string()).collect();
    match reason {
        NotReadyReason::WrongPort => format!(
            "listens on {}, port says {port}: set the function's port, or make the program listen on $PORT",
            listening.join(", ")
        ),
        NotReadyReason::NotListening if listening.contains(&port.to_string()) => {
            format!("listens on {port}, but no thread waits for connections there")
        }
        NotReadyReason::NotListening => {
            format!("does not listen on any TCP port: it should listen on {port}, which is in $PORT")
        }
        NotReadyReason::NeverIdle => format!(
            "is still busy after {}s{}: it must come to rest before its first call{}",
            limit.as_secs(),
            running.map(|name| format!(", {name} the last time")).unwrap_or_default(),
            if listening.is_empty() { format!(" and listen on {port}") } else { String::new() }
        ),
        NotReadyReason::NotReading => {
            "waits, but not for its standard input: it should read its call, or say `snapshot: start`"
                .to_owned()
        }
        NotReadyReason::Exited => "exited while starting".to_owned(),
        NotReadyReason::Fault => "the machine broke while the program was starting".to_owned(),
        NotReadyReason::NodeMemory => "needed more memory than the node has left".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(listeners: &[(u16, u16)], deadline_ns: u64) -> Idle {
        let mut idle = Idle { deadline_ns, listener_count: listeners.len() as u32, ..Idle::default() };
        for (slot, &(port, awaited)) in idle.listeners.iter_mut().zip(listeners) {
            *slot = Listener { port, awaited };
        }
        idle
    }

    impl Readiness {
        fn judge(&mut self, idle: &Idle, now: Instant, guest: Duration) -> Look {
            self.judge_of(idle, now, guest, false)
        }
    }

    #[test]
    fn who_waits_for_a_peer_beyond_the_machine_may_still_come_to_listen() {
        let start = Instant::now();
        let waits = idle(&[], NEVER);
        let mut ready = Readiness::new(Awaited::Port(8080), Until::Ready);
        assert_eq!(ready.judge_of(&waits, start, ms(5), true), Look::Wait(None));
        assert_eq!(ready.failure(), None);
        assert_eq!(ready.judge_of(&waits, start + ms(1), ms(5), false), Look::Reached);
        assert_eq!(ready.failure(), Some(NotReadyReason::NotListening));
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn ready_is_waiting_at_the_port_and_quiet_for_a_window() {
        let start = Instant::now();
        let waiting = idle(&[(8080, 1)], 5);
        let mut ready = Readiness::new(Awaited::Port(8080), Until::Ready);
        assert_eq!(ready.judge(&waiting, start, ms(5)), Look::Wait(Some(start + WINDOW)));
        assert_eq!(ready.judge(&waiting, start + ms(20), ms(9)), Look::Wait(Some(start + ms(70))));
        assert_eq!(ready.judge(&waiting, start + ms(60), ms(9)), Look::Wait(Some(start + ms(70))));
        assert_eq!(ready.judge(&waiting, start + ms(70), ms(9)), Look::Reached);
        let mut listening = Readiness::new(Awaited::Port(8080), Until::Listening);
        assert_eq!(listening.judge(&waiting, start, ms(5)), Look::Reached);
    }

    #[test]
    fn periodic_timers_do_not_disturb() {
        let start = Instant::now();
        let mut ready = Readiness::new(Awaited::Port(80), Until::Ready);
        let waiting = idle(&[(80, 1)], 5);
        let looks: Vec<Look> = (0..4)
            .map(|n| ready.judge(&waiting, start + ms(20 * n), Duration::from_micros(300 * n)))
            .collect();
        assert_eq!(looks[3], Look::Reached);
    }

    #[test]
    fn who_does_a_little_all_the_time_is_ready_after_a_while() {
        let (start, waiting) = (Instant::now(), idle(&[(80, 1)], 5));
        // 20 ms of each 100: never quiet. 40 of each 100: busy.
        for (used, expected) in [(2, Some(200)), (4, None)] {
            let mut ready = Readiness::new(Awaited::Port(80), Until::Ready);
            let mut looks = (0..=400).map(|n| ready.judge(&waiting, start + ms(10 * n), ms(used * n)));
            assert_eq!(looks.position(|look| look == Look::Reached), expected, "{used} ms of 10");
        }
        // Who stops to wait begins again.
        let mut ready = Readiness::new(Awaited::Port(80), Until::Ready);
        for n in 0..300 {
            let now = if n == 150 { idle(&[(80, 0)], 5) } else { waiting };
            assert_ne!(ready.judge(&now, start + ms(10 * n), ms(2 * n)), Look::Reached, "{n}");
        }
    }

    #[test]
    fn who_waits_for_ever_elsewhere_is_told_so_at_once() {
        let mut wrong = Readiness::new(Awaited::Port(8080), Until::Ready);
        let there = idle(&[(3000, 1)], NEVER);
        assert_eq!(wrong.judge(&there, Instant::now(), ms(1)), Look::Reached);
        assert_eq!(wrong.failure(), Some(NotReadyReason::WrongPort));
        let text = message(NotReadyReason::WrongPort, 8080, Some(&there), ms(0), None);
        assert!(text.starts_with("listens on 3000, port says 8080"), "{text}");
        let mut nowhere = Readiness::new(Awaited::Port(8080), Until::Ready);
        assert_eq!(nowhere.judge(&idle(&[], NEVER), Instant::now(), ms(1)), Look::Reached);
        assert_eq!(nowhere.failure(), Some(NotReadyReason::NotListening));
        let mut unwatched = Readiness::new(Awaited::Port(8080), Until::Ready);
        assert_eq!(unwatched.judge(&idle(&[(8080, 0)], NEVER), Instant::now(), ms(1)), Look::Reached);
        assert_eq!(unwatched.failure(), Some(NotReadyReason::NotListening));
    }

    #[test]
    fn who_reads_its_input_is_ready_as_well() {
        let start = Instant::now();
        let mut ready = Readiness::new(Awaited::Input, Until::Ready);
        let reads = Idle { flags: IDLE_READS_STDIN, ..idle(&[], NEVER) };
        assert_eq!(ready.judge(&reads, start, ms(5)), Look::Wait(Some(start + WINDOW)));
        assert_eq!(ready.judge(&reads, start + WINDOW, ms(5)), Look::Reached);
        assert_eq!(ready.failure(), None);
        assert_eq!(ready.judge(&idle(&[(80, 1)], NEVER), start, ms(5)), Look::Reached);
        assert_eq!(ready.failure(), Some(NotReadyReason::NotReading));
    }

    #[test]
    fn the_limit_has_a_reason_of_its_own() {
        let ready = Readiness::new(Awaited::Port(8080), Until::Ready);
        assert_eq!(ready.reason_at_limit(None), NotReadyReason::NeverIdle);
        assert_eq!(ready.reason_at_limit(Some(&idle(&[(8080, 1)], 9))), NotReadyReason::NeverIdle);
        assert_eq!(ready.reason_at_limit(Some(&idle(&[(1, 1)], 9))), NotReadyReason::WrongPort);
        assert_eq!(ready.reason_at_limit(Some(&idle(&[], 9))), NotReadyReason::NotListening);
        let busy = message(NotReadyReason::NeverIdle, 8080, None, ms(60_000), Some("python3 (process 7)"));
        assert!(busy.starts_with("is still busy after 60s, python3 (process 7) the last time: "), "{busy}");
    }

    #[test]
    fn a_count_beyond_the_list_is_cut() {
        let mut hostile = idle(&[(1, 1)], NEVER);
        hostile.listener_count = u32::MAX;
        assert_eq!(listeners(&hostile).len(), LISTENERS_MAX);
    }
}
