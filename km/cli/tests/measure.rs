//! What calls cost in a worker, by the three clocks. Not a test that can fail: run it by hand, on a quiet machine, with
//! `cargo test --release -p km --test measure -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;

use calls::{Function, call, get, kvm, whole};
use km_vmm::client::Answer;
use km_vmm::protocol::{Prepared, Role, SnapshotMode};
use std::time::{Duration, Instant};

/// Median, 99th percentile and maximum.
fn line(name: &str, mut values: Vec<u64>) {
    values.sort_unstable();
    let at = |share: usize| values.get((values.len() * share / 100).min(values.len() - 1)).unwrap_or(&0);
    println!("{name:34} p50 {:>6}  p90 {:>6}  p99 {:>6}  max {:>6}", at(50), at(90), at(99), at(100));
}

fn report(name: &str, prepared: &[Prepared], answers: &[(Answer, u64)]) {
    println!("\n{name}: {} calls, µs", answers.len());
    line("make the machine", prepared.iter().map(|p| p.create_us).collect());
    line("pre-run", prepared.iter().map(|p| p.prerun_us).collect());
    line("pages touched", prepared.iter().map(|p| p.touched_pages).collect());
    line("taken -> first guest instruction", answers.iter().map(|(a, _)| a.ended.boot_us).collect());
    line("taken -> first response byte", answers.iter().filter_map(|(a, _)| a.ended.first_byte_us).collect());
    line("whole call seen by the client", answers.iter().map(|(_, us)| *us).collect());
    line("taken -> stopped", answers.iter().map(|(a, _)| a.ended.run_us).collect());
    line("teardown", answers.iter().map(|(a, _)| a.ended.teardown_us).collect());
    line("dirty pages", answers.iter().map(|(a, _)| a.ended.dirty_pages).collect());
    line("touched pages", answers.iter().map(|(a, _)| a.ended.touched_pages).collect());
    line("exits", answers.iter().map(|(a, _)| a.ended.exits).collect());
}

fn measure(name: &str, function: &Function, count: usize, pause: Duration) {
    let baked = Instant::now();
    let snapshot = function.bake(&[]).unwrap();
    println!("\n{name}: baked in {:?}, {} KiB", baked.elapsed(), snapshot.data_bytes >> 10);
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    let (mut prepared, mut answers) = (Vec::new(), Vec::new());
    for _ in 0..count {
        prepared.push(slot.prepare().unwrap());
        std::thread::sleep(pause);
        let start = Instant::now();
        let answer = slot.call_timed(&call(10_000), &get("/"), whole).unwrap();
        let seen = answer.1.duration_since(start);
        answers.push((answer.0, seen.as_micros() as u64));
    }
    println!("first: {:?} {:?}", prepared[0], answers[0].0.ended);
    report(name, &prepared[8..], &answers[8..]);
}

#[test]
#[ignore = "prints figures; needs a quiet machine"]
fn c() {
    if kvm() {
        measure("C", &Function::counter(SnapshotMode::Ready), 500, Duration::from_millis(2));
    }
}

#[test]
#[ignore = "prints figures; needs a quiet machine"]
fn python() {
    if kvm() {
        let interpreter = "/usr/bin/python3";
        let library = std::process::Command::new(interpreter)
            .args(["-c", "import sysconfig; print(sysconfig.get_path('stdlib'))"])
            .output()
            .unwrap();
        let library = String::from_utf8(library.stdout).unwrap();
        let command = [interpreter, "-m", "http.server", "8080"];
        let mut function = Function::with(&command, &[library.trim()], SnapshotMode::Ready);
        function.spec.memory_bytes = 256 << 20;
        measure("Python http.server", &function, 200, Duration::from_millis(2));
    }
}
