//! Follows `functions/` of the volume: what is published there is what this server serves.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use tokio::sync::{Notify, watch};

use super::Server;
use super::functions::Function;
use super::report;
use super::revise::supervise;
use crate::api::{FunctionName, Published};

/// How often the folder is looked at without being told to.
const INTERVAL: Duration = Duration::from_millis(250);
/// A folder that was changed so long before it was read is taken to be as it was read for as long as its time is the
/// same: file systems count time in steps.
const SETTLED: Duration = Duration::from_secs(1);
/// After so long all folders are read, whatever their times say.
const READ_ALL: Duration = Duration::from_secs(10);
/// Longest record.
const RECORD_MAX: u64 = 1 << 20;

/// What tells one version of a file from the next without reading it: records are replaced by rename.
type Stamp = (u64, i64, i64, u64);

struct Followed {
    stamp: Stamp,
    /// Tells its supervisor of changes; its end, of the removal.
    versions: Option<watch::Sender<Arc<Published>>>,
}

/// Follows the volume for as long as the server lives. `changed` cuts the wait short.
pub async fn follow(server: Arc<Server>, changed: Arc<Notify>) {
    let mut known: HashMap<FunctionName, Followed> = HashMap::new();
    let mut folders = Folders::default();
    loop {
        let scanner = server.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            // Secrets afterwards: whoever writes a record wrote what it needs before.
            let found = folders.scan(&scanner.volume.functions());
            scanner.secrets.scan(&scanner.volume);
            (found, folders)
        });
        let (found, back) = scanned.await.unwrap_or_else(|error| (Err(error.into()), Folders::default()));
        folders = back;
        match found {
            Ok(Some(found)) => apply(&server, &mut known, found),
            Ok(None) => {}
            Err(error) => {
                folders = Folders::default();
                tracing::warn!(%error, "cannot read the published functions; going on with those known");
            }
        }
        server.scanned();
        let _ = tokio::time::timeout(INTERVAL, changed.notified()).await;
    }
}

/// Records by their functions' names.
type Records = HashMap<FunctionName, (Stamp, PathBuf)>;

/// The namespaces' folders as they were last read. Records come and go by rename, which changes their folder's time: with
/// thousands of functions, looking at each of them four times a second would keep a core busy.
#[derive(Default)]
struct Folders {
    /// When each was changed; nothing if that was too short before it was read.
    known: HashMap<PathBuf, Option<SystemTime>>,
    /// When all were last read.
    read: Option<Instant>,
}

impl Folders {
    /// The records that are there; nothing if they are what they were.
    fn scan(&mut self, folder: &Path) -> io::Result<Option<Records>> {
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

fn read_folder(path: &Path, found: &mut Records) -> io::Result<()> {
    let Some(namespace) = path.file_name().and_then(|name| name.to_str()) else { return Ok(()) };
    let Ok(files) = fs::read_dir(path) else { return Ok(()) };
    for file in files {
        let file = file?;
        let file_name = file.file_name();
        let function = file_name.to_str().and_then(|file_name| file_name.strip_suffix(".json"));
        let name = function.and_then(|function| FunctionName::new(namespace, function));
        // A file that vanishes between the two looks is one that is not there.
        if let (Some(name), Ok(data)) = (name, file.metadata()) {
            let stamp = (data.ino(), data.mtime(), data.mtime_nsec(), data.size());
            found.insert(name, (stamp, file.path()));
        }
    }
    Ok(())
}

fn apply(server: &Arc<Server>, known: &mut HashMap<FunctionName, Followed>, found: Records) {
    known.retain(|name, _| {
        let stays = found.contains_key(name);
        if !stays {
            remove(server, name);
        }
        stays
    });
    for (name, (stamp, path)) in found {
        let followed = known.entry(name.clone()).or_insert(Followed { stamp: (0, 0, 0, 0), versions: None });
        if followed.stamp == stamp {
            continue;
        }
        followed.stamp = stamp;
        match read(&path, &name) {
            Ok(published) => update(server, followed, Arc::new(published)),
            Err(error) => tracing::error!(function = %name, %error, "cannot read {}", path.display()),
        }
    }
}

fn read(path: &Path, name: &FunctionName) -> io::Result<Published> {
    if fs::metadata(path)?.len() > RECORD_MAX {
        return Err(io::Error::other("the record is too long"));
    }
    let published: Published = serde_json::from_slice(&fs::read(path)?)?;
    if published.name != *name {
        return Err(io::Error::other(format!("the record is of {}", published.name)));
    }
    Ok(published)
}

fn update(server: &Arc<Server>, followed: &mut Followed, published: Arc<Published>) {
    if let Some(versions) = &followed.versions {
        versions.send_replace(published);
        return;
    }
    let function = Function::new(&published, &server.metrics);
    server.functions.insert(&function);
    let (sender, receiver) = watch::channel(published);
    followed.versions = Some(sender);
    tokio::spawn(supervise(server.clone(), function, receiver));
}

fn remove(server: &Arc<Server>, name: &FunctionName) {
    let function = server.functions.remove(name.as_str());
    server.metrics.forget(name.as_str());
    if let Some(function) = function {
        report::remove(server, &function);
    }
    tracing::info!(function = %name, "function removed");
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
}
