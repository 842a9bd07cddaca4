//! Images as the kernel's own driver and `fsck.erofs` see them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use bundles::limits::Limits;
use bundles::tree::{Kind, Meta, Tree};
use common::{has_program, mount::Mounted, skip};

fn tree(dir: &Path) -> Tree {
    let mut tree = Tree::new(dir, &Limits::default()).unwrap();
    let content: Vec<u8> = (0..10_000u32).flat_map(u32::to_le_bytes).collect();
    let extent = tree.spool_mut().append(content.as_slice(), content.len() as u64).unwrap();
    let mut meta =
        Meta { mode: 0o4755, uid: 70_000, gid: 5, mtime: -3, mtime_nsec: 7, xattrs: BTreeMap::new() };
    meta.xattrs.insert(b"user.note".as_slice().into(), vec![b'v'; 5000].into());
    meta.xattrs.insert(
        b"security.capability".as_slice().into(),
        [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].into(),
    );
    tree.put(b"/bin/tool", meta, Kind::File(extent)).unwrap();
    tree.link(b"hard", b"bin/tool").unwrap();
    tree.put(b"empty", Meta::with_mode(0o600), Kind::File(Default::default())).unwrap();
    tree.put(b"dev/tty", Meta::with_mode(0o620), Kind::CharDevice(5, 300)).unwrap();
    tree.put(b"dev/sda", Meta::with_mode(0o660), Kind::BlockDevice(8, 1)).unwrap();
    tree.put(b"fifo", Meta::with_mode(0o644), Kind::Fifo).unwrap();
    tree.put(b"short", Meta::with_mode(0o777), Kind::Symlink(b"bin/tool".as_slice().into())).unwrap();
    tree.put(b"long", Meta::with_mode(0o777), Kind::Symlink(vec![b'x'; 4095].into())).unwrap();
    tree.put_directory(b"void", Meta::with_mode(0o1777)).unwrap();
    for number in 0..3000 {
        let name = format!("many/!file-{number}-{}", "n".repeat(number % 200));
        let extent = tree.spool_mut().append(name.as_bytes(), name.len() as u64).unwrap();
        tree.put(name.as_bytes(), Meta::with_mode(0o644), Kind::File(extent)).unwrap();
        tree.put(
            format!("links/{number}").as_bytes(),
            Meta::with_mode(0o777),
            Kind::Symlink(name.as_bytes().into()),
        )
        .unwrap();
    }
    tree
}

fn write(dir: &Path, name: &str) -> std::path::PathBuf {
    let path = dir.join(name);
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let size = bundles::erofs::write(&tree(dir), [7; 16], &file).unwrap();
    assert_eq!(size, file.metadata().unwrap().len());
    path
}

#[test]
fn same_tree_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    assert!(fs::read(write(dir.path(), "a")).unwrap() == fs::read(write(dir.path(), "b")).unwrap());
}

#[test]
fn fsck_accepts() {
    let dir = tempfile::tempdir().unwrap();
    if !has_program("fsck.erofs") {
        return skip("fsck_accepts", "fsck.erofs (package erofs-utils) is not installed");
    }
    let output = Command::new("fsck.erofs").arg(write(dir.path(), "image")).output().unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn kernel_reads_everything() {
    let dir = tempfile::tempdir().unwrap();
    let image = write(dir.path(), "image");
    let Some(mounted) = Mounted::new(&image) else {
        return skip("kernel_reads_everything", "needs root, loop devices and a kernel with EROFS");
    };
    let root = mounted.path();
    let tool = fs::metadata(root.join("bin/tool")).unwrap();
    assert_eq!(
        (tool.mode(), tool.uid(), tool.gid(), tool.size(), tool.nlink()),
        (0o104_755, 70_000, 5, 40_000, 2)
    );
    assert_eq!((tool.mtime(), tool.mtime_nsec()), (-3, 7));
    assert_eq!(tool.ino(), fs::metadata(root.join("hard")).unwrap().ino());
    assert_eq!(fs::read_link(root.join("long")).unwrap().as_os_str().len(), 4095);
    let tty = fs::metadata(root.join("dev/tty")).unwrap();
    assert_eq!(tty.rdev(), nix::sys::stat::makedev(5, 300));
    assert_eq!(fs::metadata(&root).unwrap().nlink(), 2 + 5);
    let lines = common::listing::listing(&root);
    assert_eq!(lines.len(), 6014);
    assert!(lines["bin/tool"].contains(&format!("user.note={}", "76".repeat(5000))));
    for number in (0..3000).step_by(97) {
        let name = fs::read_link(root.join(format!("links/{number}"))).unwrap();
        assert_eq!(fs::read(root.join(&name)).unwrap(), name.as_os_str().as_encoded_bytes());
    }
}
