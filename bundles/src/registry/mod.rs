//! Images from registries and into them: the OCI distribution protocol, for servers that may be hostile.
//!
//! ```text
//! Client::pull ── manifests.rs   manifest and configuration, by tag once and by digest from then on
//!      │
//!      ├── session.rs            one repository: requests, redirects, the answer to a challenge
//!      │     ├── challenge.rs    WWW-Authenticate            ├── token.rs      tokens from realms
//!      │     └── addresses.rs    which addresses are refused └── backoff.rs    when to try again
//!      ├── access.rs             who may have a blob, or a bundle, that is there already
//!      ├── permits.rs            who may download at the same time
//!      └── blobs.rs              layers into files: resumed, counted, hashed
//!            └── cache.rs        the files: each downloaded once, however many want it
//!                  └── origins.rs   the registries that delivered them
//! Client::push ── push.rs        blobs in chunks, mounted from other repositories where they are there, and the manifest
//! credentials.rs                 docker's config.json, its helpers, Kubernetes pull secrets
//! http.rs                        the HTTP clients, with and without proxies
//! engine.rs                      the runtime that all of it runs on when the caller has none
//! ```
//!
//! [`RegistrySource`] makes an [`ImageContent`](crate::source::ImageContent) of it: from there on the way is that of local
//! images, and every layer is verified once more while it is unpacked.

mod access;
mod addresses;
mod backoff;
mod blobs;
mod cache;
pub mod challenge;
mod client;
mod credentials;
mod engine;
mod error;
mod http;
mod manifests;
mod origins;
mod permits;
pub mod push;
mod session;
mod source;
mod tls;
mod token;

use std::path::PathBuf;
use std::time::Duration;

pub use cache::BlobCache;
pub use client::{Client, PullEvent, PulledImage};
pub use credentials::{Credentials, Keychain};
pub use error::RegistryError;
pub use manifests::FoundManifest;
pub use source::RegistrySource;

/// How registries are spoken to.
#[derive(Clone, Debug)]
pub struct Options {
    /// Hosts (with port, if not the usual one) that are spoken to in plain HTTP. No others are.
    pub insecure: Vec<String>,
    /// Files with certificates of authorities, in PEM, that are trusted besides the usual ones.
    pub authorities: Vec<PathBuf>,
    /// Hosts that may be at addresses which are not public; without such a list, any may.
    pub private_hosts: Option<Vec<String>>,
    /// Mirrors: a registry's host, and the host that is asked first.
    pub mirrors: Vec<(String, String)>,
    /// Blobs that are downloaded at the same time for one tenant, …
    pub parallel_per_tenant: usize,
    /// … and from one registry, whoever wants them.
    pub parallel_per_host: usize,
    /// How often something is tried before it is given up.
    pub attempts: u32,
    /// The wait before the second attempt, doubled for each further one; half of it is left to chance.
    pub backoff: Duration,
    /// No wait is longer, whatever the server asks for.
    pub backoff_max: Duration,
    /// A body that comes slower than this …
    pub rate_floor_bytes_per_s: u64,
    /// … for so long is given up.
    pub rate_window: Duration,
    /// All requests for one image together may take so long; what came by then is kept. Without one, as long as it takes.
    pub deadline: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            insecure: Vec::new(),
            private_hosts: None,
            authorities: Vec::new(),
            mirrors: Vec::new(),
            parallel_per_tenant: 4,
            parallel_per_host: 8,
            attempts: 6,
            backoff: Duration::from_millis(500),
            backoff_max: Duration::from_secs(60),
            rate_floor_bytes_per_s: 16 * 1024,
            rate_window: Duration::from_secs(30),
            deadline: None,
        }
    }
}
