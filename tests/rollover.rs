//! A function changes under load without a failed call; a bad version leaves the old one; restarts and sudden ends lose
//! nothing.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const CLIENTS: usize = 4;

/// Clients that call a function without a pause until told to stop; every answer must be 200 and of a fresh machine.
fn under_load(node: &Node, path: &str, work: impl FnOnce()) -> usize {
    let (stop, calls) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let answer = node.get(path);
                    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), node.log());
                    assert_eq!(answer.text(), "1\n");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = done {
            std::panic::resume_unwind(panic);
        }
    });
    calls.into_inner()
}

#[test]
fn versions_change_under_load() {
    if !kvm_or_skip("versions that change under load") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    let exits = common::node::function("exits");
    node.pack("exits", &[], &[&exits.display().to_string()]);
    let calls = under_load(&node, "/default/probe/count", || {
        for version in 0..8 {
            let spec = format!("  image: oci:probe\n  env: [{{name: VERSION, value: 'v{version}'}}]\n");
            node.document("probe", &spec);
            node.wait_for("the next version", |node| {
                let entry = node.state("probe")?;
                let value = format!("v{version}");
                (entry["phase"] == "Ready" && entry["spec"]["env"][0]["value"] == *value).then_some(())
            });
        }
        // A version that does not run: the old one serves on, and the status says what is wrong.
        node.document("probe", "  image: oci:exits\n");
        let entry = node.wait_for("the failure of a bad version", |node| {
            node.state("probe").filter(|entry| entry["phase"] == "Failed")
        });
        assert_eq!(entry["reason"], "Exited", "{entry}");
        assert_eq!(entry["spec"]["env"][0]["value"], "v7", "what serves is shown: {entry}");
        std::thread::sleep(Duration::from_millis(300));
        node.document("probe", "  image: oci:probe\n");
        node.wait_for("recovery", |node| {
            let entry = node.state("probe")?;
            (entry["phase"] == "Ready" && entry["spec"]["env"].is_null()).then_some(())
        });
    });
    assert!(calls > 100, "{calls} calls");
    node.remove_document("probe");
    node.wait_for("404", |node| (node.get("/default/probe/count").status == 404).then_some(()));
}

#[test]
fn a_restart_finds_its_snapshots() {
    if !kvm_or_skip("a restart") {
        return;
    }
    let mut node = Node::start(&[]);
    node.publish("probe", "");
    node.publish("stdio", "  protocol: stdio\n");
    for how in ["TERM", "KILL"] {
        node.restart(how, &[]);
        let begun = Instant::now();
        for path in ["/default/probe/count", "/default/stdio/count"] {
            node.wait_for("an answer after the restart", |node| {
                let answer = node.get(path);
                (answer.status == 200 && answer.text() == "1\n").then_some(())
            });
        }
        println!("answered {:?} after the restart by SIG{how}", begun.elapsed());
        assert!(!node.log().contains("bake begins"), "baked again:\n{}", node.log());
    }
}

#[test]
fn sudden_ends_leave_old_or_new() {
    if !kvm_or_skip("sudden ends") {
        return;
    }
    let mut node = Node::start(&[]);
    node.publish("probe", "");
    for round in 0..25u64 {
        let spec = format!("  image: oci:probe\n  env: [{{name: ROUND, value: '{round}'}}]\n");
        node.document("probe", &spec);
        // From before the change is seen to after its snapshot is published.
        std::thread::sleep(Duration::from_millis(round * 37 % 700));
        node.restart("KILL", &["--snapshot-budget", "64Mi"]);
        node.wait_for("an answer after a sudden end", |node| {
            let answer = node.get("/default/probe/count");
            (answer.status == 200 && answer.text() == "1\n").then_some(())
        });
    }
    node.wait_for("the last version", |node| {
        let entry = node.state("probe")?;
        (entry["phase"] == "Ready" && entry["spec"]["env"][0]["value"] == "24").then_some(())
    });
    let volume = node.folder().join("volume");
    let collected = Command::new(common::binary("kontain-faas"))
        .args(["store", "--volume"])
        .arg(&volume)
        .args(["gc", "--grace", "0s"])
        .status();
    assert!(collected.expect("the collection starts").success());
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(volume.join(folder)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    for folder in ["snapshots", "functions/default", "status/default"] {
        let left: Vec<String> = names(folder).into_iter().filter(|name| name.contains("tmp")).collect();
        assert!(left.is_empty(), "{folder} holds {left:?}");
    }
    assert_eq!(names("store/sha256").len(), 1, "one image, one bundle: {:?}", names("store/sha256"));
}
