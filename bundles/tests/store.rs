//! The store: publishing, sharing, collecting, verifying. No test of this program starts another program: a child has its
//! parent's locks for a moment.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::cell::Cell;
use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use bundles::digest::Digest;
use bundles::store::{GcPolicy, Store, StoreError};
use common::put::put;

fn named(digests: &HashSet<Digest>) -> Result<HashSet<Digest>, StoreError> {
    Ok(digests.clone())
}

const NOW: GcPolicy = GcPolicy { grace: Duration::ZERO, high_water_bytes: None };

#[test]
fn collects_what_nothing_wants() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let digests: Vec<_> = ["a", "b", "c"]
        .map(|name| put(&store, dir.path(), name).unwrap().bundle.record.manifest_digest)
        .to_vec();
    assert_eq!(store.list().unwrap().len(), 3);
    let using = store.get(digests[1]).unwrap().unwrap();
    let reachable = HashSet::from([digests[0]]);
    let later = GcPolicy { grace: Duration::from_secs(3600), high_water_bytes: None };
    assert!(store.collect(|| named(&reachable), &later).unwrap().removed.is_empty());
    let collected = store.collect(|| named(&reachable), &NOW).unwrap();
    assert_eq!((collected.removed, collected.in_use), (vec![digests[2]], 1));
    assert!(collected.freed_bytes > 200_000);
    assert!(matches!(store.remove(digests[1]), Err(StoreError::InUse(_))));
    assert!(matches!(store.remove(digests[2]), Err(StoreError::Missing(_))));
    assert!(store.list().unwrap().iter().any(|listed| listed.digest == digests[1] && listed.in_use));
    drop(using);
    // Beyond the high-water mark the grace time is void.
    let full = GcPolicy { grace: Duration::from_secs(3600), high_water_bytes: Some(300_000) };
    assert_eq!(store.collect(|| named(&reachable), &full).unwrap().removed, [digests[1]]);
    assert!(store.get(digests[0]).unwrap().is_some());
}

#[test]
fn what_is_named_while_locks_are_taken_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let digest = put(&store, dir.path(), "a").unwrap().bundle.record.manifest_digest;
    let asked = Cell::new(0);
    // Published between the first look at the records and the moment when its lock is held.
    let collected = store.collect::<StoreError>(
        || {
            asked.set(asked.get() + 1);
            Ok(if asked.get() == 1 { HashSet::new() } else { HashSet::from([digest]) })
        },
        &NOW,
    );
    assert!(collected.unwrap().removed.is_empty());
    assert!(store.get(digest).unwrap().is_some());
    // A lease is as good as a bundle that was asked for.
    let lease = bundles::store::lease(&store.path(digest)).unwrap().unwrap();
    assert_eq!(store.collect(|| named(&HashSet::new()), &NOW).unwrap().in_use, 1);
    drop(lease);
    assert_eq!(store.collect(|| named(&HashSet::new()), &NOW).unwrap().removed, [digest]);
    assert!(bundles::store::lease(&store.path(digest)).unwrap().is_none());
}

#[test]
fn leftovers_of_the_dead_go_those_of_the_living_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::create_dir(store.temporary().join("dead")).unwrap();
    fs::write(store.temporary().join("dead/rootfs.erofs"), b"half").unwrap();
    let digest = bundles::digest::Digest::of(b"x");
    let result = store.publish(digest, |draft| {
        assert_eq!(store.collect(|| named(&HashSet::new()), &NOW).unwrap().leftovers, 1);
        assert!(draft.is_dir());
        Err::<(), _>(StoreError::Missing(digest))
    });
    assert!(result.is_err());
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
}

#[test]
fn verify_finds_a_flipped_bit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    let digest = put(&store, dir.path(), "a").unwrap().bundle.record.manifest_digest;
    assert_eq!(store.verify(digest).unwrap(), []);
    let rootfs = store.path(digest).join("rootfs.erofs");
    let mut bytes = fs::read(&rootfs).unwrap();
    bytes[5000] ^= 1;
    fs::write(&rootfs, bytes).unwrap();
    assert_eq!(store.verify(digest).unwrap().len(), 1);
    fs::write(store.path(digest).join("image.json"), b"{}").unwrap();
    assert_eq!(store.verify(digest).unwrap().len(), 1);
    // A record that nobody can read is replaced at the next publication.
    assert!(store.get(digest).unwrap().is_none());
    put(&store, dir.path(), "a").unwrap();
    assert_eq!(store.verify(digest).unwrap(), []);
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
}

#[test]
fn two_publishers_one_bundle() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store")).unwrap();
    put(&store, dir.path(), "warm").unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (store, dir) = (store.clone(), dir.path().join(thread.to_string()));
            scope.spawn(move || put(&store, &dir, "same").unwrap());
        }
    });
    assert_eq!(store.list().unwrap().len(), 2);
    assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
}
