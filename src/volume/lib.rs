//! The shared volume: where things lie on it, and all that control and node have in common.
//!
//! * [`records`]: what is published; written by control, followed by the node. [`secrets`]: files for its calls.
//! * [`reports`]: the node's word on it, read by control. [`statuses`]: what control says of Images from a folder.
//! * [`addresses`]: of the cluster itself, for the node's rules of what functions reach.
//! * [`readiness`]: whether control has gone through its first list. [`stamp`]: whether a file has changed.
//!
//! ```text
//! store/sha256/<digest>/{config.json,rootfs.erofs,image.json}   bundles; written by control, immutable
//! layers/…                                                      downloaded layers, kept for the next image
//! functions/<namespace>/<function>.json                         what is published; written by control
//! secrets/<namespace>/<secret>/<key>                            for the machines of functions; written by control
//! status/<namespace>/<function>.json                            how its bake went; written by the node
//! images/<namespace>/<function>.json                            what is said of an Image from a folder; written by control
//! snapshots/<key>.snap                                          written by the node
//! snapshots/<key>.pages                                         which pages calls use of it, by the node
//! async/queue.redb                                              asynchronous calls; the gateway's alone
//! cluster-addresses.json                                        of nodes and API server; written by control
//! oci-runtime-bundles/<namespace>/<function>                    symlinks for people
//! ```

#![forbid(unsafe_code)]

pub mod addresses;
pub mod readiness;
pub mod records;
pub mod reports;
pub mod secrets;
pub mod stamp;
pub mod statuses;

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use api::FunctionName;
use nix::fcntl::{Flock, FlockArg};

pub use stamp::FileStamp;

/// The gateway's queue of asynchronous calls on the volume with this root.
#[must_use]
pub fn queue_file(root: &Path) -> PathBuf {
    root.join("async/queue.redb")
}

/// Folder that control and node share, `/kontain` in a pod; see this file's head for what lies in it.
#[derive(Clone, Debug)]
pub struct Volume {
    root: PathBuf,
}

impl Volume {
    /// Opens a volume and makes the folders that are missing.
    ///
    /// # Errors
    /// When one of them cannot be made.
    pub fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        // Workers get descriptors, not paths, but the logs and the symlinks show them: make them absolute once.
        let volume = Self { root: fs::canonicalize(root)? };
        for folder in [volume.functions(), volume.status(), volume.snapshots(), volume.bundle_links()] {
            fs::create_dir_all(folder)?;
        }
        Ok(volume)
    }

    /// The volume's own folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Folder of the bundles' store.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }

    /// Folder of the layers that were downloaded from registries.
    pub fn layers(&self) -> PathBuf {
        self.root.join("layers")
    }

    /// Folder of the published functions.
    pub fn functions(&self) -> PathBuf {
        self.root.join("functions")
    }

    /// Folder of the bake reports.
    pub fn status(&self) -> PathBuf {
        self.root.join("status")
    }

    /// Folder of the snapshots.
    pub fn snapshots(&self) -> PathBuf {
        self.root.join("snapshots")
    }

    /// Folder of the symlinks for people.
    pub fn bundle_links(&self) -> PathBuf {
        self.root.join("oci-runtime-bundles")
    }

    /// Folder of the secrets.
    pub fn secrets(&self) -> PathBuf {
        self.root.join("secrets")
    }

    /// Folder of the files of a secret.
    pub fn secret(&self, namespace: &str, name: &str) -> PathBuf {
        self.secrets().join(namespace).join(name)
    }

    /// The record of a function.
    pub fn function(&self, name: &FunctionName) -> PathBuf {
        self.functions().join(name.namespace()).join(format!("{}.json", name.function()))
    }

    /// The bake report of a function.
    pub fn report(&self, name: &FunctionName) -> PathBuf {
        self.status().join(name.namespace()).join(format!("{}.json", name.function()))
    }

    /// Folder of the statuses of Images from a folder.
    pub fn image_statuses(&self) -> PathBuf {
        self.root.join("images")
    }

    /// The status of an Image from a folder.
    pub fn image_status(&self, name: &FunctionName) -> PathBuf {
        self.image_statuses().join(name.namespace()).join(format!("{}.json", name.function()))
    }

    /// Addresses of the cluster itself.
    pub fn cluster_addresses(&self) -> PathBuf {
        self.root.join("cluster-addresses.json")
    }

    /// The symlink of a function.
    pub fn bundle_link(&self, name: &FunctionName) -> PathBuf {
        self.bundle_links().join(name.namespace()).join(name.function())
    }

    /// Folder of a bundle; nothing for a text that is no digest, which must never become a path.
    pub fn bundle(&self, digest: &str) -> Option<PathBuf> {
        let hex = digest.strip_prefix("sha256:")?;
        let is_digest =
            hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        is_digest.then(|| self.root.join("store/sha256").join(hex))
    }
}

/// Replaces a file in one step: the old bytes or the new ones, whatever happens in between.
///
/// # Errors
/// Those of the file system; the old file is untouched then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?;
    replace_with(path, bytes, 0o644)
}

/// Like [`replace`], in a folder that is there, with a file that only its owner can read.
///
/// # Errors
/// Those of the file system; the old file is untouched then.
pub fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, 0o600)
}

fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let (mut file, temporary) = create_temporary(folder, mode)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let result = written.and_then(|()| fs::rename(&temporary, path));
    if result.is_err() {
        let _ = fs::remove_file(&temporary);
        return result;
    }
    File::open(folder)?.sync_all()
}

/// A new file with a lock on it, which tells a [`sweep`] that somebody is writing.
/// Two dots, because a key of a secret can begin with one.
fn create_temporary(folder: &Path, mode: u32) -> io::Result<(Flock<File>, PathBuf)> {
    loop {
        let path = folder.join(format!("..{:016x}.tmp", fastrand::u64(..)));
        let file = File::options().write(true).create_new(true).mode(mode).open(&path)?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        // A sweep may have been quicker than the lock.
        if file.metadata()?.nlink() > 0 {
            return Ok((file, path));
        }
    }
}

/// A symbolic link has no lock: one of this age was left by a process that died.
const LINK_AGE: Duration = Duration::from_secs(60);

/// Removes the temporary files that writers left in the folders of a folder when they were killed; says how many.
pub fn sweep(folder: &Path) -> usize {
    let namespaces = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = namespaces.flat_map(|namespace| fs::read_dir(namespace.path()).into_iter().flatten());
    entries.flatten().filter(|entry| is_left_over(entry) && fs::remove_file(entry.path()).is_ok()).count()
}

fn is_left_over(entry: &fs::DirEntry) -> bool {
    let name = entry.file_name();
    let temporary = name
        .to_str()
        .is_some_and(|name| name.starts_with('.') && Path::new(name).extension() == Some("tmp".as_ref()));
    let Ok(meta) = entry.metadata() else { return false };
    if !temporary {
        return false;
    }
    if meta.is_symlink() {
        let age = meta.modified().ok().and_then(|made| SystemTime::now().duration_since(made).ok());
        return age.is_some_and(|age| age > LINK_AGE);
    }
    let free = |file: File| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok();
    File::open(entry.path()).is_ok_and(free)
}

/// Removes a file; one that is not there is as good as removed.
///
/// # Errors
/// Those of the file system.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digests_become_paths() {
        let folder = tempfile::tempdir().unwrap();
        let volume = Volume::open(folder.path()).unwrap();
        assert!(volume.bundle(&format!("sha256:{}", "a1".repeat(32))).is_some());
        for wrong in ["sha256:../../etc", "sha512:00", "", &format!("sha256:{}", "A1".repeat(32))] {
            assert!(volume.bundle(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn replace_leaves_nothing_beside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 1);
        // What a dead writer left goes, what a living one has stays.
        fs::write(folder.path().join("a/.0000000000000000.tmp"), b"half").unwrap();
        let (living, _) = create_temporary(&folder.path().join("a"), 0o644).unwrap();
        assert_eq!((sweep(folder.path()), sweep(folder.path())), (1, 0));
        drop(living);
        assert_eq!(sweep(folder.path()), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
