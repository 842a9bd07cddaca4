//! Where Images are written down: a folder of documents, or a cluster. A new kind of source is one more folder here.
//!
//! * [`ImageSource`] is what [`crate::reconcile`] follows: what is wanted, what it needs, and what came of it.
//! * [`ImageCatalog`] is what people's commands work on: they look at Images and change them. [`SecretStore`] is the same for
//!   the secrets that clients keep.
//!
//! [`folder`] and [`cluster`] have one of each, in files of the same names. [`admin`] asks a node.

pub mod admin;
pub mod cluster;
pub mod folder;
mod lines;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use api::status::{ImageStatus, Replica};
use api::{FunctionName, Image, ImageObject};
use bundles::reference::Reference;
use bundles::registry::Keychain;
use serde_json::Value;
use tokio::sync::mpsc;

pub use self::lines::{LogLine, Seen};
use crate::reconcile::failure::Failure;

/// The answer of a source that has to be waited for.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The reason of a function's condition where no node can be asked.
pub const NO_SERVER: &str = "NoServer";

/// What is new in a source.
#[derive(Debug)]
pub enum News {
    /// An Image is new or changed.
    Changed(Box<ImageObject>),
    /// What an Image refers to may be another one, though it says the same.
    Touched(FunctionName),
    /// An Image is gone.
    Removed(FunctionName),
    /// All Images that there are.
    All {
        /// By name.
        objects: HashMap<FunctionName, ImageObject>,
        /// Whether what is not named is gone. It is not where a part of the source cannot be read.
        complete: bool,
    },
    /// The source does not answer, and why; said once for each time that this begins.
    Away(String),
}

/// All that publishing an Image needs from its source.
pub struct Order {
    /// The Image, checked.
    pub image: Image,
    /// Its image; local paths are absolute, or relative to this process.
    pub reference: Reference,
    /// Credentials for registries: those that the Image names before those of this machine.
    pub keychain: Keychain,
}

/// Something that is told as an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether it is bad news.
    pub warning: bool,
    /// One word for machines.
    pub reason: String,
    /// One line for people.
    pub text: String,
    /// The step that it is about: `Pull` or `Bake`.
    pub action: &'static str,
}

/// What is to be said of an Image.
#[derive(Debug)]
pub struct Write {
    /// The Image.
    pub object: Arc<ImageObject>,
    /// Where this replica stands with it.
    pub replica: Replica,
    /// The status as it is known.
    pub status: ImageStatus,
    /// What happened since the last write.
    pub notes: Vec<Note>,
}

/// What came of a [`Write`].
pub struct Written {
    /// The function.
    pub name: FunctionName,
    /// [`ImageObject::uid`].
    pub uid: String,
    /// The status and the object's version then; or the notes that are still to be told.
    pub result: Result<(ImageStatus, u64), Vec<Note>>,
}

/// What is still wanted, for a source to clear away the rest.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Namespaces and names of the secrets that functions mount.
    pub secrets: HashSet<(String, String)>,
    /// Replicas that statuses name beside this one, with the functions whose status does.
    pub others: HashMap<String, Vec<FunctionName>>,
}

/// A source, as the reconciler follows it.
pub trait ImageSource: Send + Sync + 'static {
    /// Begins to watch, for as long as the receiver lives.
    fn watch(self: Arc<Self>) -> mpsc::Receiver<News>;

    /// Whether a function that is published comes from this source, so that it goes when a complete list does not name it.
    fn owns(&self, name: &FunctionName) -> bool;

    /// Checks an Image and fetches what publishing needs; brings the secrets that it mounts onto the volume. `base` has the
    /// credentials of this machine.
    fn order<'a>(&'a self, object: &'a ImageObject, base: &'a Keychain)
    -> Answer<'a, Result<Order, Failure>>;

    /// Says where an Image stands.
    fn report(&self, write: Write) -> Answer<'_, Written>;

    /// Clears away what is not wanted any more; asked now and then.
    fn keep_house(&self, wanted: Wanted) -> Answer<'_, ()>;
}

/// Who keeps a secret that [`SecretStore`] knows, as its label `app.kubernetes.io/managed-by` says.
pub const MANAGER: &str = "openfaas";

/// Labels and annotations of an Image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

/// A secret that clients keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Files for functions.
    Files,
    /// Credentials for registries.
    Credentials,
}

/// Secrets that clients keep: those that [`MANAGER`] manages. All others are as if they were not there, but for their names,
/// which are taken.
pub trait SecretStore: Send + Sync {
    /// Namespaces that have any.
    fn namespaces(&self) -> Answer<'_, anyhow::Result<Vec<String>>>;

    /// Their names in a namespace.
    fn list<'a>(&'a self, namespace: &'a str) -> Answer<'a, anyhow::Result<Vec<String>>>;

    /// What a secret is.
    fn find<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, anyhow::Result<Option<Kept>>>;

    /// Makes a secret with one file that is named as it; `false` when the name is taken.
    fn create<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        value: &'a [u8],
    ) -> Answer<'a, anyhow::Result<bool>>;

    /// Replaces that file; `false` when there is no such secret.
    fn update<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
        value: &'a [u8],
    ) -> Answer<'a, anyhow::Result<bool>>;

    /// Takes a secret away; `false` when there was none.
    fn delete<'a>(&'a self, namespace: &'a str, name: &'a str) -> Answer<'a, anyhow::Result<bool>>;
}

/// A source, as commands look at it and change it. Errors are in the source's own words, with the fix.
pub trait ImageCatalog: Send + Sync {
    /// The namespace that is meant where none is named.
    fn namespace(&self) -> &str;

    /// Whether images may lie in files beside the documents.
    fn takes_local_images(&self) -> bool;

    /// The Image of a function, with its status.
    fn get<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<Option<ImageObject>>>;

    /// The Images of the namespace, or of all namespaces, in no order.
    fn list(&self, all: bool) -> Answer<'_, anyhow::Result<Vec<ImageObject>>>;

    /// What is there and does not count as an Image, and why.
    fn passed_over(&self) -> Vec<String> {
        Vec::new()
    }

    /// Gives a function this specification, new or instead of `old`; returns its generation then. Without `marks` it keeps
    /// those that it has.
    fn put<'a>(
        &'a self,
        name: &'a FunctionName,
        spec: &'a Value,
        marks: Option<&'a Marks>,
        old: Option<&'a ImageObject>,
    ) -> Answer<'a, anyhow::Result<i64>>;

    /// Takes a function back; `false` when there was none.
    fn remove<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<bool>>;

    /// What a function wrote, of one call or of all, in order.
    fn logs<'a>(
        &'a self,
        name: &'a FunctionName,
        call: Option<&'a str>,
    ) -> Answer<'a, anyhow::Result<Vec<LogLine>>>;

    /// How many requests each function was sent since its node began; nothing of those that no node can be asked about.
    fn answered(&self) -> Answer<'_, anyhow::Result<HashMap<FunctionName, u64>>> {
        Box::pin(std::future::ready(Ok(HashMap::new())))
    }

    /// Events about a function, a line each.
    fn events<'a>(&'a self, name: &'a FunctionName) -> Answer<'a, anyhow::Result<Vec<String>>>;

    /// Where functions are called, without the function's own path; nothing where that is not known.
    fn url(&self) -> Answer<'_, anyhow::Result<Option<String>>>;
}

/// Which catalog to open.
#[derive(Clone, Debug, Default)]
pub struct CatalogOptions {
    /// A folder of documents; without it, the cluster of the kubeconfig.
    pub images: Option<PathBuf>,
    /// The namespace of names without one; by default that of the kubeconfig's context, or `default`.
    pub namespace: Option<String>,
    /// How the cluster is found.
    pub cluster: cluster::client::ConnectOptions,
    /// The node's admin port; in a cluster it is found by forwarding if this is not given.
    pub admin: Option<SocketAddr>,
}

/// Opens the catalog that the options name.
///
/// # Errors
/// When there is no usable kubeconfig.
pub async fn open_catalog(options: CatalogOptions) -> anyhow::Result<Box<dyn ImageCatalog>> {
    Ok(match options.images {
        Some(folder) => Box::new(folder::FolderCatalog::new(folder, options.namespace, options.admin)),
        None => {
            let (cluster, namespace, admin) = (&options.cluster, options.namespace, options.admin);
            Box::new(cluster::ClusterCatalog::connect(cluster, namespace, admin).await?)
        }
    })
}
