//! `kontain-faas builder`: OpenFaaS' builder API, a service that builds and pushes signed contexts.

use std::ffi::OsString;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::units::{Quantity, Span};
use api::validate::is_dns_label;
use builder::{Builder, Limits, Metrics, Options, PrivateKey, Signature};
use bytes::Bytes;
use clap::builder::FalseyValueParser;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use nix::fcntl::{Flock, FlockArg};
use node::server::body::Body;
use node::server::listen;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use volume::Volume;

use super::Usage;
use super::build::{builds_folder, rules};
use super::collect::CollectArgs;
use super::logging::{self, LogArgs};
use super::registry::RegistryArgs;
use super::serve::find_km;
use super::signals;

/// Where on the volume contexts are, and files of builds that run.
const SCRATCH: &str = "building";
/// Held by the one builder of a volume.
const LOCK: &str = "builder.lock";
/// The longest build.
const BUILD_MAX: Duration = Duration::from_secs(24 * 3600);

const LIMITS: listen::Limits = listen::Limits {
    connections: 1024,
    header_timeout: Duration::from_secs(75),
    write_timeout: Duration::from_secs(60),
    body_timeout: Duration::from_secs(10),
};

/// Options of `builder`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address of the API.
    #[arg(long, env = "KONTAIN_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address of /metrics.
    #[arg(long, env = "KONTAIN_METRICS", value_name = "ADDR", default_value = "127.0.0.1:8081")]
    pub metrics: SocketAddr,
    /// File with the secret that contexts are signed with.
    #[arg(long, env = "KONTAIN_PAYLOAD_SECRET", value_name = "FILE")]
    pub payload_secret: Option<PathBuf>,
    /// Build and push for anybody who reaches the service, without a signature.
    #[arg(long, env = "KONTAIN_DISABLE_HMAC", value_parser = FalseyValueParser::new())]
    pub disable_hmac: bool,
    /// File with the private key that opens build secrets, 32 bytes in base64; clients get its other half at /publickey.
    #[arg(long, env = "KONTAIN_BUILD_SECRETS_KEY", value_name = "FILE")]
    pub build_secrets_key: Option<PathBuf>,
    /// Builds at once; whoever asks for another one is told 429.
    #[arg(long, env = "KONTAIN_MAX_INFLIGHT", value_name = "COUNT", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub max_inflight: u16,
    /// Longest context.
    #[arg(long, env = "KONTAIN_MAX_BODY", value_name = "SIZE", default_value = "256Mi")]
    pub max_body: Quantity,
    /// How long a build may take.
    #[arg(long, env = "KONTAIN_BUILD_TIMEOUT", value_name = "DURATION", default_value = "1h")]
    pub build_timeout: Span,
    /// How long a step of one may take, at most 1h.
    #[arg(long, env = "KONTAIN_TIMEOUT", value_name = "DURATION", default_value = "1h")]
    pub timeout: Span,
    /// Memory of a step's machine; what it writes to files lies there as well, up to a half of it.
    #[arg(long, env = "KONTAIN_MEMORY", value_name = "SIZE", default_value = "2Gi")]
    pub memory: Quantity,
    /// Memory of a build beside its machines: for the names of the files that its stages have.
    #[arg(long, env = "KONTAIN_BUILD_MEMORY", value_name = "SIZE", default_value = "1Gi")]
    pub build_memory: Quantity,
    /// What a build may have on the disk while it runs, and add to the caches.
    #[arg(long, env = "KONTAIN_BUILD_DISK", value_name = "SIZE", default_value = "10Gi")]
    pub build_disk: Quantity,
    /// What RUN steps and ADD may connect to, like pypi.org:443; `none` for nothing. By default every public address.
    #[arg(long, value_name = "RULE")]
    pub egress: Vec<String>,
    /// A registry at an address that is not public, which images may come from and go to. So may those of --insecure-registry and
    /// --registry-mirror; others are asked at public addresses alone.
    #[arg(long, env = "KONTAIN_PRIVATE_REGISTRY", value_name = "HOST[:PORT]", value_delimiter = ',')]
    pub private_registry: Vec<String>,
    /// Whose the caches are: builds of one tenant share steps and cache mounts. All clients of the payload secret are one.
    #[arg(long, env = "KONTAIN_TENANT", value_name = "NAME", default_value = "builder", value_parser = tenant)]
    pub tenant: String,
    /// Layers of steps and caches to keep for the next builds, the last used.
    #[arg(long, env = "KONTAIN_KEEP_BUILDS", value_name = "SIZE", default_value = "20Gi")]
    pub keep_builds: Quantity,
    /// Folder for caches, layers of base images, and what builds have while they run; of one builder.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// The `km` program; by default the one beside this program, then the one in PATH.
    #[arg(long, env = "KONTAIN_KM", value_name = "FILE")]
    pub km: Option<PathBuf>,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// What is removed of downloaded layers.
    #[command(flatten)]
    pub collect: CollectArgs,
    /// How log records are written.
    #[command(flatten)]
    pub log: LogArgs,
}

fn tenant(text: &str) -> Result<String, String> {
    if is_dns_label(text) {
        Ok(text.to_owned())
    } else {
        Err("expected lower-case letters, digits and -".to_owned())
    }
}

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _log = logging::start(&args.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(args))?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(args: Args) -> anyhow::Result<()> {
    let signature = args.signature()?;
    // What is wrong with these is said now, not by each build.
    rules(&args.egress)?;
    let volume = Volume::open(&args.volume)
        .with_context(|| format!("{}: name another folder with --volume", args.volume.display()))?;
    args.registry.open(&volume)?;
    let key = match &args.build_secrets_key {
        Some(file) => Some(
            PrivateKey::of_file(file).with_context(|| format!("--build-secrets-key {}", file.display()))?,
        ),
        None => None,
    };
    let (_lock, scratch) = scratch(volume.root())?;
    let stop = signals::stop_on_signal()?;
    let listener = bind(args.listen, "--listen").await?;
    let metrics = bind(args.metrics, "--metrics").await?;
    tracing::info!(builder = %listener.local_addr()?, metrics = %metrics.local_addr()?, volume = %volume.root().display(), "building");
    tokio::spawn(args.collect.collector(volume.clone()).run());
    let builder = Builder::new(Options {
        program: std::env::current_exe().context("this program has no path")?,
        arguments: args.arguments(volume.root())?,
        scratch,
        signature,
        key,
        max_inflight: args.max_inflight.into(),
        max_body: args.max_body.bytes(),
        limits: Limits {
            time: args.build_timeout.duration().min(BUILD_MAX),
            disk: args.build_disk.bytes(),
            memory: args.build_memory.bytes(),
        },
        collect: collect(volume.root(), &args),
        stop: stop.clone(),
    });
    let numbers = Arc::clone(&builder);
    tokio::spawn(listen::serve(
        metrics,
        LIMITS,
        Gauge::default(),
        CancellationToken::new(),
        move |_, request| {
            let response = told(&numbers.metrics, &request);
            async move { response }
        },
    ));
    listen::serve(listener, LIMITS, Gauge::default(), stop, move |_, request| {
        let builder = Arc::clone(&builder);
        async move { builder.answer(request).await.map(Body::Other) }
    })
    .await;
    Ok(())
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: name another with {option}"))
}

/// A folder in which nothing is; what a builder that died has left there goes.
fn scratch(volume: &Path) -> anyhow::Result<(Flock<fs::File>, PathBuf)> {
    let lock = fs::File::options().create(true).append(true).open(volume.join(LOCK))?;
    let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno).with_context(
        || format!("{} has a builder already: name another folder with --volume", volume.display()),
    )?;
    let folder = volume.join(SCRATCH);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    Ok((lock, folder))
}

fn collect(volume: &Path, args: &Args) -> builder::Collect {
    let (folder, keep) = (builds_folder(volume, Some(&args.tenant)), args.keep_builds.bytes());
    Box::new(move || match build::cache::collect::collect(&folder, keep) {
        Ok(collected) => collected.is_some() || !folder.exists(),
        Err(error) => {
            tracing::error!(%error, folder = %folder.display(), "what builds have kept cannot be collected");
            false
        }
    })
}

fn told<B>(metrics: &Metrics, request: &Request<B>) -> Response<Body> {
    let (status, text) = match request.uri().path() {
        "/metrics" => (StatusCode::OK, metrics.encode()),
        _ => (StatusCode::NOT_FOUND, "there is /metrics\n".to_owned()),
    };
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

impl Args {
    fn signature(&self) -> anyhow::Result<Signature> {
        let why = match (&self.payload_secret, self.disable_hmac) {
            (Some(file), false) => match Signature::of(file.clone()) {
                Ok(signature) => return Ok(signature),
                Err(error) => format!("--payload-secret {}: {error}", file.display()),
            },
            (None, true) => {
                tracing::warn!(
                    "--disable-hmac: anybody who reaches the builder builds, and pushes with its credentials"
                );
                return Ok(Signature::Nobody);
            }
            (Some(_), true) => "--disable-hmac beside --payload-secret: leave one out".to_owned(),
            (None, false) => {
                "name the file with the secret that contexts are signed with: --payload-secret FILE"
                    .to_owned()
            }
        };
        Err(Usage(why).into())
    }

    /// Arguments of each build's process.
    fn arguments(&self, volume: &Path) -> anyhow::Result<Vec<OsString>> {
        let mut all: Vec<OsString> = vec!["build-order".into(), "--progress=json".into()];
        let mut put = |name: &str, value: OsString| {
            let mut argument = OsString::from(format!("--{name}="));
            argument.push(value);
            all.push(argument);
        };
        put("tenant", self.tenant.clone().into());
        put("room", self.build_disk.bytes().to_string().into());
        put("volume", volume.into());
        put("km", std::path::absolute(find_km(self.km.clone())?)?.into());
        put("memory", self.memory.bytes().to_string().into());
        put("timeout", format!("{}ms", self.timeout.duration().as_millis()).into());
        for rule in &self.egress {
            put("egress", rule.into());
        }
        for host in &self.private_registry {
            put("private-registry", host.into());
        }
        let RegistryArgs {
            insecure_registry,
            registry_ca,
            registry_mirror,
            registry_auth,
            pull_floor,
            pull_timeout,
        } = &self.registry;
        for host in insecure_registry {
            put("insecure-registry", host.into());
        }
        for file in registry_ca {
            put("registry-ca", file.into());
        }
        for mirror in registry_mirror {
            put("registry-mirror", mirror.into());
        }
        if let Some(file) = registry_auth {
            put("registry-auth", file.into());
        }
        if let Some(floor) = pull_floor {
            put("pull-floor", floor.bytes().to_string().into());
        }
        if let Some(time) = pull_timeout {
            put("pull-timeout", format!("{}ms", time.duration().as_millis()).into());
        }
        Ok(all)
    }
}
