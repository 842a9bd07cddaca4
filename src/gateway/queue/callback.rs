//! Answers on their way to where the caller wants them. A stranger names that place: it is asked of addresses alone that the broker
//! opens to functions, redirects are not followed, and nothing of this machine's goes along.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use egress::policy::Policy;
use egress::{Allow, Broker, Mode, PeerError, Rule, Settings, Target};
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use km_abi::outbound::Transport;
use reqwest::{Client, Url, redirect};

use super::deliver::RETRY;
use super::functions::path_name;
use super::record::{Outcome, Record};

const CONNECT_TIME: Duration = Duration::from_secs(10);
/// From the beginning to the end of the receiver's answer.
const TIME: Duration = Duration::from_secs(60);
/// Clients that are kept, each with the connections to one receiver.
const CLIENTS_MAX: usize = 64;
/// How often a callback was sent before.
const CALLBACK_RETRY: HeaderName = HeaderName::from_static("x-callback-retry");
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
const DURATION: HeaderName = HeaderName::from_static("x-duration-seconds");
const STATUS: HeaderName = HeaderName::from_static("x-function-status");
const NAME: HeaderName = HeaderName::from_static("x-function-name");
/// What is a connection's, or this request's own to say.
const OURS: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::USER_AGENT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("x-retry"),
];

/// Why a callback was not sent.
#[derive(Debug, thiserror::Error)]
pub enum CallbackError {
    /// It is no URL.
    #[error("is no URL of a receiver")]
    Url,
    /// By a rule, or there is no such host.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The connection, or what comes over it.
    #[error("no answer: {0}")]
    Client(#[from] reqwest::Error),
}

impl CallbackError {
    /// Whether another attempt would be the same.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Url | Self::Peer(PeerError::Refused { .. } | PeerError::Name(_)))
    }
}

/// What a receiver answered.
pub struct Sent {
    /// Status.
    pub status: u16,
    /// Header fields.
    pub headers: HeaderMap,
}

/// Sends callbacks.
pub struct Callbacks {
    broker: Arc<Broker>,
    rules: Vec<Rule>,
    clients: Mutex<HashMap<String, Client>>,
}

impl Callbacks {
    /// Public addresses are reached, and what `allow` names; nothing where the policy's mode is `off`.
    ///
    /// # Errors
    /// When there can be no broker.
    pub fn new(policy: Policy, allow: Vec<Allow>) -> anyhow::Result<Self> {
        let rule = |target| Rule { target, ports: vec![1..=u16::MAX], transport: Transport::Tcp };
        let targets = allow.iter().map(|allow| allow.target.clone());
        let rules = targets.chain([Target::AnyPublic]).map(rule).collect();
        let mode = if policy.mode == Mode::Off { Mode::Off } else { Mode::Public };
        let policy = Policy { mode, allow, ..policy };
        let broker = Broker::new(Settings { policy, ..Settings::default() })?;
        Ok(Self { broker, rules, clients: Mutex::default() })
    }

    /// Sends an answer once.
    ///
    /// # Errors
    /// See [`CallbackError`].
    pub async fn send(
        &self,
        record: &Record,
        outcome: &Outcome,
        url: &str,
        body: Bytes,
    ) -> Result<Sent, CallbackError> {
        let url: Url = url.parse().map_err(|_| CallbackError::Url)?;
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(CallbackError::Url);
        };
        let (namespace, name) = (record.function.namespace(), record.function.function());
        let function = self.broker.function(namespace, name, self.rules.clone(), Vec::new());
        let function = function.map_err(|_| CallbackError::Url)?;
        let mut peers = self.broker.peers(&function, host, port).await?;
        peers.sort();
        let client = self.client(&url, host, &peers)?;
        let request = client.post(url.clone()).headers(headers(record, outcome)).body(body);
        let response = request.send().await.map_err(reqwest::Error::without_url)?;
        Ok(Sent { status: response.status().as_u16(), headers: response.headers().clone() })
    }

    /// The client for a receiver at these addresses, which were judged now.
    fn client(&self, url: &Url, host: &str, peers: &[SocketAddr]) -> Result<Client, reqwest::Error> {
        let key = format!("{}://{host} {peers:?}", url.scheme());
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        // Whoever was first is the same provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .resolve_to_addrs(host, peers)
            .connect_timeout(CONNECT_TIME)
            .timeout(TIME)
            .user_agent(concat!("kontain-faas/", env!("CARGO_PKG_VERSION")))
            .build()?;
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// The answer's own header fields, and what there is to say of the call.
fn headers(record: &Record, outcome: &Outcome) -> HeaderMap {
    let mut headers = outcome.headers.to_headers();
    for name in OURS {
        headers.remove(name);
    }
    let mut set = |name: HeaderName, text: String| {
        headers.extend(HeaderValue::try_from(text).ok().map(|value| (name, value)));
    };
    set(CALL_ID, record.label.clone());
    set(DURATION, format!("{:.6}", outcome.seconds));
    set(STATUS, outcome.status.to_string());
    let named = if record.named.is_empty() { path_name(&record.function) } else { record.named.clone() };
    set(NAME, named);
    if record.runs > 1 {
        set(RETRY, (record.runs - 1).to_string());
    }
    if outcome.sends > 1 {
        set(CALLBACK_RETRY, (outcome.sends - 1).to_string());
    }
    headers
}
