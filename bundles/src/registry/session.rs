//! One repository on one host: requests with the right authorization, redirects, and what statuses mean.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderName, HeaderValue, LOCATION, RANGE, WWW_AUTHENTICATE};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::access::Proofs;
use super::addresses::{Reach, check_target};
use super::backoff::retry_after;
use super::challenge::{self, Challenge};
use super::http::Http;
use super::origins::Origin;
use super::{Credentials, Options, RegistryError};

const REDIRECTS_MAX: usize = 5;

/// A repository, and how to speak to its host.
pub(super) struct Session {
    pub(super) http: Http,
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) credentials: Credentials,
    base: Url,
    insecure: Vec<String>,
    reach: Reach,
    /// A whole document must come in this time: it is too small for a rate.
    patience: Duration,
    /// What this process knows to be allowed.
    pub(super) proofs: Proofs,
    /// What the last challenge was answered with.
    authorization: Mutex<Option<HeaderValue>>,
    /// What tokens are to allow in the repository.
    pub(super) actions: &'static str,
    /// Repositories of the same host whose blobs are to be mounted.
    pub(super) sources: Vec<String>,
}

/// What a request asks for beside its address.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Verb {
    /// For the thing itself.
    #[default]
    Get,
    /// Whether it could be had: a redirect says so too, and is not followed.
    Head,
}

/// What to ask for.
#[derive(Clone, Copy, Default)]
pub(super) struct Ask<'a> {
    pub(super) verb: Verb,
    /// Below the repository: `manifests/…` or `blobs/…`.
    pub(super) path: &'a str,
    pub(super) accept: Option<&'a str>,
    /// The first byte wanted, if not the first of all.
    pub(super) from: Option<u64>,
}

/// A request that changes something.
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) body: Vec<u8>,
}

impl Write {
    /// Without headers and a body.
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: Vec::new() }
    }
}

impl Session {
    pub(super) fn new(
        http: Http,
        host: &str,
        repository: &str,
        credentials: Credentials,
        options: &Options,
        proofs: Proofs,
    ) -> Result<Self, RegistryError> {
        let scheme = if options.insecure.iter().any(|name| name == host) { "http" } else { "https" };
        let base: Url = format!("{scheme}://{host}/v2/{repository}/").parse().map_err(|_| {
            RegistryError::Protocol { host: host.to_owned(), what: "its name makes no URL".to_owned() }
        })?;
        let reach = Reach::new(options.private_hosts.as_deref());
        check_target(host, &base, scheme == "http", &reach)?;
        let (host, repository) = (host.to_owned(), repository.to_owned());
        let (insecure, patience) = (options.insecure.clone(), 2 * options.rate_window);
        Ok(Self {
            http,
            host,
            repository,
            credentials,
            base,
            insecure,
            reach,
            patience,
            proofs,
            authorization: Mutex::new(None),
            actions: "pull",
            sources: Vec::new(),
        })
    }

    /// The same for writing, with blobs of other repositories of the host.
    pub(super) fn for_pushing(self, mut sources: Vec<String>) -> Self {
        sources.sort();
        sources.dedup();
        Self { actions: "pull,push", sources, ..self }
    }

    /// A path below the repository.
    pub(super) fn url(&self, path: &str) -> Result<Url, RegistryError> {
        let what = "the request makes no URL".to_owned();
        self.base.join(path).map_err(|_| RegistryError::Protocol { host: self.host.clone(), what })
    }

    /// Checks where the registry sends us.
    pub(super) fn check(&self, target: &Url, plain_allowed: bool) -> Result<(), RegistryError> {
        check_target(&self.host, target, plain_allowed, &self.reach)
    }

    /// Whether a URL's host was named as one for plain HTTP.
    pub(super) fn is_insecure(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        let named = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        self.insecure.contains(&named)
    }

    /// This registry, as one that delivered something to this session.
    pub(super) fn origin(&self) -> Origin {
        Origin { host: self.host.clone(), is_public: self.credentials == Credentials::Anonymous }
    }

    pub(super) fn unauthorized(&self) -> RegistryError {
        RegistryError::Unauthorized {
            host: self.host.clone(),
            repository: self.repository.clone(),
            had_credentials: self.credentials != Credentials::Anonymous,
        }
    }

    /// One attempt: the answer to a challenge and redirects belong to it, waiting does not.
    pub(super) async fn get(&self, ask: Ask<'_>) -> Result<Response, RegistryError> {
        let nonsense =
            |what: &str| RegistryError::Protocol { host: self.host.clone(), what: what.to_owned() };
        let start = self.base.join(ask.path).map_err(|_| nonsense("the request makes no URL"))?;
        let (mut url, mut redirects, mut answered) = (start.clone(), 0, false);
        loop {
            let response = self.request(&url, ask).send().await;
            let response = response.map_err(|error| RegistryError::from_client(&self.host, error))?;
            let status = response.status();
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if ask.verb == Verb::Head {
                    return Ok(response);
                }
                redirects += 1;
                if redirects > REDIRECTS_MAX {
                    return Err(nonsense("it redirects again and again"));
                }
                url = self.redirect(&url, &response)?;
            } else if status == StatusCode::UNAUTHORIZED && self.is_own(&url) && !answered {
                // Once per request: a token that has expired is renewed, one that is not good enough is not.
                self.answer(&response).await?;
                answered = true;
                url = start.clone();
            } else {
                return self.judge(response, ask);
            }
        }
    }

    /// One attempt to write: the answer to a challenge belongs to it, redirects are not followed.
    pub(super) async fn write(&self, write: &Write, patience: Duration) -> Result<Response, RegistryError> {
        let mut answered = false;
        loop {
            let mut request =
                self.authorized(self.http.request(write.method.clone(), write.url.clone()), &write.url);
            for (name, value) in &write.headers {
                request = request.header(name, value);
            }
            let sent = request.body(write.body.clone()).timeout(patience).send().await;
            let response = sent.map_err(|error| RegistryError::from_client(&self.host, error))?;
            if response.status() == StatusCode::UNAUTHORIZED && self.is_own(&write.url) && !answered {
                self.answer(&response).await?;
                answered = true;
            } else if response.status().is_success() {
                return Ok(response);
            } else if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
                // A chunk that does not follow what the registry has: it is asked how much that is, and sent the rest.
                let status = response.status().as_u16();
                return Err(RegistryError::Busy { host: self.host.clone(), status, retry_after: None });
            } else {
                return self.judge(response, Ask { path: write.url.path(), ..Ask::default() });
            }
        }
    }

    fn request(&self, url: &Url, ask: Ask<'_>) -> reqwest::RequestBuilder {
        let request = match ask.verb {
            Verb::Get => self.http.get(url.clone()),
            Verb::Head => self.http.head(url.clone()),
        };
        let mut request = self.authorized(request, url);
        if let Some(accept) = ask.accept {
            request = request.header(ACCEPT, accept);
        }
        match ask.from {
            Some(from) => request.header(RANGE, format!("bytes={from}-")),
            None => request,
        }
    }

    /// Credentials go to the registry itself; wherever it redirects to, they do not go along.
    fn authorized(&self, request: reqwest::RequestBuilder, url: &Url) -> reqwest::RequestBuilder {
        let value = self.authorization.lock().ok().and_then(|value| value.clone());
        match value.filter(|_| self.is_own(url)) {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    fn redirect(&self, from: &Url, response: &Response) -> Result<Url, RegistryError> {
        let nonsense =
            || RegistryError::Protocol { host: self.host.clone(), what: "a redirect to nowhere".to_owned() };
        let location =
            response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(nonsense)?;
        let target = from.join(location).map_err(|_| nonsense())?;
        self.check(&target, from.scheme() == "http")?;
        Ok(target)
    }

    /// Gets what the challenge asks for. A 401 without a challenge is final.
    async fn answer(&self, response: &Response) -> Result<(), RegistryError> {
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenge = challenges.filter_map(|value| value.to_str().ok()).find_map(challenge::parse);
        let value = match (challenge, &self.credentials) {
            (Some(Challenge::Basic), Credentials::Basic { user, password }) => {
                use base64::Engine;
                let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
                format!("Basic {encoded}")
            }
            (Some(Challenge::Bearer { realm, service, scope }), _) => {
                let token = self.token(&realm, service.as_deref(), scope.as_deref()).await?;
                format!("Bearer {token}")
            }
            _ => return Err(self.unauthorized()),
        };
        let mut value = HeaderValue::from_str(&value).map_err(|_| self.unauthorized())?;
        value.set_sensitive(true);
        if let Ok(mut slot) = self.authorization.lock() {
            *slot = Some(value);
        }
        Ok(())
    }

    fn judge(&self, response: Response, ask: Ask<'_>) -> Result<Response, RegistryError> {
        let host = self.host.clone();
        let what = format!("{}/{}", self.repository, ask.path);
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            401 => Err(self.unauthorized()),
            403 => Err(RegistryError::Forbidden { host, repository: self.repository.clone() }),
            404 => Err(RegistryError::NotFound { host, what }),
            status @ (408 | 429 | 500..=599) => {
                Err(RegistryError::Busy { host, status, retry_after: retry_after(response.headers()) })
            }
            status => Err(RegistryError::Status { host, status, what }),
        }
    }
}

impl Session {
    /// A whole body of at most `max` bytes.
    pub(super) async fn read(
        &self,
        response: Response,
        what: &str,
        max: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let slow = |_| RegistryError::TooSlow {
            host: self.host.clone(),
            floor: max / self.patience.as_secs().max(1),
        };
        tokio::time::timeout(self.patience, self.read_all(response, what, max)).await.map_err(slow)?
    }

    async fn read_all(&self, response: Response, what: &str, max: u64) -> Result<Vec<u8>, RegistryError> {
        let too_long =
            || RegistryError::TooLong { host: self.host.clone(), what: what.to_owned(), size: max };
        if response.content_length().is_some_and(|length| length > max) {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        let mut body = response.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| RegistryError::from_client(&self.host, error))?;
            if (bytes.len() + chunk.len()) as u64 > max {
                return Err(too_long());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}
