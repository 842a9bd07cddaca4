//! Options that say where functions are published: a cluster, or a folder of documents beside a server.

use std::net::SocketAddr;
use std::path::PathBuf;

use api::FunctionName;
use control::source::cluster::client::ConnectOptions;
use control::source::{CatalogOptions, ImageCatalog, open_catalog};

use super::Usage;
use super::output::Format;

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

impl SourceArgs {
    /// The catalog that the options name.
    ///
    /// # Errors
    /// When there is no usable kubeconfig.
    pub async fn open(&self) -> anyhow::Result<Box<dyn ImageCatalog>> {
        let cluster = ConnectOptions { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        let (images, namespace) = (self.images.clone(), self.namespace.clone());
        open_catalog(CatalogOptions { images, namespace, cluster, admin: self.admin }).await
    }
}

/// `NAME` or `NAMESPACE/NAME` as a name.
///
/// # Errors
/// When it cannot be one.
pub fn name(catalog: &dyn ImageCatalog, text: &str) -> anyhow::Result<FunctionName> {
    let whole = if text.contains('/') { text.to_owned() } else { format!("{}/{text}", catalog.namespace()) };
    whole.parse().map_err(|error| Usage(error).into())
}
