//! `kontain-faas up`: from source to an answered call. Builds, pushes or keeps the image beside the documents, publishes, waits.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use api::FunctionName;
use build::image::prune;
use build::source::Given;

use super::source::SourceArgs;
use super::{Usage, build as building, publish, source};

/// The label by which an image says how it takes calls.
const PROTOCOL: &str = "build.kontain.app/protocol";
/// Where in a folder of documents the images are that are pushed nowhere.
const LAYOUTS: &str = ".layouts";

/// What a function's image is called there.
const LATEST: &str = "latest";

/// Options of `up`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function, NAME or NAMESPACE/NAME, and the context to build, as `build` has it. Without NAME it is called as the context's
    /// folder or repository.
    #[arg(value_name = "[NAME] CONTEXT", num_args = 1..=2, required = true)]
    pub what: Vec<String>,
    /// Push the image under this name, HOST/REPOSITORY[:TAG]; without it, it stays on this machine, beside the documents.
    #[arg(short, long, env = "KONTAIN_TAG", value_name = "REF")]
    pub tag: Option<String>,
    /// A variable of the function's environment; without a value it is taken out.
    #[arg(long, env = "KONTAIN_ENV", value_name = "NAME=VALUE")]
    pub env: Vec<String>,
    /// Where its program listens.
    #[arg(long, env = "KONTAIN_PORT", value_name = "PORT")]
    pub port: Option<u16>,
    /// How it takes calls: http, kontain or stdio; by default what the image's label build.kontain.app/protocol says, or http.
    #[arg(long, env = "KONTAIN_PROTOCOL", value_name = "PROTOCOL")]
    pub protocol: Option<String>,
    /// A path that is requested before the snapshot is taken; `auto` for what the server advises.
    #[arg(long, env = "KONTAIN_WARMUP", value_name = "PATH")]
    pub warmup: Vec<String>,
    /// How long to wait until calls are served.
    #[arg(long, env = "KONTAIN_WAIT_TIMEOUT", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub wait_timeout: Duration,
    /// Where functions are called; by default the address of the installation's Ingress, or the local server.
    #[arg(long, env = "KONTAIN_URL", value_name = "URL")]
    pub url: Option<String>,
    /// How it is built.
    #[command(flatten)]
    pub recipe: building::Recipe,
    /// Where it is published.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Builds, publishes, waits and calls.
///
/// # Errors
/// When one of these fails.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let (name, context) = match &args.what[..] {
        [context] => (named_after(context)?, context.clone()),
        [name, context] => (name.clone(), context.clone()),
        _ => return Err(Usage("up: expected [NAME] CONTEXT".to_owned()).into()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let name = runtime.block_on(async { source::name(&*args.source.open().await?, &name) })?;
    let layout = match (&args.tag, &args.source.images) {
        (Some(_), _) => None,
        (None, Some(images)) => Some(layout(images, &name)?),
        (None, None) => {
            return Err(Usage(
                "the cluster does not see this machine's images: name a registry with -t HOST/REPOSITORY"
                    .to_owned(),
            )
            .into());
        }
    };
    let (push, tag) = (args.tag.is_some(), args.tag.into_iter().collect());
    let output = layout.as_ref().map(|layout| format!("oci:{}:{LATEST}", layout.display()));
    let build = building::Args { context, output, tag, push, provenance: None, recipe: args.recipe };
    let built = building::build(&build)?;
    // By its digest: a tag may be another image's by the time that a server asks for it.
    let image = match (&layout, built.references.first()) {
        (Some(layout), _) => format!("oci:{}@{}", layout.display(), built.digest),
        (None, Some(reference)) => format!("docker://{reference}@{}", built.digest),
        (None, None) => anyhow::bail!("the image was pushed nowhere"),
    };
    let done = publish::run(&publish::Args {
        name: name.to_string(),
        image,
        env: args.env,
        port: args.port,
        protocol: args.protocol.or_else(|| built.labels.get(PROTOCOL).cloned()),
        warmup: args.warmup,
        wait: true,
        wait_timeout: args.wait_timeout,
        url: args.url,
        source: args.source,
        memory: None,
        timeout: None,
        bake_timeout: None,
        concurrency: None,
        isolation: None,
        pull_secret: Vec::new(),
        secret: Vec::new(),
        secret_env: Vec::new(),
    })?;
    // The server has its own copy of what it serves.
    if let Some(layout) = &layout {
        prune(layout)?;
    }
    Ok(done)
}

/// The layout of a function's image, in a folder that is there.
fn layout(images: &Path, name: &FunctionName) -> anyhow::Result<PathBuf> {
    let folder = images.join(LAYOUTS).join(name.namespace());
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(std::path::absolute(folder.join(name.function()))?)
}

/// The name of a context's folder, repository or archive, as a function can have it.
fn named_after(context: &str) -> anyhow::Result<String> {
    let nameless =
        || Usage(format!("a function cannot be called after {context}: name it, up NAME {context}"));
    let last = match Given::new(context) {
        Given::Input => return Err(nameless().into()),
        Given::Path(path) => {
            let path = path.canonicalize().with_context(|| format!("cannot read {context}"))?;
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
        }
        Given::Url(url) | Given::Repository(url) => {
            let url = url.split(['#', '?']).next().unwrap_or_default().trim_end_matches('/').to_owned();
            url.rsplit('/').next().unwrap_or_default().to_owned()
        }
    };
    let stem = last.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-');
    if name.is_empty() { Err(nameless().into()) } else { Ok(name.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_called_after_their_source() {
        assert_eq!(named_after("https://a.example/team/My_Shop.git#main:x").unwrap(), "my-shop");
        assert_eq!(named_after("https://a.example/x/shop.tar.gz").unwrap(), "shop");
        assert_eq!(named_after("src").unwrap(), "src");
        assert!(named_after("-").is_err() && named_after("/").is_err());
    }
}
