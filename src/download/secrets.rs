//! Secrets of the embedded source: `secrets/<namespace>/<name>/<key>` beside the documents, copied to the volume.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::directory::Scan;
use crate::secrets;
use crate::volume::Volume;

/// What tells one state of a secret's folder from the next.
type Stamp = Vec<(u64, i64, i64, u64)>;

/// Copies what changed.
#[derive(Debug, Default)]
pub struct Copier {
    known: HashMap<(String, String), Stamp>,
}

impl Copier {
    /// Brings the secrets that documents name onto the volume, and takes those away that none names any more or that
    /// are gone. `folder` is that of the documents.
    pub fn copy(&mut self, folder: &Path, scan: &Scan, volume: &Volume) {
        let mut wanted = HashMap::new();
        for (name, published) in &scan.wanted {
            for secret in &published.image.spec.secrets {
                let key = (name.namespace().to_owned(), secret.name.clone());
                let source = folder.join("secrets").join(&key.0).join(&key.1);
                if let Some(stamp) = stamp(&source) {
                    wanted.insert(key, (source, stamp));
                }
            }
        }
        for (key, (source, stamp)) in &wanted {
            if self.known.get(key) != Some(stamp) {
                match write(source, volume, key) {
                    Ok(()) => drop(self.known.insert(key.clone(), stamp.clone())),
                    Err(error) => tracing::error!(%error, "cannot publish the secret {}", source.display()),
                }
            }
        }
        // A document with a mistake may name secrets that are still in use.
        if scan.complete && scan.kept.is_empty() {
            self.known.retain(|key, _| wanted.contains_key(key));
            let keep =
                |namespace: &str, name: &str| wanted.contains_key(&(namespace.to_owned(), name.to_owned()));
            if let Err(error) = secrets::retain(volume, keep) {
                tracing::warn!(%error, "cannot remove secrets that nobody names");
            }
        }
    }
}

fn write(source: &Path, volume: &Volume, (namespace, name): &(String, String)) -> io::Result<()> {
    if secrets::write(volume, namespace, name, &secrets::read(source)?)? {
        tracing::info!(namespace, name, "secret published");
    }
    Ok(())
}

fn stamp(folder: &Path) -> Option<Stamp> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    // Through symlinks: mounted Secrets are made of them.
    let files = entries.filter_map(|entry| fs::metadata(entry.path()).ok()).filter(fs::Metadata::is_file);
    let mut stamp: Stamp =
        files.map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.size())).collect();
    stamp.sort_unstable();
    Some(stamp)
}
