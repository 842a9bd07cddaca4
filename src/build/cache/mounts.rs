//! Contents of `RUN --mount=type=cache`: layers upon each other, as those of an image, one more for each step that changed something.
//!
//! ```text
//! FOLDER/mounts/<key>       the layers' digests, the lowest first
//! FOLDER/mounts/<key>.lock  held by the step that has the cache
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bundles::limits::Limits;
use bundles::tree::{Meta, NodeId, Tree};
use nix::fcntl::{Flock, FlockArg};

use super::{Cache, Key};
use crate::copy::Copier;
use crate::layer::{Blob, Changes, Divided, Kind};
use crate::origin::Origin;
use crate::pattern::Patterns;
use crate::stage::{StageError, apply_own};

/// Layers of a cache at most; then they become one.
const LAYERS_MAX: usize = 16;

/// A cache that one step has for itself.
#[derive(Debug)]
pub struct CacheMount {
    path: PathBuf,
    layers: Vec<Blob>,
    _lock: Flock<File>,
}

/// What a step did in a cache.
#[derive(Debug)]
pub struct Kept {
    /// Its changes, by paths relative to the cache's root.
    pub did: Divided,
    /// What the root is like while no step has changed it.
    pub root: Meta,
    /// No time is later, in seconds.
    pub time: i64,
}

impl Cache {
    /// The cache of a key, once no other step has it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn mount(&self, key: &Key) -> io::Result<CacheMount> {
        let path = self.mounts.join(key.hex());
        // Its file goes when nobody builds, and so never while somebody waits for it.
        let lock = File::options().create(true).append(true).open(path.with_extension("lock"))?;
        let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| io::Error::from(errno))?;
        let layers = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice::<Vec<Blob>>(&bytes).ok());
        // A cache that is damaged is as good as none.
        let layers = layers.filter(|layers| layers.iter().all(|blob| self.has(blob))).unwrap_or_default();
        Ok(CacheMount { path, layers, _lock: lock })
    }
}

impl CacheMount {
    /// Its files; nothing while there are none.
    ///
    /// # Errors
    /// When a layer cannot be read.
    pub fn tree(&self, cache: &Cache) -> Result<Option<Tree>, StageError> {
        if self.layers.is_empty() {
            return Ok(None);
        }
        let limits = Limits::default();
        let mut tree = Tree::new(cache.scratch(), &limits)?;
        let mut left = limits.unpacked_bytes;
        for blob in &self.layers {
            let file = cache.layer(blob).map_err(StageError::Gone)?;
            apply_own(&mut tree, file, blob, &limits, &mut left)?;
        }
        Ok(Some(tree))
    }

    /// Keeps what a step did.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn keep(mut self, kept: Kept, cache: &Cache) -> Result<(), StageError> {
        let Kept { did: Divided { mut changes, is_replaced }, root, time } = kept;
        if is_replaced {
            self.layers.clear();
        }
        if self.layers.is_empty() && !changes.has_directory(b"") {
            changes.put(b"", root, Kind::Directory { opaque: false })?;
        }
        self.add(&changes, time, cache)?;
        if self.layers.len() > LAYERS_MAX
            && let Some(tree) = self.tree(cache)?
        {
            self.layers.clear();
            self.add(&whole(&tree, cache.scratch(), time)?, time, cache)?;
        }
        let bytes = serde_json::to_vec(&self.layers).map_err(io::Error::from).map_err(StageError::Gone)?;
        cache.publish(&self.path, &bytes).map_err(StageError::Gone)
    }

    fn add(&mut self, changes: &Changes, time: i64, cache: &Cache) -> Result<(), StageError> {
        let (file, blob) = changes.write(cache.scratch(), time)?;
        cache.keep_layer(file, &blob).map_err(StageError::Gone)?;
        self.layers.push(blob);
        Ok(())
    }
}

/// A tree as changes to nothing.
fn whole(tree: &Tree, scratch: &Path, latest: i64) -> Result<Changes, StageError> {
    let empty = Tree::new(scratch, &Limits::default())?;
    let (owner, mode, exclude, parents) = (None, None, Patterns::default(), false);
    let origin = Origin::Tree(tree);
    let copier = Copier { origin, called: "the cache", tree: &empty, owner, mode, exclude, parents, latest };
    let mut changes = Changes::new(scratch).map_err(StageError::Gone)?;
    let root = tree.node(NodeId::ROOT).meta.clone();
    changes.put(b"", root, Kind::Directory { opaque: false })?;
    copier.copy("/", "/", &mut changes).map_err(|error| StageError::Gone(io::Error::other(error)))?;
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(folder: &Path, paths: &[&str]) -> Changes {
        let mut changes = Changes::new(folder).unwrap();
        for path in paths {
            let kind = changes.spool(&mut path.as_bytes(), path.len() as u64).unwrap();
            changes.put(path.as_bytes(), Meta::with_mode(0o644), kind).unwrap();
        }
        changes
    }

    fn names(cache: &Cache, key: &Key) -> Vec<String> {
        let tree = cache.mount(key).unwrap().tree(cache).unwrap().unwrap();
        tree.entries(NodeId::ROOT).map(|(name, _)| String::from_utf8_lossy(name).into_owned()).collect()
    }

    #[test]
    fn what_steps_leave_adds_up() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path()).unwrap();
        let key = Key::of(&[b"a"]);
        assert!(cache.mount(&key).unwrap().tree(&cache).unwrap().is_none());
        let keep = |paths: &[&str], gone: &[&str], is_replaced| {
            let mut changes = changes(folder.path(), paths);
            for path in gone {
                changes.remove(path.as_bytes()).unwrap();
            }
            let did = Divided { changes, is_replaced };
            let kept = Kept { did, root: Meta::with_mode(0o750), time: 5 };
            cache.mount(&key).unwrap().keep(kept, &cache).unwrap();
        };
        keep(&["a", "b"], &[], false);
        keep(&["c"], &["a"], false);
        assert_eq!(names(&cache, &key), ["b", "c"]);
        let tree = cache.mount(&key).unwrap().tree(&cache).unwrap().unwrap();
        assert_eq!(tree.node(NodeId::ROOT).meta.mode, 0o750);
        for number in 0..2 * LAYERS_MAX {
            keep(&[&format!("d{number}")], &[], false);
        }
        assert_eq!(names(&cache, &key).len(), 2 + 2 * LAYERS_MAX);
        assert!(cache.mount(&key).unwrap().layers.len() <= LAYERS_MAX);
        keep(&["z"], &[], true);
        assert_eq!(names(&cache, &key), ["z"]);
    }
}
