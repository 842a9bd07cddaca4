//! The client of the API server: from a kubeconfig, or as a pod has it.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// What connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What the API server may be silent beyond a watch's own time-out.
const SILENCE: Duration = Duration::from_secs(15);

/// How a cluster is found by a person's command.
#[derive(Clone, Debug, Default)]
pub struct ConnectOptions {
    /// The kubeconfig; by default that in its usual places, or what a pod has.
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; by default its current one.
    pub context: Option<String>,
}

impl ConnectOptions {
    /// The configuration of a client for the cluster.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it cannot be used.
    pub async fn config(&self) -> anyhow::Result<Config> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        Ok(match &self.kubeconfig {
            Some(file) => Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?,
            None if self.context.is_some() => Config::from_kubeconfig(&options).await?,
            None => Config::infer().await?,
        })
    }
}

/// A client for the cluster of the kubeconfig (`KUBECONFIG`, `~/.kube/config`), or of the pod that this runs in.
///
/// # Errors
/// When there is neither, or it cannot be used.
pub async fn connect(watch_timeout: Duration) -> Result<Client, kube::Error> {
    let mut config = Config::infer().await.map_err(kube::Error::InferConfig)?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // A watch is renewed by the server after its time-out; what is silent for longer is dead.
    config.read_timeout = Some(watch_timeout + SILENCE);
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

/// The status code of an answer that is an error.
pub fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// The error in words, without the debug output that the client library puts beside them.
pub fn words(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => {
            let mut text = other.to_string();
            let mut cause = std::error::Error::source(other);
            while let Some(error) = cause {
                let more = error.to_string();
                if !text.contains(&more) {
                    text = format!("{text}: {more}");
                }
                cause = error.source();
            }
            text
        }
    }
}
