//! Images in a folder of YAML documents: the embedded source, for a machine without a cluster.
//!
//! ```text
//!  documents ──documents.rs──► Scan ──► News ──► reconcile
//!      │                         ▲                  │ Order: pull secrets beside the documents
//!      └─ secrets/ ──secrets.rs──┴──► volume ◄──────┘ Write: statuses, for the admin port
//! ```
//!
//! `catalog.rs` has what commands do to the documents, `store.rs` what clients do to the secrets.

mod catalog;
pub mod documents;
mod secrets;
mod store;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::validate::Origin;
use api::{FunctionName, ImageObject};
use bundles::reference::Reference;
use bundles::registry::Keychain;
use humantime::format_rfc3339_seconds;
use tokio::sync::mpsc;
use volume::statuses::{self, NamedStatus};
use volume::{FileStamp, Volume};

pub use self::catalog::FolderCatalog;
use self::documents::{Documents, Scan};
use self::secrets::Copier;
use super::{Answer, ImageSource, News, Order, Wanted, Write, Written};
use crate::reconcile::aggregate::aggregate;
use crate::reconcile::failure::Failure;

/// How often the documents are looked at.
const INTERVAL: Duration = Duration::from_millis(250);
/// News that wait to be taken; beyond, the folder is not looked at.
const QUEUE: usize = 64;

/// A folder of Image documents as a source.
pub struct FolderSource {
    folder: PathBuf,
    volume: Volume,
}

impl FolderSource {
    /// The documents of `folder`, which may come to be later.
    #[must_use]
    pub fn new(folder: PathBuf, volume: Volume) -> Self {
        Self { folder, volume }
    }
}

impl ImageSource for FolderSource {
    fn watch(self: Arc<Self>) -> mpsc::Receiver<News> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            let mut watcher = Watcher::new(self.folder.clone(), self.volume.clone());
            loop {
                let scanned = tokio::task::spawn_blocking(move || {
                    let news = watcher.look();
                    (watcher, news)
                });
                // A folder is looked at by a thread that does not panic; if it did, there is nothing left to watch.
                let Ok((back, news)) = scanned.await else { return };
                watcher = back;
                for news in news {
                    if sender.send(news).await.is_err() {
                        return;
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(INTERVAL) => {}
                    () = sender.closed() => return,
                }
            }
        });
        receiver
    }

    fn owns(&self, _: &FunctionName) -> bool {
        true
    }

    fn order<'a>(
        &'a self,
        object: &'a ImageObject,
        base: &'a Keychain,
    ) -> Answer<'a, Result<Order, Failure>> {
        Box::pin(async move {
            let image = object.image(Origin::Directory).map_err(|problems| Failure::invalid(&problems))?;
            let reference =
                local_reference(object).ok_or_else(|| Failure::invalid("spec.image: not a reference"))?;
            let names = image.spec.image_pull_secrets.iter().map(|secret| secret.name.as_str());
            let keychain = secrets::keychain(folder_of(object), object.name.namespace(), names, base)
                .map_err(|error| error.failure(&image.spec.image))?;
            Ok(Order { image, reference, keychain })
        })
    }

    fn report(&self, write: Write) -> Answer<'_, Written> {
        Box::pin(async move {
            let Write { object, replica, status, notes } = write;
            let mut status = status;
            status.replicas = vec![replica];
            let now = format_rfc3339_seconds(SystemTime::now()).to_string();
            let together = aggregate(&status.replicas, object.generation, &status.conditions, &now);
            (status.conditions, status.digest) = (together.conditions, together.digest);
            status.message = Some(together.message);
            let (volume, named) =
                (self.volume.clone(), NamedStatus { name: object.name.clone(), status: status.clone() });
            let written = tokio::task::spawn_blocking(move || statuses::write(&volume, &named)).await;
            let result = match written {
                Ok(Ok(())) => Ok((status, object.version)),
                Ok(Err(error)) => {
                    tracing::warn!(function = %object.name, "the status cannot be written: {error}");
                    Err(notes)
                }
                Err(_) => Err(notes),
            };
            Written { name: object.name.clone(), uid: object.uid.clone(), result }
        })
    }

    fn keep_house(&self, _: Wanted) -> Answer<'_, ()> {
        // Secrets go with the scan that finds them unused; there are no other replicas.
        Box::pin(std::future::ready(()))
    }
}

/// The folder of an object's document.
fn folder_of(object: &ImageObject) -> &Path {
    let parent = object.place.as_ref().and_then(|place| place.file.parent());
    parent.unwrap_or(Path::new("."))
}

/// The object's image, relative paths taken from its document's folder.
fn local_reference(object: &ImageObject) -> Option<Reference> {
    Some(object.reference().parse::<Reference>().ok()?.relative_to(folder_of(object)))
}

/// The stamp of a local image: of the file, or of the list of contents of a folder.
fn image_stamp(object: &ImageObject) -> Option<FileStamp> {
    let reference = local_reference(object)?;
    let path = reference.local_path()?;
    let lists = [path.join("index.json"), path.join("manifest.json"), path.to_owned()];
    lists.iter().find_map(|path| fs::metadata(path).ok()).as_ref().map(FileStamp::of)
}

/// The folder as it was last seen.
struct Watcher {
    folder: PathBuf,
    volume: Volume,
    documents: Documents,
    copier: Copier,
    known: HashMap<FunctionName, (ImageObject, Option<FileStamp>)>,
    /// Whether the last scan that could be made was complete.
    complete: Option<bool>,
}

impl Watcher {
    fn new(folder: PathBuf, volume: Volume) -> Self {
        let documents = Documents::new(folder.clone());
        let (copier, known) = (Copier::default(), HashMap::new());
        Self { folder, volume, documents, copier, known, complete: None }
    }

    /// Looks at the folder; tells what is new. Blocks.
    fn look(&mut self) -> Vec<News> {
        let Some(scan) = self.documents.scan() else { return Vec::new() };
        // Before the records of the functions that need them.
        self.copier.copy(&self.folder, &scan, &self.volume);
        self.compare(scan)
    }

    fn compare(&mut self, scan: Scan) -> Vec<News> {
        let first = self.complete.is_none();
        let is_gone = self.known.keys().any(|name| !scan.objects.contains_key(name));
        let list = first || is_gone || (scan.complete && self.complete != Some(true));
        self.complete = Some(scan.complete);
        let mut news = Vec::new();
        let mut known = HashMap::new();
        for (name, object) in &scan.objects {
            let stamp = image_stamp(object);
            let before = self.known.get(name);
            if before.is_none_or(|(old, _)| old != object) {
                news.push(News::Changed(Box::new(object.clone())));
            }
            if before.is_some_and(|(_, old)| *old != stamp) {
                news.push(News::Touched(name.clone()));
            }
            known.insert(name.clone(), (object.clone(), stamp));
        }
        self.known = known;
        if list {
            // The list has everything that is new but what is touched.
            news.retain(|one| matches!(one, News::Touched(_)));
            news.insert(0, News::All { objects: scan.objects, complete: scan.complete });
        }
        news
    }
}
