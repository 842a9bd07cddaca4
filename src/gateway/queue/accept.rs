//! `POST /async-function/NAME[.NAMESPACE]/…` and `DELETE /async-function/ID`.

use std::sync::Arc;
use std::time::Duration;

use api::FunctionName;
use axum::body::Body;
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Request, StatusCode, request};
use http_body_util::BodyExt;
use reqwest::Url;

use super::record::{Fields, Id, Record, Stage};
use super::store::Change;
use super::{Queue, now};
use crate::Gateway;
use crate::failure::{Failure, text};

/// Where the answer is to go.
pub const CALLBACK_URL: HeaderName = HeaderName::from_static("x-callback-url");
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
/// Our id of the call, by which it is cancelled.
const QUEUE_ID: HeaderName = HeaderName::from_static("x-queue-id");
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
const PATH: &str = "/async-function";
/// A call is charged this beside its own bytes: its place in the file and in memory.
const OVERHEAD: u64 = 4096;
/// Longest URL of a callback.
const URL_MAX: usize = 2048;
/// Bytes of all bodies that are coming.
const COMING_MAX: u64 = 64 << 20;
/// A body may pause so long in all; each KiB gives it another second.
const PATIENCE: Duration = Duration::from_secs(10);
/// What clients are told to wait that find the queue full.
const RETRY_SECS: &str = "30";

/// Whether a path is one of asynchronous calls.
pub fn is_async(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Gateway {
    /// Queues a call, or cancels one. `label` is its client's own id for it, if that chose one.
    pub async fn enqueue<B>(&self, request: Request<B>, label: Option<String>) -> Response<Body>
    where
        B: axum::body::HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let request = request.map(Body::new);
        let answered = match (&self.state.options.queue, request.method()) {
            (None, _) => {
                let told =
                    "this gateway has no queue for asynchronous calls: name its file with --async-queue";
                Err(Failure::new(StatusCode::NOT_IMPLEMENTED, told))
            }
            (Some(queue), &Method::POST) => self.accept(queue, request, label).await,
            (Some(queue), &Method::DELETE) => {
                let (parts, _) = request.into_parts();
                self.cancel(queue, &parts).await
            }
            _ => {
                let told = "asynchronous calls are made with POST, and cancelled with DELETE";
                Err(Failure::new(StatusCode::METHOD_NOT_ALLOWED, told))
            }
        };
        answered.unwrap_or_else(|failure| {
            let (status, mut response) = (failure.status, failure.response());
            let headers = response.headers_mut();
            headers.insert(super::retry::INTERNAL, HeaderValue::from_static("proxy"));
            if [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status) {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(RETRY_SECS));
            }
            response
        })
    }

    async fn accept(
        &self,
        queue: &Arc<Queue>,
        request: Request<Body>,
        label: Option<String>,
    ) -> Result<Response, Failure> {
        let (mut parts, body) = request.into_parts();
        let (function, named, rest) = self.target(&parts.uri)?;
        let callback = callback_url(&parts.headers)?;
        if queue.functions.find(&function).await?.is_none() {
            return Err(Failure::not_found("no function of this name is published"));
        }
        let body = read(queue, body).await?;
        parts.headers.remove(CONTENT_LENGTH);
        let (id, accepted, headers) = (Id::new(), now(), Fields::of(&parts.headers));
        let size = body.len() as u64 + headers.size() as u64 + rest.len() as u64 + OVERHEAD;
        let label = label.unwrap_or_else(|| id.to_string());
        let record = Record {
            function,
            named,
            label,
            rest,
            headers,
            callback,
            accepted,
            due: accepted,
            tries: 0,
            runs: 0,
            size,
            stage: Stage::Call,
        };
        if !queue.index.reserve(&record.function, size, queue.options.quota) {
            let told = "the function has as many bytes of asynchronous calls as it may";
            return Err(Failure::new(StatusCode::TOO_MANY_REQUESTS, told));
        }
        if let Err(error) = queue.store.change(Change::add(id, &record, body)).await {
            queue.index.release(&record.function, size);
            tracing::error!("an asynchronous call is refused: {error}");
            let told = "the call cannot be queued; the gateway's log says why";
            return Err(Failure::new(StatusCode::INTERNAL_SERVER_ERROR, told));
        }
        queue.index.insert(id, &record, true);
        queue.note_live();
        queue.counts.accepted(&record.function);
        let mut response = text(StatusCode::ACCEPTED, "");
        let headers = response.headers_mut();
        for (name, value) in
            [(CALL_ID, record.label), (QUEUE_ID, id.to_string()), (START_TIME, format!("{accepted}000000"))]
        {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
        }
        headers
            .insert(SERVED_BY, HeaderValue::from_static(concat!("kontain-faas/", env!("CARGO_PKG_VERSION"))));
        Ok(response)
    }

    /// The function that a path names, its name as it was written, and the path and query that it sees.
    fn target(&self, uri: &http::Uri) -> Result<(FunctionName, String, String), Failure> {
        let nothing = || Failure::not_found("the path names no function: /async-function/NAME[.NAMESPACE]/…");
        let below = uri.path().strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
        let below = below.ok_or_else(nothing)?;
        let (named, path) = below.split_at(below.find('/').unwrap_or(below.len()));
        let function = self.state.function(named, None).map_err(|_| nothing())?;
        let path = if path.is_empty() { "/" } else { path };
        let rest = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Ok((function, named.to_owned(), rest))
    }

    async fn cancel(&self, queue: &Queue, parts: &request::Parts) -> Result<Response, Failure> {
        self.state.options.auth.check(&parts.headers)?;
        let id = parts.uri.path().strip_prefix(PATH).and_then(|rest| rest.strip_prefix('/'));
        super::letters::end(queue, id.unwrap_or_default()).await
    }
}

/// Where the answer is to go, if a request says so.
fn callback_url(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let mut given = headers.get_all(CALLBACK_URL).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let wrong = |what: &str| Failure::invalid(format!("X-Callback-Url: {what}"));
    let url = first.to_str().ok().filter(|url| url.len() <= URL_MAX && given.next().is_none());
    let url = url.and_then(|url| url.parse::<Url>().ok());
    let url = url.ok_or_else(|| wrong("is no URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("is none of http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user: send what the receiver needs in its path or query"));
    }
    Ok(Some(url.into()))
}

/// The body of a call as a whole.
async fn read(queue: &Arc<Queue>, mut body: Body) -> Result<Bytes, Failure> {
    let (most, mut held, mut bytes) = (queue.options.body_max, queue.hold(), BytesMut::new());
    let mut patience = PATIENCE;
    loop {
        let begun = tokio::time::Instant::now();
        let late = |_| Failure::new(StatusCode::REQUEST_TIMEOUT, "the body comes too slowly");
        let Some(frame) = tokio::time::timeout(patience, body.frame()).await.map_err(late)? else {
            return Ok(bytes.freeze());
        };
        let frame = frame.map_err(|_| Failure::invalid("the request's body is malformed or incomplete"))?;
        let Ok(data) = frame.into_data() else { continue };
        patience = patience.saturating_sub(begun.elapsed());
        patience += Duration::from_millis(data.len() as u64);
        if (bytes.len() + data.len()) as u64 > most {
            let told = format!("the body of an asynchronous call has at most {most} bytes");
            return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, told));
        }
        if !held.add(data.len() as u64, COMING_MAX) {
            let told = "too many asynchronous calls are coming at once";
            return Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, told));
        }
        bytes.extend_from_slice(&data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callbacks_are_urls_of_receivers() {
        let url = |list: &[&str]| {
            let mut headers = HeaderMap::new();
            for one in list {
                headers.append(CALLBACK_URL, one.parse().unwrap());
            }
            callback_url(&headers).map_err(|failure| failure.status.as_u16())
        };
        assert_eq!(url(&[]), Ok(None));
        assert_eq!(url(&["http://a:1/x?y"]), Ok(Some("http://a:1/x?y".to_owned())));
        let long = format!("http://a/{}", "x".repeat(URL_MAX));
        for bad in ["", "a", "/x", "ftp://a", "http://", "http://u@a", "http://u:p@a", "file:///x", &long] {
            assert_eq!(url(&[bad]), Err(400), "{bad}");
        }
        assert_eq!(url(&["http://a", "http://a"]), Err(400));
    }

    #[test]
    fn paths() {
        for (path, is) in
            [("/async-function", true), ("/async-function/x", true), ("/async-functions", false)]
        {
            assert_eq!(is_async(path), is);
        }
    }
}
