//! `kontain-faas gateway`: OpenFaaS' REST API in a process of its own, which hands calls on to a server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use api::image::DEFAULT_NAMESPACE;
use bytes::Bytes;
use clap::builder::FalseyValueParser;
use control::source::folder::FolderCatalog;
use egress::Policy;
use gateway::Gateway;
use gateway::queue::{Queue, is_async};
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use ipnet::IpNet;
use node::server::body::Body;
use node::server::headers::{self, Peer};
use node::server::listen::{self, Limits};
use node::server::problem::{Component, Problem, Reader};
use node::server::reason::Reason;
use node::server::system::is_system;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::access::AccessArgs;
use super::logging::{self, LogArgs};
use super::proxy::{Proxy, Upstream};
use super::queue::QueueArgs;
use super::serve::namespace;
use super::signals;

/// As `serve` has them by default.
const LIMITS: Limits = Limits {
    connections: 16_384,
    header_timeout: Duration::from_secs(75),
    write_timeout: Duration::from_secs(60),
    body_timeout: Duration::from_secs(10),
};

const METRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Options of `gateway`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of Image documents that the server follows; functions that are deployed are written there.
    #[arg(long, env = "KONTAIN_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Write the Images of a cluster: refused, it is not there yet.
    #[arg(long, env = "KONTAIN_KUBE", value_parser = FalseyValueParser::new())]
    pub kube: bool,
    /// Address of the gateway.
    #[arg(long, env = "KONTAIN_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8081")]
    pub listen: SocketAddr,
    /// Function port of the server, which calls are handed on to; it must trust this process (its --trusted-proxies).
    #[arg(long, env = "KONTAIN_UPSTREAM", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub upstream: Upstream,
    /// Admin port of the server, which is asked for states, counts and logs.
    #[arg(long, env = "KONTAIN_ADMIN", value_name = "ADDR", default_value = "127.0.0.1:9090")]
    pub admin: SocketAddr,
    /// Namespace of functions and secrets that are named without one: the server's --default-namespace.
    #[arg(long, env = "KONTAIN_DEFAULT_NAMESPACE", value_name = "NS", default_value = DEFAULT_NAMESPACE,
          value_parser = namespace)]
    pub default_namespace: String,
    /// Proxies (address or network) whose X-Forwarded-* and Forwarded headers are believed.
    #[arg(long, env = "KONTAIN_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',',
          default_values = ["127.0.0.0/8", "::1/128"])]
    pub trusted_proxies: Vec<IpNet>,
    /// Address of health and metrics; none if it is not given.
    #[arg(long, env = "KONTAIN_METRICS", value_name = "ADDR")]
    pub metrics: Option<SocketAddr>,
    /// Who may use the API.
    #[command(flatten)]
    pub access: AccessArgs,
    /// How asynchronous calls are kept and tried.
    #[command(flatten)]
    pub queue: QueueArgs,
    /// How log records are written.
    #[command(flatten)]
    pub log: LogArgs,
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
    let folder = match (args.images, args.kube) {
        (Some(folder), false) => folder,
        _ => {
            let why = "name the folder of documents that the server follows with --images: \
                a gateway to a cluster (--kube) is not there yet";
            return Err(Usage(why.to_owned()).into());
        }
    };
    let auth = args.access.auth()?;
    let stop = signals::stop_on_signal()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}: name another with --listen", args.listen))?;
    let (address, namespace) = (listener.local_addr()?, args.default_namespace);
    tracing::info!(gateway = %address, upstream = %args.upstream, images = %folder.display(), "serving the gateway");
    let catalog = Arc::new(FolderCatalog::new(folder, Some(namespace.clone()), Some(args.admin)));
    let store = catalog.clone();
    let queue = args.queue.options(None, Policy::default());
    let queue = queue.map(|options| Queue::open(options, catalog.clone())).transpose()?;
    let options =
        gateway::Options { catalog, store, auth, namespace, queue: queue.clone(), stop: stop.clone() };
    if let Some(address) = args.metrics {
        tell(address, queue.clone()).await?;
    }
    let (gateway, upstream) = (Gateway::new(options), Arc::new(args.upstream.clone()));
    let is_queueing = queue.is_some();
    let delivering = queue.map(|queue| tokio::spawn(queue.run(upstream, stop.clone())));
    let trusted = args.trusted_proxies.clone();
    let proxy = Proxy::new(args.upstream, args.trusted_proxies);
    let doors = Arc::new(Doors { gateway, proxy, trusted, is_queueing });
    listen::serve(listener, LIMITS, Gauge::default(), stop, move |peer, request| {
        let doors = doors.clone();
        async move { doors.answer(peer, request).await }
    })
    .await;
    if let Some(delivering) = delivering {
        // Panics of a task were printed where they happened.
        let _ = delivering.await;
    }
    Ok(())
}

/// Begins to tell health and numbers.
async fn tell(address: SocketAddr, queue: Option<Arc<Queue>>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: name another with --metrics"))?;
    tracing::info!(metrics = %listener.local_addr()?, "telling health and metrics");
    let never = CancellationToken::new();
    tokio::spawn(listen::serve(listener, LIMITS, Gauge::default(), never, move |_, request| {
        let response = match request.uri().path() {
            "/healthz" => plain(StatusCode::OK, "ok\n"),
            "/metrics" => {
                let numbers = queue.as_ref().map(|queue| queue.metrics()).unwrap_or_default();
                let mut response = plain(StatusCode::OK, format!("{numbers}# EOF\n"));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(METRICS_TYPE));
                response
            }
            _ => plain(StatusCode::NOT_FOUND, "there are /healthz and /metrics\n"),
        };
        async move { response }
    }));
    Ok(())
}

fn plain(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(text.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// What is behind the one port.
struct Doors {
    gateway: Gateway,
    proxy: Proxy,
    trusted: Vec<IpNet>,
    /// Without a queue, asynchronous calls are the server's to refuse.
    is_queueing: bool,
}

impl Doors {
    async fn answer(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        let is_health = path == "/healthz" && [Method::GET, Method::HEAD].contains(request.method());
        match path {
            _ if is_health => plain(StatusCode::OK, "ok\n"),
            path if is_system(path) => other(self.gateway.answer(request).await),
            path if self.is_queueing && is_async(path) => self.enqueue(peer, request).await,
            _ => self.proxy.call(peer, request).await,
        }
    }

    async fn enqueue(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let host = headers::check_host(&parts).map_err(|why| {
            Problem::new(StatusCode::BAD_REQUEST, Component::Request, Reason::HostInvalid, why)
        });
        let request = Request::from_parts(parts, body);
        let peer = Peer::new(peer, &self.trusted);
        match host.and_then(|host| headers::for_queue(request, peer, host)) {
            Ok((request, label)) => other(self.gateway.enqueue(request, label).await),
            Err(problem) => problem.response("", Reader::Caller),
        }
    }
}

fn other(response: Response<gateway::Body>) -> Response<Body> {
    response.map(|body| Body::Other(UnsyncBoxBody::new(body.map_err(Into::into))))
}
