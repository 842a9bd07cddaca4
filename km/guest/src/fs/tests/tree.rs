//! Paths, copies of the image's files, renames, mounts.

use super::World;
use crate::errno::Errno;
use crate::fs::Vfs;
use crate::fs::file::{FilePage, PageUse};
use crate::fs::image::RootfsImage;
use crate::fs::node::dir;
use crate::fs::node::meta::{S_IFCHR, S_IFDIR, S_IFMT};
use crate::fs::ops::{self, RENAME_EXCHANGE, RENAME_NOREPLACE};
use crate::fs::stale;
use crate::fs::vfs::Setup;
use crate::fs::walk::{Restrict, path_of};
use crate::task::Credentials;
use std::rc::Rc;

#[test]
fn paths_lead_through_links_dots_and_mounts() {
    let world = World::new();
    assert_eq!(world.read("/etc/greeting").unwrap(), b"hello\n");
    assert_eq!(world.read("//etc/./../etc//greeting").unwrap(), b"hello\n");
    assert_eq!(world.read("/link").unwrap(), b"hello\n");
    assert_eq!(world.read("/bin/abs").unwrap(), b"hello\n");
    assert_eq!(world.read("/../../etc/greeting").unwrap(), b"hello\n");
    assert_eq!(world.read("/proc/../link").unwrap(), b"hello\n");
    for (path, errno) in [
        ("/loop", Errno::ELOOP),
        ("/nothing", Errno::ENOENT),
        ("/nothing/x", Errno::ENOENT),
        ("/five/x", Errno::ENOTDIR),
        ("/five/", Errno::ENOTDIR),
        ("", Errno::ENOENT),
    ] {
        assert_eq!(world.read(path).unwrap_err(), errno, "{path}");
    }
    let long = "a".repeat(256);
    assert_eq!(world.find(&long).err(), Some(Errno::ENAMETOOLONG));
}

#[test]
fn links_are_made_and_followed() {
    let world = World::new();
    world.symlink("../etc", "/usr/up").unwrap();
    world.symlink("up/greeting", "/usr/twice").unwrap();
    assert_eq!(world.read("/usr/twice").unwrap(), b"hello\n");
    world.symlink("/tmp/new", "/usr/dangling").unwrap();
    world.write("/usr/dangling", b"through").unwrap();
    assert_eq!(world.read("/tmp/new").unwrap(), b"through");
    assert_eq!(world.symlink("", "/usr/x").err(), Some(Errno::ENOENT));
    assert_eq!(world.symlink("x", "/usr/up").err(), Some(Errno::EEXIST));
}

#[test]
fn paths_are_found_again_from_nodes() {
    let world = World::new();
    let root = world.kernel.vfs.root();
    for path in ["/etc/greeting", "/usr/share", "/proc/sys/kernel", "/dev/shm", "/"] {
        assert_eq!(path_of(&world.find(path).unwrap(), Some(root)), path.as_bytes());
    }
    let node = world.find("/etc/greeting").unwrap();
    world.unlink("/etc/greeting").unwrap();
    assert_eq!(path_of(&node, None), b"/etc/greeting (deleted)");
}

#[test]
fn lookups_stay_beneath_when_asked() {
    let world = World::new();
    let mut walk = world.walk(Restrict::BENEATH);
    walk.start = world.find("/usr").unwrap();
    assert!(walk.find(b"share/five2").is_ok());
    assert_eq!(walk.find(b"../etc").err(), Some(Errno::EXDEV));
    assert_eq!(walk.find(b"/usr").err(), Some(Errno::EXDEV));
    walk.restrict = Restrict::IN_ROOT;
    assert!(walk.find(b"/../share/five2").unwrap().node.is_some());
    let walk = world.walk(Restrict::NO_SYMLINKS);
    assert_eq!(walk.find(b"link").err(), Some(Errno::ELOOP));
    let walk = world.walk(Restrict::NO_XDEV);
    assert_eq!(walk.find(b"proc").err(), Some(Errno::EXDEV));
}

#[test]
fn a_written_file_keeps_its_inode_links_and_unwritten_pages() {
    let world = World::new();
    let before = world.find("/five").unwrap();
    let file = world.open("/five", 1).unwrap();
    file.file.write(4998, &mut &b"xyz"[..]).unwrap();
    let after = world.read("/usr/share/five2").unwrap();
    assert_eq!(after.len(), 5001);
    assert_eq!(&after[4998..], b"xyz");
    assert!((0..4998).all(|i| after[i] == (i % 251) as u8));
    drop(file);
    assert!(Rc::ptr_eq(&before, &world.find("/usr/share/five2").unwrap()));
    // The change outlives everybody who has the file open.
    drop(before);
    assert_eq!(world.read("/five").unwrap(), after);
    assert_eq!(world.find("/five").unwrap().data().unwrap().pages_in_memory(), 1);
}

#[test]
fn what_a_truncation_cuts_off_never_comes_back() {
    let world = World::new();
    let node = world.find("/five").unwrap();
    crate::fs::regular::truncate(&node, 100).unwrap();
    crate::fs::regular::truncate(&node, 5000).unwrap();
    let bytes = world.read("/five").unwrap();
    assert!((0..100).all(|i| bytes[i] == (i % 251) as u8) && bytes[100..].iter().all(|&byte| byte == 0));
}

#[test]
fn unlinked_files_live_while_they_are_open() {
    let world = World::new();
    let file = world.open("/twenty", 2).unwrap();
    world.unlink("/twenty").unwrap();
    assert_eq!(world.find("/twenty").err(), Some(Errno::ENOENT));
    assert_eq!(super::read_all(&world, &file).unwrap().len(), 20_000);
    file.file.write(0, &mut &b"new"[..]).unwrap();
    let used = world.kernel.vfs.root().volume.used_pages();
    drop(file);
    assert_eq!(world.kernel.vfs.root().volume.used_pages(), used - 1);
}

#[test]
fn renames_replace_exchange_and_refuse_as_linux_does() {
    let world = World::new();
    world.mkdir("/d").unwrap();
    world.write("/d/a", b"a").unwrap();
    world.write("/d/b", b"b").unwrap();
    assert_eq!(world.rename("/d/a", "/d/b", RENAME_NOREPLACE), Err(Errno::EEXIST));
    world.rename("/d/a", "/d/b", RENAME_EXCHANGE).unwrap();
    assert_eq!((world.read("/d/a").unwrap(), world.read("/d/b").unwrap()), (b"b".to_vec(), b"a".to_vec()));
    world.rename("/d/a", "/d/b", 0).unwrap();
    assert_eq!(world.read("/d/b").unwrap(), b"b");
    assert_eq!(world.rename("/d", "/d/x", 0), Err(Errno::EINVAL));
    assert_eq!(world.rename("/d", "/five", 0), Err(Errno::ENOTDIR));
    assert_eq!(world.rename("/five", "/d", 0), Err(Errno::EISDIR));
    assert_eq!(world.rename("/tmp", "/d", 0), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rename("/five", "/dev/shm/five", 0), Err(Errno::EXDEV));
    assert_eq!(world.rename("/five", "/usr/share/five2", 0), Ok(()));
    assert!(world.find("/five").is_ok(), "two names of one file: nothing happens");
    world.rename("/many", "/d/many", 0).unwrap();
    assert_eq!(world.read("/d/many/entry-007-with-a-name").unwrap(), b"7");
    assert_eq!(world.rmdir("/d"), Err(Errno::ENOTEMPTY));
    assert_eq!(world.rmdir("/proc"), Err(Errno::EBUSY));
    assert_eq!(world.rmdir("/d/."), Err(Errno::EINVAL));
}

#[test]
fn listings_meet_each_entry_once_while_others_change() {
    let world = World::new();
    let many = world.find("/many").unwrap();
    let first = dir::list(&many, 0, 50).unwrap();
    assert_eq!((first[0].name.as_slice(), first[1].name.as_slice()), (&b"."[..], &b".."[..]));
    world.unlink("/many/entry-010-with-a-name").unwrap();
    world.unlink("/many/entry-100-with-a-name").unwrap();
    world.write("/many/aaa", b"").unwrap();
    let rest = dir::list(&many, first.last().unwrap().cookie, 1000).unwrap();
    let mut names: Vec<_> = first.iter().chain(&rest).map(|entry| entry.name.clone()).collect();
    names.sort();
    let total = names.len();
    names.dedup();
    assert_eq!((total, names.len()), (152, 152));
}

#[test]
fn mapped_pages_of_the_image_are_shown_in_place_until_written() {
    let world = World::new();
    km_hal::host::set_rootfs(super::IMAGE.to_vec());
    let file = world.open("/block", 2).unwrap();
    let pages = file.file.pages().unwrap();
    let _ = stale::take();
    let FilePage::Rootfs(gpa) = pages.page(0, PageUse::Read).unwrap() else { panic!("copied") };
    assert_eq!(gpa % 4096, 0);
    file.file.write(1, &mut &b"!"[..]).unwrap();
    assert_eq!(stale::take().len(), 1);
    let FilePage::Frame(frame) = pages.page(0, PageUse::Read).unwrap() else { panic!("not copied") };
    let mut bytes = [0; 3];
    frame.read(0, &mut bytes);
    assert_eq!(&bytes, b"a!a");
    assert_eq!(pages.page(1, PageUse::Read).err(), Some(Errno::ENXIO));
    assert_eq!(world.read("/block").unwrap()[..3], *b"a!a");
}

#[test]
fn what_the_slot_does_not_show_is_fetched() {
    let mut world = World::new();
    let whole = world.read("/twenty").unwrap();
    for shown in [2048, 8192, 20_480, 30_000] {
        let fetch: crate::fs::image::Fetch = |offset, buffer| {
            let start = offset as usize;
            buffer.copy_from_slice(&super::IMAGE[start..start + buffer.len()]);
            true
        };
        let image = RootfsImage::new(&super::IMAGE[..shown], super::IMAGE.len() as u64, fetch);
        world.kernel.vfs = Vfs::new(Setup { image: Some(image), ..Setup::default() });
        assert_eq!(world.read("/twenty").unwrap(), whole, "{shown}");
        assert_eq!(world.read("/many/entry-149-with-a-name").unwrap(), b"149");
        let pages = world.open("/twenty", 0).unwrap().file.pages().unwrap();
        let used = world.kernel.vfs.root().volume.used_pages();
        for index in 0..5 {
            let mut byte = [0];
            if let FilePage::Frame(frame) = pages.page(index, PageUse::Read).unwrap() {
                frame.read(7, &mut byte);
                assert_eq!(byte[0], whole[index as usize * 4096 + 7]);
            }
        }
        assert_eq!(world.kernel.vfs.root().volume.used_pages(), used);
    }
}

#[test]
fn permissions_are_those_of_owner_group_and_others() {
    let mut world = World::new();
    world.write("/tmp/secret", b"x").unwrap();
    world.find("/tmp").unwrap().touch(|meta| meta.mode = S_IFDIR | 0o1777);
    world.find("/tmp/secret").unwrap().touch(|meta| meta.mode = meta.mode & S_IFMT | 0o600);
    world.who = Credentials::container(1000, 1001, Vec::new());
    assert_eq!(world.read("/tmp/secret").err(), Some(Errno::EACCES));
    assert_eq!(world.unlink("/tmp/secret").err(), Some(Errno::EPERM), "/tmp is sticky");
    assert_eq!(world.unlink("/five").err(), Some(Errno::EACCES));
    assert_eq!(world.mkdir("/x").err(), Some(Errno::EACCES));
    assert!(world.write("/five", b"mine").is_ok());
    assert!(world.write("/tmp/own", b"own").is_ok());
    let walk = world.walk(Restrict::NO_FOLLOW);
    let place = world.place("/tmp/dev").unwrap();
    assert_eq!(ops::make_node(&walk, &place, S_IFCHR | 0o666, 0x103).err(), Some(Errno::EPERM));
}

#[test]
fn what_containers_have_is_there() {
    let world = World::new();
    assert_eq!(world.read("/etc/hostname").unwrap(), b"localhost\n");
    assert!(world.read("/etc/hosts").unwrap().starts_with(b"127.0.0.1\tlocalhost\n"));
    assert_eq!(world.read("/dev/null").unwrap(), b"");
    assert_eq!(world.read("/dev/zero").unwrap().len(), 1 << 20);
    assert_eq!(world.read("/sys/devices/system/cpu/online").unwrap(), b"0\n");
    assert!(world.read("/proc/meminfo").unwrap().starts_with(b"MemTotal:"));
    assert_eq!(world.read("/proc/sys/kernel/pid_max").unwrap(), b"4194304\n");
    assert_eq!(world.write("/sys/x", b"").err(), Some(Errno::EROFS));
    assert_eq!(world.find("/tmp").unwrap().meta.get().mode & 0o7777, 0o755, "the image's own /tmp is kept");
    assert!(world.write("/dev/shm/x", b"x").is_ok());
}

#[test]
fn the_room_of_a_file_system_ends() {
    let world = World::new();
    let shm = world.find("/dev/shm").unwrap();
    let limit = shm.volume.limit_pages;
    let file = world.open("/dev/shm/big", 0o102).unwrap();
    let page = vec![1; 1 << 20];
    let mut offset = 0;
    let errno = loop {
        match file.file.write(offset, &mut page.as_slice()) {
            Ok(count) => offset += count as u64,
            Err(errno) => break errno,
        }
    };
    assert_eq!((errno, offset), (Errno::ENOSPC, limit * 4096));
    world.unlink("/dev/shm/big").unwrap();
    drop(file);
    assert_eq!(shm.volume.used_pages(), 0);
    for number in 0..limit {
        world.symlink("x", &format!("/dev/shm/{number}")).unwrap();
    }
    assert_eq!(world.mkdir("/dev/shm/one-too-many").err(), Some(Errno::ENOSPC));
    world.rename("/dev/shm/0", "/dev/shm/1", 0).unwrap();
    assert!(world.mkdir("/dev/shm/one-more").is_ok());
}

#[test]
fn what_the_image_says_of_its_machine_gives_way() {
    let world = World::new();
    world.write("/etc/hosts", b"10.0.0.1 where-it-was-built\n").unwrap();
    world.unlink("/etc/resolv.conf").unwrap();
    world.symlink("/run/resolv.conf", "/etc/resolv.conf").unwrap();
    crate::fs::etc::supply(world.kernel.vfs.root(), "mine", None).unwrap();
    assert!(world.read("/etc/hosts").unwrap().ends_with(b"127.0.0.1\tmine\n"));
    assert_eq!(world.read("/etc/hostname").unwrap(), b"mine\n");
    assert!(world.read("/etc/resolv.conf").unwrap().starts_with(b"nameserver 127.0.0.1\n"));
}
