//! Options of the Kubernetes source, the same for `download` and `serve`.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::Notify;

use crate::api::units::Span;
use crate::cluster::health::Health;
use crate::cluster::{self, Options, client};
use crate::download::publish::Publisher;
use crate::volume::Volume;

/// First pause after an attempt that failed.
const RETRY_FIRST: Duration = Duration::from_secs(2);

/// How a cluster is followed.
#[derive(Clone, Debug, clap::Args)]
pub struct KubeArgs {
    /// Publish the Images of a cluster: of the one that this pod runs in, or of the kubeconfig.
    #[arg(long, env = "KONTAIN_KUBE", conflicts_with = "images", value_parser = clap::builder::FalseyValueParser::new())]
    pub kube: bool,
    /// The only namespace whose Images are published; all of them without it.
    #[arg(long, env = "KONTAIN_WATCH_NAMESPACE", value_name = "NS")]
    pub watch_namespace: Option<String>,
    /// Name of this replica in the status of Images: its pod's; by default the host's name.
    #[arg(long, env = "KONTAIN_REPLICA", value_name = "NAME")]
    pub replica: Option<String>,
    /// Namespace of this replica's pod, to find out which replicas are gone.
    #[arg(long, env = "KONTAIN_SYSTEM_NAMESPACE", value_name = "NS")]
    pub system_namespace: Option<String>,
    /// How often tags are resolved again, to follow those that moved.
    #[arg(long, env = "KONTAIN_RESYNC", value_name = "DURATION", default_value = "5m")]
    pub resync: Span,
    /// Longest pause between attempts for an Image that cannot be published.
    #[arg(long, env = "KONTAIN_RETRY_MAX", value_name = "DURATION", default_value = "5m")]
    pub retry_max: Span,
    /// A watch that is silent for so long is begun anew.
    #[arg(long, env = "KONTAIN_WATCH_TIMEOUT", value_name = "DURATION", default_value = "60s")]
    pub watch_timeout: Span,
    /// Images that are fetched and unpacked at once.
    #[arg(long, env = "KONTAIN_PARALLEL", value_name = "N", default_value_t = 4)]
    pub parallel: usize,
}

impl KubeArgs {
    /// Follows the cluster for as long as this is polled.
    ///
    /// # Errors
    /// When there is no cluster, or this replica has no name.
    pub async fn follow(
        &self,
        publisher: Arc<Publisher>,
        volume: Volume,
        changed: Arc<Notify>,
        health: Arc<Health>,
    ) -> anyhow::Result<()> {
        let client = client::connect(self.watch_timeout.duration()).await.context(
            "no cluster: name a kubeconfig with KUBECONFIG, or run this as a pod with a service account",
        )?;
        let options = Options {
            replica: self.replica()?,
            namespace: self.watch_namespace.clone(),
            system_namespace: self.system_namespace.clone(),
            resync: self.resync.duration(),
            retry: (RETRY_FIRST.min(self.retry_max.duration()), self.retry_max.duration()),
            watch_timeout: self.watch_timeout.duration(),
            parallel: self.parallel.max(1),
        };
        tracing::info!(replica = options.replica, "following the Images of the cluster");
        cluster::follow_cluster(client, publisher, volume, options, changed, health).await;
        Ok(())
    }

    fn replica(&self) -> anyhow::Result<String> {
        if let Some(replica) = &self.replica {
            return Ok(replica.clone());
        }
        let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
        anyhow::ensure!(!name.is_empty(), "this host has no name: name the replica with --replica");
        Ok(name)
    }
}
