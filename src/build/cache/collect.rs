//! What of the cache goes when it has become too much, and whether what is there is sound.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bundles::digest::{Digest, HashingReader};
use nix::fcntl::FlockArg;

use super::{Cache, Outcome};
use crate::layer::Blob;

/// What a collection did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Steps and caches of mounts that were removed.
    pub removed: usize,
    /// Bytes of layers that were removed.
    pub freed_bytes: u64,
    /// Files of builds that died.
    pub leftovers: usize,
}

/// A step or the cache of a mount, with its layers.
struct Entry {
    path: PathBuf,
    used: SystemTime,
    /// Nothing where the record cannot be read.
    layers: Option<Vec<Blob>>,
}

/// Removes what was not used for the longest time until the layers have at most `max` bytes, and what no step refers to. Nothing
/// where there is no cache, or a build is under way.
///
/// # Errors
/// When the file system refuses.
pub fn collect(folder: &Path, max: u64) -> io::Result<Option<Collected>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let cache = match Cache::locked(folder, FlockArg::LockExclusiveNonblock) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
        cache => cache?,
    };
    let mut collected = Collected::default();
    for path in files(&cache.scratch)? {
        if path.is_dir() {
            fs::remove_dir_all(&path)?
        } else {
            fs::remove_file(&path)?
        }
        collected.leftovers += 1;
    }
    let mut entries = cache.entries()?;
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
    let (mut kept, mut bytes): (BTreeSet<Digest>, u64) = (BTreeSet::new(), 0);
    for Entry { path, layers, .. } in entries {
        let layers = layers.filter(|layers| layers.iter().all(|blob| cache.has(blob)));
        let more = layers.as_ref().map(|layers| {
            let new = layers.iter().filter(|blob| !kept.contains(&blob.digest));
            new.map(|blob| (blob.digest, blob.size)).collect::<HashMap<Digest, u64>>()
        });
        match more.filter(|more| bytes + more.values().sum::<u64>() <= max) {
            Some(more) => {
                bytes += more.values().sum::<u64>();
                kept.extend(more.keys());
            }
            None => {
                fs::remove_file(&path)?;
                collected.removed += 1;
            }
        }
    }
    for path in files(&cache.layers)? {
        if name(&path).is_none_or(|digest| !kept.contains(&digest)) {
            collected.freed_bytes += fs::metadata(&path)?.len();
            fs::remove_file(&path)?;
        }
    }
    for path in files(&cache.mounts)? {
        if path.extension().is_some_and(|end| end == "lock") && !path.with_extension("").exists() {
            fs::remove_file(&path)?;
        }
    }
    Ok(Some(collected))
}

/// Reads the cache to the last byte; gives what is damaged, a line for each. What no step refers to does not count.
///
/// # Errors
/// When the file system refuses.
pub fn verify(folder: &Path) -> io::Result<Vec<String>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let cache = Cache::open(folder)?;
    let (mut damage, mut layers) = (Vec::new(), HashMap::new());
    for entry in cache.entries()? {
        match entry.layers {
            Some(blobs) => layers.extend(blobs.into_iter().map(|blob| (blob.digest, blob.size))),
            None => damage.push(format!("{}: it cannot be read", entry.path.display())),
        }
    }
    for (digest, size) in layers {
        let path = cache.layers.join(digest.hex());
        let read = || -> io::Result<(Digest, u64)> {
            let mut reader = HashingReader::new(File::open(&path)?);
            io::copy(&mut reader, &mut io::sink())?;
            Ok(reader.finish())
        };
        match read() {
            Ok(found) if found == (digest, size) => {}
            Ok(_) => damage.push(format!("{}: its bytes are others", path.display())),
            Err(error) => damage.push(format!("{}: {error}", path.display())),
        }
    }
    Ok(damage)
}

impl Cache {
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let read = |path: PathBuf, layers: &dyn Fn(&[u8]) -> Option<Vec<Blob>>| -> io::Result<Entry> {
            let used = fs::metadata(&path)?.modified()?;
            Ok(Entry { layers: layers(&fs::read(&path)?), path, used })
        };
        for path in files(&self.steps)? {
            entries.push(read(path, &|bytes| {
                let outcome: Outcome = serde_json::from_slice(bytes).ok()?;
                Some(outcome.layer.into_iter().collect())
            })?);
        }
        for path in files(&self.mounts)? {
            if path.extension().is_none() {
                entries.push(read(path, &|bytes| serde_json::from_slice(bytes).ok())?);
            }
        }
        Ok(entries)
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

fn name(path: &Path) -> Option<Digest> {
    Digest::from_hex(path.file_name()?.to_str()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    fn keep(cache: &Cache, key: &Key, bytes: &[u8], age: u64) {
        let mut file = tempfile::NamedTempFile::new_in(cache.scratch()).unwrap();
        file.write_all(bytes).unwrap();
        let digest = Digest::of(bytes);
        cache.keep(key, Some((file, Blob { diff_id: digest, digest, size: bytes.len() as u64 }))).unwrap();
        let step = File::options().append(true).open(cache.steps.join(key.hex())).unwrap();
        step.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    #[test]
    fn the_longest_unused_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let keys = [b"a", b"b", b"c"].map(|name| Key::of(&[name]));
        keep(&cache, &keys[0], b"12345", 30);
        keep(&cache, &keys[1], b"67890", 20);
        keep(&cache, &keys[2], b"67890", 10);
        fs::write(cache.scratch().join("left"), b"x").unwrap();
        assert_eq!(collect(folder.path(), 5).unwrap(), None, "a build is under way");
        drop(cache);
        assert_eq!(verify(folder.path()).unwrap(), Vec::<String>::new());
        let collected = collect(folder.path(), 5).unwrap().unwrap();
        assert_eq!(collected, Collected { removed: 1, freed_bytes: 5, leftovers: 1 });
        let cache = Cache::open(folder.path()).unwrap();
        assert!(
            cache.find(&keys[0]).is_none()
                && cache.find(&keys[1]).is_some()
                && cache.find(&keys[2]).is_some()
        );
        fs::write(cache.layers.join(Digest::of(b"67890").hex()), b"6789x").unwrap();
        assert_eq!(verify(folder.path()).unwrap().len(), 1);
        drop(cache);
        collect(folder.path(), 0).unwrap();
        assert!(files(&folder.path().join("layers")).unwrap().is_empty());
    }
}
