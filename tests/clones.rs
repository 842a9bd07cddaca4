//! Machines of one snapshot: none repeats another's random bytes, clocks are right, and nothing writes to the snapshot.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

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
    files(&node.folder().join("volume/snapshots")).into_iter().map(hash).collect()
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
