//! `kontain-faas bundle`: an image as a bundle in a directory.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bundles::assemble::{PlainDirectory, into_directory};
use bundles::limits::Limits;
use bundles::reason::chain;
use bundles::reference::Reference;

use super::Usage;
use super::progress::{Downloads, Layers};
use super::registry::RegistryArgs;

/// Options of `bundle`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The image: docker://HOST/REPOSITORY[:TAG][@DIGEST], oci:PATH[:NAME], oci-archive:FILE[:NAME],
    /// docker-archive:FILE or dir:PATH.
    #[arg(value_name = "REF")]
    pub reference: String,
    /// The directory to make; it must be empty or not there yet.
    #[arg(short, long, env = "KONTAIN_OUTPUT", value_name = "DIR")]
    pub output: PathBuf,
    /// Also write the root file system as a plain directory, for other OCI runtimes: without device nodes,
    /// set-id bits and privileged attributes.
    #[arg(long, env = "KONTAIN_UNPACK_DIR")]
    pub unpack_dir: bool,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Makes the bundle and says where it is.
///
/// # Errors
/// When the image cannot be had or is refused, or the directory cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let reference: Reference = args.reference.parse().map_err(|error| Usage(format!("{error}")))?;
    let limits = Limits::default();
    let plain = if args.unpack_dir { PlainDirectory::Rootfs } else { PlainDirectory::No };
    // Downloads of a registry's image are kept only until the bundle is there, and beside it: /tmp is often memory.
    let parent = args.output.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let downloads = tempfile::Builder::new().prefix(".download-").tempdir_in(parent)?;
    let registries = args.registry.open_at(downloads.path())?;
    let (keychain, progress) = (registries.keychain().clone(), Downloads::new().into_sink());
    let mut source = registries.source(&reference, "", &keychain, downloads.path(), &limits, progress)?;
    let layers = Layers::new();
    let bundle = into_directory(&mut *source, &args.output, plain, &limits, &|event| layers.show(event));
    let bundle = bundle.map_err(|error| anyhow::anyhow!("{}; {}", chain(&error), error.reason().fix()))?;
    layers.finish();
    println!("{} {}", bundle.record.manifest_digest, args.output.display());
    Ok(ExitCode::SUCCESS)
}
