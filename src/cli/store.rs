//! `kontain-faas store`: what bundles a volume has, whether they are sound, and which nobody needs any more; the same of what builds
//! have kept.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use bundles::digest::Digest;
use bundles::store::{Listed, Store};
use indicatif::HumanBytes;
use serde_json::json;

use api::units::Quantity;
use control::publish::collect::{Collector, Policy};

use super::build::builds_folders;
use volume::Volume;

/// Per cent of `--volume-size` beyond which everything goes that may go.
const HIGH_WATER: u8 = 85;

/// Options of `store`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder for bundles and published functions.
    #[arg(long, global = true, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub action: Action,
}

/// What to do with a store.
#[derive(Debug, clap::Subcommand)]
pub enum Action {
    /// Lists the bundles: digest, size, last use, and whether a process uses it now.
    Ls {
        /// How to print.
        #[arg(long, env = "KONTAIN_OUTPUT_FORMAT", value_enum, default_value = "table")]
        output: Output,
    },
    /// Removes the bundles that no published function refers to and no process uses.
    Gc {
        /// Unused bundles stay so long after their last use.
        #[arg(long, env = "KONTAIN_GRACE", value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
        grace: Duration,
        /// Downloaded layers to keep for the next images, those of the bundles that stay.
        #[arg(long, env = "KONTAIN_KEEP_LAYERS", value_name = "SIZE", default_value = "10Gi")]
        keep_layers: Quantity,
        /// How much the volume may hold; with more than 85 % of that in use, neither the grace time nor layers count.
        #[arg(long, env = "KONTAIN_VOLUME_SIZE", value_name = "SIZE")]
        volume_size: Option<Quantity>,
        /// Layers of steps and caches to keep for the next builds, the last used, for each tenant; while a build is under way, all stay.
        #[arg(long, env = "KONTAIN_KEEP_BUILDS", value_name = "SIZE", default_value = "20Gi")]
        keep_builds: Quantity,
    },
    /// Reads bundles to the last byte and compares them with their records; without digests, all of them and what builds have
    /// kept.
    Verify {
        /// Digests of images.
        #[arg(value_name = "DIGEST")]
        digests: Vec<Digest>,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Output {
    /// Columns for people to read.
    Table,
    /// One JSON document for scripts.
    Json,
}

/// Lists, verifies or collects what the store holds.
///
/// # Errors
/// When the store cannot be used, or a record of a function cannot be read: then nothing is removed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = args.volume.join("store");
    let is_volume = root.is_dir() || !builds_folders(&args.volume).is_empty();
    anyhow::ensure!(is_volume, "{} has no store: name the volume with --volume", args.volume.display());
    let store = Store::open(&root)?;
    match &args.action {
        Action::Ls { output } => list(&store.list()?, *output),
        Action::Gc { grace, keep_layers, volume_size, keep_builds } => {
            let left = collect(&args.volume, *grace, *keep_layers, *volume_size)?;
            collect_builds(&args.volume, *keep_builds)?;
            return Ok(left);
        }
        Action::Verify { digests } => return verify(&store, &args.volume, digests),
    }
    Ok(ExitCode::SUCCESS)
}

fn list(bundles: &[Listed], output: Output) {
    let age = |bundle: &Listed| SystemTime::now().duration_since(bundle.used).unwrap_or_default().as_secs();
    if matches!(output, Output::Json) {
        let entry = |bundle: &Listed| json!({"digest": bundle.digest, "bytes": bundle.bytes, "unusedSeconds": age(bundle), "inUse": bundle.in_use});
        println!("{}", serde_json::Value::from_iter(bundles.iter().map(entry)));
        return;
    }
    for bundle in bundles {
        let use_now = if bundle.in_use {
            "in use".to_owned()
        } else {
            humantime::format_duration(Duration::from_secs(age(bundle))).to_string()
        };
        println!("{} {:>12} {use_now}", bundle.digest, HumanBytes(bundle.bytes).to_string());
    }
}

fn collect(
    volume: &Path,
    grace: Duration,
    keep_layers: Quantity,
    volume_size: Option<Quantity>,
) -> anyhow::Result<ExitCode> {
    let policy = Policy {
        grace,
        volume_bytes: volume_size.map(Quantity::bytes),
        // By hand, a disk that is full otherwise is no reason to go beyond what was asked for.
        high_water_percent: if volume_size.is_some() { HIGH_WATER } else { 100 },
        layers_bytes: keep_layers.bytes(),
        interval: Duration::ZERO,
    };
    let collected = Collector::new(Volume::open(volume)?, policy).collect()?;
    let bundles = &collected.bundles;
    for digest in &bundles.removed {
        println!("removed {digest}");
    }
    let freed = HumanBytes(bundles.freed_bytes + collected.layer_bytes);
    let left_over = bundles.leftovers + collected.temporaries;
    let (removed, in_use) = (bundles.removed.len(), bundles.in_use);
    println!("{removed} removed, {freed} freed, {in_use} still in use, {left_over} left-overs cleared");
    if bundles.in_grace > 0 {
        let grace = humantime::format_duration(grace);
        println!("{} more were used within {grace}; see --grace", bundles.in_grace);
    }
    Ok(ExitCode::SUCCESS)
}

fn collect_builds(volume: &Path, keep: Quantity) -> anyhow::Result<()> {
    for folder in builds_folders(volume) {
        let collected = build::cache::collect::collect(&folder, keep.bytes());
        if let Some(collected) = collected.with_context(|| format!("cannot clear {}", folder.display()))? {
            let freed = HumanBytes(collected.freed_bytes);
            println!(
                "{}: {} steps and caches removed, {freed} freed, {} left-overs cleared",
                shown(volume, &folder),
                collected.removed,
                collected.leftovers
            );
        }
    }
    Ok(())
}

/// A folder as it is called on the volume.
fn shown(volume: &Path, folder: &Path) -> String {
    folder.strip_prefix(volume).unwrap_or(folder).display().to_string()
}

fn verify(store: &Store, volume: &Path, digests: &[Digest]) -> anyhow::Result<ExitCode> {
    let all = store.list()?.into_iter().map(|bundle| bundle.digest);
    let chosen: Vec<Digest> = if digests.is_empty() { all.collect() } else { digests.to_vec() };
    let mut sound = true;
    for digest in chosen {
        let damage = store.verify(digest)?;
        sound &= damage.is_empty();
        println!("{digest} {}", if damage.is_empty() { "sound" } else { "DAMAGED" });
        for line in damage {
            println!("  {line}");
        }
    }
    let folders = if digests.is_empty() { builds_folders(volume) } else { Vec::new() };
    for folder in folders {
        let damage = build::cache::collect::verify(&folder);
        let damage = damage.with_context(|| format!("cannot read {}", folder.display()))?;
        sound &= damage.is_empty();
        let name = shown(volume, &folder);
        println!("{name} {}", if damage.is_empty() { "sound" } else { "DAMAGED" });
        for line in damage {
            println!("  {line}");
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
