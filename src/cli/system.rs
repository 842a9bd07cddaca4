//! OpenFaaS' REST API on the function port of `serve`: its options, and how it is put there.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::builder::FalseyValueParser;
use control::source::folder::FolderCatalog;
use gateway::Gateway;
use gateway::auth::Auth;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use node::server::system::{Answer, OtherBody, SystemApi};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::Usage;
use super::access::AccessArgs;
use super::follow::FollowArgs;

/// Options of the API.
#[derive(Debug, clap::Args)]
pub struct SystemArgs {
    /// Answer OpenFaaS' REST API below /system on the function port; functions that it deploys are written to --images.
    #[arg(long, env = "KONTAIN_GATEWAY", value_parser = FalseyValueParser::new())]
    pub gateway: bool,
    /// Who may use it.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// A gateway to a folder of documents.
pub struct Settings {
    folder: PathBuf,
    auth: Auth,
}

impl SystemArgs {
    /// What they ask for; nothing without `--gateway`.
    ///
    /// # Errors
    /// [`Usage`], when it is not said who may ask, or there is no folder to write to.
    pub fn settings(&self, follow: &FollowArgs) -> anyhow::Result<Option<Settings>> {
        if !self.gateway {
            return Ok(None);
        }
        let Some(folder) = follow.images.clone() else {
            let why = "--gateway writes into a folder of documents: name one with --images (a cluster's Images are not written yet)";
            return Err(Usage(why.to_owned()).into());
        };
        Ok(Some(Settings { folder, auth: self.access.auth()? }))
    }
}

impl Settings {
    /// The gateway, which asks the node at `admin`; what it does, `runtime` does, so that calls do not wait for it.
    pub fn open(
        self,
        admin: SocketAddr,
        namespace: &str,
        stop: CancellationToken,
        runtime: Handle,
    ) -> Arc<dyn SystemApi> {
        let catalog = Arc::new(FolderCatalog::new(self.folder, Some(namespace.to_owned()), Some(admin)));
        let (store, namespace) = (catalog.clone(), namespace.to_owned());
        let gateway = Gateway::new(gateway::Options { catalog, store, auth: self.auth, namespace, stop });
        Arc::new(Front { gateway, runtime })
    }
}

/// The gateway as the node asks it.
#[derive(Debug)]
struct Front {
    gateway: Gateway,
    runtime: Handle,
}

impl SystemApi for Front {
    fn answer(&self, request: Request<Incoming>) -> Answer {
        let gateway = self.gateway.clone();
        // It goes on to its end when the client goes away: what it changes, it changes whole.
        let answered = self.runtime.spawn(async move { gateway.answer(request).await });
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
