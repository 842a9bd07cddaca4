//! Open and closed loop.
//!
//! The load comes from threads and runtimes of its own in this process, the server is another process: on a small
//! machine they share the CPUs, and the figures are what a client on the same machine sees.

use super::client::{Answer, Client};
use super::summary::Durations;
use km_vmm::jail::urgency::{Pace, Urgency};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// Threads that send at a steady pace; more than that many calls in flight make the next ones late.
const SENDERS: u64 = 8;

/// What came of many calls.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Latencies of the calls that were answered with 200.
    pub latencies: Durations,
    /// Calls that were answered otherwise or not at all.
    pub failed: u64,
    /// One of those, in words.
    pub failure: Option<String>,
    /// Calls that found another counter than 1.
    pub stale: u64,
    /// Calls with an answer of 200.
    pub answered: u64,
    /// First call to last answer.
    pub elapsed: Duration,
}

impl Outcome {
    /// Answered calls per second.
    pub fn rate(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }

    fn add(&mut self, answer: anyhow::Result<Answer>, latency: Option<Duration>) {
        match answer {
            Ok(answer) if answer.status == 200 => {
                self.answered += 1;
                self.stale += u64::from(answer.count.is_some_and(|count| count != 1));
                self.latencies.add(latency.unwrap_or(answer.latency));
            }
            Ok(answer) => {
                self.fail(format!("status {}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
            }
            Err(error) => self.fail(format!("{error:#}")),
        }
    }

    /// Adds what came of other calls of the same time.
    fn join(&mut self, other: Self) {
        self.latencies.join(&other.latencies);
        self.failed += other.failed;
        self.failure = self.failure.take().or(other.failure);
        self.stale += other.stale;
        self.answered += other.answered;
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.failure.get_or_insert(why);
    }
}

/// Calls at a steady pace: `rate` per second, `count` of them, whether or not earlier ones are answered. Several senders
/// take turns, each waiting for its answer in the thread that sent the call. A latency begins when the call is sent, or, where
/// the sender's last call held it up, when it was due: a server that stands still is not spared the calls that it delays.
///
/// # Errors
/// Only when a runtime cannot be made.
pub fn open_loop(server: SocketAddr, path: &str, rate: f64, count: u64) -> anyhow::Result<Outcome> {
    let (start, interval) = (Instant::now(), Duration::from_secs_f64(1.0 / rate));
    let mut outcome = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|first| {
                let dues = (first..count)
                    .step_by(SENDERS as usize)
                    .map(move |number| start + interval.mul_f64(number as f64));
                scope.spawn(move || send(server, path, dues))
            })
            .collect();
        let mut all = Outcome::default();
        for sender in senders {
            all.join(sender.join().map_err(|_| anyhow::anyhow!("a sender failed"))??);
        }
        anyhow::Ok(all)
    })?;
    outcome.elapsed = start.elapsed();
    Ok(outcome)
}

/// Calls at those moments, from the calling thread.
fn send(server: SocketAddr, path: &str, dues: impl Iterator<Item = Instant>) -> anyhow::Result<Outcome> {
    // What is measured is how long the server takes, not how long this thread waits for a processor.
    Pace::new().set(Urgency::Prompt);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = Client::new(server);
    let mut outcome = Outcome::default();
    for mut due in dues {
        let left = due.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            std::thread::sleep(left);
            due = Instant::now();
        }
        let answer = runtime.block_on(client.get(path));
        outcome.add(answer, Some(due.elapsed()));
    }
    Ok(outcome)
}

/// `clients` clients, each calling again as soon as it has its answer, for a time or until each has made `most` calls.
///
/// # Errors
/// Only when the runtime cannot be made.
pub fn closed_loop(
    server: SocketAddr,
    path: &str,
    clients: usize,
    time: Duration,
    most: u64,
) -> anyhow::Result<Outcome> {
    let path = path.to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = LocalSet::new().block_on(&runtime, async move {
        let begun = Instant::now();
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..clients {
            let path = path.clone();
            running.spawn_local(async move {
                let client = Client::new(server);
                let mut answers = Vec::new();
                while begun.elapsed() < time && (answers.len() as u64) < most {
                    answers.push(client.get(&path).await);
                }
                answers
            });
        }
        let mut outcome = Outcome::default();
        while let Some(Ok(answers)) = running.join_next().await {
            answers.into_iter().for_each(|answer| outcome.add(answer, None));
        }
        outcome.elapsed = begun.elapsed();
        outcome
    });
    Ok(outcome)
}
