//! `kontain-faas serve`: the server, with the embedded source if `--images` names a folder.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use ipnet::IpNet;
use km_vmm::jail::urgency::{Pace, Urgency};
use tokio::net::TcpListener;
use tokio::runtime::{Handle, Runtime};

use super::collect::CollectArgs;
use super::egress::EgressArgs;
use super::follow::FollowArgs;
use super::logging::{self, LogArgs};
use super::registry::RegistryArgs;
use super::signals;
use super::system::SystemArgs;
use api::image::DEFAULT_NAMESPACE;
use api::units::{Quantity, Span};
use api::validate::{is_dns_label, is_reserved};
use control::publish::Publisher;
use control::reconcile::Signals;
use node::pool::budget::Budget;
use node::pool::node::{Node, NodeOptions};
use node::pool::snapshots::Snapshots;
use node::reach::Reach;
use node::server::listen::Limits;
use node::server::problem::Reader;
use node::server::route::{Domain, Names};
use node::server::system::SystemApi;
use node::server::{Server, ServerOptions};
use volume::Volume;

/// A call takes a front thread about a fifth of the time that it takes the processors in all.
const PROCESSORS_PER_FRONT_THREAD: usize = 4;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which Images are published; without any what the volume holds is served.
    #[command(flatten)]
    pub follow: FollowArgs,
    /// Folder for bundles, published functions and snapshots.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// Address of the function port.
    #[arg(long, env = "KONTAIN_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address of the admin port.
    #[arg(long, env = "KONTAIN_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9090")]
    pub admin: SocketAddr,
    /// The `km` program; by default the one beside this program, then the one in PATH.
    #[arg(long, env = "KONTAIN_KM", value_name = "FILE")]
    pub km: Option<PathBuf>,
    /// Longest body of a request.
    #[arg(long, env = "KONTAIN_MAX_BODY", value_name = "SIZE", default_value = "4Gi")]
    pub max_body: Quantity,
    /// Bytes of requests that are held before they have a machine.
    #[arg(long, env = "KONTAIN_MAX_AHEAD", value_name = "SIZE", default_value = "256Mi")]
    pub max_ahead: Quantity,
    /// The same of one client (of a /64 with IPv6); trusted proxies have no share of their own.
    #[arg(long, env = "KONTAIN_MAX_AHEAD_PER_PEER", value_name = "SIZE", default_value = "32Mi")]
    pub max_ahead_per_peer: Quantity,
    /// Calls in flight on this node.
    #[arg(long, env = "KONTAIN_MAX_CALLS", value_name = "N", default_value_t = 4096)]
    pub max_calls: usize,
    /// Open client connections.
    #[arg(long, env = "KONTAIN_MAX_CONNECTIONS", value_name = "N", default_value_t = 16384)]
    pub max_connections: usize,
    /// Proxies (address or network) whose X-Forwarded-* and Forwarded headers are believed.
    #[arg(long, env = "KONTAIN_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',',
          default_values = ["127.0.0.0/8", "::1/128"])]
    pub trusted_proxies: Vec<IpNet>,
    /// Domain below which each function has a host of its own, FUNCTION.NAMESPACE.DOMAIN, with all paths; may be repeated.
    #[arg(long, env = "KONTAIN_DOMAIN", value_name = "DOMAIN", value_delimiter = ',')]
    pub domain: Vec<Domain>,
    /// Namespace of functions that are called or deployed without one, as OpenFaaS' clients do; its `openfaas-fn` means it too.
    #[arg(long, env = "KONTAIN_DEFAULT_NAMESPACE", value_name = "NS", default_value = DEFAULT_NAMESPACE,
          value_parser = namespace)]
    pub default_namespace: String,
    /// A request's head must come, and an idle connection's next one begin, within this time.
    #[arg(long, env = "KONTAIN_HEADER_TIMEOUT", value_name = "DURATION", default_value = "75s")]
    pub header_timeout: Span,
    /// A client must take something of its response within this time.
    #[arg(long, env = "KONTAIN_WRITE_TIMEOUT", value_name = "DURATION", default_value = "60s")]
    pub write_timeout: Span,
    /// A client may pause so long in all while it sends a body; each KiB of it gives it another second.
    #[arg(long, env = "KONTAIN_BODY_TIMEOUT", value_name = "DURATION", default_value = "10s")]
    pub body_timeout: Span,
    /// How long the listener stays after SIGTERM, so that load balancers notice; 5s with --kube, else 0s.
    #[arg(long, env = "KONTAIN_DRAIN_DELAY", value_name = "DURATION")]
    pub drain_delay: Option<Span>,
    /// Memory for machines; by default what the control group or host has, less a fifth, and less --max-ahead and 192Mi where
    /// that is more (but never more than half).
    #[arg(long, env = "KONTAIN_MEMORY", value_name = "SIZE")]
    pub memory: Option<Quantity>,
    /// Disk space for snapshots; the least recently used go first.
    #[arg(long, env = "KONTAIN_SNAPSHOT_BUDGET", value_name = "SIZE", default_value = "20Gi")]
    pub snapshot_budget: Quantity,
    /// A snapshot that is older serves the next call and is then made again beside it; not while nobody calls.
    #[arg(long, env = "KONTAIN_SNAPSHOT_MAX_AGE", value_name = "DURATION", default_value = "24h")]
    pub snapshot_max_age: Span,
    /// Tell callers what went wrong inside: the program's last output, its exit, addresses. For a machine of one's own.
    #[arg(long, env = "KONTAIN_VERBOSE_ERRORS", value_parser = clap::builder::FalseyValueParser::new())]
    pub verbose_errors: bool,
    /// Output of one function that reaches the log in a second; the admin port has the last of it in any case.
    #[arg(long, env = "KONTAIN_LOG_RATE", value_name = "SIZE", default_value = "1Mi")]
    pub log_rate: Quantity,
    /// Jailed worker processes that wait for a function.
    #[arg(long, env = "KONTAIN_STOCK", value_name = "N", default_value_t = 2)]
    pub stock: usize,
    /// Workers leave after so long without a call of their function.
    #[arg(long, env = "KONTAIN_WORKER_IDLE", value_name = "DURATION", default_value = "5m")]
    pub worker_idle: Span,
    /// A program that is started must be ready for its first call within this time.
    #[arg(long, env = "KONTAIN_READY_LIMIT", value_name = "DURATION", default_value = "60s")]
    pub ready_limit: Span,
    /// OpenFaaS' REST API.
    #[command(flatten)]
    pub system: SystemArgs,
    /// What is removed from the volume, and when.
    #[command(flatten)]
    pub egress: EgressArgs,
    #[command(flatten)]
    pub collect: CollectArgs,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// How log records are written.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Serves until SIGTERM or SIGINT; a second one ends it at once.
///
/// # Errors
/// When it cannot begin.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _log = logging::start(&args.log)?;
    raise_file_limit();
    let front = runtime("front", front_threads(), Urgency::Prompt)?;
    let publishing = runtime("publish", 1, Urgency::Patient)?;
    front.block_on(serve(args, publishing.handle()))?;
    // Blocking work that is left (a document that is being bundled) does not hold the exit up.
    publishing.shutdown_background();
    front.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

/// Calls and publishing have threads of their own: who downloads an image gives way to who answers a call.
fn runtime(name: &str, threads: usize, urgency: Urgency) -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .thread_name(name)
        .worker_threads(threads)
        .on_thread_start(move || Pace::new().set(urgency))
        .enable_all()
        .build()
}

/// A fraction of the processors: the others have machines to run, and a call that stays on one thread wakes no second.
fn front_threads() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    processors.div_ceil(PROCESSORS_PER_FRONT_THREAD)
}

async fn serve(args: Args, publishing: &Handle) -> anyhow::Result<()> {
    let egress = args.egress.settings();
    let gateway =
        args.system.settings(&args.follow, volume::queue_file(&args.volume), egress.policy.clone())?;
    let volume = Volume::open(&args.volume).with_context(|| {
        format!("cannot use {} as the volume: name another with --volume", args.volume.display())
    })?;
    let stop = signals::stop_on_signal()?;
    let functions = bind(args.listen, "--listen").await?;
    let admin = bind(args.admin, "--admin").await?;
    tracing::info!(functions = %functions.local_addr()?, admin = %admin.local_addr()?, volume = %volume.root().display(), "serving");
    let snapshots = Snapshots::open(volume.snapshots(), args.snapshot_budget.bytes())?;
    let budget = args
        .memory
        .map_or_else(|| Budget::of_host(args.max_ahead.bytes()), |memory| Budget::new(memory.bytes()));
    let node_options = NodeOptions {
        km: find_km(args.km)?,
        stock: args.stock,
        idle: args.worker_idle.duration(),
        ready_limit: args.ready_limit.duration(),
        snapshot_max_age: args.snapshot_max_age.duration(),
    };
    // The broker's tasks are short, and calls wait for them.
    let reach = Reach::open(egress).context("functions cannot reach anything")?;
    let node = Node::new(&node_options, snapshots, budget, reach);
    let admin_address = admin.local_addr()?;
    let front = gateway
        .map(|gateway| gateway.open(admin_address, &args.default_namespace, stop.clone(), publishing.clone()))
        .transpose()?;
    let options = ServerOptions {
        max_body: args.max_body.bytes(),
        max_calls: args.max_calls,
        trusted_proxies: args.trusted_proxies,
        drain_delay: args
            .drain_delay
            .unwrap_or(Span::from_secs(if args.follow.kube { 5 } else { 0 }))
            .duration(),
        limits: Limits {
            connections: args.max_connections,
            header_timeout: args.header_timeout.duration(),
            write_timeout: args.write_timeout.duration(),
            body_timeout: args.body_timeout.duration(),
        },
        max_ahead: (args.max_ahead.bytes(), args.max_ahead_per_peer.bytes()),
        log_rate: args.log_rate.bytes(),
        dropped_records: logging::dropped,
        problems: if args.verbose_errors { Reader::Owner } else { Reader::Caller },
        names: Names::new(args.domain, args.default_namespace),
        system: front.clone().map(|front| front as Arc<dyn SystemApi>),
    };
    let signals = Signals::default();
    let changed = signals.changed.clone();
    let server = Server::new(options, volume.clone(), node);
    if args.follow.names_a_source() {
        publishing.spawn(args.collect.collector(volume.clone()).run());
        let (registries, ceiling) = (args.registry.open(&volume)?, args.collect.ceiling());
        let publisher = Arc::new(Publisher::open(volume.clone(), registries, ceiling)?);
        let follow = args.follow;
        server.follows(signals.readiness.clone());
        publishing.spawn(async move {
            if let Err(error) = follow.follow(publisher, volume, signals).await {
                tracing::error!("nothing can be published: {error:#}");
            }
        });
    }
    let delivering = front.and_then(|front| front.deliver(&server));
    server.run(functions, admin, changed, stop).await;
    if let Some(delivering) = delivering {
        // Panics of a task were printed where they happened.
        let _ = delivering.await;
    }
    Ok(())
}

/// A namespace that functions can be in.
pub fn namespace(text: &str) -> Result<String, String> {
    match text {
        text if !is_dns_label(text) => Err(format!("`{text}` cannot be a namespace")),
        text if is_reserved(text) => Err(format!("`{text}` is reserved")),
        text => Ok(text.to_owned()),
    }
}

async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: name another with {option}"))
}

/// The `km` program: the one that was named, the one beside this program, the one in PATH.
pub fn find_km(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        anyhow::ensure!(named.is_file(), "--km {}: there is no such file", named.display());
        return Ok(named);
    }
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(|folder| folder.join("km")));
    let in_path = std::env::var_os("PATH")
        .into_iter()
        .flat_map(|path| std::env::split_paths(&path).map(|folder| folder.join("km")).collect::<Vec<_>>());
    beside
        .into_iter()
        .chain(in_path)
        .find(|path| path.is_file())
        .context("the program km is neither beside this one nor in PATH: name it with --km")
}

/// Each call holds descriptors; the soft limit of most systems is far below what they allow.
fn raise_file_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_err() {
        tracing::warn!(limit = soft, "cannot raise the limit of open files");
    }
}
