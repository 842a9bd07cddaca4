//! The records in `functions/` of the volume: what is published. Control writes them, the node follows what is new.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use api::{FunctionName, Published};

use crate::{FileStamp, Volume};

/// Trust a folder's mtime only if it was at least this old when the folder was read: mtimes have a coarse clock, and a later
/// change could carry the same one.
const SETTLED: Duration = Duration::from_secs(1);
/// Read all folders this often, whatever their times say.
const READ_ALL: Duration = Duration::from_secs(10);
/// Longest record in bytes: a document ([`api::document::FILE_MAX`]) as JSON.
const RECORD_MAX: u64 = 8 << 20;

/// Records by their functions' names.
type Found = HashMap<FunctionName, (FileStamp, PathBuf)>;

/// What is other than at the last look.
#[derive(Debug, Default)]
pub struct News {
    /// Records that are not there any more.
    pub gone: Vec<FunctionName>,
    /// Records that are new or were replaced.
    pub fresh: Vec<Published>,
}

/// The records as they were last read. Looking at them blocks.
#[derive(Debug, Default)]
pub struct Records {
    folders: Folders,
    known: HashMap<FunctionName, FileStamp>,
}

impl Records {
    /// Looks at the folder again. Records that cannot be read are as good as unchanged, and are said once.
    ///
    /// # Errors
    /// When a folder cannot be read: nothing is known to be gone then.
    pub fn news(&mut self, folder: &Path) -> io::Result<News> {
        let found = match self.folders.scan(folder) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(News::default()),
            Err(error) => {
                self.folders = Folders::default();
                return Err(error);
            }
        };
        let is_gone = |name: &&FunctionName| !found.contains_key(name);
        let gone: Vec<FunctionName> = self.known.keys().filter(is_gone).cloned().collect();
        for name in &gone {
            self.known.remove(name);
        }
        let mut fresh = Vec::new();
        for (name, (stamp, path)) in found {
            if self.known.insert(name.clone(), stamp) == Some(stamp) {
                continue;
            }
            match read_file(&path, &name) {
                Ok(published) => fresh.push(published),
                Err(error) => tracing::error!(function = %name, %error, "cannot read {}", path.display()),
            }
        }
        Ok(News { gone, fresh })
    }
}

/// The namespaces' folders as they were last read. Records come and go by rename, which changes their folder's time: with
/// thousands of functions, looking at each of them four times a second would keep a core busy.
#[derive(Debug, Default)]
struct Folders {
    /// When each was changed; nothing if that was too short before it was read.
    known: HashMap<PathBuf, Option<SystemTime>>,
    /// When all were last read.
    read: Option<Instant>,
}

impl Folders {
    /// The records that are there; nothing if they are what they were.
    fn scan(&mut self, folder: &Path) -> io::Result<Option<Found>> {
        let namespaces: Vec<PathBuf> =
            fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        let recent = self.read.is_some_and(|read| read.elapsed() < READ_ALL);
        let same = |path: &PathBuf| {
            let settled = self.known.get(path).copied().flatten();
            settled.is_some() && settled == modified(path)
        };
        if recent && namespaces.len() == self.known.len() && namespaces.iter().all(same) {
            return Ok(None);
        }
        // Before the folders are read: what changes meanwhile changes them again.
        let now = SystemTime::now();
        self.known = HashMap::new();
        let mut found = HashMap::new();
        for path in namespaces {
            let is_settled = |time: &SystemTime| now.duration_since(*time).is_ok_and(|age| age > SETTLED);
            self.known.insert(path.clone(), modified(&path).filter(is_settled));
            read_folder(&path, &mut found)?;
        }
        self.read = Some(Instant::now());
        Ok(Some(found))
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

fn read_folder(path: &Path, found: &mut Found) -> io::Result<()> {
    let Some(namespace) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let Ok(files) = fs::read_dir(path) else { return Ok(()) };
    for file in files {
        let file = file?;
        let file_name = file.file_name();
        let function = file_name.to_str().and_then(|file_name| file_name.strip_suffix(".json"));
        let name = function.and_then(|function| FunctionName::new(namespace, function));
        // A file that vanishes between the two looks is one that is not there.
        if let (Some(name), Ok(data)) = (name, file.metadata()) {
            found.insert(name, (FileStamp::of(&data), file.path()));
        }
    }
    Ok(())
}

/// The record of a function, if there is one that can be read.
#[must_use]
pub fn read(volume: &Volume, name: &FunctionName) -> Option<Published> {
    read_file(&volume.function(name), name).ok()
}

/// Writes a function's record and then its link for people; says whether the record says anything new. Its generation is
/// one more than that of the record before it, and at least that of `published`.
///
/// # Errors
/// Those of the file system.
pub fn write(volume: &Volume, mut published: Published, bundle: &Path) -> io::Result<bool> {
    let old = read(volume, &published.name);
    if old.as_ref().is_some_and(|old| old.digest == published.digest && old.spec == published.spec) {
        // A writer may have been killed before the link.
        link(volume, &published.name, bundle)?;
        return Ok(false);
    }
    let next = old.map_or(1, |old| old.generation.saturating_add(1));
    published.generation = published.generation.max(next);
    crate::replace(&volume.function(&published.name), &serde_json::to_vec_pretty(&published)?)?;
    link(volume, &published.name, bundle)?;
    Ok(true)
}

/// Takes a function back. Its bundle stays until a collection finds that nobody needs it.
///
/// # Errors
/// Those of the file system.
pub fn withdraw(volume: &Volume, name: &FunctionName) -> io::Result<()> {
    crate::remove(&volume.function(name))?;
    crate::remove(&volume.bundle_link(name))?;
    crate::statuses::remove(volume, name)
}

/// The names of the functions that are published.
#[must_use]
pub fn names(volume: &Volume) -> Vec<FunctionName> {
    let Ok(namespaces) = fs::read_dir(volume.functions()) else { return Vec::new() };
    let files = namespaces.flatten().flat_map(|namespace| {
        let files = fs::read_dir(namespace.path()).into_iter().flatten().flatten();
        let folder = namespace.file_name().to_string_lossy().into_owned();
        files.map(move |file| (folder.clone(), file.file_name().to_string_lossy().into_owned()))
    });
    files.filter_map(|(folder, file)| FunctionName::new(&folder, file.strip_suffix(".json")?)).collect()
}

/// Removes the links of functions that have no record: a writer was killed between the two. Says how many there were.
///
/// A function that is published at the same moment may lose its link by this; its next look at the image brings it back.
#[must_use]
pub fn clear_links(volume: &Volume) -> usize {
    let namespaces = fs::read_dir(volume.bundle_links()).into_iter().flatten().flatten();
    let links = namespaces.flat_map(|namespace| {
        let folder = namespace.file_name().to_string_lossy().into_owned();
        let links = fs::read_dir(namespace.path()).into_iter().flatten().flatten();
        links.map(move |link| (folder.clone(), link.file_name().to_string_lossy().into_owned()))
    });
    let names = links.filter_map(|(namespace, function)| FunctionName::new(&namespace, &function));
    let orphans = names.filter(|name| !volume.function(name).exists());
    orphans.filter(|name| fs::remove_file(volume.bundle_link(name)).is_ok()).count()
}

/// The symlink for people, replaced in one step.
fn link(volume: &Volume, name: &FunctionName, bundle: &Path) -> io::Result<()> {
    let link = volume.bundle_link(name);
    let folder = link.parent().ok_or(io::ErrorKind::InvalidInput)?;
    // One name for each function: what a killed process left there is removed by the next one.
    let temporary = folder.join(format!(".{}.tmp", name.function()));
    let target = bundle
        .strip_prefix(volume.root())
        .map_or_else(|_| bundle.to_owned(), |inside| Path::new("../..").join(inside));
    crate::remove(&temporary)?;
    if fs::read_link(&link).is_ok_and(|found| found == target) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    std::os::unix::fs::symlink(target, &temporary)?;
    fs::rename(&temporary, &link).inspect_err(|_| drop(fs::remove_file(&temporary)))
}

fn read_file(path: &Path, name: &FunctionName) -> io::Result<Published> {
    if fs::metadata(path)?.len() > RECORD_MAX {
        return Err(io::Error::other("the record is too long"));
    }
    let published: Published = serde_json::from_slice(&fs::read(path)?)?;
    if published.name != *name {
        return Err(io::Error::other(format!("the record is of {}", published.name)));
    }
    Ok(published)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_again_when_they_change() {
        let root = tempfile::tempdir().unwrap();
        let space = root.path().join("default");
        fs::create_dir(&space).unwrap();
        fs::write(space.join("a.json"), "{}").unwrap();
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let settle = || fs::File::open(&space).unwrap().set_modified(long_ago).unwrap();
        let mut folders = Folders::default();
        // One that was changed a moment ago may be changed again without that its time tells.
        assert_eq!(folders.scan(root.path()).unwrap().unwrap().len(), 1);
        assert_eq!(folders.scan(root.path()).unwrap().unwrap().len(), 1);
        settle();
        assert_eq!(folders.scan(root.path()).unwrap().unwrap().len(), 1);
        assert!(folders.scan(root.path()).unwrap().is_none());
        fs::write(space.join("b.json"), "{}").unwrap();
        assert_eq!(folders.scan(root.path()).unwrap().unwrap().len(), 2);
        settle();
        assert!(folders.scan(root.path()).unwrap().is_some() && folders.scan(root.path()).unwrap().is_none());
        fs::create_dir(root.path().join("other")).unwrap();
        assert_eq!(folders.scan(root.path()).unwrap().unwrap().len(), 2);
        fs::remove_dir(root.path().join("other")).unwrap();
        assert!(folders.scan(root.path()).unwrap().is_some());
    }

    #[test]
    fn a_link_without_a_record_goes() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        let published = |name: &str| Published {
            name: name.parse().unwrap(),
            generation: 0,
            digest: "sha256:0".into(),
            spec: serde_saphyr::from_str("image: oci:x").unwrap(),
        };
        for name in ["a/b", "a/c.d"] {
            assert!(write(&volume, published(name), &folder.path().join("store/x")).unwrap());
        }
        // Killed between the record and the link.
        fs::remove_file(volume.function(&"a/c.d".parse().unwrap())).unwrap();
        assert_eq!((clear_links(&volume), clear_links(&volume)), (1, 0));
        assert!(fs::read_link(volume.bundle_link(&"a/b".parse().unwrap())).is_ok());
        assert!(!write(&volume, published("a/b"), &folder.path().join("store/x")).unwrap(), "nothing new");
    }

    #[test]
    fn only_what_changed_is_read_again() {
        let root = tempfile::tempdir().unwrap();
        let space = root.path().join("default");
        fs::create_dir(&space).unwrap();
        let write = |function: &str, generation: u32| {
            let record = format!(
                r#"{{"name": "default/{function}", "generation": {generation}, "digest": "sha256:0", "spec": {{"image": "oci:x"}}}}"#
            );
            crate::replace(&space.join(format!("{function}.json")), record.as_bytes()).unwrap();
        };
        let mut records = Records::default();
        let mut news = || {
            let news = records.news(root.path()).unwrap();
            let mut fresh: Vec<_> =
                news.fresh.iter().map(|one| (one.name.function().to_owned(), one.generation)).collect();
            fresh.sort();
            (news.gone.len(), fresh)
        };
        write("a", 1);
        write("b", 1);
        fs::write(space.join("c.json"), "{").unwrap();
        assert_eq!(news(), (0, vec![("a".to_owned(), 1), ("b".to_owned(), 1)]));
        assert_eq!(news(), (0, vec![]));
        write("b", 2);
        fs::remove_file(space.join("a.json")).unwrap();
        assert_eq!(news(), (1, vec![("b".to_owned(), 2)]));
        write("a", 3);
        assert_eq!(news(), (0, vec![("a".to_owned(), 3)]));
    }
}
