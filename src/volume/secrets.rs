//! Secrets on the volume: `secrets/<namespace>/<name>/<key>`, written by control, read by the node.
//!
//! Folders are 0700 and files 0600; each file is replaced by rename, which the node notices by the folder's time of
//! change. Their bytes are kept in memory for the calls that need them and go nowhere else: no log, no snapshot, no record.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{FileStamp, Volume};
use api::validate::{is_dns_label, is_dns_subdomain, is_secret_key};

/// Longest file of a secret.
pub const VALUE_MAX: u64 = 1 << 20;
/// The files of a secret by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Reads the files of a folder that can be files of a secret; others are passed over (mounted Secrets have folders and
/// links beside them).
///
/// # Errors
/// Those of the file system; `NotFound` for a folder that is not there, `FileTooLarge` beyond [`VALUE_MAX`].
pub fn read(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Through symlinks: mounted Secrets are made of them.
        let data = match fs::metadata(entry.path()) {
            Ok(data) if data.is_file() && is_secret_key(&name) => data,
            _ => continue,
        };
        if data.len() > VALUE_MAX {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("{name} is longer than 1 MiB")));
        }
        files.insert(name, fs::read(entry.path())?);
    }
    Ok(files)
}

/// Makes the files of a secret on the volume those given; says whether that changed anything.
///
/// # Errors
/// Those of the file system; `InvalidInput` for names that cannot be paths.
pub fn write(volume: &Volume, namespace: &str, name: &str, files: &Files) -> io::Result<bool> {
    if !is_dns_label(namespace) || !is_dns_subdomain(name) || !files.keys().all(|key| is_secret_key(key)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let folder = volume.secret(namespace, name);
    let known = match read(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    if known.as_ref() == Some(files) {
        return Ok(false);
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    for (key, value) in
        files.iter().filter(|(key, value)| known.as_ref().and_then(|known| known.get(*key)) != Some(value))
    {
        crate::replace_private(&folder.join(key), value)?;
    }
    for entry in fs::read_dir(&folder)?.flatten() {
        if !entry.file_name().to_str().is_some_and(|key| files.contains_key(key)) {
            fs::remove_file(entry.path())?;
        }
    }
    File::open(&folder)?.sync_all()?;
    Ok(true)
}

/// Removes the secrets of the volume that `keep` does not want.
///
/// # Errors
/// Those of the file system.
pub fn retain(volume: &Volume, keep: impl Fn(&str, &str) -> bool) -> io::Result<()> {
    for (namespace, name) in list(volume) {
        if !keep(&namespace, &name) {
            fs::remove_dir_all(volume.secret(&namespace, &name))?;
        }
    }
    Ok(())
}

/// Namespaces and names of the secrets on the volume.
fn list(volume: &Volume) -> Vec<(String, String)> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let root = volume.secrets();
    let of = |namespace: String| {
        let found = names(&root.join(&namespace));
        found.into_iter().map(move |name| (namespace.clone(), name))
    };
    names(&root).into_iter().flat_map(of).collect()
}

/// All secrets by `namespace/name`, with the stamps of their folders.
type Known = HashMap<String, (FileStamp, Arc<Files>)>;

/// The secrets of a volume, as the node last saw them.
#[derive(Debug)]
pub struct Secrets {
    known: ArcSwap<Known>,
    changes: watch::Sender<u64>,
}

impl Default for Secrets {
    fn default() -> Self {
        Self { known: ArcSwap::default(), changes: watch::Sender::new(0) }
    }
}

impl Secrets {
    /// Looks at the volume; reads only what changed.
    pub fn scan(&self, volume: &Volume) {
        let old = self.known.load();
        let mut new = Known::new();
        for (namespace, name) in list(volume) {
            let (folder, key) = (volume.secret(&namespace, &name), format!("{namespace}/{name}"));
            // A folder that vanishes between two looks is one that is not there.
            let Ok(data) = fs::metadata(&folder) else { continue };
            let stamp = FileStamp::of(&data);
            let entry = match old.get(&key) {
                Some(entry) if entry.0 == stamp => entry.clone(),
                _ => match read(&folder) {
                    Ok(files) => (stamp, Arc::new(files)),
                    Err(error) => {
                        tracing::error!(%error, "cannot read {}", folder.display());
                        continue;
                    }
                },
            };
            new.insert(key, entry);
        }
        let same = new.len() == old.len()
            && new
                .iter()
                .all(|(key, entry)| old.get(key).is_some_and(|known| Arc::ptr_eq(&known.1, &entry.1)));
        if !same {
            self.known.store(Arc::new(new));
            self.changes.send_modify(|count| *count += 1);
        }
    }

    /// The files of a secret.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Files>> {
        self.known.load().get(&format!("{namespace}/{name}")).map(|(_, files)| files.clone())
    }

    /// Tells of changes.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn files(list: &[(&str, &str)]) -> Files {
        list.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_is_written_is_seen_and_changes_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        let secrets = Secrets::default();
        let mut changes = secrets.changes();
        secrets.scan(&volume);
        assert!(secrets.get("ns", "db").is_none() && !changes.has_changed().unwrap());
        assert!(write(&volume, "ns", "db", &files(&[("user", "me"), ("password", "one")])).unwrap());
        assert!(!write(&volume, "ns", "db", &files(&[("user", "me"), ("password", "one")])).unwrap());
        secrets.scan(&volume);
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        assert_eq!(secrets.get("ns", "db").unwrap()["password"], b"one");
        secrets.scan(&volume);
        assert!(!changes.has_changed().unwrap());
        assert!(write(&volume, "ns", "db", &files(&[("password", "two")])).unwrap());
        secrets.scan(&volume);
        assert_eq!(*secrets.get("ns", "db").unwrap(), files(&[("password", "two")]));
        let path = volume.secret("ns", "db").join("password");
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        retain(&volume, |_, name| name != "db").unwrap();
        secrets.scan(&volume);
        assert!(secrets.get("ns", "db").is_none());
    }

    #[test]
    fn names_that_are_no_paths_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        for (namespace, name, key) in
            [("..", "a", "k"), ("n", "../a", "k"), ("n", "a", "../k"), ("n", "a", "..k"), ("n", "a", "")]
        {
            assert!(
                write(&volume, namespace, name, &files(&[(key, "x")])).is_err(),
                "{namespace}/{name}/{key}"
            );
        }
        assert!(
            is_secret_key(".dockerconfigjson")
                && is_secret_key("tls.crt")
                && !is_secret_key("a/b")
                && !is_secret_key(".")
        );
    }
}
