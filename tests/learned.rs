//! What calls use is learned once for a snapshot: its next worker shows it to machines before their calls come.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::path::PathBuf;

/// Files beside snapshots in which it is kept.
fn page_lists(node: &Node) -> Vec<PathBuf> {
    let folder = std::fs::read_dir(node.folder().join("volume/snapshots")).expect("there are snapshots");
    let paths = folder.map(|entry| entry.expect("an entry").path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "pages")).collect()
}

/// Makes one call and gives how many page faults it waited for.
fn page_faults(node: &Node) -> u64 {
    let before = node.calls("probe").len();
    assert_eq!(node.get("/default/probe/").text(), "ok\n", "{}", node.log());
    let calls = node.wait_for("the record of a call", |node| {
        Some(node.calls("probe")).filter(|calls| calls.len() > before)
    });
    calls.last().and_then(|call| call["page_faults"].as_u64()).expect("a number")
}

/// The same for the first call after the server has begun anew.
fn first_after_restart(node: &mut Node) -> u64 {
    node.stop("TERM");
    first_after_start(node)
}

/// The same of a server that has ended.
fn first_after_start(node: &mut Node) -> u64 {
    node.start_again(&["--worker-idle", "1s"]);
    assert_eq!(node.settled("probe")["phase"], "Ready", "{}", node.log());
    page_faults(node)
}

/// Waits until the function's only worker has left, since nobody calls.
fn sleeps(node: &Node) {
    node.wait_for("the end of an idle worker", |node| {
        (node.state("probe")?["machines"]["workers"] == 0).then_some(())
    });
}

#[test]
fn a_new_worker_shows_what_calls_use_before_they_come() {
    if !kvm_or_skip("workers that begin with what others have learned") {
        return;
    }
    let mut node = Node::start(&["--worker-idle", "1s"]);
    node.publish("probe", "");
    assert_eq!(page_lists(&node).len(), 1, "the bake leaves one: {}", node.log());

    let first = page_faults(&node);
    sleeps(&node);
    let second_worker = page_faults(&node);
    let restarted = first_after_restart(&mut node);
    // Without the list a call finds nothing; it teaches the next. A server that runs may still write one.
    node.stop("TERM");
    page_lists(&node).iter().for_each(|path| std::fs::remove_file(path).expect("a list can be removed"));
    let unlearned = first_after_start(&mut node);
    println!(
        "page faults of a first call: {first}, {second_worker}, {restarted}; without a list {unlearned}"
    );
    for shown in [first, second_worker, restarted] {
        assert!(shown * 2 < unlearned, "{shown} of {unlearned} page faults are left");
    }
    node.wait_for("what the call has taught", |node| page_lists(node).pop());
    assert!(first_after_restart(&mut node) * 2 < unlearned);
}

#[test]
fn a_list_that_is_damaged_or_of_another_snapshot_harms_nobody() {
    if !kvm_or_skip("page lists that are none") {
        return;
    }
    let mut node = Node::start(&[]);
    node.publish("probe", "");
    let path = page_lists(&node).pop().expect("the bake leaves one");
    let list = std::fs::read(&path).expect("it can be read");
    // Bytes 8 to 39 are the digest of the snapshot; behind the calls are the pages.
    for at in [0, 8, 41, 45, list.len() / 2, list.len() - 1] {
        let mut damaged = list.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, damaged).expect("it can be written");
        first_after_restart(&mut node);
    }
    for damaged in [&list[..list.len() / 2], b"", &[0xff; 64 << 10]] {
        std::fs::write(&path, damaged).expect("it can be written");
        first_after_restart(&mut node);
    }
}
