//! Open and closed loop.
//!
//! The load comes from a thread and a runtime of its own in this process, the server is another process: on a small
//! machine they share the CPUs, and the figures are what a client on the same machine sees.

use super::client::{Answer, Client};
use super::summary::Durations;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::LocalSet;

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

    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.failure.get_or_insert(why);
    }
}

/// Calls at a steady pace: `rate` per second, `count` of them, whether or not earlier ones are answered. A latency begins
/// when the call was due to be sent, so that a slow sender is not mistaken for a fast server.
///
/// # Errors
/// Only when the runtime cannot be made.
pub fn open_loop(server: SocketAddr, path: &str, rate: f64, count: u64) -> anyhow::Result<Outcome> {
    let (due, mut arrivals) = mpsc::unbounded_channel::<Instant>();
    let interval = Duration::from_secs_f64(1.0 / rate);
    // A timer thread keeps the pace to some 50 µs; the runtime's timers have a grain of a millisecond.
    std::thread::spawn(move || {
        let start = Instant::now();
        for number in 0..count {
            let at = interval.mul_f64(number as f64);
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            if due.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let path = path.to_owned();
    on_own_runtime(async move {
        let client = Rc::new(Client::new(server));
        let begun = Instant::now();
        let mut calls = tokio::task::JoinSet::new();
        while let Some(due) = arrivals.recv().await {
            let (client, path) = (client.clone(), path.clone());
            calls.spawn_local(async move {
                let answer = client.get(&path).await;
                (answer, due.elapsed())
            });
        }
        let mut outcome = Outcome::default();
        while let Some(Ok((answer, latency))) = calls.join_next().await {
            outcome.add(answer, Some(latency));
        }
        outcome.elapsed = begun.elapsed();
        outcome
    })
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
    on_own_runtime(async move {
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
    })
}

fn on_own_runtime<T>(work: impl Future<Output = T>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(LocalSet::new().block_on(&runtime, work))
}
