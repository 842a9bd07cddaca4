//! Garbage collection of a volume: bundles, downloaded layers, and what crashes left behind.
//!
//! A bundle stays while a function's record names it, a process uses it, or its grace time runs. Where the volume
//! gets full beyond the high-water mark, the grace time is void.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bundles::digest::Digest;
use bundles::registry::{BlobCache, RegistryError};
use bundles::store::{self, GcPolicy, Store, StoreError};

use super::room::Room;
use api::Published;
use volume::Volume;

/// What a collection may take, and when.
#[derive(Clone, Debug)]
pub struct Policy {
    /// What nothing refers to stays so long after its last use.
    pub grace: Duration,
    /// Bytes that the volume may hold, where that is less than its file system has.
    pub volume_bytes: Option<u64>,
    /// Beyond so many per cent of the volume in use, the grace time is void.
    pub high_water_percent: u8,
    /// Bytes of downloaded layers that are kept for the next images.
    pub layers_bytes: u64,
    /// Time between collections.
    pub interval: Duration,
}

/// Why nothing, or not everything, was collected.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The layers cannot be used.
    #[error(transparent)]
    Layers(#[from] RegistryError),
    /// A file or folder cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A record that cannot be understood could refer to anything: then nothing is removed.
    #[error("cannot use the record {path}: {what}")]
    Record {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// What a collection did.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    /// Bundles, and drafts of dead processes.
    pub bundles: store::Collected,
    /// Bytes of layers that were removed.
    pub layer_bytes: u64,
    /// Temporary files of dead processes that were removed.
    pub temporaries: usize,
}

/// Collects on one volume.
#[derive(Clone, Debug)]
pub struct Collector {
    volume: Volume,
    policy: Policy,
}

impl Collector {
    /// A collector that has done nothing yet.
    pub fn new(volume: Volume, policy: Policy) -> Self {
        Self { volume, policy }
    }

    /// Collects again and again for as long as it is polled.
    pub async fn run(self) {
        loop {
            tokio::time::sleep(self.policy.interval).await;
            let collector = self.clone();
            match tokio::task::spawn_blocking(move || collector.collect()).await {
                Ok(Ok(collected)) => report(&collected),
                Ok(Err(error)) => {
                    let error = bundles::reason::chain(&error);
                    tracing::warn!("nothing is collected on the volume: {error}");
                }
                Err(error) => tracing::error!(%error, "collecting failed"),
            }
        }
    }

    /// Collects once. Blocks.
    ///
    /// # Errors
    /// See [`CollectError`]; in doubt, nothing is removed.
    pub fn collect(&self) -> Result<Collected, CollectError> {
        let store = Store::open(&self.volume.store())?;
        let room = self.room()?;
        let in_store: u64 = store.list()?.iter().map(|bundle| bundle.bytes).sum();
        let policy = GcPolicy { grace: self.policy.grace, high_water_bytes: Some(room.share(in_store)) };
        let bundles = store.collect(|| reachable(&self.volume.functions()), &policy)?;
        let layers = self.volume.layers();
        let cache = BlobCache::open(&layers)?;
        let (grace, max) =
            // Downloaded layers are the first to go.
            if self.policy.high_water_percent < 100 && room.is_full() { (Duration::ZERO, 0) } else { (self.policy.grace, self.policy.layers_bytes) };
        let layer_bytes = cache.collect(&layers_of(&store)?, grace, max).map_err(read_error(&layers))?;
        let namespaces_of_secrets = fs::read_dir(self.volume.secrets()).into_iter().flatten().flatten();
        let temporaries = volume::records::clear_links(&self.volume)
            + volume::sweep(&self.volume.functions())
            + volume::sweep(&self.volume.status())
            + volume::sweep(&self.volume.bundle_links())
            + volume::sweep(&self.volume.image_statuses())
            + namespaces_of_secrets.map(|namespace| volume::sweep(&namespace.path())).sum::<usize>();
        Ok(Collected { bundles, layer_bytes, temporaries })
    }

    fn room(&self) -> Result<Room, CollectError> {
        let (root, policy) = (self.volume.root(), &self.policy);
        Room::look(root, policy.volume_bytes, policy.high_water_percent).map_err(read_error(root))
    }
}

fn report(collected: &Collected) {
    let bundles = &collected.bundles;
    if !bundles.removed.is_empty() || bundles.leftovers > 0 || collected.layer_bytes > 0 {
        let (removed, freed_bytes, leftovers) =
            (bundles.removed.len(), bundles.freed_bytes, bundles.leftovers);
        tracing::info!(removed, freed_bytes, leftovers, layer_bytes = collected.layer_bytes, "collected");
    }
}

/// The layers that the bundles of a store were made of: the next version of an image most often has some of them.
fn layers_of(store: &Store) -> Result<HashSet<Digest>, CollectError> {
    let mut layers = HashSet::new();
    for bundle in store.list()? {
        // A bundle that is damaged, or gone by now, needs no layers.
        if let Ok(found) = bundles::bundle::Bundle::open(&store.path(bundle.digest)) {
            layers.extend(found.record.layers);
            // Of a configuration it is only kept where it came from.
            layers.insert(found.record.config_digest);
        }
    }
    Ok(layers)
}

/// The digests that published functions refer to.
fn reachable(functions: &Path) -> Result<HashSet<Digest>, CollectError> {
    let mut digests = HashSet::new();
    for namespace in entries(functions)? {
        for path in entries(&namespace)? {
            if path.extension().is_some_and(|end| end == "json") {
                digests.extend(digest(&path)?);
            }
        }
    }
    Ok(digests)
}

/// The digest in a record; nothing if the record was withdrawn meanwhile.
fn digest(path: &Path) -> Result<Option<Digest>, CollectError> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.map_err(read_error(path))?,
    };
    let bad = |what: String| CollectError::Record { path: path.to_owned(), what };
    let record: Published = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    record.digest.parse().map(Some).map_err(|_| bad(format!("`{}` is no digest", record.digest)))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, CollectError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(read_error(folder))?,
    };
    entries.map(|entry| entry.map(|entry| entry.path()).map_err(read_error(folder))).collect()
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> CollectError {
    let path = path.to_owned();
    move |source| CollectError::Read { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collector(folder: &Path) -> Collector {
        let policy = Policy {
            grace: Duration::ZERO,
            volume_bytes: None,
            high_water_percent: 100,
            layers_bytes: 0,
            interval: Duration::from_secs(1),
        };
        Collector::new(Volume::open(folder).unwrap(), policy)
    }

    #[test]
    fn a_record_that_cannot_be_read_keeps_everything() {
        let folder = tempfile::tempdir().unwrap();
        let collector = collector(folder.path());
        assert!(collector.collect().unwrap().bundles.removed.is_empty());
        fs::create_dir_all(folder.path().join("functions/default")).unwrap();
        let record = folder.path().join("functions/default/a.json");
        fs::write(&record, "{").unwrap();
        assert!(matches!(collector.collect(), Err(CollectError::Record { .. })));
        fs::remove_file(&record).unwrap();
        collector.collect().unwrap();
    }
}
