//! `kontain-faas download`: the downloader alone, beside a server that serves the same volume.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Notify;

use super::collect::CollectArgs;
use super::logging::{self, LogArgs};
use super::registry::RegistryArgs;
use super::signals;
use crate::download::follow_directory;
use crate::volume::Volume;

/// Options of `download`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of Image documents (YAML) to publish.
    #[arg(long, env = "KONTAIN_IMAGES", value_name = "DIR")]
    pub images: PathBuf,
    /// Folder for bundles and published functions.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// What is removed from the volume, and when.
    #[command(flatten)]
    pub collect: CollectArgs,
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
/// When the volume cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    logging::start(&args.log)?;
    let volume = Volume::open(&args.volume).with_context(|| {
        format!("cannot use {} as the volume: name another with --volume", args.volume.display())
    })?;
    let registries = args.registry.open(&volume)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = signals::stop_on_signal()?;
        tokio::spawn(args.collect.collector(volume.clone()).run());
        tokio::select! {
            ended = follow_directory(args.images, volume, registries, Arc::new(Notify::new())) => ended.map_err(anyhow::Error::from),
            () = stop.cancelled() => Ok(()),
        }
    })?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}
