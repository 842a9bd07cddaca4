//! Options that say who may use OpenFaaS' REST API.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use gateway::auth::Auth;

use super::Usage;

/// Files of the folder that `--secret-mount-path` names.
const USER_FILE: &str = "basic-auth-user";
const PASSWORD_FILE: &str = "basic-auth-password";

/// Who may use the API.
#[derive(Debug, clap::Args)]
pub struct AccessArgs {
    /// File with the name of the user of OpenFaaS' REST API.
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
    /// Let anybody deploy and remove functions who reaches the gateway.
    #[arg(long, env = "KONTAIN_NO_AUTH", value_parser = FalseyValueParser::new())]
    pub no_auth: bool,
}

impl AccessArgs {
    /// Who may use it.
    ///
    /// # Errors
    /// [`Usage`], when that is not said, or a file cannot be used.
    pub fn auth(&self) -> anyhow::Result<Auth> {
        let of_folder = self
            .secret_mount_path
            .as_ref()
            .map(|folder| (folder.join(USER_FILE), folder.join(PASSWORD_FILE)));
        let basic = self.basic_auth_user.clone().zip(self.basic_auth_password.clone()).or(of_folder);
        let why = match (self.no_auth, basic, self.bearer_token.clone()) {
            (true, None, None) => {
                tracing::warn!(
                    "--no-auth: anybody who reaches the gateway deploys, changes and removes functions"
                );
                return Ok(Auth::open());
            }
            (true, _, _) => "--no-auth beside files of credentials: leave one out".to_owned(),
            (false, None, None) => {
                "the gateway needs to know who may ask: name files with --basic-auth-user and \
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
