//! Properties of trees: whatever a layer does, the tree stays whole, and its image is what the tree is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;

use bundles::limits::Limits;
use bundles::tree::{Kind, NodeId, Tree};
use common::listing::listing;
use common::mount::Mounted;
use common::tarball::Tarball;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    File(String, usize),
    Dir(String),
    Symlink(String, String),
    Link(String, String),
    NextLayer,
}

fn path() -> impl Strategy<Value = String> {
    let name =
        prop::sample::select(vec!["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq", ".", "/", "-", "..x"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn target() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "b", "c", "..", "/", "."]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (path(), 0usize..9000).prop_map(|(path, size)| Step::File(path, size)),
        4 => path().prop_map(Step::Dir),
        3 => (path(), target()).prop_map(|(path, target)| Step::Symlink(path, target)),
        2 => (path(), path()).prop_map(|(path, target)| Step::Link(path, target)),
        1 => Just(Step::NextLayer),
    ]
}

/// Applies the steps one by one, those that are refused left out.
fn build(steps: &[Step]) -> Tree {
    let limits = Limits::default();
    let mut tree = Tree::new(&std::env::temp_dir(), &limits).unwrap();
    let mut layer = Tarball::new();
    let mut layers = Vec::new();
    for step in steps {
        let next = match step {
            Step::File(path, size) => layer.clone().file(path, &vec![b'x'; *size]),
            Step::Dir(path) => layer.clone().dir(path),
            Step::Symlink(path, target) => layer.clone().symlink(path, target),
            Step::Link(path, target) => layer.clone().hardlink(path, target, 0o644),
            Step::NextLayer => {
                layers.push(std::mem::take(&mut layer));
                continue;
            }
        };
        let mut all = layers.clone();
        all.push(next.clone());
        if let Ok(applied) = common::layers::tree(&all) {
            (tree, layer) = (applied, next);
        }
    }
    tree
}

/// Paths of everything, walked as a program would.
fn walk(tree: &Tree) -> Vec<(Vec<u8>, NodeId)> {
    let mut found = Vec::new();
    let mut pending = vec![(Vec::new(), NodeId::ROOT)];
    let mut directories = HashSet::new();
    while let Some((path, id)) = pending.pop() {
        for (name, child) in tree.entries(id) {
            assert!(!name.is_empty() && !name.contains(&b'/') && name != b"." && name != b"..");
            assert!(!name.starts_with(b".wh."), "{}", name.escape_ascii());
            let path = if path.is_empty() { name.to_vec() } else { [&path, b"/".as_slice(), name].concat() };
            if matches!(tree.node(child).kind, Kind::Directory(_)) {
                assert!(directories.insert(child), "a directory has two names");
            }
            pending.push((path.clone(), child));
            found.push((path, child));
        }
    }
    found
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn image_is_what_the_tree_is(steps in prop::collection::vec(step(), 1..25)) {
        let tree = build(&steps);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("image");
        let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        bundles::erofs::write(&tree, [1; 16], &file).unwrap();
        let mut expected: Vec<String> = walk(&tree).iter().map(|(path, _)| path.escape_ascii().to_string()).collect();
        if let Some(mounted) = Mounted::new(&path) {
            let lines = listing(&mounted.path());
            expected.push(String::new());
            expected.sort();
            let seen: Vec<String> = lines.keys().cloned().collect();
            prop_assert_eq!(seen, expected);
            for (path, id) in walk(&tree) {
                if let Kind::Symlink(target) = &tree.node(id).kind {
                    let link = mounted.path().join(std::ffi::OsStr::from_bytes(&path));
                    let seen = std::fs::read_link(link).unwrap();
                    prop_assert_eq!(seen.as_os_str().as_bytes(), &**target);
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_refused_or_applied(bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let digest = bundles::digest::Digest::of(&bytes);
        let limits = Limits::default();
        let layer = bundles::layer::Layer { digest: None, size: bytes.len() as u64, diff_id: digest };
        let mut tree = Tree::new(&std::env::temp_dir(), &limits).unwrap();
        let _ = bundles::layer::apply(&mut tree, bytes.as_slice(), &layer, &limits, &mut (1 << 20));
    }

    #[test]
    fn references_come_back(text in "(docker://|oci:|dir:|docker-archive:|)[a-z0-9./:@_-]{0,40}") {
        if let Ok(reference) = text.parse::<bundles::reference::Reference>() {
            prop_assert_eq!(reference.to_string().parse::<bundles::reference::Reference>(), Ok(reference));
        }
    }
}
