//! Why an image cannot be had from a registry, or put into one. The messages name the cause and what to do about it.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::digest::Digest;
use crate::source::SourceError;

/// Why an image cannot be had from a registry, or put into one.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The registry wants credentials and has none, or not these.
    #[error("{host} refuses access to {repository}: {}", if *.had_credentials { "the credentials are wrong, or do not allow it" } else { "it wants credentials, and there are none" })]
    Unauthorized {
        /// Host (and port) of the registry.
        host: String,
        /// Repository that was asked for.
        repository: String,
        /// Whether some were sent.
        had_credentials: bool,
    },
    /// The credentials are good but not for this.
    #[error("{host} forbids access to {repository}: these credentials do not allow it")]
    Forbidden {
        /// Host (and port) of the registry.
        host: String,
        /// Repository that was asked for.
        repository: String,
    },
    /// The registry knows no such manifest or blob.
    #[error("{host} has no {what}")]
    NotFound {
        /// Host (and port) of the registry.
        host: String,
        /// What was asked for.
        what: String,
    },
    /// No connection to the registry comes about: no such name, nobody listens, no route.
    #[error("cannot reach {host}")]
    Connect {
        /// Host (and port) of the registry.
        host: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// A certificate that nobody trusts.
    #[error("the certificate of {host} is not trusted")]
    Certificate {
        /// Host (and port) of the registry.
        host: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// Plain HTTP where TLS was expected.
    #[error("{host} does not speak TLS")]
    PlainHttp {
        /// Host (and port) of the registry.
        host: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The transfer broke off.
    #[error("the transfer from {host} broke off")]
    Transfer {
        /// Host (and port) of the registry.
        host: String,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// A body that ended early.
    #[error("{host} sent {received} of {size} bytes")]
    Short {
        /// Host (and port) of the registry.
        host: String,
        /// Bytes that came before the end.
        received: u64,
        /// Bytes that were announced.
        size: u64,
    },
    /// A body that does not end where it should.
    #[error("{host} sends more than the {size} bytes of {what}")]
    TooLong {
        /// Host (and port) of the registry.
        host: String,
        /// What was asked for.
        what: String,
        /// Bytes that were announced or allowed.
        size: u64,
    },
    /// Slower than the floor.
    #[error("{host} sends fewer than {floor} bytes per second")]
    TooSlow {
        /// Host (and port) of the registry.
        host: String,
        /// Bytes per second below which a transfer is given up.
        floor: u64,
    },
    /// The whole image took too long.
    #[error("{host} did not deliver the image within {} s", deadline.as_secs())]
    TooLate {
        /// Host (and port) of the registry.
        host: String,
        /// The time that all requests for one image may take together.
        deadline: Duration,
    },
    /// Another content than its digest says.
    #[error("{host} sent {found} for {declared}")]
    Digest {
        /// Host (and port) of the registry.
        host: String,
        /// What was asked for.
        declared: Digest,
        /// Digest of the bytes that came.
        found: Digest,
    },
    /// Too many requests, or the server is in trouble.
    #[error("{host} answers {status}")]
    Busy {
        /// Host (and port) of the registry.
        host: String,
        /// HTTP status code of the answer.
        status: u16,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// A status that the distribution protocol has no use for here.
    #[error("{host} answers {status} for {what}")]
    Status {
        /// Host (and port) of the registry.
        host: String,
        /// HTTP status code of the answer.
        status: u16,
        /// What was asked for.
        what: String,
    },
    /// A redirect or a token realm to where nothing secret or trusted may go.
    #[error("{host} sends to {target}, which is refused: {reason}")]
    Refused {
        /// Host (and port) of the registry.
        host: String,
        /// Where it sends to.
        target: String,
        /// Why that is refused.
        reason: &'static str,
    },
    /// An answer that makes no sense.
    #[error("{host} answers nonsense: {what}")]
    Protocol {
        /// Host (and port) of the registry.
        host: String,
        /// What about the answer makes no sense.
        what: String,
    },
    /// A document or layer that is refused.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A file of the cache, or of the user's credentials, cannot be read or written.
    #[error("cannot use {path}")]
    Disk {
        /// The file that the system refused.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Credentials that cannot be read.
    #[error("cannot use the registry credentials: {0}")]
    Credentials(String),
    /// A certificate file without certificates.
    #[error("{0} has no usable certificates in PEM")]
    Authorities(PathBuf),
    /// The client cannot be made.
    #[error("cannot set up TLS: {0}")]
    Tls(String),
    /// The threads for it cannot be had.
    #[error("cannot start the registry client")]
    Start(#[source] io::Error),
}

impl RegistryError {
    /// What the HTTP client said, in our words.
    pub(super) fn from_client(host: &str, error: reqwest::Error) -> Self {
        let host = host.to_owned();
        match tls_fault(&error) {
            Some(rustls::Error::InvalidMessage(_)) => Self::PlainHttp { host, source: error },
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Self::Certificate { host, source: error }
            }
            _ if error.is_connect() => Self::Connect { host, source: error },
            _ => Self::Transfer { host, source: error },
        }
    }

    /// Whether it may be different next time; with what the server asked to wait.
    pub(super) const fn retry(&self) -> Option<Option<Duration>> {
        match self {
            Self::Busy { retry_after, .. } => Some(*retry_after),
            Self::Connect { .. } | Self::Transfer { .. } | Self::Short { .. } | Self::TooSlow { .. } => {
                Some(None)
            }
            _ => None,
        }
    }

    pub(super) fn disk(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Disk { path, source }
    }
}

/// What TLS said, if anything below an error was of it.
fn tls_fault(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if let Some(fault) = error.downcast_ref() {
            return Some(fault);
        }
        // An I/O error shows what its inner error was caused by, not the inner error itself.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
