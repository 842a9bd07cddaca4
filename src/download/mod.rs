//! From an image source to the volume: what the documents say becomes bundles and `functions/` records.
//!
//! * [`directory`]: the embedded source, a folder of Image documents.
//! * [`fetch`]: where images come from, registries among others.
//! * [`secrets`]: its secrets, copied to the volume.
//! * [`publish`]: one Image → bundle in the store → record, each step atomic.
//! * [`collect`]: what nobody needs any more.
//!
//! The server follows the records; nothing else passes between the two.

pub mod collect;
pub mod directory;
pub mod fetch;
pub mod publish;
pub mod secrets;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;

use self::directory::{Directory, Wanted};
use self::fetch::Registries;
use self::publish::{Outcome, PublishError, Publisher, Stamp};
use self::secrets::Copier;
use crate::api::FunctionName;
use crate::volume::Volume;

/// How often the documents are looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// How often an image is resolved again although nothing seems to have changed.
const RESYNC: Duration = Duration::from_secs(60);
/// First and longest pause after an image could not be published.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Images that are unpacked at once.
const PARALLEL: usize = 2;

/// What is known of one function.
struct Known {
    wanted: Wanted,
    stamp: Stamp,
    due: Instant,
    pause: Duration,
    busy: bool,
}

/// Follows a folder of documents for as long as it is polled.
pub async fn follow_directory(
    folder: PathBuf,
    volume: Volume,
    registries: Registries,
    changed: Arc<Notify>,
) -> Result<(), PublishError> {
    let publisher = Arc::new(Publisher::open(volume.clone(), registries)?);
    let mut source = (Directory::new(folder.clone()), Copier::default());
    let mut known: HashMap<FunctionName, Known> = HashMap::new();
    let places = Arc::new(Semaphore::new(PARALLEL));
    let mut jobs = JoinSet::new();
    loop {
        let (folder, volume) = (folder.clone(), volume.clone());
        let scanned = tokio::task::spawn_blocking(move || {
            let scan = source.0.scan();
            // Before the records of those who need them.
            if let Some(scan) = &scan {
                source.1.copy(&folder, scan, &volume);
            }
            (source, scan)
        });
        // The folder is scanned by a thread that does not panic; if it did, there is nothing left to follow.
        let Ok((back, scan)) = scanned.await else { return Ok(()) };
        source = back;
        if let Some(scan) = scan {
            known.retain(|name, _| scan.wanted.contains_key(name) || scan.kept.contains(name));
            for (name, wanted) in scan.wanted {
                note(&mut known, name, wanted);
            }
            if scan.complete {
                remove_others(&publisher, &known, &scan.kept, &changed);
            }
        }
        for (name, entry) in &mut known {
            if start_is_due(entry) {
                jobs.spawn(job(name.clone(), entry.wanted.clone(), publisher.clone(), places.clone()));
            }
        }
        let pause = tokio::time::sleep(INTERVAL);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                Some(done) = jobs.join_next() => {
                    if let Ok((name, published)) = done {
                        finished(&mut known, &name, published, &changed);
                    }
                }
                () = &mut pause => break,
            }
        }
    }
}

fn note(known: &mut HashMap<FunctionName, Known>, name: FunctionName, wanted: Wanted) {
    let entry = known.entry(name).or_insert_with(|| Known {
        wanted: wanted.clone(),
        stamp: Stamp::default(),
        due: Instant::now(),
        pause: RETRY_FIRST,
        busy: false,
    });
    if entry.wanted != wanted {
        entry.wanted = wanted;
        (entry.due, entry.pause) = (Instant::now(), RETRY_FIRST);
    }
}

fn start_is_due(entry: &mut Known) -> bool {
    if entry.busy {
        return false;
    }
    let stamp = Stamp::of(&entry.wanted.reference);
    if stamp != entry.stamp {
        entry.stamp = stamp;
        (entry.due, entry.pause) = (Instant::now(), RETRY_FIRST);
    }
    entry.busy = entry.due <= Instant::now();
    entry.busy
}

async fn job(
    name: FunctionName,
    wanted: Wanted,
    publisher: Arc<Publisher>,
    places: Arc<Semaphore>,
) -> (FunctionName, Result<(Wanted, bool), Wanted>) {
    let _place = places.acquire().await;
    let job = wanted.clone();
    let result = tokio::task::spawn_blocking(move || publish_one(&publisher, &job)).await;
    match result {
        Ok(Ok(outcome)) => (name, Ok((wanted, outcome.changed))),
        Ok(Err(error)) => {
            let (file, line, reason) = (&wanted.file, wanted.line, error.reason().word());
            tracing::error!(function = %name, file, line, reason, "spec.image: {}", error.explain());
            (name, Err(wanted))
        }
        Err(error) => {
            tracing::error!(function = %name, %error, "publishing failed");
            (name, Err(wanted))
        }
    }
}

/// Publishes with the pull secrets that lie beside the document.
fn publish_one(publisher: &Publisher, wanted: &Wanted) -> Result<Outcome, PublishError> {
    let folder = Path::new(&wanted.file).parent().unwrap_or(Path::new("."));
    let names = wanted.image.spec.image_pull_secrets.iter().map(|secret| secret.name.as_str());
    let namespace = &wanted.image.metadata.namespace;
    let keychain = fetch::pull_secrets(folder, namespace, names, publisher.keychain())?;
    publisher.publish(&wanted.image, &wanted.reference, &keychain)
}

fn finished(
    known: &mut HashMap<FunctionName, Known>,
    name: &FunctionName,
    published: Result<(Wanted, bool), Wanted>,
    changed: &Notify,
) {
    let Some(entry) = known.get_mut(name) else { return };
    entry.busy = false;
    let (wanted, good) = match &published {
        Ok((wanted, news)) => {
            if *news {
                changed.notify_one();
            }
            (wanted, true)
        }
        Err(wanted) => (wanted, false),
    };
    if entry.wanted != *wanted {
        // It changed meanwhile: `due` says at once.
        return;
    }
    if good {
        (entry.due, entry.pause) = (Instant::now() + RESYNC, RETRY_FIRST);
    } else {
        entry.due = Instant::now() + entry.pause;
        entry.pause = (entry.pause * 2).min(RETRY_MAX);
    }
}

/// Removes what no document asks for any more.
fn remove_others(
    publisher: &Publisher,
    known: &HashMap<FunctionName, Known>,
    kept: &std::collections::HashSet<FunctionName>,
    changed: &Notify,
) {
    for name in publisher.published() {
        if !known.contains_key(&name) && !kept.contains(&name) {
            match publisher.remove(&name) {
                Ok(()) => changed.notify_one(),
                Err(error) => tracing::warn!(function = %name, %error, "cannot remove the function"),
            }
        }
    }
}
