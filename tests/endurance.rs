//! Long and greedy programs: a stress test against a model, ten thousand children, programs without bounds, and what
//! their neighbours notice of them.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::long::{program, seed};
use common::node::Node;
use common::{Ended, binary, kvm_or_skip, run};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How long one machine is stressed, in seconds; `STRESS_SECONDS` says otherwise.
const STRESS_SECONDS: u64 = 30;
/// Free pages that a machine may have less after ten thousand children: caches that were empty before.
const PAGES_TOLERATED: u64 = 16;

fn in_machine(program: &PathBuf, options: &[&str], args: &[&str], limit_s: u64) -> Ended {
    let mut command = Command::new(binary("km"));
    command.arg("run").args(options).arg(program).arg("--").args(args);
    run(&mut command, b"", Duration::from_secs(limit_s)).unwrap_or_else(|problem| panic!("{problem}"))
}

fn text(ended: &Ended) -> String {
    format!(
        "status {}\n{}{}",
        ended.status,
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr)
    )
}

fn stress(compiler: &str) {
    if !kvm_or_skip("the stress test") {
        return;
    }
    let program = program("stress", compiler);
    let seconds = std::env::var("STRESS_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds = seconds.unwrap_or(STRESS_SECONDS);
    let (seed, duration) = (seed(), (seconds * 1000).to_string());
    // Linux itself agrees with the model.
    let native = run(Command::new(&program).args([&seed, "1000"]), b"", Duration::from_secs(120));
    let native = native.unwrap_or_else(|problem| panic!("natively: {problem}"));
    assert_eq!(native.status, 0, "natively: {}", text(&native));
    let ended = in_machine(&program, &[], &[&seed, &duration], seconds + 240);
    assert_eq!(ended.status, 0, "{}", text(&ended));
    assert!(text(&ended).contains("all as the model has it"), "{}", text(&ended));
    println!("{compiler}: {}", String::from_utf8_lossy(&ended.stdout));
}

#[test]
fn threads_signals_forks_and_mappings_agree_with_their_model_with_musl() {
    stress("musl-gcc");
}

#[test]
fn threads_signals_forks_and_mappings_agree_with_their_model_with_glibc() {
    stress("gcc");
}

#[test]
fn ten_thousand_children_leave_no_memory_behind() {
    if !kvm_or_skip("ten thousand children") {
        return;
    }
    let ended = in_machine(&program("forks", "musl-gcc"), &[], &["10000"], 900);
    assert_eq!(ended.status, 0, "{}", text(&ended));
    let numbers: Vec<u64> = text(&ended)
        .lines()
        .find(|line| line.contains("children:"))
        .map(|line| line.split_whitespace().filter_map(|word| word.parse().ok()).collect())
        .unwrap_or_default();
    let [_, before, after] = numbers[..] else { panic!("{}", text(&ended)) };
    assert!(after + PAGES_TOLERATED >= before, "{before} free pages before, {after} after");
}

/// What a program without bounds prints of the limit that it met.
const LIMITS: [(&str, &[&str]); 7] = [
    ("memory", &["eater: ended", "more than there is: ENOMEM"]),
    ("mappings", &["mappings: ENOMEM after many"]),
    ("children", &["children: ENOMEM after many"]),
    ("descriptors", &["descriptors: ENFILE after many", "pipe: ENFILE"]),
    ("threads", &["threads: EAGAIN after many"]),
    ("files", &["bytes of a file: ENOSPC after many", "files: ENOSPC after many"]),
    ("sockets", &["sockets: limited after many"]),
];

#[test]
fn programs_without_bounds_meet_the_limits_of_linux_and_go_on() {
    if !kvm_or_skip("programs without bounds") {
        return;
    }
    let program = program("limits", "musl-gcc");
    for (what, lines) in LIMITS {
        let ended = in_machine(&program, &["--memory", "128Mi"], &[what], 300);
        let told = text(&ended);
        assert_eq!(ended.status, 0, "{what}: {told}");
        for line in lines.iter().chain(&["given back", "a child that goes on exited with 0"]) {
            assert!(told.lines().any(|one| one == *line), "{what}: {line:?} is missing:\n{told}");
        }
        assert!(!told.contains("WRONG") && !told.contains("NOT given back"), "{what}: {told}");
    }
}

/// Memory that a process has in RAM, in MiB.
fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[test]
fn neighbours_of_greedy_programs_notice_nothing() {
    if !kvm_or_skip("neighbours of greedy programs") {
        return;
    }
    /// Machines in a worker at most, the memory of one, and what a worker has besides.
    const BOUND_MIB: u64 = 8 * 64 + 256;
    let node = Node::start(&[]);
    node.publish("probe", "  timeout: 2s\n  resources: {limits: {memory: 64Mi}}\n");
    node.pack("neighbour", &[], &[common::node::function("probe").to_str().expect("a path of text")]);
    node.document("neighbour", "  image: oci:neighbour\n  resources: {limits: {memory: 64Mi}}\n");
    assert_eq!(node.settled("neighbour")["phase"], "Ready", "{}", node.log());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let greedy = scope.spawn(|| {
            for path in ["/memory", "/threads", "/forks", "/descriptors", "/memory", "/forks"] {
                let answer = node.get(&format!("/default/probe{path}"));
                assert!([200, 502, 504].contains(&answer.status), "{path}: {}", answer.status);
                let next = node.get("/default/probe/count");
                assert_eq!((next.status, next.text().as_str()), (200, "1\n"), "after {path}\n{}", node.log());
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) && !greedy.is_finished() {
            let answer = node.get("/default/neighbour/count");
            assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"), "{}", node.log());
            for worker in node.workers() {
                let resident = resident_mib(worker);
                assert!(resident <= BOUND_MIB, "worker {worker} has {resident} MiB");
            }
        }
        greedy.join().expect("the calls of the greedy program go on");
    });
}
