//! Workers, driven through their protocol: every call gets a machine that has seen none before.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod calls;

use calls::{Function, call, call_once, get, kvm, whole, words};
use km_vmm::client::{ClientError, Worker};
use km_vmm::protocol::{
    ConnectionId, Frame, Kind, NotReadyReason, Outcome, RefusedReason, Role, SnapshotMode,
};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Descriptors and threads of a process.
fn belongings(worker: &Worker) -> (usize, usize) {
    let count = |what: &str| fs::read_dir(format!("/proc/{}/{what}", worker.pid())).unwrap().count();
    (count("fd"), count("task"))
}

#[test]
fn a_thousand_calls_are_a_thousand_first_calls() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let hash = function.snapshot_hash();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    let mut random = HashSet::new();
    let mut monotonic = HashSet::new();
    call_once(&mut slot, "/", 10_000);
    let before = belongings(&worker);
    for _ in 0..1000 {
        let answer = call_once(&mut slot, "/", 10_000);
        let (count, bytes, mono, wall) = words(&answer);
        assert_eq!(count, 1);
        assert!(random.insert(bytes), "random bytes have come twice");
        monotonic.insert(mono);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
        assert!(now.abs_diff(wall) < 1_000_000_000, "the wall clock is {} ns off", now.abs_diff(wall));
        assert_eq!(answer.ended.outcome, Outcome::Idle, "{answer:?}");
    }
    // Clones continue from the snapshot's time, so two may well read the same; a clock that stands gives one value.
    assert!(monotonic.len() > 1);
    assert_eq!(belongings(&worker), before);
    assert_eq!(function.snapshot_hash(), hash, "the snapshot file has changed");
}

#[test]
fn a_warm_up_is_in_the_snapshot() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&["/", "/"]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(3).unwrap();
    for _ in 0..3 {
        assert_eq!(words(&call_once(&mut slot, "/", 10_000)).0, 3);
    }
}

#[test]
fn a_program_starts_in_each_call_where_the_snapshot_is_from_its_start() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Start);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    for _ in 0..3 {
        assert_eq!(words(&call_once(&mut slot, "/", 10_000)).0, 1);
    }
    assert_eq!(String::from_utf8_lossy(&slot.log), "listening\n".repeat(3));
}

#[test]
fn a_machine_boots_where_there_is_no_snapshot() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::None);
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    // Once booted ahead of the call, once by the call.
    slot.boot(Duration::from_secs(10)).unwrap();
    assert_eq!(words(&slot.call(&call(10_000), &get("/"), whole).unwrap()).0, 1);
    assert_eq!(words(&slot.call(&call(10_000), &get("/"), whole).unwrap()).0, 1);
    assert_eq!(String::from_utf8_lossy(&slot.log), "listening\n".repeat(2));
}

#[test]
fn programs_that_misbehave_end_their_call_and_no_other() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    // All of a machine's memory takes a while to fill.
    let patient = |path: &str| if path == "/memory" { 10_000 } else { 200 };
    let cases = [
        ("/exit", Outcome::Exited { status: 3 }),
        ("/crash", Outcome::Signaled { signal: 11 }),
        ("/words", Outcome::Signaled { signal: 9 }),
        // Ports are not a program's, also those that the library OS uses.
        ("/doorbell0", Outcome::Signaled { signal: 11 }),
        ("/doorbell1", Outcome::Signaled { signal: 11 }),
        ("/doorbell2", Outcome::Signaled { signal: 11 }),
        ("/doorbell3", Outcome::Signaled { signal: 11 }),
        ("/doorbell7", Outcome::Signaled { signal: 11 }),
        ("/narrow", Outcome::Signaled { signal: 11 }),
        ("/port", Outcome::Signaled { signal: 11 }),
        ("/memory", Outcome::OutOfMemory),
        ("/loop", Outcome::Deadline),
        ("/hang", Outcome::Deadline),
        ("/flood", Outcome::Deadline),
        ("/after", Outcome::Closed),
    ];
    for (path, outcome) in cases {
        let answer = call_once(&mut slot, path, patient(path));
        assert_eq!(answer.ended.outcome, outcome, "{path}: {answer:?}");
        assert_eq!(words(&call_once(&mut slot, "/", 10_000)).0, 1, "after {path}");
    }
}

#[test]
fn an_answer_leaves_before_another_thread_has_its_turn() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    for _ in 0..5 {
        let answer = call_once(&mut slot, "/turn", 10_000);
        assert_eq!(answer.ended.outcome, Outcome::Signaled { signal: 11 }, "{answer:?}");
        assert_eq!(words(&answer).0, 1);
    }
}

/// Twenty thousand control characters, of which JSON makes more than a frame holds.
#[test]
fn last_words_of_any_length_are_told() {
    if !kvm() {
        return;
    }
    let mut function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut slot = worker.slot(0).unwrap();
    let answer = call_once(&mut slot, "/last-words", 10_000);
    let Outcome::Fault { message } = answer.ended.outcome else { panic!("{answer:?}") };
    assert!(message.starts_with("the library OS gave up: many words\u{1}"), "{message:?}");
    assert_eq!(words(&call_once(&mut slot, "/", 10_000)).0, 1);
    function.spec.process.args.push("/last-words".into());
    let Err(ClientError::NotReady(reason)) = function.bake(&[]) else { panic!("it is ready") };
    assert_eq!(reason.reason, NotReadyReason::Fault);
    assert!(reason.message.contains("many words"), "{}", reason.message);
}

#[test]
fn a_cancelled_call_and_a_closed_stream_free_the_machine() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    for path in ["/loop", "/hang"] {
        let mut slot = worker.slot(0).unwrap();
        slot.prepare().unwrap();
        slot.send_record(Kind::Call, &call(60_000)).unwrap();
        slot.send(Kind::Data, &get(path)).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        slot.send(Kind::Cancel, &[]).unwrap();
        let ended = slot.wait_for_end().unwrap();
        assert_eq!(ended.outcome, Outcome::Cancelled);
        slot.prepare().unwrap();
        slot.send_record(Kind::Call, &call(60_000)).unwrap();
        slot.send(Kind::Data, &get(path)).unwrap();
        drop(slot);
        let mut next = worker.slot(0).unwrap();
        assert_eq!(words(&call_once(&mut next, "/", 10_000)).0, 1);
    }
}

#[test]
fn frames_of_an_unknown_connection_end_their_slot_and_no_other() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let worker = function.worker(Role::Serve).unwrap();
    let mut neighbour = worker.slot(1).unwrap();
    let stray = |kind| Frame { connection: ConnectionId(7), ..Frame::empty(kind) };
    for (kind, in_call) in [(Kind::Data, true), (Kind::End, true), (Kind::Data, false)] {
        let mut slot = worker.slot(0).unwrap();
        slot.prepare().unwrap();
        if in_call {
            slot.send_record(Kind::Call, &call(60_000)).unwrap();
            slot.send(Kind::Data, &get("/hang")).unwrap();
        }
        slot.send_frame(&stray(kind)).unwrap();
        assert!(matches!(slot.wait_for_end(), Err(ClientError::Gone)), "{kind:?}");
        assert_eq!(words(&call_once(&mut neighbour, "/", 10_000)).0, 1);
    }
}

#[test]
fn a_program_that_is_not_ready_is_told_why() {
    if !kvm() {
        return;
    }
    let mut function = Function::counter(SnapshotMode::Ready);
    function.spec.port = 8081;
    let Err(ClientError::NotReady(reason)) = function.bake(&[]) else { panic!("it is ready") };
    assert_eq!((reason.reason, &reason.ports[..]), (NotReadyReason::WrongPort, &[8080][..]));
    assert!(reason.message.contains("listens on 8080, port says 8081"), "{}", reason.message);
    let function = Function::of(&["/bin/sh", "-c", "echo cannot start; exit 7"], SnapshotMode::Ready);
    let Err(ClientError::NotReady(reason)) = function.bake(&[]) else { panic!("it is ready") };
    assert_eq!(reason.reason, NotReadyReason::Exited);
    assert!(
        reason.message.contains("status 7") && reason.message.contains("cannot start"),
        "{}",
        reason.message
    );
    let function = Function::of(&["/bin/sleep", "1000000"], SnapshotMode::Ready);
    let worker = function.worker(Role::Bake).unwrap();
    let result = worker.slot(0).unwrap().boot(Duration::from_millis(300));
    let Err(ClientError::NotReady(reason)) = result else { panic!("it is ready") };
    assert_eq!(reason.reason, NotReadyReason::NotListening);
}

#[test]
fn a_damaged_or_foreign_snapshot_is_refused() {
    if !kvm() {
        return;
    }
    let mut function = Function::counter(SnapshotMode::Ready);
    function.bake(&[]).unwrap();
    let file = fs::File::options().read(true).write(true).open(function.snapshot_path()).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 0x20_0000).unwrap();
    file.write_all_at(&[byte[0] ^ 4], 0x20_0000).unwrap();
    let refused = |function: &Function| match function.worker(Role::Serve) {
        Err(ClientError::Refused(refused)) => refused,
        Ok(_) => panic!("accepted"),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(refused(&function).reason, RefusedReason::Snapshot);
    file.write_all_at(&byte, 0x20_0000).unwrap();
    function.worker(Role::Serve).unwrap();
    function.spec.snapshot_key = "another".into();
    let message = refused(&function).message;
    assert!(message.contains("another function"), "{message}");
}

#[test]
fn the_jail_holds_in_every_thread() {
    if !kvm() {
        return;
    }
    let function = Function::counter(SnapshotMode::None);
    let worker = function.worker(Role::Serve).unwrap();
    let tasks: Vec<_> = fs::read_dir(format!("/proc/{}/task", worker.pid())).unwrap().flatten().collect();
    assert_eq!(tasks.len(), 9);
    for task in tasks {
        let status = fs::read_to_string(task.path().join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find(|line| line.starts_with(name)).unwrap();
            line.split_once(':').unwrap().1.trim().to_owned()
        };
        assert_eq!((field("NoNewPrivs"), field("Seccomp")), ("1".into(), "2".into()));
        assert_eq!(field("CapEff").trim_start_matches('0'), "");
        assert_eq!(field("CapPrm").trim_start_matches('0'), "");
        assert!(!field("Uid").split_whitespace().any(|uid| uid == "0"), "a worker is root");
    }
    if worker.hello.jail.missing().is_none() {
        let own = |name: &str| fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
        let theirs = |name: &str| fs::read_link(format!("/proc/{}/ns/{name}", worker.pid())).unwrap();
        for name in ["net", "mnt", "ipc", "uts", "user"] {
            assert_ne!(own(name), theirs(name), "{name}");
        }
    }
}
