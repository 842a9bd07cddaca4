//! Many functions of which few are called: snapshots keep their budget, evicted ones come back, and idle ones cost disk
//! only.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::os::unix::fs::MetadataExt;

/// Functions, in one file of documents.
const FUNCTIONS: usize = 120;
/// Room for a few of their snapshots.
const BUDGET: u64 = 12 << 20;

fn name(number: usize) -> String {
    format!("many-{number}")
}

fn publish(node: &Node) {
    let program = common::node::function("probe");
    node.pack("probe", &[], &[&program.display().to_string()]);
    let documents: Vec<String> = (0..FUNCTIONS)
        .map(|number| {
            let name = name(number);
            format!("apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}}}\nspec: {{image: 'oci:probe'}}\n")
        })
        .collect();
    node.raw_document("all", &documents.join("---\n"));
    node.wait_for("readiness of all", |node| {
        (node.ask(&format!("http://{}/readyz", node.admin)).status == 200).then_some(())?;
        let list: Vec<serde_json::Value> =
            serde_json::from_slice(&node.ask(&format!("http://{}/functions", node.admin)).body).ok()?;
        let ready = list.iter().filter(|entry| entry["phase"] == "Ready").count();
        (ready == FUNCTIONS).then_some(())
    });
}

/// Bytes on disk of the snapshots, and how many they are.
fn snapshots(node: &Node) -> (u64, usize) {
    let entries = std::fs::read_dir(node.folder().join("volume/snapshots")).into_iter().flatten().flatten();
    let entries =
        entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "snap"));
    let sizes: Vec<u64> = entries.filter_map(|entry| Some(entry.metadata().ok()?.blocks() * 512)).collect();
    (sizes.iter().sum(), sizes.len())
}

fn answers(node: &Node, number: usize) {
    let answer = node.get(&format!("/default/{}/count", name(number)));
    assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"), "{number}: {}", node.log());
}

#[test]
fn many_functions_cost_disk_only() {
    if !kvm_or_skip("many functions") {
        return;
    }
    let budget = BUDGET.to_string();
    let options = ["--snapshot-budget", &budget, "--worker-idle", "3s", "--stock", "1"];
    let mut node = Node::start(&options);
    publish(&node);
    let (bytes, count) = snapshots(&node);
    assert!(bytes <= BUDGET && count > 1 && count < FUNCTIONS / 2, "{count} snapshots with {bytes} bytes");
    // All of them answer, those whose snapshots are gone by a cold boot.
    for number in 0..FUNCTIONS {
        answers(&node, number);
    }
    // One that was evicted comes back.
    node.wait_for("the snapshot of a function that is called", |node| {
        answers(node, 3);
        (node.state(&name(3))?["reason"] == "Ready").then_some(())
    });
    // Nobody calls: the workers leave.
    node.wait_for("the end of idle workers", |node| (node.workers().len() <= 2).then_some(()));
    let (bytes, _) = snapshots(&node);
    assert!(bytes <= BUDGET, "{bytes} bytes of snapshots");

    node.restart("KILL", &options);
    node.wait_for("readiness after the restart", |node| {
        (node.ask(&format!("http://{}/readyz", node.admin)).status == 200).then_some(())
    });
    for number in (0..FUNCTIONS).step_by(17) {
        answers(&node, number);
    }
}
