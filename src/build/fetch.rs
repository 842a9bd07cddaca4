//! What a build fetches itself: files that ADD names by their URLs, and contexts.
//!
//! A stranger names them. So each is asked of addresses alone that steps may reach as well ([`egress::peers`]), redirects are
//! followed one by one and judged anew, and nothing of this machine's (credentials, cookies, proxies) goes along.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use bundles::digest::Digest;
use egress::PeerError;
use reqwest::redirect::Policy;
use reqwest::{Response, Url, header};

use crate::layer::{Hashing, show};
use crate::step::{Machines, Reach};

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 10;
/// Bytes of a file at most.
const SIZE_MAX: u64 = 16 << 30;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A server that sends nothing is waited for so long.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a file cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No URL, or one that is not asked for by HTTP.
    #[error("{0:?} is no URL of http or https")]
    Url(String),
    /// Nothing is reached.
    #[error("{0}: this build reaches nothing (--egress none)")]
    Offline(String),
    /// By a rule.
    #[error("{url}: {error}")]
    Peer {
        /// What was to be fetched.
        url: String,
        /// Why not.
        error: PeerError,
    },
    /// The connection, or what comes over it.
    #[error("cannot fetch {url}")]
    Client {
        /// What was to be fetched.
        url: String,
        /// Why not.
        #[source]
        error: reqwest::Error,
    },
    /// The server has nothing to give.
    #[error("{url}: the server answers {status}")]
    Status {
        /// What was to be fetched.
        url: String,
        /// The answer's status.
        status: u16,
    },
    /// A redirect that is not followed.
    #[error("{url}: it is redirected {what}")]
    Redirect {
        /// What was to be fetched.
        url: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// More than anybody wants.
    #[error("{0}: it is longer than {SIZE_MAX} bytes")]
    TooLong(String),
    /// Longer than a step may take.
    #[error("{url}: it is not there within {limit:?}: give it more with --timeout")]
    Late {
        /// What was to be fetched.
        url: String,
        /// The limit.
        limit: Duration,
    },
    /// The disk refuses.
    #[error("cannot keep what is fetched")]
    Io(#[from] io::Error),
}

/// A file that was fetched.
#[derive(Debug)]
pub struct Fetched {
    /// Its bytes, in a file without a name.
    pub file: File,
    /// How many.
    pub size: u64,
    /// Their digest.
    pub digest: Digest,
}

/// Whether a source of ADD, or a context, is a URL to be fetched by HTTP.
pub fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The last part of a URL's path, by which a file is called if nobody says otherwise; nothing where it has none.
pub fn file_name(url: &str) -> Option<String> {
    let url: Url = url.parse().ok()?;
    let last = url.path_segments()?.next_back()?;
    let name = percent_encoding::percent_decode_str(last).decode_utf8().ok()?.into_owned();
    let plain = !matches!(&*name, "" | "." | "..") && !name.contains(['/', '\0']);
    plain.then_some(name)
}

impl Machines {
    /// Fetches a file into `scratch`. Blocks.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub fn fetch(&self, url: &str, scratch: &Path) -> Result<Fetched, FetchError> {
        let reach = self.reach().ok_or_else(|| FetchError::Offline(show(url.as_bytes())))?;
        let limit = self.timeout();
        let late = |_| FetchError::Late { url: show(url.as_bytes()), limit };
        self.wait(async { tokio::time::timeout(limit, fetch(reach, url, scratch)).await.map_err(late)? })
    }
}

async fn fetch(reach: &Reach, text: &str, scratch: &Path) -> Result<Fetched, FetchError> {
    let mut url: Url = text.parse().map_err(|_| FetchError::Url(show(text.as_bytes())))?;
    for _ in 0..=REDIRECTS_MAX {
        let response = ask(reach, &url).await?;
        let status = response.status();
        if status.is_success() {
            return keep(response, &url, scratch).await;
        }
        if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
            return Err(FetchError::Status { url: shown(&url), status: status.as_u16() });
        }
        url = redirected(&url, &response)?;
    }
    Err(FetchError::Redirect { url: show(text.as_bytes()), what: "again and again" })
}

/// A URL for messages: without a password.
fn shown(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_password(None);
    show(url.as_str().as_bytes())
}

fn redirected(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let wrong = |what| FetchError::Redirect { url: shown(from), what };
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    let to = location.and_then(|location| from.join(location).ok()).ok_or_else(|| wrong("to nowhere"))?;
    if from.scheme() == "https" && to.scheme() != "https" {
        return Err(wrong("away from https"));
    }
    Ok(to)
}

/// One request, to the addresses that were judged.
async fn ask(reach: &Reach, url: &Url) -> Result<Response, FetchError> {
    let no_url = || FetchError::Url(shown(url));
    if !matches!(url.scheme(), "http" | "https") {
        return Err(no_url());
    }
    let host = url.host_str().ok_or_else(no_url)?;
    let port = url.port_or_known_default().ok_or_else(no_url)?;
    let peers = reach.broker.peers(&reach.function, host, port).await;
    let peers = peers.map_err(|error| FetchError::Peer { url: shown(url), error })?;
    // Whoever was first is the same provider.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let failed = |error: reqwest::Error| FetchError::Client { url: shown(url), error: error.without_url() };
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .resolve_to_addrs(host, &peers)
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .user_agent(concat!("kontain-faas/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(failed)?;
    client.get(url.clone()).send().await.map_err(failed)
}

async fn keep(mut response: Response, url: &Url, scratch: &Path) -> Result<Fetched, FetchError> {
    if response.content_length().is_some_and(|length| length > SIZE_MAX) {
        return Err(FetchError::TooLong(shown(url)));
    }
    let mut hashing = Hashing::new(BufWriter::new(tempfile::tempfile_in(scratch)?));
    let mut left = SIZE_MAX;
    loop {
        let piece = response.chunk().await;
        let piece =
            piece.map_err(|error| FetchError::Client { url: shown(url), error: error.without_url() })?;
        let Some(piece) = piece else { break };
        left = left.checked_sub(piece.len() as u64).ok_or_else(|| FetchError::TooLong(shown(url)))?;
        hashing.write_all(&piece)?;
    }
    let (writer, digest, size) = hashing.finish();
    let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
    Ok(Fetched { file, size, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_the_end_of_their_urls() {
        assert_eq!(file_name("https://a/b/c.tar.gz?x=y").as_deref(), Some("c.tar.gz"));
        assert_eq!(file_name("https://a/b%20c").as_deref(), Some("b c"));
        for url in ["https://a", "https://a/b/", "https://a/%2e%2e", "https://a/b%2fc", "x"] {
            assert_eq!(file_name(url), None, "{url}");
        }
        assert!(is_url("https://a") && !is_url("git@a:b") && !is_url("a/https://b"));
    }

    #[test]
    fn redirects_keep_to_https() {
        let at = |from: &str, to: &str| {
            let response = http::Response::builder().status(302).header("location", to).body("").unwrap();
            redirected(&from.parse().unwrap(), &Response::from(response)).map(String::from).ok()
        };
        assert_eq!(at("https://a/b/c", "d").as_deref(), Some("https://a/b/d"));
        assert_eq!(at("http://a/b", "https://c/").as_deref(), Some("https://c/"));
        assert_eq!(at("https://a/b", "http://a/b"), None);
    }

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown(&"https://u:p@a/".parse().unwrap()), "https://u@a/");
    }
}
