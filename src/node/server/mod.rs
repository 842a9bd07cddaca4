//! The server: listens, routes, invokes, drains.
//!
//! * [`listen`]: connections and their limits. [`admin`]: the admin port. [`system`]: an API that is none of a function.
//! * [`invoke`]: the way of a call, with [`route`], [`headers`], [`intake`] (request body, with [`ahead`]), [`admission`], [`body`]
//!   (response body, with [`framing`], [`origin`], [`opening`] and [`watch`]), [`tunnel`] (switched protocols), [`verdict`] and [`problem`] (what went wrong; [`refusal`] for what
//!   hyper refuses), [`calls`] (records). [`inward`]: requests of functions for functions.
//! * [`exchange`]: calls that are no HTTP to the program, as [`stdio`] and [`kontain`] have them; [`inlay`] and [`variables`]:
//!   what a machine is given beside the request.
//! * [`functions`]: what is served; [`follow`] follows the volume's records, [`revise`] makes each version ready, with [`losses`] of snapshots and [`watchdog`]s.

pub mod admin;
pub mod admission;
pub mod ahead;
pub mod body;
pub mod calls;
pub mod exchange;
pub mod fault;
mod finish;
pub mod follow;
pub mod framing;
pub mod functions;
pub mod headers;
pub mod inlay;
pub mod intake;
pub mod invoke;
pub mod inward;
pub mod kontain;
pub mod listen;
pub mod losses;
pub mod opening;
pub mod origin;
pub mod problem;
pub mod reason;
pub mod refusal;
pub mod report;
pub mod revise;
pub mod route;
pub mod stdio;
pub mod system;
pub mod tunnel;
pub mod variables;
pub mod verdict;
pub mod watch;
mod watchdog;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Version};
use hyper::body::Incoming;
use ipnet::IpNet;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use self::admission::Turns;
use self::ahead::Ledger;
use self::body::Body;
use self::calls::Calls;
use self::functions::{Function, Functions};
use self::headers::{CALL_ID, Peer};
use self::invoke::Arrival;
use self::listen::Limits;
use self::problem::Reader;
use self::route::{Names, Source, Target};
use self::system::SystemApi;
use crate::metrics::{Metrics, OfReason, OfStatus};
use crate::pool::Node;
use volume::Volume;
use volume::readiness::Readiness;
use volume::secrets::Secrets;

/// Options of the server.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Longest body of a request.
    pub max_body: u64,
    /// Calls in flight on this node.
    pub max_calls: usize,
    /// Proxies whose word about the client is taken.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the listener stays after the first signal.
    pub drain_delay: Duration,
    /// Limits of connections.
    pub limits: Limits,
    /// Bytes of requests that are held before they have a machine: in all, and of one peer.
    pub max_ahead: (u64, u64),
    /// Bytes of one function's output that reach the log in a second.
    pub log_rate: u64,
    /// Log records that were dropped so far.
    pub dropped_records: fn() -> u64,
    /// Who reads the problem documents of the function port.
    pub problems: Reader,
    /// What names mean that clients give functions.
    pub names: Names,
    /// What answers below `/system`; nothing does without.
    pub system: Option<Arc<dyn SystemApi>>,
}

/// Who still calls after the delay has not learnt that this node leaves, as proxies under load do late. It is answered
/// until nobody called for so long,
const SILENCE: Duration = Duration::from_secs(1);
/// but not for longer than this.
const LATEST: Duration = Duration::from_secs(20);

/// Bundles that are opened at once: more only take the processors from those who answer calls.
const OPENERS: usize = 2;

/// One node's server: what listeners, admin port and revisions share.
#[derive(Debug)]
pub struct Server {
    /// What the command line decided.
    pub options: ServerOptions,
    /// Records of functions, bundles, snapshots and reports.
    pub volume: Volume,
    /// Workers, memory, snapshots.
    pub node: Arc<Node>,
    /// Every function that the volume names.
    pub functions: Functions,
    /// Metrics of the admin port.
    pub metrics: Metrics,
    /// The secrets of functions.
    pub secrets: Secrets,
    /// Records of calls that ended.
    pub calls: Calls,
    /// Turns of the node.
    pub turns: Arc<Turns>,
    /// Bytes of requests that no machine has taken yet.
    pub ahead: Arc<Ledger>,
    /// Bundles that are opened at once.
    pub openers: Semaphore,
    scanned: AtomicBool,
    /// What was there at the start.
    first: OnceLock<Vec<Arc<Function>>>,
    /// All of that was tried once: from then on no function keeps calls from the others.
    settled: AtomicBool,
    draining: AtomicBool,
    /// Calls that came, to notice when none do any more.
    arrived: AtomicU64,
    source: OnceLock<Arc<Readiness>>,
}

impl Server {
    /// A server that serves nothing yet.
    pub fn new(options: ServerOptions, volume: Volume, node: Arc<Node>) -> Arc<Self> {
        let turns = Turns::new(options.max_calls);
        let ahead = Ledger::new(options.max_ahead.0, options.max_ahead.1);
        let server = Arc::new(Self {
            options,
            volume,
            node,
            functions: Functions::default(),
            metrics: Metrics::default(),
            secrets: Secrets::default(),
            calls: Calls::default(),
            turns,
            ahead,
            openers: Semaphore::new(OPENERS),
            scanned: AtomicBool::new(false),
            first: OnceLock::new(),
            settled: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            arrived: AtomicU64::new(0),
            source: OnceLock::new(),
        });
        if let Some(reach) = &server.node.reach {
            reach.tell(&server);
        }
        server
    }

    /// Serves both listeners until `stop`, then drains. `changed` says that the volume has news.
    pub async fn run(
        self: &Arc<Self>,
        functions: TcpListener,
        admin: TcpListener,
        changed: Arc<Notify>,
        stop: CancellationToken,
    ) {
        let follower = tokio::spawn(follow::follow(self.clone(), changed));
        let listener_stop = CancellationToken::new();
        let server = self.clone();
        let served = tokio::spawn(listen::serve(
            functions,
            self.options.limits,
            self.metrics.connections.clone(),
            listener_stop.clone(),
            move |peer, request| server.clone().handle(peer, request),
        ));
        let server = self.clone();
        let admin_stop = CancellationToken::new();
        let admin = tokio::spawn(listen::serve(
            admin,
            self.options.limits,
            Gauge::default(),
            admin_stop.clone(),
            move |_, request| {
                let response = admin::answer(&server, &request);
                async move { response }
            },
        ));
        stop.cancelled().await;
        tracing::info!("draining: calls in flight finish, the node is not ready any more");
        self.draining.store(true, Ordering::Relaxed);
        if !self.options.drain_delay.is_zero() {
            tokio::time::sleep(self.options.drain_delay).await;
            // At the end of its time it is over, whoever calls.
            let _ = tokio::time::timeout(LATEST, self.silence()).await;
        }
        listener_stop.cancel();
        // Panics of a task were printed where they happened.
        let _ = served.await;
        follower.abort();
        admin_stop.cancel();
        let _ = admin.await;
    }

    /// Until nobody called for a while.
    async fn silence(&self) {
        let mut before = self.arrived.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(SILENCE).await;
            let now = self.arrived.load(Ordering::Relaxed);
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// The functions come from a source in this process: ready is only who is through with its first list.
    pub fn follows(&self, source: Arc<Readiness>) {
        // There is one source, named once.
        let _ = self.source.set(source);
    }

    /// What the source listed first stands on the volume.
    pub fn is_listed(&self) -> bool {
        self.source.get().is_none_or(|source| source.unready().is_none())
    }

    /// The volume was read, and before that [`Self::is_listed`] said `listed`. Without a source in this process another one
    /// fills the volume: then the start ends with the first functions that it brings.
    pub fn scanned(&self, listed: bool) {
        let all = self.functions.all();
        if listed && (self.source.get().is_some() || !all.is_empty()) {
            self.first.get_or_init(|| all);
        }
        self.scanned.store(true, Ordering::Relaxed);
    }

    /// Why this node should get no calls, if so. Ready is a latch: once all that was there at the start was tried, only
    /// the end of the node, or a host that starts no worker, takes it back.
    pub fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            return Some("draining".to_owned());
        }
        if let Some(problem) = self.node.stock.problem() {
            return Some(problem);
        }
        if self.settled.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(reason) = self.source.get().and_then(|source| source.unready()) {
            return Some(reason);
        }
        let Some(first) = self.first.get() else {
            let empty = self.scanned.load(Ordering::Relaxed) && self.source.get().is_none();
            return (!empty).then(|| "the published functions are not read yet".to_owned());
        };
        let is_awaited = |function: &&Arc<Function>| {
            let known = self.functions.get(function.name.as_str());
            !function.was_tried() && known.is_some_and(|known| Arc::ptr_eq(&known, function))
        };
        let untried = first.iter().filter(is_awaited).count();
        if untried > 0 {
            return Some(format!("{untried} of {} functions are being made ready", first.len()));
        }
        self.settled.store(true, Ordering::Relaxed);
        None
    }

    /// Answers a request to the function port.
    async fn handle(self: Arc<Self>, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let peer = Peer::new(peer, &self.options.trusted_proxies);
        self.answer(peer, None, request).await
    }

    /// Answers a function's request for another one.
    async fn handle_inward(
        self: Arc<Self>,
        from: inward::Caller,
        request: Request<Incoming>,
    ) -> Response<Body> {
        self.answer(inward::Caller::peer(), Some(&from), request).await
    }

    async fn answer(
        self: Arc<Self>,
        peer: Peer,
        from: Option<&inward::Caller>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let begun = Instant::now();
        let (parts, body) = request.into_parts();
        let host = headers::check_host(&parts);
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        let named = host.as_ref().ok().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let routed = self.options.names.find(Target { host: named, path: &path });
        let dialect = routed.dialect;
        let is_look = [Method::GET, Method::HEAD].contains(&parts.method);
        if is_look && path.path() == "/healthz" && !dialect.owns_host() {
            return admin::health();
        }
        if let Some(system) = &self.options.system
            && from.is_none()
            && let Ok(host) = &host
            && !dialect.owns_host()
        {
            if system::is_system(path.path()) {
                return system.answer(Request::from_parts(parts, body)).await.map(Body::Other);
            }
            if system.is_async(path.path()) {
                return self.enqueue(&**system, peer, host.clone(), Request::from_parts(parts, body)).await;
            }
        }
        self.arrived.fetch_add(1, Ordering::Relaxed);
        let (id, has_id) = headers::call_id(&parts.headers);
        let version = parts.version;
        let name = routed.found.as_ref().map(|route| route.function.clone()).unwrap_or_default();
        let asked = dialect.note(&parts.headers, has_id);
        let arrival = Arrival { begun, peer, from, id: &id, host, routed, asked: &asked };
        let (response, source) = match invoke::invoke(&self, arrival, parts, body).await {
            Ok(response) => (response, Source::Function),
            Err(problem) => {
                let known = self.functions.get(&name).map(|_| name.clone()).unwrap_or_default();
                let label = OfReason { faas_name: known, error_type: problem.reason.word().to_owned() };
                self.metrics.errors.get_or_create(&label).inc();
                let status = problem.status.as_u16();
                tracing::debug!(
                    function = name,
                    call = id,
                    status,
                    reason = problem.reason.word(),
                    "{}",
                    problem.detail()
                );
                (problem.response(&id, self.options.problems), Source::Platform)
            }
        };
        self.count(&name, response.status().as_u16());
        let (mut parts, body) = response.into_parts();
        if let Ok(id) = HeaderValue::try_from(id) {
            parts.headers.insert(CALL_ID, id);
        }
        dialect.answer(&mut parts, asked, source);
        let headers = &mut parts.headers;
        if self.draining.load(Ordering::Relaxed)
            && version < Version::HTTP_2
            && !headers.contains_key(CONNECTION)
        {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Response::from_parts(parts, body)
    }

    /// Queues a call, whoever the gateway is.
    async fn enqueue(
        &self,
        system: &dyn SystemApi,
        peer: Peer,
        host: HeaderValue,
        request: Request<Incoming>,
    ) -> Response<Body> {
        match headers::for_queue(request, peer, host) {
            Ok((request, label)) => system.enqueue(request, label).await.map(Body::Other),
            Err(problem) => problem.response("", self.options.problems),
        }
    }

    /// Serves a connection of a part of this process, whose word about the client is taken.
    pub async fn serve_within<S>(self: Arc<Self>, stream: S)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer { address: SocketAddr::from(([127, 0, 0, 1], 0)), trusted: true };
        let limits = self.options.limits;
        listen::serve_one(stream, limits, move |request| {
            let server = self.clone();
            async move { server.answer(peer, None, request).await }
        })
        .await;
    }

    fn count(&self, name: &str, status: u16) {
        // Names that are not published would let clients fill the memory with labels.
        let function = self.functions.get(name);
        if let Some(function) = &function {
            function.answered.fetch_add(1, Ordering::Relaxed);
        }
        let faas_name = if function.is_some() { name.to_owned() } else { String::new() };
        self.metrics
            .invocations
            .get_or_create(&OfStatus { faas_name, http_response_status_code: status })
            .inc();
    }
}
