//! Options that name the source of Images and how it is followed, the same for `download` and `serve`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::units::Span;
use control::publish::Publisher;
use control::reconcile::{self, Options, Parallel, Signals};
use control::source::ImageSource;
use control::source::cluster::{ClusterOptions, ClusterSource};
use control::source::folder::FolderSource;
use volume::Volume;

/// First pause after an attempt that failed.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// How often images are resolved again, and the longest pause between attempts: in a cluster, and for a folder.
const CLUSTER_PACE: Duration = Duration::from_secs(300);
const FOLDER_PACE: Duration = Duration::from_secs(60);
/// Images that are worked on at once: in a cluster, and for a folder, whose server has the same processors.
const CLUSTER_PARALLEL: usize = 8;
const FOLDER_PARALLEL: usize = 4;

/// Which Images are published, and how.
#[derive(Clone, Debug, clap::Args)]
pub struct FollowArgs {
    /// Folder of Image documents (YAML) to publish.
    #[arg(long, env = "KONTAIN_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
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
    /// How often tags are resolved again, to follow those that moved; 5m with --kube, else 1m.
    #[arg(long, env = "KONTAIN_RESYNC", value_name = "DURATION")]
    pub resync: Option<Span>,
    /// Longest pause between attempts for an Image that cannot be published; 5m with --kube, else 1m.
    #[arg(long, env = "KONTAIN_RETRY_MAX", value_name = "DURATION")]
    pub retry_max: Option<Span>,
    /// A watch of the cluster that is silent for so long is begun anew.
    #[arg(long, env = "KONTAIN_WATCH_TIMEOUT", value_name = "DURATION", default_value = "60s")]
    pub watch_timeout: Span,
    /// Images that are fetched and unpacked at once; 8 with --kube, else 4.
    #[arg(long, env = "KONTAIN_PARALLEL", value_name = "N")]
    pub parallel: Option<usize>,
    /// The same of one namespace; by default half of them.
    #[arg(long, env = "KONTAIN_PARALLEL_PER_NAMESPACE", value_name = "N")]
    pub parallel_per_namespace: Option<usize>,
    /// The same from one registry; by default half of them.
    #[arg(long, env = "KONTAIN_PARALLEL_PER_REGISTRY", value_name = "N")]
    pub parallel_per_registry: Option<usize>,
}

impl FollowArgs {
    /// Whether there is a source at all.
    pub fn names_a_source(&self) -> bool {
        self.images.is_some() || self.kube
    }

    /// Follows the source for as long as this is polled.
    ///
    /// # Errors
    /// When there is no cluster, or this replica has no name.
    pub async fn follow(
        &self,
        publisher: Arc<Publisher>,
        volume: Volume,
        signals: Signals,
    ) -> anyhow::Result<()> {
        let options = self.options()?;
        let source = self.source(&volume, &options.replica).await?;
        reconcile::follow(source, publisher, volume, options, signals).await;
        Ok(())
    }

    async fn source(&self, volume: &Volume, replica: &str) -> anyhow::Result<Arc<dyn ImageSource>> {
        if let Some(folder) = &self.images {
            tracing::info!(folder = %folder.display(), "following the Images of a folder");
            return Ok(Arc::new(FolderSource::new(folder.clone(), volume.clone())));
        }
        let options = ClusterOptions {
            replica: replica.to_owned(),
            namespace: self.watch_namespace.clone(),
            system_namespace: self.system_namespace.clone(),
            watch_timeout: self.watch_timeout.duration(),
        };
        let source = ClusterSource::connect(volume.clone(), options).await.context(
            "no cluster: name a kubeconfig with KUBECONFIG, or run this as a pod with a service account",
        )?;
        tracing::info!(replica, "following the Images of the cluster");
        Ok(Arc::new(source))
    }

    fn options(&self) -> anyhow::Result<Options> {
        let (pace, parallel) =
            if self.kube { (CLUSTER_PACE, CLUSTER_PARALLEL) } else { (FOLDER_PACE, FOLDER_PARALLEL) };
        let all = self.parallel.unwrap_or(parallel).max(1);
        let share = |named: Option<usize>| named.unwrap_or(all / 2).max(1);
        let parallel = Parallel {
            all,
            per_namespace: share(self.parallel_per_namespace),
            per_registry: share(self.parallel_per_registry),
        };
        let retry_max = self.retry_max.map_or(pace, Span::duration);
        Ok(Options {
            replica: if self.kube { self.replica()? } else { "server".to_owned() },
            resync: self.resync.map_or(pace, Span::duration),
            retry: (RETRY_FIRST.min(retry_max), retry_max),
            parallel,
        })
    }

    fn replica(&self) -> anyhow::Result<String> {
        if let Some(replica) = &self.replica {
            return Ok(replica.clone());
        }
        let name = nix::sys::utsname::uname()?.nodename().to_string_lossy().into_owned();
        anyhow::ensure!(!name.is_empty(), "this host has no name: name the replica with --replica");
        Ok(name)
    }
}
