//! A volume without room: what was published goes on, what is published has cold boots until there is room for a snapshot.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::mounted::Mounted;
use common::node::Node;
use std::path::Path;
use tempfile::TempDir;

/// The volumes.
const SIZE: u64 = 32 << 20;
/// Room for a record and a report, but not for a snapshot.
const LITTLE: u64 = 64 << 10;

fn calls(node: &Node, name: &str) {
    // Several, which use memory that the program had not used before: from machines made before and after the disk was full.
    for number in 0..12 {
        let page = ["count", "bytes/200000", "random", "headers"][number % 4];
        let answer = node.get(&format!("/default/{name}/{page}"));
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), node.log());
    }
}

fn shorten(path: &Path, by: u64) {
    let file = std::fs::File::options().write(true).open(path).expect("it is there");
    let length = file.metadata().expect("it is open").len();
    file.set_len(length - by).expect("it can be shortened");
}

fn without_room(what: &str, mount: impl FnOnce(&Path, u64, &str) -> Option<Mounted>) {
    if !kvm_or_skip(what) {
        return;
    }
    let folder = TempDir::with_prefix("node-").expect("a folder can be made");
    let Some(volume) = mount(&folder.path().join("volume"), SIZE, what) else { return };
    let node = Node::start_in(folder, &[]);
    node.publish("probe", "");
    let filler = volume.fill(0);
    calls(&node, "probe");

    // A first version, which has nothing to fall back to.
    shorten(&filler, LITTLE);
    node.document("other", "  image: oci:probe\n  env: [{name: OTHER, value: 'yes'}]\n");
    let state = node.settled("other");
    assert_eq!((&state["phase"], &state["reason"]), (&"Ready".into(), &"Disk".into()), "{state}");
    let message = state["message"].as_str().unwrap_or_default();
    for part in ["No space left on device", "free space on the volume, or make it larger", "cold boot"] {
        assert!(message.contains(part), "{message}");
    }
    calls(&node, "other");
    calls(&node, "probe");

    std::fs::remove_file(&filler).expect("it is there");
    node.wait_for("a snapshot of the other", |node| {
        (node.state("other")?["reason"] == "Ready").then_some(())
    });
    calls(&node, "other");
}

#[test]
fn on_a_disk() {
    without_room("a disk without room", Mounted::at_or_skip);
}

#[test]
fn in_memory() {
    without_room("a volume in memory without room", Mounted::in_memory_or_skip);
}
