//! Machines of one snapshot: none repeats another's random bytes, clocks and timers are as after a suspension, nothing writes
//! to the snapshot, and one that is too old is made again.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// Digests of everything below the volume's folder of snapshots.
fn snapshots(node: &Node) -> BTreeMap<PathBuf, String> {
    let hash = |path: PathBuf| {
        let mode = path.metadata().expect("it is there").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        let digest = Sha256::digest(std::fs::read(&path).expect("readable"));
        (path, hex::encode(digest))
    };
    // What calls use is noted beside it, and goes on to be.
    let is_snapshot = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "snap");
    files(&node.folder().join("volume/snapshots")).into_iter().filter(is_snapshot).map(hash).collect()
}

#[test]
fn random_bytes_differ_and_clocks_are_right() {
    if !kvm_or_skip("clones of a snapshot") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    node.get("/default/probe/random");
    let before = snapshots(&node);
    assert!(!before.is_empty(), "no snapshot below {}", node.folder().display());
    let mut seen = HashSet::new();
    for _ in 0..500 {
        let answer = node.get("/default/probe/random");
        assert_eq!(answer.status, 200);
        assert!(seen.insert(answer.body), "random bytes were repeated");
    }
    for _ in 0..20 {
        let text = node.get("/default/probe/time").text();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64();
        let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers.len(), 2, "{text}");
        assert!((numbers[0] - now).abs() < 2.0, "{} here, {} in the machine", now, numbers[0]);
        assert!(numbers[1] >= 0.0);
    }
    assert_eq!(snapshots(&node), before, "a snapshot changed");
}

const SECOND: i64 = 1_000_000_000;

fn host_ns() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(now.as_nanos()).expect("before 2262")
}

/// Lines of "name value".
fn numbers(text: &str) -> BTreeMap<&str, i64> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect()
}

#[test]
fn clocks_and_timers_are_as_after_a_suspension() {
    if !kvm_or_skip("clocks over a snapshot") {
        return;
    }
    let node = Node::start(&[]);
    let before = host_ns();
    node.publish("clocks", "");
    let baked = host_ns();
    // Longer than the timers of the program run.
    thread::sleep(Duration::from_millis(1500));
    for _ in 0..3 {
        let asked = host_ns();
        let text = node.get("/default/clocks/").text();
        let answered = host_ns();
        let all = numbers(&text);
        let of = |name: &str| *all.get(name).unwrap_or_else(|| panic!("no {name} in: {text}"));
        // The bake was in real time, and so is the call.
        assert!((before..=baked).contains(&of("start-real")), "{before} {baked}: {text}");
        assert!((asked..=answered).contains(&of("real")), "{asked} {answered}: {text}");
        // What a program derives from its start and CLOCK_BOOTTIME is right; CLOCK_MONOTONIC stood still meanwhile.
        let derived = of("start-real") + of("boot") - of("start-boot");
        assert!((asked - SECOND / 20..=answered + SECOND / 20).contains(&derived), "{derived}: {text}");
        let slept = of("boot") - of("monotonic");
        assert!(slept >= asked - baked && slept <= answered - before, "slept {slept}: {text}");
        assert!((of("uptime") - of("boot") / SECOND).abs() <= 1, "{text}");
        assert!((before / SECOND - 1..=baked / SECOND + 1).contains(&of("began")), "{text}");
        // Timers that were due meanwhile have fired once, the others have not.
        for (name, value) in [
            ("timerfd-real", 1),
            ("timerfd-boot", 1),
            ("timerfd-distance", -i64::from(nix::libc::EAGAIN)),
            ("timerfd-monotonic", -i64::from(nix::libc::EAGAIN)),
            ("timerfd-cancelled", -i64::from(nix::libc::ECANCELED)),
            ("timerfd-cancelled-again", -i64::from(nix::libc::EAGAIN)),
            ("signals-once", 1),
            ("woken-0", 1),
            ("woken-1", 1),
            ("woken-2", 1),
            ("woken-3", 1),
            ("woken-4", 0),
        ] {
            assert_eq!(of(name), value, "{name} in: {text}");
        }
        assert!((of("grid-due") - of("timerfd-grid")).abs() <= 1 && of("timerfd-grid") >= 5, "{text}");
        // One signal stands for all expirations that were missed.
        assert!(of("expired") >= 5 && of("expired") <= of("grid-due"), "{text}");
        assert!(of("signals-periodic") < of("expired"), "{text}");
    }
}

/// The program of `tests/functions/draws.c`, linked with what this system has of both libraries.
fn draws(node: &Node) -> PathBuf {
    let source = common::root().join("tests/functions/draws.c");
    let program = node.folder().join("draws");
    let mut compile = Command::new("cc");
    compile.args(["-O1", "-o"]).arg(&program).arg(&source).arg("-l:libcrypto.so.3");
    let gnutls = Command::new("cc").args(["-shared", "-o", "/dev/null", "-l:libgnutls.so.30"]).output();
    if gnutls.is_ok_and(|output| output.status.success()) {
        compile.args(["-DWITH_GNUTLS", "-l:libgnutls.so.30"]);
    } else {
        eprintln!("PART SKIPPED: there is no libgnutls.so.30, so its generator is not tried");
    }
    let result = compile.output().expect("cc starts");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    program
}

#[test]
fn generators_of_libraries_are_seeded_anew_in_each_clone() {
    if !kvm_or_skip("generators of libraries") {
        return;
    }
    let node = Node::start(&[]);
    let program = draws(&node);
    node.pack("draws", &[], &[&program.display().to_string()]);
    node.document("draws", "  image: oci:draws\n  warmup: [{path: /}, {path: /}]\n");
    assert_eq!(node.settled("draws")["phase"], "Ready", "the log:\n{}", node.log());
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let answer = node.get("/default/draws/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        for line in answer.text().lines() {
            let (name, drawn) = line.split_once(' ').expect("a name and what was drawn");
            assert_eq!(drawn.len(), 32, "{line}");
            assert!(seen.insert(drawn.to_owned()), "{name} gave {drawn} twice");
        }
    }
}

#[test]
fn a_snapshot_that_is_too_old_serves_a_call_and_is_made_again() {
    if !kvm_or_skip("the age of snapshots") {
        return;
    }
    let node = Node::start(&["--snapshot-max-age", "10s"]);
    node.publish("clocks", "");
    let started = |node: &Node| numbers(&node.get("/default/clocks/").text())["start-real"];
    let first = started(&node);
    thread::sleep(Duration::from_secs(11));
    // Nobody called: it is as old as it is.
    let bakes =
        |node: &Node| node.records().iter().filter(|record| record["message"] == "bake begins").count();
    assert_eq!(bakes(&node), 1, "the log:\n{}", node.log());
    assert_eq!(started(&node), first, "the old snapshot serves the call");
    let second = node.wait_for("a snapshot that was made again", |node| {
        let answer = node.get("/default/clocks/");
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(node.state("clocks").expect("it is there")["phase"], "Ready");
        Some(numbers(&answer.text())["start-real"]).filter(|start| *start != first)
    });
    assert!(second > first + 10 * SECOND, "{first} {second}");
}
