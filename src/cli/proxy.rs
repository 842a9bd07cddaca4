//! Calls on their way through a gateway of its own: checked, told who their client is, and handed on to a server.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use http::header::HeaderValue;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use ipnet::IpNet;
use node::server::body::Body;
use node::server::headers::{self, CALL_ID, Peer};
use node::server::problem::{Component, Problem, Reader};
use node::server::reason::Reason;

/// A server that does not accept within this time is not there.
pub const CONNECT_TIME: Duration = Duration::from_secs(5);

/// Where calls are handed on to: `http://HOST:PORT`.
#[derive(Clone, Debug)]
pub struct Upstream(Authority);

impl Upstream {
    /// Host and port.
    pub fn address(&self) -> String {
        match self.0.port() {
            Some(_) => self.0.to_string(),
            None => format!("{}:80", self.0),
        }
    }
}

impl FromStr for Upstream {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not http://HOST[:PORT]");
        let parts = text.parse::<Uri>().map_err(|_| wrong())?.into_parts();
        let is_bare = parts.path_and_query.as_ref().is_none_or(|path| path.as_str() == "/");
        let plain = parts.scheme == Some(Scheme::HTTP) && is_bare;
        parts
            .authority
            .filter(|authority| plain && !authority.as_str().contains('@'))
            .map(Self)
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

/// Hands calls on.
pub struct Proxy {
    client: Client<HttpConnector, Incoming>,
    upstream: Upstream,
    trusted: Vec<IpNet>,
}

impl Proxy {
    /// A proxy to a server; `trusted` are the proxies that are believed in turn.
    pub fn new(upstream: Upstream, trusted: Vec<IpNet>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIME));
        connector.set_nodelay(true);
        let mut builder = Client::builder(TokioExecutor::new());
        builder.http1_title_case_headers(true).http1_preserve_header_case(true);
        Self { client: builder.build(connector), upstream, trusted }
    }

    /// Answers a call as the server does. Protocols are not switched on this way.
    pub async fn call(&self, peer: SocketAddr, request: Request<Incoming>) -> Response<Body> {
        let (id, has_id) = headers::call_id(request.headers());
        let mut response = match self.send(peer, &id, request).await {
            Ok(response) => response,
            Err(problem) => {
                let mut response = problem.response(&id, Reader::Caller);
                response.headers_mut().insert("x-openfaas-internal", HeaderValue::from_static("proxy"));
                response
            }
        };
        // The server takes the id for the client's own, and so does not tell it in each dialect.
        if let (false, Ok(id)) = (has_id, HeaderValue::try_from(id)) {
            response.headers_mut().insert(CALL_ID, id);
        }
        response
    }

    async fn send(
        &self,
        peer: SocketAddr,
        id: &str,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Problem> {
        let (mut parts, body) = request.into_parts();
        if parts.headers.len() > headers::FIELDS_MAX {
            return Err(Problem::headers_too_large());
        }
        let of_request = |status, reason, told| Problem::new(status, Component::Request, reason, told);
        let host = headers::check_host(&parts)
            .map_err(|why| of_request(StatusCode::BAD_REQUEST, Reason::HostInvalid, why))?;
        let call_id = HeaderValue::try_from(id).map_err(|_| {
            of_request(StatusCode::BAD_REQUEST, Reason::CallIdInvalid, "the call id is malformed")
        })?;
        headers::for_function(&mut parts.headers, Peer::new(peer, &self.trusted), host, &call_id, "");
        let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.upstream.0.clone())
            .path_and_query(path)
            .build()
            .map_err(|_| Problem::not_found("the path names no function"))?;
        parts.version = Version::HTTP_11;
        let answered = self.client.request(Request::from_parts(parts, body)).await.map_err(|error| {
            tracing::warn!(upstream = %self.upstream, call = id, "a call cannot be handed on: {error}");
            let told = "the server behind this gateway does not answer";
            Problem::new(StatusCode::BAD_GATEWAY, Component::Router, Reason::Unreachable, told)
        })?;
        let (mut parts, body) = answered.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let body = Body::Other(UnsyncBoxBody::new(body.map_err(Into::into)));
        Ok(Response::from_parts(parts, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upstream_is_a_host() {
        for good in ["http://127.0.0.1:8080", "http://node", "http://node:1/"] {
            assert!(good.parse::<Upstream>().is_ok(), "{good}");
        }
        assert_eq!("http://node".parse::<Upstream>().unwrap().address(), "node:80");
        assert_eq!("http://[::1]:81".parse::<Upstream>().unwrap().address(), "[::1]:81");
        for bad in ["", "node:8080", "https://node", "http://node/path", "http://u:p@node", "/x"] {
            assert!(bad.parse::<Upstream>().is_err(), "{bad}");
        }
    }
}
