//! The Images of a Kubernetes cluster (custom resource `images.build.kontain.app`).
//!
//! ```text
//!  API server ──watch.rs──► News ──► reconcile
//!      │  secrets.rs ───────Order──────►│
//!      └──status.rs, events.rs◄──Write──┘
//! ```
//!
//! `addresses.rs` writes down whom functions must not reach. Nothing is decided by what the API server does *not* say: without a complete list nothing is removed, without an answer
//! nothing changes. `object.rs` has the resource's own form, `catalog.rs` what commands do to it.

mod addresses;
mod catalog;
pub mod client;
mod events;
pub mod object;
mod secrets;
mod status;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use api::validate::Origin;
use api::{FunctionName, ImageObject};
use bundles::registry::Keychain;
use kube::Client;
use tokio::sync::mpsc;
use volume::Volume;

pub use self::catalog::ClusterCatalog;
use self::status::Writer;
use super::{Answer, ImageSource, News, Order, Wanted, Write, Written};
use crate::reconcile::failure::Failure;

/// How a cluster is followed.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Name of this replica in the status: that of its pod.
    pub replica: String,
    /// The only namespace to look at; all of them without it.
    pub namespace: Option<String>,
    /// Namespace of this replica's pod, where it may ask whether the others still exist.
    pub system_namespace: Option<String>,
    /// A watch that is silent for longer is begun anew.
    pub watch_timeout: Duration,
}

/// The Images of a cluster as a source.
pub struct ClusterSource {
    client: Client,
    volume: Volume,
    options: ClusterOptions,
    writer: Writer,
}

impl ClusterSource {
    /// The cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or of the pod that this runs in.
    ///
    /// # Errors
    /// When there is neither, or it cannot be used.
    pub async fn connect(volume: Volume, options: ClusterOptions) -> Result<Self, kube::Error> {
        let client = client::connect(options.watch_timeout).await?;
        let writer = Writer::new(client.clone(), options.replica.clone());
        Ok(Self { client, volume, options, writer })
    }
}

impl ImageSource for ClusterSource {
    fn watch(self: Arc<Self>) -> mpsc::Receiver<News> {
        addresses::keep(&self.client, self.volume.clone(), self.options.watch_timeout);
        watch::watch(self.client.clone(), self.options.namespace.as_deref(), self.options.watch_timeout)
    }

    fn owns(&self, name: &FunctionName) -> bool {
        self.options.namespace.as_ref().is_none_or(|namespace| namespace == name.namespace())
    }

    fn order<'a>(
        &'a self,
        object: &'a ImageObject,
        base: &'a Keychain,
    ) -> Answer<'a, Result<Order, Failure>> {
        Box::pin(async move {
            let image = object.image(Origin::Cluster).map_err(|problems| Failure::invalid(&problems))?;
            let reference = image
                .spec
                .image
                .parse()
                .map_err(|error| Failure::invalid(&format!("spec.image: {error}")))?;
            let namespace = object.name.namespace();
            secrets::mounts(&self.client, &self.volume, namespace, &image.spec).await?;
            let keychain = secrets::keychain(&self.client, base, namespace, &image.spec).await?;
            Ok(Order { image, reference, keychain })
        })
    }

    fn report(&self, write: Write) -> Answer<'_, Written> {
        Box::pin(self.writer.write(write))
    }

    fn keep_house(&self, wanted: Wanted) -> Answer<'_, ()> {
        Box::pin(async move {
            secrets::keep(&self.volume, &wanted.secrets);
            let Some(namespace) = &self.options.system_namespace else { return };
            for (replica, names) in wanted.others {
                if !self.writer.is_gone(namespace, &replica).await {
                    continue;
                }
                tracing::info!(replica, images = names.len(), "the replica is gone, its entries go as well");
                for name in names {
                    self.writer.drop_entry(&name, &replica).await;
                }
            }
        })
    }
}
