//! Options of the gateway, OpenFaaS' REST API on the function port, and how it is put there.

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
use super::follow::FollowArgs;

/// Files of the folder that `--secret-mount-path` names.
const USER_FILE: &str = "basic-auth-user";
const PASSWORD_FILE: &str = "basic-auth-password";

/// Options of the gateway.
#[derive(Debug, clap::Args)]
pub struct GatewayArgs {
    /// Answer OpenFaaS' REST API below /system on the function port; functions that it deploys are written to --images.
    #[arg(long, env = "KONTAIN_GATEWAY", value_parser = FalseyValueParser::new())]
    pub gateway: bool,
    /// File with the name of the user of the API.
    #[arg(long, env = "KONTAIN_BASIC_AUTH_USER", value_name = "FILE", requires = "basic_auth_password")]
    pub basic_auth_user: Option<PathBuf>,
    /// File with that user's password.
    #[arg(long, env = "KONTAIN_BASIC_AUTH_PASSWORD", value_name = "FILE", requires = "basic_auth_user")]
    pub basic_auth_password: Option<PathBuf>,
    /// Folder with both, as the files basic-auth-user and basic-auth-password.
    #[arg(long, env = "KONTAIN_SECRET_MOUNT_PATH", value_name = "DIR", conflicts_with = "basic_auth_user")]
    pub secret_mount_path: Option<PathBuf>,
    /// File with a token that is taken as well, or instead.
    #[arg(long, env = "KONTAIN_BEARER_TOKEN", value_name = "FILE")]
    pub bearer_token: Option<PathBuf>,
    /// Let anybody deploy and remove functions who reaches the function port.
    #[arg(long, env = "KONTAIN_NO_AUTH", value_parser = FalseyValueParser::new())]
    pub no_auth: bool,
}

/// A gateway to a folder of documents.
pub struct Settings {
    folder: PathBuf,
    auth: Auth,
}

impl GatewayArgs {
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
        let auth = self.auth()?;
        if auth.is_open() {
            tracing::warn!(
                "--no-auth: anybody who reaches the function port deploys, changes and removes functions"
            );
        }
        Ok(Some(Settings { folder, auth }))
    }

    fn auth(&self) -> anyhow::Result<Auth> {
        let of_folder = self
            .secret_mount_path
            .as_ref()
            .map(|folder| (folder.join(USER_FILE), folder.join(PASSWORD_FILE)));
        let basic = self.basic_auth_user.clone().zip(self.basic_auth_password.clone()).or(of_folder);
        let why = match (self.no_auth, basic, self.bearer_token.clone()) {
            (true, None, None) => return Ok(Auth::open()),
            (true, _, _) => "--no-auth beside files of credentials: leave one out".to_owned(),
            (false, None, None) => {
                "--gateway needs to know who may ask: name files with --basic-auth-user and \
                --basic-auth-password, or with --secret-mount-path or --bearer-token, or say --no-auth"
                    .to_owned()
            }
            (false, basic, token) => match Auth::of_files(basic, token) {
                Ok(auth) => return Ok(auth),
                Err(error) => format!("{error:#}"),
            },
        };
        Err(Usage(why).into())
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
