//! What is told of the differences to the image.

use super::World;
use crate::fs::file::O_RDWR;
use crate::fs::node::meta::Time;
use crate::fs::open::O_CREAT;
use crate::fs::walk::Restrict;
use crate::fs::{changes, ops, regular};
use alloc::string::String;
use alloc::vec::Vec;
use km_abi::changes::{Body, Change, Entry};

/// All records, the bytes of files left out.
fn told(world: &World) -> Vec<Change> {
    let mut bytes = Vec::new();
    changes::tell(&world.kernel.vfs, &mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    })
    .unwrap();
    let (mut list, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        let change = Change::decode(&rest[4..4 + len]).unwrap();
        rest = &rest[4 + len..];
        if let Change::Entry(Entry { body: Body::File { size }, .. }) = &change {
            rest = &rest[*size as usize..];
        }
        list.push(change);
    }
    list
}

/// What is told, in short: `-path`, `path/` (`path!` if opaque), `path`, `path=first`.
fn short(world: &World) -> Vec<String> {
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let one = |change: &Change| match change {
        Change::Removed { path } => alloc::format!("-{}", text(path)),
        Change::Whole => String::from("."),
        Change::Entry(entry) => match &entry.body {
            Body::Directory { opaque: true } => alloc::format!("{}!", text(&entry.path)),
            Body::Directory { opaque: false } => alloc::format!("{}/", text(&entry.path)),
            Body::Link { first } => alloc::format!("{}={}", text(&entry.path), text(first)),
            _ => text(&entry.path),
        },
    };
    told(world).iter().map(one).collect()
}

fn world() -> World {
    let world = World::new();
    changes::begin(&world.kernel.vfs);
    world
}

#[test]
fn a_machine_that_has_booted_has_changed_nothing() {
    assert_eq!(short(&world()), ["."]);
}

#[test]
fn looking_at_files_changes_nothing() {
    let world = world();
    world.find("/etc/greeting").unwrap().accessed();
    world.find("/etc").unwrap().accessed();
    assert_eq!(short(&world), ["."]);
}

#[test]
fn written_made_and_removed_files_are_told_with_their_directories() {
    let world = world();
    regular::write(&world.find("/etc/greeting").unwrap(), 0, &mut &b"x"[..]).unwrap();
    world.open("/new", O_CREAT | O_RDWR).unwrap();
    let walk = world.walk(Restrict::NO_FOLLOW);
    ops::unlink(&walk, &world.place("/empty").unwrap()).unwrap();
    ops::make_dir(&walk, &world.place("/dir").unwrap(), 0o750).unwrap();
    assert_eq!(short(&world), ["/", "dir/", "new", "-empty", "etc/greeting", "."]);
}

#[test]
fn attributes_alone_are_a_change_and_access_times_are_none() {
    let world = world();
    world.find("/five").unwrap().touch(|meta| meta.mode ^= 0o111);
    world.find("/twenty").unwrap().update(|meta| meta.atime = Time { s: 1, ns: 0 });
    assert_eq!(short(&world), ["five", "usr/share/five2=five", "."]);
}

#[test]
fn further_names_lead_to_the_first() {
    let world = world();
    let walk = world.walk(Restrict::NO_FOLLOW);
    let node = world.find("/five").unwrap();
    ops::hard_link(&walk, &node, &world.place("/zlink").unwrap()).unwrap();
    assert_eq!(short(&world), ["/", "five", "zlink=five", "usr/share/five2=five", "."]);
}

#[test]
fn a_directory_in_place_of_another_hides_it() {
    let world = world();
    let walk = world.walk(Restrict::NO_FOLLOW);
    ops::remove_dir(&walk, &world.place("/tmp").unwrap(), b"/tmp").unwrap();
    ops::make_dir(&walk, &world.place("/tmp").unwrap(), 0o700).unwrap();
    assert_eq!(short(&world), ["/", "tmp!", "."]);
}

#[test]
fn all_of_a_directory_that_was_renamed_is_told() {
    let world = world();
    let walk = world.walk(Restrict::NO_FOLLOW);
    ops::rename(&walk, &world.place("/many").unwrap(), &world.place("/moved").unwrap(), 0).unwrap();
    let told = short(&world);
    assert!(told.contains(&String::from("-many")) && told.contains(&String::from("moved/")), "{told:?}");
    assert_eq!(told.iter().filter(|one| one.starts_with("moved/entry-")).count(), 150);
}
