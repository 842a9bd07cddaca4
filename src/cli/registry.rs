//! Options for registries, the same for every command that pulls.

use std::path::{Path, PathBuf};

use api::units::{Quantity, Span};
use control::publish::fetch::{Registries, RegistryOptions};
use volume::Volume;

use super::Usage;

/// How registries are spoken to.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct RegistryArgs {
    /// A registry that is spoken to in plain HTTP.
    #[arg(long, env = "KONTAIN_INSECURE_REGISTRY", value_delimiter = ',', value_name = "HOST[:PORT]")]
    pub insecure_registry: Vec<String>,
    /// A file with certificates of authorities to trust, besides the usual ones.
    #[arg(long, env = "KONTAIN_REGISTRY_CA", value_delimiter = ',', value_name = "FILE")]
    pub registry_ca: Vec<PathBuf>,
    /// A mirror that is asked before a registry.
    #[arg(long, env = "KONTAIN_REGISTRY_MIRROR", value_delimiter = ',', value_name = "HOST=URL")]
    pub registry_mirror: Vec<String>,
    /// Docker's config.json with credentials, or with the helpers that have them; by default that in its usual places.
    #[arg(long, env = "KONTAIN_REGISTRY_AUTH", value_name = "FILE")]
    pub registry_auth: Option<PathBuf>,
    /// A layer that comes slower than this, in a second, for 30s is given up for now; what came of it is kept.
    #[arg(long, env = "KONTAIN_PULL_FLOOR", value_name = "SIZE", default_value = "16Ki")]
    pub pull_floor: Option<Quantity>,
    /// All that is fetched for one image may take so long in one attempt; what came is kept for the next one. 15m where Images
    /// are published, else as long as it takes.
    #[arg(long, env = "KONTAIN_PULL_TIMEOUT", value_name = "DURATION")]
    pub pull_timeout: Option<Span>,
}

/// Time for an image where others wait for its place.
const PULL_TIMEOUT: Span = Span::from_secs(15 * 60);

impl RegistryArgs {
    /// Registries whose layers are kept on a volume.
    ///
    /// # Errors
    /// When a mirror is malformed, a certificate file cannot be used, or the volume refuses.
    pub fn open(&self, volume: &Volume) -> anyhow::Result<Registries> {
        let pull_timeout = self.pull_timeout.or(Some(PULL_TIMEOUT));
        Self { pull_timeout, ..self.clone() }.open_at(&volume.layers())
    }

    /// Registries whose layers are kept in a folder.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_at(&self, layers: &Path) -> anyhow::Result<Registries> {
        self.open_reaching(layers, None)
    }

    /// The same where strangers name the images: of addresses that are not public, those of these hosts alone, of plain registries
    /// and of mirrors are spoken to.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_reaching(&self, layers: &Path, private: Option<&[String]>) -> anyhow::Result<Registries> {
        let mut options = RegistryOptions {
            insecure: self.insecure_registry.clone(),
            private_hosts: None,
            authorities: self.registry_ca.clone(),
            mirrors: Vec::new(),
            auth: self.registry_auth.clone(),
            floor_bytes_per_s: self.pull_floor.map(Quantity::bytes),
            deadline: self.pull_timeout.map(Span::duration),
        };
        for text in &self.registry_mirror {
            let malformed = || Usage(format!("--registry-mirror {text}: expected HOST=URL"));
            let (host, url) = text.split_once('=').ok_or_else(malformed)?;
            let (scheme, mirror) = url.split_once("://").unwrap_or(("https", url));
            let mirror = mirror.trim_end_matches('/').to_owned();
            if host.is_empty()
                || mirror.is_empty()
                || mirror.contains('/')
                || !["http", "https"].contains(&scheme)
            {
                return Err(malformed().into());
            }
            if scheme == "http" {
                options.insecure.push(mirror.clone());
            }
            options.mirrors.push((host.to_owned(), mirror));
        }
        if let Some(private) = private {
            let named = options.insecure.iter().chain(options.mirrors.iter().map(|(_, mirror)| mirror));
            options.private_hosts = Some(named.chain(private).cloned().collect());
        }
        Ok(Registries::open(options, layers)?)
    }
}
