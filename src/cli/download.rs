//! `kontain-faas download`: the downloader alone, beside a server that serves the same volume.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::collect::CollectArgs;
use super::kube::KubeArgs;
use super::logging::{self, LogArgs};
use super::registry::RegistryArgs;
use super::signals;
use crate::cluster::health::Health;
use crate::download::follow_directory;
use crate::download::publish::Publisher;
use crate::server::listen::{self, Limits};
use crate::volume::Volume;

/// What the health port allows; kubelet and a scraper use it.
const LIMITS: Limits = Limits {
    connections: 64,
    header_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(10),
};

/// Options of `download`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of Image documents (YAML) to publish.
    #[arg(long, env = "KONTAIN_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// How a cluster is followed.
    #[command(flatten)]
    pub kube: KubeArgs,
    /// Folder for bundles and published functions.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// What is removed from the volume, and when.
    #[command(flatten)]
    pub collect: CollectArgs,
    /// Address of health and metrics, with --kube.
    #[arg(long, env = "KONTAIN_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9091")]
    pub admin: SocketAddr,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// Log records.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Publishes until SIGTERM or SIGINT.
///
/// # Errors
/// When there is no source, or the volume cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::start(&args.log)?;
    if args.images.is_none() && !args.kube.kube {
        return Err(Usage("name a source: --images DIR or --kube".to_owned()).into());
    }
    let volume = Volume::open(&args.volume).with_context(|| {
        format!("cannot use {} as the volume: name another with --volume", args.volume.display())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = signals::stop_on_signal()?;
        tokio::spawn(args.collect.collector(volume.clone()).run());
        tokio::select! {
            ended = follow(args, volume) => ended,
            () = stop.cancelled() => Ok(()),
        }
    })?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn follow(args: Args, volume: Volume) -> anyhow::Result<()> {
    let registries = args.registry.open(&volume)?;
    let changed = Arc::new(Notify::new());
    if let Some(images) = args.images {
        return Ok(follow_directory(images, volume, registries, changed).await?);
    }
    let health = Arc::new(Health::default());
    let listener = TcpListener::bind(args.admin)
        .await
        .with_context(|| format!("cannot listen on {}: name another with --admin", args.admin))?;
    tracing::info!(admin = %listener.local_addr()?, volume = %volume.root().display(), "downloading");
    let answers = health.clone();
    tokio::spawn(listen::serve(
        listener,
        LIMITS,
        Gauge::default(),
        CancellationToken::new(),
        move |_, request| {
            let response = answers.answer(&request);
            async move { response }
        },
    ));
    let publisher = Arc::new(Publisher::open(volume.clone(), registries)?);
    args.kube.follow(publisher, volume, changed, health).await
}
