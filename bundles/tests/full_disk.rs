//! The store on a disk that is full sooner or later.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Command;

use bundles::store::Store;
use common::put::put;
use common::skip;

#[test]
fn full_disk_leaves_the_old() {
    const TEST: &str = "full_disk_leaves_the_old";
    let dir = tempfile::tempdir().unwrap();
    let volume = dir.path().join("volume");
    fs::create_dir(&volume).unwrap();
    let mount = |size: u32| {
        let options = format!("size={size}k,remount");
        let options = if size == 0 { "size=600k" } else { &options };
        Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&volume).status()
    };
    if !nix::unistd::geteuid().is_root() || !mount(0).is_ok_and(|status| status.success()) {
        return skip(TEST, "needs the right to mount a small tmpfs");
    }
    let store = Store::open(&volume.join("store")).unwrap();
    let old = put(&store, dir.path(), "old").unwrap().bundle.record.manifest_digest;
    // From "almost enough" to "hardly anything": wherever the disk is full, nothing half-made is published.
    for size in (230..620).step_by(10).rev() {
        assert!(mount(size).unwrap().success());
        match put(&store, dir.path(), "new") {
            Ok(published) => {
                let digest = published.bundle.record.manifest_digest;
                drop(published);
                assert_eq!(store.verify(digest).unwrap(), [], "at {size} KiB");
                store.remove(digest).unwrap();
            }
            Err(error) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                assert!(text.contains("No space left"), "{text}");
            }
        }
        assert_eq!(fs::read_dir(store.temporary()).unwrap().count(), 0);
        assert_eq!(store.verify(old).unwrap(), []);
    }
    Command::new("umount").arg(&volume).status().unwrap();
}
