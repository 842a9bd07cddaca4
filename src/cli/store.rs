//! `kontain-faas store`: what bundles a volume has, whether they are sound, and which nobody needs any more.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use bundles::digest::Digest;
use bundles::store::{GcPolicy, Listed, Store};
use indicatif::HumanBytes;
use serde_json::json;

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
    },
    /// Reads bundles to the last byte and compares them with their records; without digests, all of them.
    Verify {
        /// Digests of images.
        #[arg(value_name = "DIGEST")]
        digests: Vec<Digest>,
    },
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
}

/// Does it.
///
/// # Errors
/// When the store cannot be used, or a record of a function cannot be read: then nothing is removed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let root = args.volume.join("store");
    anyhow::ensure!(root.is_dir(), "{} has no store: name the volume with --volume", args.volume.display());
    let store = Store::open(&root)?;
    match &args.action {
        Action::Ls { output } => list(&store.list()?, *output),
        Action::Gc { grace } => return collect(&store, &args.volume, *grace),
        Action::Verify { digests } => return verify(&store, digests),
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

fn collect(store: &Store, volume: &Path, grace: Duration) -> anyhow::Result<ExitCode> {
    let reachable = reachable(&volume.join("functions"))?;
    let collected = store.collect(&reachable, &GcPolicy { grace, high_water_bytes: None })?;
    for digest in &collected.removed {
        println!("removed {digest}");
    }
    let (freed, in_use, leftovers) =
        (HumanBytes(collected.freed_bytes), collected.in_use, collected.leftovers);
    println!(
        "{} removed, {freed} freed, {in_use} still in use, {leftovers} left-overs cleared",
        collected.removed.len()
    );
    Ok(ExitCode::SUCCESS)
}

/// The digests that published functions refer to. One record that cannot be read could refer to anything.
fn reachable(functions: &Path) -> anyhow::Result<HashSet<Digest>> {
    let mut digests = HashSet::new();
    let entries = |dir: &Path| fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()));
    for namespace in entries(functions)? {
        let namespace = namespace?.path();
        for file in entries(&namespace)? {
            let path = file?.path();
            if path.extension().is_some_and(|end| end == "json") {
                digests.insert(
                    digest(&path).with_context(|| format!("cannot use the record {}", path.display()))?,
                );
            }
        }
    }
    Ok(digests)
}

fn digest(path: &Path) -> anyhow::Result<Digest> {
    let record: serde_json::Value = serde_json::from_slice(&fs::read(path)?)?;
    Ok(record["digest"].as_str().context("it has no digest")?.parse()?)
}

fn verify(store: &Store, digests: &[Digest]) -> anyhow::Result<ExitCode> {
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
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
