//! Ten thousand calls over the four sample functions: every answer right, every machine fresh, and nothing left behind.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::{Node, descendants};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const FUNCTIONS: [(&str, &str); 4] = [
    ("c-static", "hello from static C\n"),
    ("c-glibc", "hello from C with glibc\n"),
    ("rust-hyper", "hello from Rust\n"),
    ("python", "hello from Python\n"),
];
const CALLS: usize = 10_000;
/// What is held after so many of them is what may be held after all.
const FIRST: usize = 1_000;
const AT_ONCE: usize = 8;
/// Calls ahead of the ten thousand, more at once: pools are then as deep as the others could make them.
const AHEAD: usize = 1_500;
const AHEAD_AT_ONCE: usize = 24;
/// So often, so many more calls are made before what is held counts as lost.
const ROUNDS: usize = 6;
const MORE: usize = 400;

/// Publishes what `make functions` builds.
fn publish(node: &Node) {
    let folder = common::root().join("target/demo");
    let program = |name: &str| folder.join(name).display().to_string();
    assert!(Path::new(&program("c-static")).exists(), "the sample functions are not built: make functions");
    for name in ["c-static", "c-glibc", "rust-hyper"] {
        node.pack(name, &[], &[&program(name)]);
    }
    let asked = Command::new("/usr/bin/python3")
        .args(["-I", "-c", "import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_path('stdlib'))"])
        .output()
        .expect("Python 3 is installed");
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    let mut lines = text.lines().map(str::to_owned);
    let (interpreter, library) = (lines.next().expect("two lines"), lines.next().expect("two lines"));
    node.pack(
        "python",
        &[library, format!("{}:/app/server.py", program("server.py"))],
        &[&interpreter, "/app/server.py"],
    );
    for (name, _) in FUNCTIONS {
        node.document(name, &format!("  image: oci:{name}\n"));
    }
    for (name, _) in FUNCTIONS {
        assert_eq!(node.settled(name)["phase"], "Ready", "{name}: {}", node.log());
    }
}

/// Makes calls number `from` to `to`, `at_once` at a time, over all functions in turn.
fn call(node: &Node, from: usize, to: usize, at_once: usize) {
    let next = AtomicUsize::new(from);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= to {
                        return;
                    }
                    let (name, greeting) = FUNCTIONS[number % FUNCTIONS.len()];
                    let answer = node.get(&format!("/default/{name}/"));
                    assert_eq!(answer.status, 200, "call {number} of {name}: {}", answer.text());
                    assert_eq!(answer.text(), greeting);
                    assert_eq!(
                        answer.header("x-count"),
                        Some("1"),
                        "call {number} of {name} met a used machine"
                    );
                }
            });
        }
    });
}

/// Descriptors, threads and private memory (KiB) of the server and its workers, which are so many processes.
#[derive(Clone, Copy, Debug)]
struct Held {
    processes: u64,
    descriptors: u64,
    threads: u64,
    anonymous_kib: u64,
}

impl Held {
    /// At most 5 % more than `before` for each process. A pool that met a burst may have one worker more.
    fn no_more_than(&self, before: &Self) -> bool {
        let most = |before_all: u64| (before_all + before_all / 20) * self.processes / before.processes;
        self.processes <= before.processes + FUNCTIONS.len() as u64
            && self.descriptors <= most(before.descriptors)
            && self.threads <= most(before.threads)
            && self.anonymous_kib <= most(before.anonymous_kib)
    }
}

fn held(node: &Node) -> Held {
    let mut sum = Held { processes: 0, descriptors: 0, threads: 0, anonymous_kib: 0 };
    for pid in [node.pid()].into_iter().chain(descendants(node.pid())) {
        let count =
            |what: &str| std::fs::read_dir(format!("/proc/{pid}/{what}")).map_or(0, |all| all.count() as u64);
        sum.processes += 1;
        sum.descriptors += count("fd");
        sum.threads += count("task");
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:"));
        sum.anonymous_kib +=
            line.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0);
    }
    sum
}

/// The same, once the pools have come to rest: two looks a second apart agree.
fn at_rest(node: &Node) -> Held {
    let begun = Instant::now();
    let mut last = held(node);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let now = held(node);
        let steady = now.descriptors == last.descriptors
            && now.threads == last.threads
            && near(now.anonymous_kib, last.anonymous_kib, 0.01);
        if steady || begun.elapsed() > Duration::from_secs(30) {
            return now;
        }
        last = now;
    }
}

fn near(a: u64, b: u64, share: f64) -> bool {
    a.abs_diff(b) as f64 <= share * a.max(b) as f64
}

#[test]
fn ten_thousand_calls_leave_nothing_behind() {
    if !kvm_or_skip("ten thousand calls") {
        return;
    }
    let node = Node::start(&[]);
    publish(&node);
    call(&node, 0, AHEAD, AHEAD_AT_ONCE);
    call(&node, 0, FIRST, AT_ONCE);
    let before = at_rest(&node);
    call(&node, FIRST, CALLS, AT_ONCE);
    let mut after = at_rest(&node);
    for round in 0..ROUNDS {
        if after.no_more_than(&before) {
            return;
        }
        // Pools and allocators keep a little more or less from time to time; what leaks never comes back.
        call(&node, CALLS + round * MORE, CALLS + (round + 1) * MORE, AT_ONCE);
        after = at_rest(&node);
    }
    assert!(after.no_more_than(&before), "{before:?} became {after:?}");
}
