//! `kontain-faas download`: the downloader alone, beside a server that serves the same volume.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::collect::CollectArgs;
use super::follow::FollowArgs;
use super::logging::{self, LogArgs};
use super::registry::RegistryArgs;
use super::signals;
use bytes::Bytes;
use control::publish::Publisher;
use control::reconcile::Signals;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use node::server::body::Body;
use node::server::listen::{self, Limits};
use volume::Volume;

/// Where the admin port is if nothing else is said.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9091);
/// What the admin port allows; kubelet and a scraper use it.
const LIMITS: Limits = Limits {
    connections: 64,
    header_timeout: Duration::from_secs(10),
    write_timeout: Duration::from_secs(10),
    body_timeout: Duration::from_secs(10),
};

/// Options of `download`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which Images are published, and how.
    #[command(flatten)]
    pub follow: FollowArgs,
    /// Folder for bundles and published functions.
    #[arg(long, env = "KONTAIN_VOLUME", value_name = "DIR", default_value = "/kontain")]
    pub volume: PathBuf,
    /// What is removed from the volume, and when.
    #[command(flatten)]
    pub collect: CollectArgs,
    /// Address of health and metrics; 127.0.0.1:9091 with --kube, else none.
    #[arg(long, env = "KONTAIN_ADMIN", value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
    /// How registries are spoken to.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// How log records are written.
    #[command(flatten)]
    pub log: LogArgs,
}

/// Publishes until SIGTERM or SIGINT.
///
/// # Errors
/// When there is no source, or the volume cannot be used.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _log = logging::start(&args.log)?;
    if !args.follow.names_a_source() {
        return Err(Usage("name a source: --images DIR or --kube".to_owned()).into());
    }
    let volume = Volume::open(&args.volume).with_context(|| {
        format!("cannot use {} as the volume: name another with --volume", args.volume.display())
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stop = signals::stop_on_signal()?;
        tokio::spawn(args.collect.collector(volume.clone()).run());
        tokio::select! {
            ended = follow(args, volume) => ended,
            () = stop.cancelled() => Ok(()),
        }
    })?;
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn follow(args: Args, volume: Volume) -> anyhow::Result<()> {
    let registries = args.registry.open(&volume)?;
    let signals = Signals::default();
    let root = volume.root().display();
    match args.admin.or(args.follow.kube.then_some(ADMIN)) {
        Some(address) => {
            let admin = listen(address, signals.clone()).await?;
            tracing::info!(%admin, volume = %root, "downloading");
        }
        None => tracing::info!(volume = %root, "downloading"),
    }
    let publisher = Arc::new(Publisher::open(volume.clone(), registries, args.collect.ceiling())?);
    args.follow.follow(publisher, volume, signals).await
}

/// Begins to answer on the admin port.
async fn listen(address: SocketAddr, signals: Signals) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: name another with --admin"))?;
    let admin = listener.local_addr()?;
    tokio::spawn(listen::serve(
        listener,
        LIMITS,
        Gauge::default(),
        CancellationToken::new(),
        move |_, request| {
            let response = answer(&signals, &request);
            async move { response }
        },
    ));
    Ok(admin)
}

fn answer<B>(signals: &Signals, request: &Request<B>) -> Response<Body> {
    let (status, text) = match request.uri().path() {
        "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
        "/readyz" => match signals.readiness.unready() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        },
        "/metrics" => (StatusCode::OK, signals.metrics.encode()),
        _ => (StatusCode::NOT_FOUND, "there are /healthz, /readyz and /metrics\n".to_owned()),
    };
    let mut response = Response::new(Body::full(Bytes::from(text)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
