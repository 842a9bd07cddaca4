//! The overlay against a model: a map from paths to contents.

use super::World;
use crate::errno::Errno;
use crate::fs::node::dir;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// What a path leads to in the model; hard links share a number.
#[derive(Clone, Debug, PartialEq)]
enum ModelEntry {
    Dir,
    File(usize),
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<String, ModelEntry>,
    contents: Vec<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum TreeStep {
    Write(String, Vec<u8>),
    Patch(String, u64, Vec<u8>),
    Truncate(String, u64),
    Mkdir(String),
    Unlink(String),
    Rmdir(String),
    Rename(String, String),
    Link(String, String),
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

impl Model {
    fn dir_exists(&self, path: &str) -> bool {
        path == "/w" || self.entries.get(path) == Some(&ModelEntry::Dir)
    }

    /// ENOENT and ENOTDIR of the way to a path.
    fn check_way(&self, path: &str) -> Result<(), Errno> {
        let above = parent(path);
        if self.dir_exists(above) {
            return Ok(());
        }
        self.check_way(above)?;
        Err(if self.entries.contains_key(above) { Errno::ENOTDIR } else { Errno::ENOENT })
    }

    fn children(&self, path: &str) -> impl Iterator<Item = &String> {
        let prefix = format!("{path}/");
        self.entries.keys().filter(move |key| key.starts_with(&prefix))
    }

    fn file(&self, path: &str) -> Result<usize, Errno> {
        self.check_way(path)?;
        match self.entries.get(path) {
            Some(ModelEntry::File(number)) => Ok(*number),
            Some(ModelEntry::Dir) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn apply(&mut self, step: &TreeStep) -> Result<(), Errno> {
        match step {
            TreeStep::Write(path, bytes) => match self.file(path) {
                Ok(number) => self.contents[number] = bytes.clone(),
                Err(Errno::ENOENT) => {
                    self.check_way(path)?;
                    self.contents.push(bytes.clone());
                    self.entries.insert(path.clone(), ModelEntry::File(self.contents.len() - 1));
                }
                Err(errno) => return Err(errno),
            },
            TreeStep::Patch(path, offset, bytes) => {
                let number = self.file(path)?;
                let content = &mut self.contents[number];
                let (start, end) = (*offset as usize, *offset as usize + bytes.len());
                content.resize(content.len().max(end), 0);
                content[start..end].copy_from_slice(bytes);
            }
            TreeStep::Truncate(path, size) => {
                let number = self.file(path)?;
                self.contents[number].resize(*size as usize, 0);
            }
            TreeStep::Mkdir(path) => {
                self.check_way(path)?;
                if self.entries.contains_key(path) {
                    return Err(Errno::EEXIST);
                }
                self.entries.insert(path.clone(), ModelEntry::Dir);
            }
            TreeStep::Unlink(path) => {
                self.file(path)?;
                self.entries.remove(path);
            }
            TreeStep::Rmdir(path) => {
                self.check_way(path)?;
                match self.entries.get(path) {
                    None => return Err(Errno::ENOENT),
                    Some(ModelEntry::File(_)) => return Err(Errno::ENOTDIR),
                    Some(ModelEntry::Dir) if self.children(path).next().is_some() => {
                        return Err(Errno::ENOTEMPTY);
                    }
                    Some(ModelEntry::Dir) => drop(self.entries.remove(path)),
                }
            }
            TreeStep::Rename(from, to) => self.rename(from, to)?,
            TreeStep::Link(from, to) => {
                self.check_way(from)?;
                let entry = self.entries.get(from).cloned().ok_or(Errno::ENOENT)?;
                self.check_way(to)?;
                if self.entries.contains_key(to) {
                    return Err(Errno::EEXIST);
                }
                if entry == ModelEntry::Dir {
                    return Err(Errno::EPERM);
                }
                self.entries.insert(to.clone(), entry);
            }
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), Errno> {
        self.check_way(from)?;
        self.check_way(to)?;
        let entry = self.entries.get(from).cloned().ok_or(Errno::ENOENT)?;
        if entry == ModelEntry::Dir && to.starts_with(&format!("{from}/")) {
            return Err(Errno::EINVAL);
        }
        match (self.entries.get(to), &entry) {
            (Some(target), entry) if from == to || target == entry && *entry != ModelEntry::Dir => {
                return Ok(());
            }
            (Some(_), _) if from.starts_with(&format!("{to}/")) => return Err(Errno::ENOTEMPTY),
            (Some(ModelEntry::File(_)), ModelEntry::Dir) => return Err(Errno::ENOTDIR),
            (Some(ModelEntry::Dir), ModelEntry::File(_)) => return Err(Errno::EISDIR),
            (Some(ModelEntry::Dir), ModelEntry::Dir) if self.children(to).next().is_some() => {
                return Err(Errno::ENOTEMPTY);
            }
            _ => {}
        }
        let moved: Vec<String> = self.children(from).cloned().collect();
        for path in moved {
            if let Some(below) = self.entries.remove(&path) {
                self.entries.insert(format!("{to}{}", &path[from.len()..]), below);
            }
        }
        self.entries.remove(from);
        self.entries.insert(to.to_string(), entry);
        Ok(())
    }
}

fn perform(world: &World, step: &TreeStep) -> Result<(), Errno> {
    match step {
        TreeStep::Write(path, bytes) => world.write(path, bytes),
        TreeStep::Patch(path, offset, bytes) => {
            world.open(path, 1)?.file.write(*offset, &mut bytes.as_slice()).map(drop)
        }
        TreeStep::Truncate(path, size) => {
            let file = world.open(path, 1)?;
            crate::fs::regular::truncate(file.file.node().ok_or(Errno::EINVAL)?, *size)
        }
        TreeStep::Mkdir(path) => world.mkdir(path),
        TreeStep::Unlink(path) => world.unlink(path),
        TreeStep::Rmdir(path) => world.rmdir(path),
        TreeStep::Rename(from, to) => world.rename(from, to, 0),
        TreeStep::Link(from, to) => world.link(from, to),
    }
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|names| format!("/w/{}", names.join("/")))
}

fn step() -> impl Strategy<Value = TreeStep> {
    let bytes = prop::collection::vec(any::<u8>(), 1..200);
    prop_oneof![
        3 => (path(), bytes.clone()).prop_map(|(path, bytes)| TreeStep::Write(path, bytes)),
        2 => (path(), 0u64..9000, bytes).prop_map(|(path, at, bytes)| TreeStep::Patch(path, at, bytes)),
        1 => (path(), 0u64..9000).prop_map(|(path, size)| TreeStep::Truncate(path, size)),
        3 => path().prop_map(TreeStep::Mkdir),
        1 => path().prop_map(TreeStep::Unlink),
        1 => path().prop_map(TreeStep::Rmdir),
        2 => (path(), path()).prop_map(|(from, to)| TreeStep::Rename(from, to)),
        1 => (path(), path()).prop_map(|(from, to)| TreeStep::Link(from, to)),
    ]
}

/// All paths below a directory, by listings.
fn listed(world: &World, path: &str, all: &mut Vec<String>) {
    let node = world.find(path).unwrap();
    for entry in dir::list(&node, 2, usize::MAX).unwrap() {
        let path = format!("{path}/{}", String::from_utf8(entry.name).unwrap());
        if entry.kind == 4 {
            listed(world, &path, all);
        }
        all.push(path);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_overlay_equals_a_map(steps in prop::collection::vec(step(), 1..60)) {
        let world = World::new();
        let mut model = Model::default();
        world.mkdir("/w").unwrap();
        let used = world.kernel.vfs.root().volume.used_pages();
        for step in &steps {
            prop_assert_eq!(perform(&world, step), model.apply(step), "{:?}", step);
        }
        let mut all = Vec::new();
        listed(&world, "/w", &mut all);
        all.sort();
        prop_assert_eq!(&all, &model.entries.keys().cloned().collect::<Vec<_>>());
        for (path, entry) in &model.entries {
            let meta = world.find(path).unwrap().meta.get();
            if let ModelEntry::File(number) = entry {
                prop_assert_eq!(&world.read(path).unwrap(), &model.contents[*number], "{}", path);
                let links = model.entries.values().filter(|other| *other == entry).count();
                prop_assert_eq!(meta.nlink as usize, links);
            } else {
                let below = model.children(path).filter(|child| {
                    parent(child) == path && model.entries[*child] == ModelEntry::Dir
                });
                prop_assert_eq!(meta.nlink as usize, 2 + below.count());
            }
        }
        for path in all.iter().rev() {
            let gone = world.unlink(path);
            if gone == Err(Errno::EISDIR) {
                let mut below = Vec::new();
                listed(&world, path, &mut below);
                for child in &below {
                    let _ = world.unlink(child).or_else(|_| world.rmdir(child));
                }
                world.rmdir(path).unwrap();
            }
        }
        prop_assert_eq!(world.kernel.vfs.root().volume.used_pages(), used);
        prop_assert_eq!(world.kernel.vfs.root().volume.used_entries(), 1);
    }
}
