//! `kontain-faas build-order`: one build of the builder service, in a process of its own. The service alone starts it, and people do
//! not see it.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::getppid;

use super::build::{self, Tenancy};

/// The directory of an archive of OpenFaaS' client that is the context.
const FOLDER: &str = "context";
/// Bytes of all secrets, written as JSON.
const SECRETS_MAX: u64 = 64 << 20;

/// Options of `build-order`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose caches it uses.
    #[arg(long)]
    pub tenant: String,
    /// Folder for files without a name, which goes when the build is over.
    #[arg(long)]
    pub scratch: PathBuf,
    /// Bytes of layers that may be added to the cache.
    #[arg(long)]
    pub room: u64,
    /// A registry at an address that is not public.
    #[arg(long)]
    pub private_registry: Vec<String>,
    /// The service's process; with it the build ends.
    #[arg(long)]
    pub parent: i32,
    /// What to build.
    #[command(flatten)]
    pub build: build::Args,
}

/// Builds; secrets come as a JSON object on standard input.
///
/// # Errors
/// When there is no image in the end.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    set_pdeathsig(Signal::SIGKILL)?;
    anyhow::ensure!(getppid().as_raw() == args.parent, "the builder is gone");
    let mut secrets = Vec::new();
    std::io::stdin().lock().take(SECRETS_MAX).read_to_end(&mut secrets)?;
    let secrets: BTreeMap<String, Vec<u8>> =
        serde_json::from_slice(&secrets).context("the secrets cannot be read")?;
    let bounds = Some((args.scratch, args.room));
    let (tenant, folder, private_registries) =
        (Some(args.tenant), FOLDER.to_owned(), Some(args.private_registry));
    let tenancy = Tenancy { tenant, bounds, folder, private_registries, secrets };
    build::build_for(&args.build, tenancy)?;
    Ok(ExitCode::SUCCESS)
}
