//! The reader against an image of another writer, and against damaged ones.

use super::dir::{list, lookup};
use super::inode::Inode;
use super::{Erofs, xattr};
use crate::fs::image::RootfsImage;
use proptest::prelude::*;

pub(crate) const IMAGE: &[u8] = include_bytes!("../../../testdata/rootfs.erofs");

fn open() -> Erofs {
    Erofs::open(RootfsImage::whole(IMAGE)).unwrap()
}

fn find(fs: &Erofs, path: &str) -> Inode {
    path.split('/').fold(fs.inode(fs.root()).unwrap(), |dir, name| {
        fs.inode(lookup(fs, &dir, name.as_bytes()).unwrap().expect("an entry")).unwrap()
    })
}

fn content(fs: &Erofs, inode: &Inode) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some((at, together)) = inode.extent.locate(bytes.len() as u64) {
        bytes.extend_from_slice(&fs.image().view(at, together as usize).unwrap());
    }
    bytes
}

#[test]
fn contents_are_those_that_were_written() {
    let fs = open();
    assert_eq!(content(&fs, &find(&fs, "etc/greeting")), b"hello\n");
    assert_eq!(content(&fs, &find(&fs, "empty")), b"");
    assert_eq!(content(&fs, &find(&fs, "block")), [b'a'; 4096]);
    let five: Vec<u8> = (0..5000).map(|i| (i % 251) as u8).collect();
    assert_eq!(content(&fs, &find(&fs, "five")), five);
    let twenty: Vec<u8> = (0..20_000).map(|i| (i % 253) as u8).collect();
    assert_eq!(content(&fs, &find(&fs, "twenty")), twenty);
    assert_eq!(content(&fs, &find(&fs, "link")), b"etc/greeting");
}

#[test]
fn attributes_are_those_that_were_written() {
    let fs = open();
    let five = find(&fs, "five");
    assert_eq!((five.mode, five.uid, five.gid, five.nlink), (0o100_644, 1000, 1001, 2));
    assert_eq!(find(&fs, "usr/share/five2").nid, five.nid);
    assert_eq!(find(&fs, "block").mode, 0o104_755);
    assert_eq!((find(&fs, "null").mode & 0o170_000, find(&fs, "null").rdev), (0o020_000, 0x103));
    assert_eq!(find(&fs, "fifo").mode & 0o170_000, 0o010_000);
    assert_eq!(five.mtime_s, 1_700_000_000);
    let colour = xattr::all(&fs, &find(&fs, "etc/greeting")).unwrap();
    assert_eq!(colour, [(b"user.colour".to_vec(), b"blue".to_vec())]);
    assert_eq!(xattr::all(&fs, &find(&fs, "many")).unwrap()[0].1.len(), 300);
}

#[test]
fn directories_of_several_blocks_are_listed_and_searched() {
    let fs = open();
    let many = find(&fs, "many");
    let names = list(&fs, &many).unwrap();
    assert_eq!(names.len(), 150);
    for (index, entry) in names.iter().enumerate() {
        assert_eq!(entry.name, format!("entry-{index:03}-with-a-name").into_bytes());
        assert_eq!((lookup(&fs, &many, &entry.name).unwrap(), entry.kind), (Some(entry.nid), 8));
        assert_eq!(content(&fs, &fs.inode(entry.nid).unwrap()), index.to_string().into_bytes());
    }
    for missing in ["a", "entry-000", "entry-075-with-a-nam", "entry-075-with-a-namf", "zzz", ""] {
        assert_eq!(lookup(&fs, &many, missing.as_bytes()).unwrap(), None, "{missing}");
    }
}

/// Visits everything reachable, up to a bound: directories of a hostile image may form loops.
fn explore(image: Vec<u8>) {
    let Ok(fs) = Erofs::open(RootfsImage::whole(image.leak())) else { return };
    let mut left = vec![fs.root()];
    for _ in 0..400 {
        let Some(inode) = left.pop().and_then(|nid| fs.inode(nid).ok()) else { continue };
        let _ = xattr::all(&fs, &inode);
        for offset in [0, 1, 4095, 4096, inode.extent.size.saturating_sub(1)] {
            if let Some((at, together)) = inode.extent.locate(offset) {
                assert!(fs.image().view(at, together.min(1 << 16) as usize).is_ok());
            }
        }
        let _ = lookup(&fs, &inode, b"etc");
        left.extend(list(&fs, &inode).unwrap_or_default().into_iter().take(8).map(|entry| entry.nid));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damaged_images_are_errors_not_panics(
        changes in prop::collection::vec((0usize..0x4000, any::<u8>()), 1..40),
        len in 1000usize..60_000,
    ) {
        let mut image = IMAGE.to_vec();
        for (at, byte) in changes {
            if let Some(place) = image.get_mut(at) {
                *place = byte;
            }
        }
        image.truncate(len);
        explore(image);
    }
}

#[test]
fn foreign_superblocks_are_refused() {
    for (at, byte) in [(1024, 0), (1024 + 12, 9), (1024 + 80, 2), (1024 + 90, 1)] {
        let mut image = IMAGE.to_vec();
        image[at] = byte;
        assert!(Erofs::open(RootfsImage::whole(image.leak())).is_err(), "byte {at}");
    }
    assert!(Erofs::open(RootfsImage::whole(&[])).is_err());
}
