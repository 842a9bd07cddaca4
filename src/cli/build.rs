//! `kontain-faas build`: a Dockerfile and a context as an OCI image.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use api::units::{Quantity, Span};
use build::builder::{BuildError, Builder, Image, Images, Options, familiar};
use build::cache::Cache;
use build::image::Output;
use build::plan::{PLATFORM, Plan, is_own_platform};
use build::progress::{Event, Progress};
use build::provenance::{Dependency, Provenance};
use build::source::{Given, Opener, Source};
use build::step::{MachineOptions, Machines};
use bundles::digest::Digest;
use bundles::limits::Limits;
use bundles::reference::{Reference, RegistryReference};
use bundles::source::{ImageContent, SourceError};
use control::publish::fetch::{Registries, of_layout};
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
/// Where on a volume builds keep their steps, and those of tenants, in a folder for each.
const BUILDS: &str = "builds";
const BUILDS_OF: &str = "builds-of";
/// Longest secret in bytes.
const SECRET_MAX: u64 = 1 << 20;
/// A step has a machine for no longer.
const TIMEOUT_MAX: Duration = Duration::from_secs(3600);

/// Options of `build`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What COPY and ADD copy, without what its .dockerignore names: a folder, an archive (tar, plain or compressed with gzip, zstd
    /// or xz; - is standard input), a URL of one, or a repository, https://HOST/NAME.git[#REFERENCE[:FOLDER]].
    #[arg(value_name = "CONTEXT")]
    pub context: String,
    /// Where the image goes: oci:DIR[:NAME] or oci-archive:FILE[:NAME].
    #[arg(short, long, env = "KONTAIN_OUTPUT", value_name = "oci:DIR|oci-archive:FILE")]
    pub output: Option<String>,
    /// A name of the image in its layout, and, with --push, in its registry; may be given several times.
    #[arg(short, long, value_name = "REF")]
    pub tag: Vec<String>,
    /// Push the image to the registries that --tag names; --output is not needed then.
    #[arg(long, env = "KONTAIN_PUSH")]
    pub push: bool,
    /// Write what went into the image as a statement of in-toto with SLSA provenance v1, JSON. It has the values of --build-arg.
    #[arg(long, env = "KONTAIN_PROVENANCE", value_name = "FILE")]
    pub provenance: Option<PathBuf>,
    /// How it is built.
    #[command(flatten)]
    pub recipe: Recipe,
}

/// Options that say how an image is built, whatever becomes of it.
#[derive(Debug, clap::Args)]
pub struct Recipe {
    /// The Dockerfile; by default `Dockerfile` in the context. In an archive or a repository, its path there.
    #[arg(short, long, env = "KONTAIN_FILE", value_name = "FILE")]
    pub file: Option<PathBuf>,
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

/// For whom a build is: what it keeps is seen by builds of the same tenant alone.
#[derive(Clone, Debug, Default)]
pub struct Tenancy {
    /// None is whoever has the volume.
    pub tenant: Option<String>,
    /// Folder on the volume for files without a name, and how many bytes of layers may be added.
    pub bounds: Option<(PathBuf, u64)>,
    /// Directory of an archive that is the context.
    pub folder: String,
    /// Registries at addresses that are not public; without such a list, any are spoken to.
    pub private_registries: Option<Vec<String>>,
    /// Further secrets.
    pub secrets: BTreeMap<String, Vec<u8>>,
}

/// Folder of what builds of a tenant keep.
pub fn builds_folder(volume: &Path, tenant: Option<&str>) -> PathBuf {
    tenant.map_or_else(|| volume.join(BUILDS), |tenant| volume.join(BUILDS_OF).join(tenant))
}

/// Such folders of all tenants that are there.
pub fn builds_folders(volume: &Path) -> Vec<PathBuf> {
    let of_tenants = std::fs::read_dir(volume.join(BUILDS_OF)).into_iter().flatten().flatten();
    let all = std::iter::once(volume.join(BUILDS)).chain(of_tenants.map(|entry| entry.path()));
    all.filter(|folder| folder.is_dir()).collect()
}

/// Images of registries and of this machine.
struct Library {
    registries: Registries,
    tenant: String,
    scratch: PathBuf,
}

impl Images for Library {
    fn open(&self, reference: &Reference) -> Result<Box<dyn ImageContent + Send>, SourceError> {
        let keychain = self.registries.keychain().clone();
        let progress = Downloads::new().into_sink();
        self.registries.source(
            reference,
            &self.tenant,
            &keychain,
            &self.scratch,
            &Limits::default(),
            progress,
        )
    }
}

/// Builds, and says what the image is called.
///
/// # Errors
/// When there is no image in the end; what a step wrote last is shown before.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    build(args)?;
    Ok(ExitCode::SUCCESS)
}

/// What came of a build.
pub struct Built {
    /// Digest of the image's manifest.
    pub digest: Digest,
    /// What it was pushed under.
    pub references: Vec<RegistryReference>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Builds, and pushes if that is asked for.
///
/// # Errors
/// As [`run`].
pub fn build(args: &Args) -> anyhow::Result<Built> {
    build_for(args, Tenancy::default())
}

/// The same for a tenant.
///
/// # Errors
/// As [`run`].
pub fn build_for(args: &Args, tenancy: Tenancy) -> anyhow::Result<Built> {
    let Tenancy { tenant, bounds, folder: within, private_registries, secrets } = tenancy;
    let recipe = &args.recipe;
    if !is_own_platform(&recipe.platform) {
        return Err(
            Usage(format!("--platform {}: only {PLATFORM} can be built here", recipe.platform)).into()
        );
    }
    let registries = if args.push { pushed(&args.tag)? } else { Vec::new() };
    let volume = Volume::open(&recipe.volume)
        .with_context(|| format!("{}: name another folder with --volume", recipe.volume.display()))?;
    let folder = builds_folder(volume.root(), tenant.as_deref());
    let cache = match &bounds {
        None => Cache::open(&folder),
        Some((scratch, bytes)) => Cache::open_bounded(&folder, scratch, *bytes),
    };
    let cache = cache.with_context(|| format!("cannot use {}", folder.display()))?;
    let destination = destination(args, cache.scratch())?;
    let images = Library {
        registries: recipe.registry.open_reaching(&volume.layers(), private_registries.as_deref())?,
        tenant: tenant.unwrap_or_default(),
        scratch: cache.scratch().to_owned(),
    };
    let mut options = recipe.options()?;
    options.secrets.extend(secrets);
    let shown = Arc::new(Shown::new(recipe.form));
    let machines = Machines::new(recipe.machines()?, shown.clone())?;
    let Source { file, text, context, origin } =
        open(args, &within, &machines, cache.scratch(), options.epoch, &*shown)?;
    let plan = Plan::new(&file, &text, &options.args, recipe.target.as_deref())?;
    let builder = Builder::new(plan, options, &context, &cache, &images, &machines, shown.clone());
    let Destination { output, names, .. } = &destination;
    let image = builder.build(output, names).inspect_err(|error| {
        if let BuildError::Step { lines, step, .. } = error {
            shown.failed(&file, &text, *lines, *step);
        }
    })?;
    if let Some(path) = &args.provenance {
        write_provenance(path, args, &builder, &image, (&file, &text), origin)?;
    }
    for reference in &registries {
        push(&builder, &images.registries, &image, output.path(), reference)?;
    }
    let kept = args.output.is_some().then(|| output.path().display().to_string());
    shown.built(&image.digest, kept.into_iter().chain(registries.iter().map(ToString::to_string)));
    Ok(Built { digest: image.digest, references: registries, labels: image.labels })
}

impl Recipe {
    fn options(&self) -> anyhow::Result<Options> {
        let args = self.build_arg.iter().filter_map(|(name, value)| {
            let value = value.clone().or_else(|| std::env::var(name).ok());
            value.map(|value| (name.clone(), value))
        });
        let secrets = self.secret.iter().map(|one| Ok((one.id.clone(), one.read()?)));
        Ok(Options {
            args: args.collect(),
            secrets: secrets.collect::<anyhow::Result<_>>()?,
            contexts: self.build_context.iter().cloned().collect(),
            labels: self.label.iter().cloned().collect(),
            no_cache: self.no_cache,
            epoch: epoch()?,
        })
    }

    fn machines(&self) -> anyhow::Result<MachineOptions> {
        Ok(MachineOptions {
            km: find_km(self.km.clone())?,
            memory: self.memory.bytes().next_multiple_of(GRANULE),
            timeout: self.timeout.duration().min(TIMEOUT_MAX),
            rules: rules(&self.egress)?,
        })
    }
}

/// Writes what went into an image.
fn write_provenance(
    path: &Path,
    args: &Args,
    builder: &Builder<'_>,
    image: &Image,
    dockerfile: (&str, &str),
    origin: Option<Dependency>,
) -> anyhow::Result<()> {
    let dependencies: Vec<Dependency> = origin.into_iter().chain(image.dependencies.clone()).collect();
    let target = args.recipe.target.as_deref().unwrap_or_default();
    let statement = Provenance {
        names: &args.tag,
        digest: image.digest,
        context: &args.context,
        dockerfile,
        target,
        args: &builder.options.args,
        epoch: builder.options.epoch,
        dependencies: &dependencies,
    };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&mut file, &statement.statement())?;
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
        file.persist(path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

/// Opens the context; one that is not on this machine is a step of its own.
fn open(
    args: &Args,
    folder: &str,
    machines: &Machines,
    scratch: &Path,
    latest: i64,
    progress: &dyn Progress,
) -> anyhow::Result<Source> {
    let given = Given::new(&args.context);
    let opener = Opener { machines, scratch, file: args.recipe.file.as_deref(), folder, latest };
    if matches!(given, Given::Path(_)) {
        return Ok(opener.open(&given)?);
    }
    let start = Instant::now();
    progress.event(&Event::Begin { step: 0, name: &format!("load context {}", args.context) });
    let source = opener.open(&given)?;
    progress.event(&Event::Done { step: 0, took: start.elapsed(), cached: false });
    Ok(source)
}

/// Where the image goes, and how it is called there.
struct Destination {
    output: Output,
    names: Vec<String>,
    /// What is only pushed goes here meanwhile.
    _folder: Option<tempfile::TempDir>,
}

fn destination(args: &Args, scratch: &Path) -> anyhow::Result<Destination> {
    let Some(text) = &args.output else {
        if !args.push {
            return Err(Usage("say where the image goes: -o oci:DIR, or --push and -t REF".to_owned()).into());
        }
        let folder = tempfile::tempdir_in(scratch)?;
        let output = Output::Layout(folder.path().to_owned());
        return Ok(Destination { output, names: Vec::new(), _folder: Some(folder) });
    };
    let usage = || Usage(format!("--output {text}: expected oci:DIR[:NAME] or oci-archive:FILE[:NAME]"));
    let reference: Reference = text.parse().map_err(|_| usage())?;
    let (output, select) = match reference {
        Reference::OciLayout { path, select } => (Output::Layout(path), select),
        Reference::OciArchive { .. } if args.push => {
            return Err(Usage("--push goes with -o oci:DIR, or alone".to_owned()).into());
        }
        Reference::OciArchive { path, select } => (Output::Archive(path), select),
        _ => return Err(usage().into()),
    };
    if select.digest.is_some() {
        return Err(usage().into());
    }
    let names = select.name.into_iter().chain(args.tag.iter().cloned()).collect();
    Ok(Destination { output, names, _folder: None })
}

/// The names that an image is pushed under.
fn pushed(tags: &[String]) -> anyhow::Result<Vec<RegistryReference>> {
    let reference = |text: &String| match familiar(text).parse::<Reference>() {
        Ok(Reference::Registry(reference)) if reference.digest.is_none() => Ok(reference),
        Ok(_) => Err(Usage(format!("--tag {text}: expected HOST/REPOSITORY[:TAG] to push to")).into()),
        Err(error) => Err(Usage(format!("--tag {text}: {error}")).into()),
    };
    if tags.is_empty() {
        return Err(Usage("--push needs a name: -t HOST/REPOSITORY[:TAG]".to_owned()).into());
    }
    tags.iter().map(reference).collect()
}

fn push(
    builder: &Builder<'_>,
    registries: &Registries,
    built: &Image,
    layout: &Path,
    reference: &RegistryReference,
) -> anyhow::Result<()> {
    let (step, start) = (builder.begin(&format!("pushing {reference}")), Instant::now());
    // Where the base image came from, its layers are there already.
    let neighbour = |digest| {
        let origin = built.origins.get(&digest).filter(|origin| origin.host == reference.host);
        origin.map(|origin| origin.repository.clone())
    };
    let image = of_layout(layout, built.digest, neighbour).context("cannot read what was built")?;
    registries.push(reference, &image).with_context(|| format!("cannot push {reference}"))?;
    builder.done(step, start, false);
    Ok(())
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

/// The rules that these texts are; without any, every public address.
///
/// # Errors
/// [`Usage`], when one is none.
pub fn rules(texts: &[String]) -> anyhow::Result<Vec<Rule>> {
    if texts.iter().any(|text| text == "none") {
        return Ok(Vec::new());
    }
    let default = PUBLIC.map(str::to_owned);
    let texts = if texts.is_empty() { &default[..] } else { texts };
    let rule =
        |text: &String| text.parse::<Rule>().map_err(|error| Usage(format!("--egress: {error}")).into());
    texts.iter().map(rule).collect()
}
