//! OpenFaaS' REST API on the function port of `serve`: its options, and how it is put there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use control::source::folder::FolderCatalog;
use egress::Policy;
use gateway::Gateway;
use gateway::auth::Auth;
use gateway::queue::{self, Queue};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use node::server::Server;
use node::server::system::{Answer, OtherBody, SystemApi};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::access::AccessArgs;
use super::follow::FollowArgs;
use super::queue::{QueueArgs, Within};

/// Options of the API.
#[derive(Debug, clap::Args)]
pub struct SystemArgs {
    /// Answer OpenFaaS' REST API below /system on the function port; functions that it deploys are written to --images.
    #[arg(long, env = "KONTAIN_GATEWAY", value_parser = FalseyValueParser::new())]
    pub gateway: bool,
    /// Who may use it.
    #[command(flatten)]
    pub access: AccessArgs,
    /// How asynchronous calls are kept and tried.
    #[command(flatten)]
    pub queue: QueueArgs,
}

/// A gateway to a folder of documents.
pub struct Settings {
    folder: PathBuf,
    auth: Auth,
    queue: Option<queue::Options>,
}

impl SystemArgs {
    /// What they ask for; nothing without `--gateway`. The queue's file is `queue` if no other is named; callbacks reach what `policy`
    /// does not refuse.
    ///
    /// # Errors
    /// [`Usage`], when it is not said who may ask, or there is no folder to write to.
    pub fn settings(
        &self,
        follow: &FollowArgs,
        queue: PathBuf,
        policy: Policy,
    ) -> anyhow::Result<Option<Settings>> {
        if !self.gateway {
            return Ok(None);
        }
        let Some(folder) = follow.images.clone() else {
            let why = "--gateway writes into a folder of documents: name one with --images (a cluster's Images are not written yet)";
            return Err(Usage(why.to_owned()).into());
        };
        let queue = self.queue.options(Some(queue), policy);
        Ok(Some(Settings { folder, auth: self.access.auth()?, queue }))
    }
}

impl Settings {
    /// The gateway, which asks the node at `admin`; what it does, `runtime` does, so that calls do not wait for it.
    ///
    /// # Errors
    /// When the queue's file cannot be used.
    pub fn open(
        self,
        admin: SocketAddr,
        namespace: &str,
        stop: CancellationToken,
        runtime: Handle,
    ) -> anyhow::Result<Arc<Front>> {
        let catalog = Arc::new(FolderCatalog::new(self.folder, Some(namespace.to_owned()), Some(admin)));
        let (store, namespace) = (catalog.clone(), namespace.to_owned());
        let queue = self.queue.map(|options| Queue::open(options, catalog.clone())).transpose()?;
        let options = gateway::Options {
            catalog,
            store,
            auth: self.auth,
            namespace,
            queue: queue.clone(),
            stop: stop.clone(),
        };
        Ok(Arc::new(Front { gateway: Gateway::new(options), runtime, queue, stop }))
    }
}

/// The gateway as the node asks it.
#[derive(Debug)]
pub struct Front {
    gateway: Gateway,
    runtime: Handle,
    queue: Option<Arc<Queue>>,
    stop: CancellationToken,
}

impl Front {
    /// Begins to deliver what is queued to this server, which serves in the runtime of the caller.
    pub fn deliver(&self, server: &Arc<Server>) -> Option<JoinHandle<()>> {
        let upstream = Arc::new(Within::new(server));
        self.queue.clone().map(|queue| self.runtime.spawn(queue.run(upstream, self.stop.clone())))
    }

    /// It goes on to its end when the client goes away: what it changes, it changes whole.
    fn spawn(&self, answer: impl Future<Output = Response<gateway::Body>> + Send + 'static) -> Answer {
        let answered = self.runtime.spawn(answer);
        Box::pin(async move {
            match answered.await {
                Ok(response) => response.map(|body| UnsyncBoxBody::new(body.map_err(Into::into))),
                Err(_) => {
                    let mut response = Response::new(OtherBody::default());
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }
}

impl SystemApi for Front {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        let gateway = self.gateway.clone();
        self.spawn(async move { gateway.answer(request).await })
    }

    fn is_async(&self, path: &str) -> bool {
        queue::is_async(path)
    }

    fn enqueue(&self, request: Request<Incoming>, label: Option<String>) -> Answer {
        let gateway = self.gateway.clone();
        self.spawn(async move { gateway.enqueue(request, label).await })
    }

    fn metrics(&self) -> String {
        self.queue.as_ref().map(|queue| queue.metrics()).unwrap_or_default()
    }
}
