//! `kontain-faas build`: a Dockerfile and a context as an OCI image.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use api::units::{Quantity, Span};
use build::builder::{BuildError, Builder, Images, Options};
use build::cache::Cache;
use build::image::Output;
use build::origin::Context;
use build::pattern::Patterns;
use build::plan::{PLATFORM, Plan, is_own_platform};
use build::step::MachineOptions;
use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::source::{ImageContent, SourceError};
use control::publish::fetch::Registries;
use egress::Rule;
use km_vmm::memory::GRANULE;
use volume::Volume;

use super::Usage;
use super::building::{Form, Shown};
use super::progress::Downloads;
use super::registry::RegistryArgs;
use super::serve::find_km;

/// What no time of an image is later than if nobody says: the first day that archives of every kind can express.
const EPOCH: i64 = 315_619_200;
/// What steps reach if nobody says: every public address.
const PUBLIC: [&str; 2] = ["*:1-65535", "*:1-65535/udp"];
/// Longest secret in bytes.
const SECRET_MAX: u64 = 1 << 20;
/// A step has a machine for no longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// Options of `build`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder with what COPY and ADD copy; what its .dockerignore names is left out.
    #[arg(value_name = "CONTEXT")]
    pub context: PathBuf,
    /// The Dockerfile; by default `Dockerfile` in the context.
    #[arg(short, long, env = "KONTAIN_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Where the image goes: oci:DIR[:NAME] or oci-archive:FILE[:NAME].
    #[arg(short, long, env = "KONTAIN_OUTPUT", value_name = "oci:DIR|oci-archive:FILE")]
    pub output: String,
    /// A name of the image in its layout; may be given several times.
    #[arg(short, long, value_name = "REF")]
    pub tag: Vec<String>,
    /// The stage to build, by its name or number; by default the last one.
    #[arg(long, env = "KONTAIN_TARGET", value_name = "STAGE")]
    pub target: Option<String>,
    /// Value of an ARG; without a value that of this environment's variable.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = argument)]
    pub build_arg: Vec<(String, Option<String>)>,
    /// A secret for RUN --mount=type=secret: of a file, or of a variable of this environment. It is in no layer and in no cache.
    #[arg(long, value_name = "id=ID,src=FILE|env=NAME")]
    pub secret: Vec<Secret>,
    /// An image under a name for FROM and --from: NAME=oci:DIR, or any other reference.
    #[arg(long, value_name = "NAME=REF", value_parser = named_image)]
    pub build_context: Vec<(String, Reference)>,
    /// A label of the image.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,
    /// What the image is for.
    #[arg(long, env = "KONTAIN_PLATFORM", value_name = "OS/ARCH", default_value = PLATFORM)]
    pub platform: String,
    /// What RUN steps may connect to, like pypi.org:443 or 10.20.0.0/16:5000; `none` for nothing. By default every public
    /// address.
    #[arg(long, value_name = "RULE")]
    pub egress: Vec<String>,
    /// Carry out every step, whatever earlier builds have kept.
    #[arg(long, env = "KONTAIN_NO_CACHE")]
    pub no_cache: bool,
    /// Push the image to its registry: not there yet.
    #[arg(long, hide = true)]
    pub push: bool,
    /// Memory of a step's machine; what it writes to files lies there as well, up to a half of it.
    #[arg(long, env = "KONTAIN_MEMORY", value_name = "SIZE", default_value = "2Gi")]
    pub memory: Quantity,
    /// How long a step may take, at most 1h.
    #[arg(long, env = "KONTAIN_TIMEOUT", value_name = "DURATION", default_value = "1h")]
    pub timeout: Span,
    /// How progress is shown: as text on stderr, or as a JSON object per line on stdout.
    #[arg(long = "progress", env = "KONTAIN_PROGRESS", value_enum, default_value_t)]
    pub form: Form,
    /// Folder that keeps steps of earlier builds, and layers of base images.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// The `km` program; by default the one beside this program, then the one in PATH.
    #[arg(long, env = "KONTAIN_KM", value_name = "FILE")]
    pub km: Option<PathBuf>,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
}

/// Where a secret is.
#[derive(Clone, Debug)]
pub struct Secret {
    id: String,
    source: SecretSource,
}

#[derive(Clone, Debug)]
enum SecretSource {
    File(PathBuf),
    Env(String),
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut id, mut source) = (None, None);
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("id", value)) if !value.is_empty() => id = Some(value.to_owned()),
                Some(("src" | "source", value)) => source = Some(SecretSource::File(value.into())),
                Some(("env", value)) => source = Some(SecretSource::Env(value.to_owned())),
                Some(("type", "file" | "env")) => {}
                _ => return Err("expected id=ID,src=FILE or id=ID,env=NAME".to_owned()),
            }
        }
        let id = id.ok_or("it has no id=ID")?;
        // As elsewhere: a variable of this name, else a file.
        let usual = || match std::env::var_os(&id) {
            Some(_) => SecretSource::Env(id.clone()),
            None => SecretSource::File(PathBuf::from(&id)),
        };
        let source = source.unwrap_or_else(usual);
        Ok(Self { id, source })
    }
}

impl Secret {
    fn read(&self) -> anyhow::Result<Vec<u8>> {
        match &self.source {
            SecretSource::Env(name) => {
                let value =
                    std::env::var(name).with_context(|| format!("--secret id={}: {name}", self.id))?;
                Ok(value.into_bytes())
            }
            SecretSource::File(path) => {
                let shown = || format!("--secret id={}: {}", self.id, path.display());
                let bytes = std::fs::metadata(path).with_context(shown)?.len();
                anyhow::ensure!(bytes <= SECRET_MAX, "{}: it is longer than {SECRET_MAX} bytes", shown());
                std::fs::read(path).with_context(shown)
            }
        }
    }
}

fn argument(text: &str) -> Result<(String, Option<String>), String> {
    let (name, value) =
        text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value.to_owned())));
    if name.is_empty() { Err("expected NAME=VALUE".to_owned()) } else { Ok((name.to_owned(), value)) }
}

fn named_image(text: &str) -> Result<(String, Reference), String> {
    let (name, reference) = text.split_once('=').ok_or("expected NAME=REF")?;
    // The forms of other builders.
    let reference =
        reference.strip_prefix("oci-layout://").map(|path| format!("oci:{path}")).unwrap_or_else(|| {
            reference
                .strip_prefix("docker-image://")
                .map_or(reference.to_owned(), |image| format!("docker://{image}"))
        });
    let parsed = reference.parse::<Reference>().and_then(Reference::located);
    Ok((name.to_owned(), parsed.map_err(|error| error.to_string())?))
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Images of registries and of this machine.
struct Opener {
    registries: Registries,
    scratch: PathBuf,
}

impl Images for Opener {
    fn open(&self, reference: &Reference) -> Result<Box<dyn ImageContent>, SourceError> {
        let keychain = self.registries.keychain().clone();
        let progress = Downloads::new().into_sink();
        self.registries.source(reference, "", &keychain, &self.scratch, &Limits::default(), progress)
    }
}

/// Builds, and says what the image is called.
///
/// # Errors
/// When there is no image in the end; what a step wrote last is shown before.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.push {
        return Err(Usage(
            "--push is not there yet: write the image with -o, and push it with another tool".into(),
        )
        .into());
    }
    if !is_own_platform(&args.platform) {
        return Err(Usage(format!("--platform {}: only {PLATFORM} can be built here", args.platform)).into());
    }
    let (output, names) = destination(args)?;
    let build_args = args.build_arg.iter().filter_map(|(name, value)| {
        let value = value.clone().or_else(|| std::env::var(name).ok());
        value.map(|value| (name.clone(), value))
    });
    let build_args: BTreeMap<String, String> = build_args.collect();
    let (file, text, ignore) = sources(args)?;
    let plan = Plan::new(&file, &text, &build_args, args.target.as_deref())?;
    let context = Context::open(&args.context, &ignore);
    let context = context.with_context(|| format!("cannot read {}", args.context.display()))?;
    let volume = Volume::open(&args.volume)
        .with_context(|| format!("{}: name another folder with --volume", args.volume.display()))?;
    let folder = volume.root().join("builds");
    let cache = Cache::open(&folder).with_context(|| format!("cannot use {}", folder.display()))?;
    let images = Opener { registries: args.registry.open(&volume)?, scratch: cache.scratch().to_owned() };
    let options = Options {
        args: build_args,
        secrets: args
            .secret
            .iter()
            .map(|one| Ok((one.id.clone(), one.read()?)))
            .collect::<anyhow::Result<_>>()?,
        contexts: args.build_context.iter().cloned().collect(),
        labels: args.label.iter().cloned().collect(),
        no_cache: args.no_cache,
        epoch: epoch()?,
    };
    let machines = MachineOptions {
        km: find_km(args.km.clone())?,
        memory: args.memory.bytes().next_multiple_of(GRANULE),
        timeout: args.timeout.duration().min(TIMEOUT_MAX),
        rules: rules(&args.egress)?,
    };
    let shown = Arc::new(Shown::new(args.form));
    let builder = Builder::new(plan, options, &context, &cache, &images, machines, shown.clone());
    match builder.build(&output, &names) {
        Ok(digest) => {
            shown.built(&digest, output.path());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            if let BuildError::Step { lines, .. } = &error {
                shown.failed(&file, &text, *lines);
            }
            Err(error.into())
        }
    }
}

/// Where the image goes, and how it is called there.
fn destination(args: &Args) -> anyhow::Result<(Output, Vec<String>)> {
    let usage =
        || Usage(format!("--output {}: expected oci:DIR[:NAME] or oci-archive:FILE[:NAME]", args.output));
    let reference: Reference = args.output.parse().map_err(|_| usage())?;
    let (output, select) = match reference {
        Reference::OciLayout { path, select } => (Output::Layout(path), select),
        Reference::OciArchive { path, select } => (Output::Archive(path), select),
        _ => return Err(usage().into()),
    };
    if select.digest.is_some() {
        return Err(usage().into());
    }
    Ok((output, select.name.into_iter().chain(args.tag.iter().cloned()).collect()))
}

/// The Dockerfile's name and text, and what is left out of the context: `FILE.dockerignore` goes before `.dockerignore`.
fn sources(args: &Args) -> anyhow::Result<(String, String, Patterns)> {
    let path = args.file.clone().unwrap_or_else(|| args.context.join("Dockerfile"));
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let name =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into());
    let mut own = path.clone().into_os_string();
    own.push(".dockerignore");
    let mut ignore = Patterns::default();
    for one in [PathBuf::from(own), args.context.join(".dockerignore")] {
        match std::fs::read_to_string(&one) {
            Ok(list) => {
                ignore = Patterns::of_ignore_file(&list).with_context(|| one.display().to_string())?;
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).with_context(|| one.display().to_string()),
        }
    }
    Ok((name, text, ignore))
}

fn epoch() -> anyhow::Result<i64> {
    match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => {
            let seconds = text.parse::<i64>().ok().filter(|seconds| *seconds >= 0);
            Ok(seconds
                .ok_or_else(|| Usage(format!("SOURCE_DATE_EPOCH={text}: expected seconds since 1970")))?)
        }
        Err(_) => Ok(EPOCH),
    }
}

fn rules(texts: &[String]) -> anyhow::Result<Vec<Rule>> {
    if texts.iter().any(|text| text == "none") {
        return Ok(Vec::new());
    }
    let default = PUBLIC.map(str::to_owned);
    let texts = if texts.is_empty() { &default[..] } else { texts };
    let rule =
        |text: &String| text.parse::<Rule>().map_err(|error| Usage(format!("--egress: {error}")).into());
    texts.iter().map(rule).collect()
}
