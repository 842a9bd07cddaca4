//! The gateway: OpenFaaS' REST API (`/system/…`) over a catalog of Images and the secrets that clients keep.
//!
//! ```text
//! request ──► auth.rs ──► routes, below ──┬─► functions.rs ◄─► deployment.rs: their documents ⇄ Images ──► ImageCatalog
//!                                         ├─► secrets.rs ──► SecretStore
//!                                         ├─► logs.rs: lines of the node as ndjson
//!                                         ├─► queue/letters.rs: calls that are queued
//!                                         └─► system.rs: versions, namespaces
//! ```
//!
//! A function that is deployed here is an Image like any other: what commands and documents publish is seen here, and the other
//! way round. Answers are what OpenFaaS' clients act on: a status, JSON where they read it, a line of text otherwise
//! ([`failure`]). Calls of functions (`/function/…`) are the node's own and do not come here, but asynchronous ones do: [`queue`].

#![forbid(unsafe_code)]

pub mod auth;
mod deployment;
mod failure;
mod functions;
mod logs;
pub mod queue;
mod request;
mod secrets;
mod system;

use std::fmt;
use std::sync::Arc;

use axum::Router;
pub use axum::body::Body;
use axum::routing::{delete, get, post, put};
use bytes::Bytes;
use control::source::{ImageCatalog, SecretStore};
use http::{Request, Response};
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use self::auth::Auth;
use self::failure::Failure;
use self::queue::Queue;

/// Readers that follow logs at once: each makes the node tell its lines again and again.
const FOLLOWERS_MAX: usize = 32;

/// What a gateway works on.
pub struct Options {
    /// Where functions are published.
    pub catalog: Arc<dyn ImageCatalog>,
    /// Where secrets are kept.
    pub store: Arc<dyn SecretStore>,
    /// Who may ask.
    pub auth: Auth,
    /// Namespace of functions and secrets that are named without one.
    pub namespace: String,
    /// Asynchronous calls; without it they are refused.
    pub queue: Option<Arc<Queue>>,
    /// Ends what would go on for ever.
    pub stop: CancellationToken,
}

/// What the handlers share.
struct State {
    options: Options,
    /// Held while something is looked at and then changed.
    changing: Mutex<()>,
    followers: Arc<Semaphore>,
}

type Shared = axum::extract::State<Arc<State>>;

/// OpenFaaS' REST API.
#[derive(Clone)]
pub struct Gateway {
    state: Arc<State>,
    router: Router,
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").field("auth", &self.state.options.auth).finish_non_exhaustive()
    }
}

impl Gateway {
    /// A gateway to these.
    pub fn new(options: Options) -> Self {
        let followers = Arc::new(Semaphore::new(FOLLOWERS_MAX));
        let state = Arc::new(State { options, changing: Mutex::default(), followers });
        Self { router: router(state.clone()), state }
    }

    /// Answers a request for a path below `/system`.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        if let Err(failure) = self.state.options.auth.check(request.headers()) {
            return failure.response();
        }
        match self.router.clone().call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Every path there is.
fn router(state: Arc<State>) -> Router {
    let functions =
        get(functions::list).post(functions::create).put(functions::update).delete(functions::delete);
    let secrets = get(secrets::list).post(secrets::create).put(secrets::update).delete(secrets::delete);
    Router::new()
        .route("/system/functions", functions)
        .route("/system/function/{name}", get(functions::describe))
        .route("/system/scale-function/{name}", post(functions::scale))
        .route("/system/secrets", secrets)
        .route("/system/logs", get(logs::read))
        .route("/system/async-calls", get(queue::list))
        .route("/system/async-calls/{id}", delete(queue::delete))
        .route("/system/async-calls/{id}/redrive", post(queue::redrive))
        .route("/system/info", get(system::info))
        .route("/system/namespaces", get(system::namespaces))
        .route("/system/namespace/", post(system::change_namespace))
        .route(
            "/system/namespace/{name}",
            get(system::namespace).put(system::change_namespace).delete(system::change_namespace),
        )
        // As the documentation has it; clients use the former.
        .route("/system/namespaces/{name}", put(system::change_namespace).delete(system::change_namespace))
        .fallback(async || Failure::not_found("there is no such path of OpenFaaS' API here"))
        .with_state(state)
}
