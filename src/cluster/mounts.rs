//! Secrets on the volume: `secrets/<namespace>/<name>/<key>`, written by the downloader, read by the server.
//!
//! Folders are 0700 and files 0600; each file is replaced by rename, which the server notices by the folder's time of
//! change. Their bytes are kept in memory for the calls that need them and go nowhere else: no log, no snapshot, no record.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::api::validate::{is_dns_label, is_dns_subdomain};
use crate::volume::Volume;

/// Longest file of a secret.
pub const VALUE_MAX: u64 = 1 << 20;
/// Beginning of the names of files that are being written.
const TEMPORARY: &str = "..new-";

/// The files of a secret by their names.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Whether a text can be the name of a file of a secret, as Kubernetes has it.
pub fn is_key(text: &str) -> bool {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&text.len()) && text.bytes().all(is_good) && text != "." && !text.starts_with("..")
}

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
            Ok(data) if data.is_file() && is_key(&name) => data,
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
    if !is_dns_label(namespace) || !is_dns_subdomain(name) || !files.keys().all(|key| is_key(key)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let folder = root(volume).join(namespace).join(name);
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
        replace(&folder, key, value)?;
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
            fs::remove_dir_all(root(volume).join(&namespace).join(&name))?;
        }
    }
    Ok(())
}

fn replace(folder: &Path, key: &str, value: &[u8]) -> io::Result<()> {
    let temporary = folder.join(format!("{TEMPORARY}{:016x}", fastrand::u64(..)));
    let written =
        File::options().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.write_all(value)?;
            file.sync_all()?;
            fs::rename(&temporary, folder.join(key))
        });
    written.inspect_err(|_| drop(fs::remove_file(&temporary)))
}

/// Namespaces and names of the secrets on the volume.
fn list(volume: &Volume) -> Vec<(String, String)> {
    let names = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    let root = root(volume);
    let of = |namespace: String| {
        let found = names(&root.join(&namespace));
        found.into_iter().map(move |name| (namespace.clone(), name))
    };
    names(&root).into_iter().flat_map(of).collect()
}

fn root(volume: &Volume) -> PathBuf {
    volume.root().join("secrets")
}
