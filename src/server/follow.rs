//! Follows `functions/` of the volume: what is published there is what this server serves.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

use super::Server;
use super::functions::Function;
use super::revise::supervise;
use crate::api::{FunctionName, Published};

/// How often the folder is looked at without being told to.
const INTERVAL: Duration = Duration::from_millis(250);
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
    loop {
        let scanner = server.clone();
        let scanned = tokio::task::spawn_blocking(move || {
            // Secrets afterwards: whoever writes a record wrote what it needs before.
            let found = scan(&scanner.volume.functions());
            scanner.secrets.scan(&scanner.volume);
            found
        });
        match scanned.await {
            Ok(Ok(found)) => apply(&server, &mut known, found),
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot read the published functions; going on with those known")
            }
            Err(error) => tracing::error!(%error, "reading the published functions failed"),
        }
        server.scanned();
        let _ = tokio::time::timeout(INTERVAL, changed.notified()).await;
    }
}

/// The records that are there.
fn scan(folder: &Path) -> io::Result<HashMap<FunctionName, (Stamp, PathBuf)>> {
    let mut found = HashMap::new();
    for namespace in fs::read_dir(folder)? {
        let namespace = namespace?;
        let Ok(files) = fs::read_dir(namespace.path()) else { continue };
        for file in files {
            let file = file?;
            let (folder, file_name) = (namespace.file_name(), file.file_name());
            let (Some(folder), Some(file_name)) = (folder.to_str(), file_name.to_str()) else { continue };
            let name =
                file_name.strip_suffix(".json").and_then(|function| FunctionName::new(folder, function));
            // A file that vanishes between the two looks is one that is not there.
            if let (Some(name), Ok(data)) = (name, file.metadata()) {
                let stamp = (data.ino(), data.mtime(), data.mtime_nsec(), data.size());
                found.insert(name, (stamp, file.path()));
            }
        }
    }
    Ok(found)
}

fn apply(
    server: &Arc<Server>,
    known: &mut HashMap<FunctionName, Followed>,
    found: HashMap<FunctionName, (Stamp, PathBuf)>,
) {
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
    server.functions.remove(name.as_str());
    server.metrics.forget(name.as_str());
    let report = server.volume.report(name);
    if let Err(error) = crate::volume::remove(&report) {
        tracing::warn!(%error, "cannot remove {}", report.display());
    }
    tracing::info!(function = %name, "function removed");
}
