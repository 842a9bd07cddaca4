//! Where published functions are: a cluster, or a folder of documents beside a server. Commands work on either alike.

mod cluster;
mod directory;

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::cluster::Cluster;
use self::directory::Directory;
use super::output::Format;
use crate::api::FunctionName;
use crate::api::image::DEFAULT_NAMESPACE;
use crate::cluster::object::Object;

/// Options that name the source.
#[derive(Clone, Debug, clap::Args)]
pub struct SourceArgs {
    /// Folder of Image documents that a server follows; without it, the cluster of the kubeconfig.
    #[arg(long, env = "KONTAIN_IMAGES", value_name = "DIR")]
    pub images: Option<PathBuf>,
    /// Namespace; by default that of the kubeconfig's context, or `default`.
    #[arg(short, long, env = "KONTAIN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// The kubeconfig; by default that in its usual places.
    #[arg(long, env = "KONTAIN_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, env = "KONTAIN_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
    /// Admin port of the server; in a cluster it is found by forwarding if this is not given.
    #[arg(long, env = "KONTAIN_ADMIN", value_name = "ADDR")]
    pub admin: Option<SocketAddr>,
}

/// Options of commands that show what is published.
#[derive(Clone, Debug, clap::Args)]
pub struct ViewArgs {
    /// How to print.
    #[arg(short, long, env = "KONTAIN_OUTPUT_FORMAT", value_enum, default_value = "table")]
    pub output: Format,
    /// Where it is published.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Options of commands that show what is known of one function.
#[derive(Clone, Debug, clap::Args)]
pub struct FunctionArgs {
    /// The function: NAME, or NAMESPACE/NAME.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// How, and of which source.
    #[command(flatten)]
    pub view: ViewArgs,
}

/// The source.
pub enum Source {
    /// A cluster.
    Cluster(Box<Cluster>),
    /// A folder.
    Directory(Directory),
}

/// One line that a function wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, RFC 3339 with microseconds.
    pub time: String,
    /// The call that was served.
    pub call: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The text, escaped.
    pub text: String,
}

impl SourceArgs {
    /// The source that the options name.
    ///
    /// # Errors
    /// When there is no usable kubeconfig.
    pub async fn open(&self) -> anyhow::Result<Source> {
        Ok(match &self.images {
            Some(folder) => Source::Directory(Directory::new(
                folder.clone(),
                self.namespace.clone().unwrap_or_else(|| DEFAULT_NAMESPACE.to_owned()),
                self.admin,
            )),
            None => Source::Cluster(Box::new(Cluster::connect(self).await?)),
        })
    }
}

impl Source {
    /// The namespace that is meant where none is named.
    pub fn namespace(&self) -> &str {
        match self {
            Self::Cluster(cluster) => &cluster.namespace,
            Self::Directory(directory) => &directory.namespace,
        }
    }

    /// `NAME` or `NAMESPACE/NAME` as a name.
    ///
    /// # Errors
    /// When it cannot be one.
    pub fn name(&self, text: &str) -> anyhow::Result<FunctionName> {
        let whole = if text.contains('/') { text.to_owned() } else { format!("{}/{text}", self.namespace()) };
        whole.parse().map_err(|error| super::Usage(error).into())
    }

    /// The Image of a function, with its status.
    ///
    /// # Errors
    /// When it cannot be asked for.
    pub async fn get(&self, name: &FunctionName) -> anyhow::Result<Option<Object>> {
        match self {
            Self::Cluster(cluster) => cluster.get(name).await,
            Self::Directory(directory) => directory.get(name).await,
        }
    }

    /// All Images of the namespace, or of all of them.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn list(&self, all: bool) -> anyhow::Result<Vec<Object>> {
        let mut found = match self {
            Self::Cluster(cluster) => cluster.list(all).await?,
            Self::Directory(directory) => directory.list(all).await?,
        };
        let key = |object: &Object| (object.metadata.namespace.clone(), object.metadata.name.clone());
        found.sort_by_key(key);
        Ok(found)
    }

    /// Gives a function this specification, new or instead of another; returns the generation that this is.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn put(&self, name: &FunctionName, spec: &Value, old: Option<&Object>) -> anyhow::Result<i64> {
        match self {
            Self::Cluster(cluster) => cluster.put(name, spec, old).await,
            Self::Directory(directory) => directory.put(name, spec).map(|()| 0),
        }
    }

    /// Takes a function back; `false` when there was none.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub async fn remove(&self, name: &FunctionName) -> anyhow::Result<bool> {
        match self {
            Self::Cluster(cluster) => cluster.remove(name).await,
            Self::Directory(directory) => directory.remove(name),
        }
    }

    /// What a function wrote, of one call or of all, in order.
    ///
    /// # Errors
    /// When no server can be asked.
    pub async fn logs(&self, name: &FunctionName, call: Option<&str>) -> anyhow::Result<Vec<LogLine>> {
        match self {
            Self::Cluster(cluster) => cluster.logs(name, call).await,
            Self::Directory(directory) => directory.logs(name, call).await,
        }
    }

    /// Events about a function, one line each; a folder has none.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn events(&self, name: &FunctionName) -> anyhow::Result<Vec<String>> {
        match self {
            Self::Cluster(cluster) => cluster.events(name).await,
            Self::Directory(_) => Ok(Vec::new()),
        }
    }

    /// Where functions are called, without the function's own path.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn url(&self) -> anyhow::Result<Option<String>> {
        match self {
            Self::Cluster(cluster) => cluster.url().await,
            Self::Directory(_) => Ok(Some("http://127.0.0.1:8080".to_owned())),
        }
    }
}

/// The path of `/logs` for a function.
fn logs_path(name: &FunctionName, call: Option<&str>) -> String {
    let call = call.map(|call| {
        let escaped: String = call
            .bytes()
            .map(|byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            })
            .collect();
        format!("&call={escaped}")
    });
    format!("/logs?function={name}{}", call.unwrap_or_default())
}
