//! Snapshot files on the volume: named by the hash of what shaped them, published by rename, evicted least recently used.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use km_vmm::protocol::Hello;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::program::Program;
use api::egress::EgressRule;
use api::{ImageSpec, Protocol, Snapshot, Warmup};

mod learned;
mod names;

/// Ending of a published snapshot's name.
const SUFFIX: &str = ".snap";
/// Beginning of the name of one that is being written.
const TEMPORARY: &str = ".tmp-";

/// Everything that shapes a snapshot; its hash is the snapshot's name.
#[derive(Serialize)]
struct Shape<'a> {
    digest: &'a str,
    args: &'a [String],
    env: &'a [String],
    cwd: &'a str,
    user: (u32, u32, &'a [u32]),
    hostname: &'a str,
    resolv_conf: &'a Option<String>,
    egress: &'a [EgressRule],
    port: u16,
    protocol: Protocol,
    snapshot: Snapshot,
    memory: u64,
    warmup: &'a [Warmup],
    abi: u32,
    build: &'a str,
    kvm: &'a str,
}

/// The key of the snapshot that belongs to a program on this host.
pub fn key(digest: &str, spec: &ImageSpec, program: &Program, hello: &Hello) -> String {
    let process = &program.process;
    let shape = Shape {
        digest,
        args: &process.args,
        env: &process.env,
        cwd: &process.cwd,
        user: (process.uid, process.gid, &process.groups),
        hostname: &process.hostname,
        resolv_conf: &process.resolv_conf,
        egress: &spec.egress,
        port: program.port,
        protocol: spec.protocol,
        snapshot: spec.snapshot(),
        memory: spec.resources.limits.memory.bytes(),
        warmup: &spec.warmup,
        abi: hello.abi_version,
        build: &hello.build,
        kvm: &hello.kvm,
    };
    // A struct of texts and numbers always has a JSON form; its fields keep their order.
    hex::encode(Sha256::digest(serde_json::to_vec(&shape).unwrap_or_default()))
}

/// The folder of snapshots.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    budget: u64,
    /// Bytes on disk when they were last counted. Thousands of functions ask at a start, and there are thousands of files.
    counted: AtomicU64,
    /// Keys of functions that have workers: these go last.
    used: Mutex<HashSet<String>>,
}

/// A snapshot that is being written; without being published it goes away.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    /// The file, to hand to the worker that fills it.
    pub file: File,
}

impl Snapshots {
    /// Opens the folder and clears away what an earlier process left half written.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn open(folder: PathBuf, budget: u64) -> io::Result<Self> {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(TEMPORARY) {
                fs::remove_file(entry.path())?;
            }
        }
        let snapshots = Self { folder, budget, counted: AtomicU64::new(0), used: Mutex::default() };
        snapshots.forget_the_gone()?;
        snapshots.bytes();
        Ok(snapshots)
    }

    /// Opens a snapshot to read, and marks it as used now; also how old it is.
    pub fn get(&self, key: &str) -> Option<(File, Duration)> {
        let path = self.path(key);
        let file = File::open(&path).ok()?;
        let now = SystemTime::now();
        // Reading needs no right to change the time; without it the file is merely evicted earlier.
        let _ = file.set_times(fs::FileTimes::new().set_accessed(now));
        let written = file.metadata().and_then(|data| data.modified()).unwrap_or(now);
        // One from the future, since the clock was set back, is new.
        Some((file, now.duration_since(written).unwrap_or_default()))
    }

    /// Whether a snapshot is there.
    pub fn contains(&self, key: &str) -> bool {
        self.path(key).exists()
    }

    /// Whether another snapshot is likely to fit without that one has to go.
    pub fn has_room(&self) -> bool {
        self.counted.load(Ordering::Relaxed) < self.budget / 8 * 7
    }

    /// Opens a draft for a snapshot, which no one sees before it is published.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn draft(&self) -> io::Result<Draft> {
        let path = self.folder.join(format!("{TEMPORARY}{:016x}", fastrand::u64(..)));
        let file = File::options().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Draft { path, file })
    }

    /// Gives a finished snapshot its name, and makes room for it.
    ///
    /// # Errors
    /// Those of the file system; nothing is published then.
    pub fn publish(&self, draft: Draft, key: &str) -> io::Result<()> {
        draft.file.sync_data()?;
        // What was learned of one before is of no use for this one.
        self.forget(key);
        fs::rename(&draft.path, self.path(key))?;
        self.evict(key);
        Ok(())
    }

    /// Removes a snapshot that is of no use.
    pub fn discard(&self, key: &str) {
        if let Err(error) = volume::remove(&self.path(key)) {
            tracing::warn!(%error, key, "cannot remove a snapshot");
        }
        self.forget(key);
        self.bytes();
    }

    /// Says that workers serve from this snapshot, until [`Self::release`].
    pub fn hold(&self, key: &str) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned());
    }

    /// Takes [`Self::hold`] back.
    pub fn release(&self, key: &str) {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Bytes on disk, counted now.
    pub fn bytes(&self) -> u64 {
        let bytes = self.list().iter().map(|(_, _, bytes)| bytes).sum();
        self.counted.store(bytes, Ordering::Relaxed);
        bytes
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}{SUFFIX}"))
    }

    /// Removes the least recently used snapshots until the budget is kept; those in use only when nothing else is left.
    ///
    /// Removing one in use costs nothing at once: its workers hold it open. It is gone for the next of them.
    fn evict(&self, newest: &str) {
        let mut list = self.list();
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let key = |path: &Path| {
            path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
        };
        list.sort_by_key(|(path, time, _)| (used.contains(&key(path)), *time));
        let mut total: u64 = list.iter().map(|(_, _, bytes)| bytes).sum();
        for (path, _, bytes) in list {
            if total <= self.budget {
                break;
            }
            if key(&path) != newest && fs::remove_file(&path).is_ok() {
                tracing::info!(snapshot = key(&path), "snapshot evicted to keep the disk budget");
                self.forget(&key(&path));
                total -= bytes;
            }
        }
        self.counted.store(total, Ordering::Relaxed);
    }

    fn list(&self) -> Vec<(PathBuf, SystemTime, u64)> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        entries
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(SUFFIX))
            .filter_map(|entry| {
                let data = entry.metadata().ok()?;
                // What calls use is noted beside it, and goes with it.
                let noted = fs::metadata(learned::beside(&entry.path()));
                let noted = noted.map_or(0, |data| data.blocks());
                // Snapshots are sparse: blocks, not length, are what the disk lacks.
                // When it was used last; when it was written is how old it is.
                Some((entry.path(), data.accessed().ok()?, (data.blocks() + noted) * 512))
            })
            .collect()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After publishing there is nothing under this name.
        let _ = volume::remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn write(snapshots: &Snapshots, key: &str) {
        let mut draft = snapshots.draft().unwrap();
        draft.file.write_all(&[1; 8192]).unwrap();
        snapshots.publish(draft, key).unwrap();
    }

    #[test]
    fn drafts_leave_nothing_and_eviction_spares_what_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = Snapshots::open(folder.path().to_owned(), 18 << 10).unwrap();
        drop(snapshots.draft().unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&snapshots, "a");
        snapshots.hold("a");
        write(&snapshots, "b");
        write(&snapshots, "c");
        assert!(snapshots.get("a").is_some() && snapshots.get("c").is_some());
        assert!(snapshots.get("b").is_none() && !snapshots.has_room());
        snapshots.discard("a");
        assert!(snapshots.has_room());
        assert!(snapshots.get("a").is_none());
    }

    #[test]
    fn the_next_start_clears_half_written_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(".tmp-1"), b"x").unwrap();
        Snapshots::open(folder.path().to_owned(), 1).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
