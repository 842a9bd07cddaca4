//! OpenFaaS' builder API: a signed archive of a context comes in, and an image that is pushed, or the reason why there is none,
//! goes out.
//!
//! ```text
//! POST /build ─► signature ─► intake: bytes into a file, hashed ─► order: what is asked for ◄─ sealed: its secrets
//!                                                                    │
//!   answer: JSON, or lines of it ◄── events ── process: `build` in a process of its own ◄── usage: what it takes
//! GET /publickey, /healthz, /ready                     metrics, on a port of their own
//! ```
//! A context is a stranger's. Nothing of it is looked at before its signature is right, and what looks at it then, down to the
//! unpacking, is another process, which knows neither the key of signatures nor that of secrets. That process is killed when its
//! client goes away, when its time is up or when it takes too much; since `kill -9` may come at any moment of a build, nothing else is needed.
#![forbid(unsafe_code)]

mod answer;
mod intake;
mod metrics;
mod order;
mod process;
mod sealed;
mod signature;
mod usage;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::answer::Body;
use self::answer::{Refusal, json, text};
pub use self::metrics::Metrics;
pub use self::sealed::{KeyError, PrivateKey};
pub use self::signature::Signature;

/// Contexts that come at once, for each build that may run: so many wait for their last byte, whoever sends them.
const UPLOADS_PER_BUILD: usize = 4;
/// So many builds may end without a collection of what they kept; then nobody builds until there was one.
const UNCOLLECTED_MAX: usize = 32;

/// What one build may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Time.
    pub time: Duration,
    /// Bytes on the disk: files without a name, those of its folder, and layers that it adds to the cache.
    pub disk: u64,
    /// Bytes of memory, besides those of its machines.
    pub memory: u64,
}

/// Removes what builds kept beyond what is allowed; says whether it could, which it can while nobody builds.
pub type Collect = Box<dyn Fn() -> bool + Send + Sync>;

/// What a builder works with.
pub struct Options {
    /// The program that builds: this one.
    pub program: PathBuf,
    /// Its arguments for any build.
    pub arguments: Vec<OsString>,
    /// Folder for contexts, and for what builds have while they run.
    pub scratch: PathBuf,
    /// How contexts are signed.
    pub signature: Signature,
    /// Opens secrets.
    pub key: Option<PrivateKey>,
    /// Builds at once.
    pub max_inflight: usize,
    /// Bytes of a context.
    pub max_body: u64,
    /// What one build may take.
    pub limits: Limits,
    /// After builds.
    pub collect: Collect,
    /// No build begins any more, and those that run are given a moment.
    pub stop: CancellationToken,
}

/// The API.
pub struct Builder {
    options: Options,
    places: Arc<Semaphore>,
    uploads: Arc<Semaphore>,
    uncollected: std::sync::atomic::AtomicUsize,
    /// Its numbers.
    pub metrics: Metrics,
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder").field("signature", &self.options.signature).finish_non_exhaustive()
    }
}

impl Builder {
    /// One that has built nothing.
    pub fn new(options: Options) -> Arc<Self> {
        let places = Arc::new(Semaphore::new(options.max_inflight));
        let uploads = Arc::new(Semaphore::new(options.max_inflight.saturating_mul(UPLOADS_PER_BUILD)));
        Arc::new(Self { options, places, uploads, uncollected: 0.into(), metrics: Metrics::default() })
    }

    /// Answers a request.
    pub async fn answer<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let is_get = [Method::GET, Method::HEAD].contains(request.method());
        match request.uri().path() {
            "/build" if request.method() == Method::POST => self.build(request).await,
            "/build" => not_allowed("POST"),
            "/healthz" | "/ready" | "/publickey" if !is_get => not_allowed("GET"),
            "/healthz" => text(StatusCode::OK, "OK"),
            "/ready" if self.is_busy() => text(StatusCode::SERVICE_UNAVAILABLE, "busy"),
            "/ready" => text(StatusCode::OK, "OK"),
            "/publickey" => match &self.options.key {
                Some(key) => json(StatusCode::OK, &key.public()),
                None => text(StatusCode::NOT_FOUND, "this builder has no key for build secrets"),
            },
            _ => text(StatusCode::NOT_FOUND, "there are /build, /publickey, /healthz and /ready"),
        }
    }

    /// No build may begin.
    fn is_busy(&self) -> bool {
        let uncollected = self.uncollected.load(std::sync::atomic::Ordering::Relaxed);
        self.places.available_permits() == 0
            || uncollected >= UNCOLLECTED_MAX
            || self.options.stop.is_cancelled()
    }

    async fn build<B>(self: &Arc<Self>, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (head, mut body) = request.into_parts();
        let streams = answer::wants_lines(&head.headers);
        let expected = match self.check(&head.headers) {
            Ok(expected) => expected,
            Err(refusal) => {
                // Who waits to be asked for the body is not asked.
                let waits = head.headers.contains_key(header::EXPECT);
                return self.refuse(refusal, (!waits).then_some(&mut body)).await;
            }
        };
        match self.begin(expected, &mut body).await {
            Ok(process::Begun { image, events, hold }) if streams => answer::lines(image, events, hold),
            Ok(process::Begun { image, events, hold }) => answer::whole(image, events, hold).await,
            Err(refusal) => self.refuse(refusal, Some(&mut body)).await,
        }
    }

    async fn refuse<B>(&self, refusal: Refusal, body: Option<&mut B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        self.metrics.refused(refusal.status);
        // A client that still writes when the connection ends does not read the answer.
        if let Some(body) = body {
            intake::discard(body).await;
        }
        refusal.response()
    }

    /// What the head of a request says.
    fn check(&self, head: &http::HeaderMap) -> Result<Option<signature::Expected>, Refusal> {
        let expected = self.options.signature.expected(head)?;
        let length = head.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        if length.is_some_and(|length: u64| length > self.options.max_body) {
            return Err(self.too_large());
        }
        if self.is_busy() { Err(Refusal::busy()) } else { Ok(expected) }
    }

    async fn begin<B>(
        self: &Arc<Self>,
        expected: Option<signature::Expected>,
        body: &mut B,
    ) -> Result<process::Begun, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let upload = Arc::clone(&self.uploads).try_acquire_owned().map_err(|_| Refusal::busy())?;
        let received = intake::receive(body, &self.options.scratch, self.options.max_body, expected).await?;
        let Some(context) = received else { return Err(self.too_large()) };
        drop(upload);
        if self.is_busy() {
            return Err(Refusal::busy());
        }
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| Refusal::busy())?;
        Ok(process::begin(Arc::clone(self), context, place).await)
    }

    fn too_large(&self) -> Refusal {
        let max = self.options.max_body;
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a context has at most {max} bytes here"))
    }

    /// A build has ended, and what it kept may be too much.
    async fn collect(self: Arc<Self>) {
        use std::sync::atomic::Ordering::Relaxed;
        self.uncollected.fetch_add(1, Relaxed);
        let builder = Arc::clone(&self);
        let done = tokio::task::spawn_blocking(move || (builder.options.collect)()).await;
        if done.is_ok_and(|done| done) {
            self.uncollected.store(0, Relaxed);
        }
    }
}

fn not_allowed(method: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, &format!("this path takes {method}"));
    response.headers_mut().insert(header::ALLOW, http::HeaderValue::from_static(method));
    response
}
