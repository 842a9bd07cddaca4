//! What a function that computes without end costs its neighbours: `cargo bench --bench fair`, by hand.
//!
//! One function is called at a steady pace, alone and then beside another one that keeps all processors busy with many calls
//! at once. JSON with latencies in milliseconds, as a client sees them from when the call was due. `SECONDS` (10), `RATE` per
//! second (50) and `HOGS` (calls at once, 16) may be set.
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on says why and ends")]

#[path = "../../tests/common/mod.rs"]
#[allow(clippy::unwrap_used, reason = "shared with tests")]
mod common;

use common::kvm_or_skip;
use common::node::{Node, function};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Threads that send the paced calls.
const SENDERS: usize = 4;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    if !kvm_or_skip("the benchmark of fairness") {
        return;
    }
    let (seconds, rate, hogs) = (number("SECONDS", 10), number("RATE", 50), number("HOGS", 16));
    let node = Node::start(&[]);
    for name in ["paced", "hog"] {
        node.pack(name, &[], &[&function("probe").display().to_string()]);
        node.document(name, &format!("  image: oci:{name}\n  timeout: 2s\n"));
        assert_eq!(node.settled(name)["phase"], "Ready", "{}", node.log());
    }
    // Learns what calls touch.
    paced(node.functions, 1, rate);
    let alone = paced(node.functions, seconds, rate);
    let stop = AtomicBool::new(false);
    let beside = std::thread::scope(|scope| {
        for _ in 0..hogs {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    // Ends at its deadline, with 504.
                    call(node.functions, "/default/hog/spin");
                }
            });
        }
        node.wait_for("hogs", |node| (node.state("hog")?["in_flight"] == hogs).then_some(()));
        let beside = paced(node.functions, seconds, rate);
        stop.store(true, Ordering::Relaxed);
        beside
    });
    let result = json!({
        "rate_per_second": rate,
        "hogs": hogs,
        "processors": std::thread::available_parallelism().map_or(1, usize::from),
        "alone": alone,
        "beside_hogs": beside,
    });
    println!("{}", serde_json::to_string_pretty(&result).expect("JSON can be written"));
}

fn call(address: SocketAddr, path: &str) -> Option<u16> {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    let agent: ureq::Agent = config.timeout_global(Some(Duration::from_secs(30))).build().into();
    Some(agent.get(format!("http://{address}{path}")).call().ok()?.status().as_u16())
}

/// Latencies of calls at a steady pace.
fn paced(address: SocketAddr, seconds: u64, rate: u64) -> Value {
    let (begun, count) = (Instant::now(), seconds * rate);
    let mut times: Vec<Option<Duration>> = std::thread::scope(|scope| {
        let send = |first: usize| {
            let numbers = (first as u64..count).step_by(SENDERS);
            let times = numbers.map(|number| {
                let due = begun + Duration::from_secs_f64(number as f64 / rate as f64);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                (call(address, "/default/paced/count") == Some(200)).then(|| due.elapsed())
            });
            times.collect::<Vec<_>>()
        };
        let senders: Vec<_> = (0..SENDERS).map(|first| scope.spawn(move || send(first))).collect();
        senders.into_iter().flat_map(|sender| sender.join().expect("no panic")).collect()
    });
    let failed = times.iter().filter(|time| time.is_none()).count();
    times.retain(Option::is_some);
    times.sort();
    let at = |percent: usize| {
        let time = times.get((times.len().saturating_sub(1)) * percent / 100).copied().flatten();
        time.map(|time| (time.as_secs_f64() * 1e5).round() / 100.0)
    };
    json!({"calls": count, "failed": failed, "p50_ms": at(50), "p90_ms": at(90), "p99_ms": at(99), "max_ms": at(100)})
}
