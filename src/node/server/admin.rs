//! The admin port: health, metrics, the functions and what they wrote.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Serialize;

use km_vmm::protocol::Measure;
use volume::readiness::JAIL_LACKS;
use volume::statuses;

use super::Server;
use super::body::Body;
use super::functions::{Function, Serving};
use super::problem::{Component, Problem, Reader};
use super::reason::Reason;
use crate::metrics::{OfFunction, OfMeasure, OfState};
use crate::pool::table::Counts;
use api::ImageSpec;
use api::record::BakeReport;

/// Call records that one answer holds.
const CALLS_MAX: usize = 1 << 13;

/// One entry of `/functions`.
#[derive(Serialize)]
struct Entry<'a> {
    name: &'a str,
    url: String,
    #[serde(flatten)]
    report: BakeReport,
    spec: Option<ImageSpec>,
    machines: Counts,
    in_flight: usize,
    queued: usize,
    /// Requests since the node began.
    answered: u64,
}

/// Answers a request to the admin port.
pub fn answer<B>(server: &Server, request: &Request<B>) -> Response<Body> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let problem = Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Component::Request,
            Reason::MethodNotAllowed,
            "only GET is answered here",
        );
        return problem.response("", Reader::Owner);
    }
    let query = request.uri().query().unwrap_or_default();
    match request.uri().path() {
        "/healthz" => text(StatusCode::OK, "ok\n"),
        "/readyz" => match server.unready() {
            None => text(StatusCode::OK, ready(server)),
            Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n")),
        },
        "/metrics" => metrics(server),
        "/functions" => {
            json(&server.functions.all().iter().map(|function| entry(function)).collect::<Vec<_>>())
        }
        "/calls" => {
            let most = parameter(query, "last").and_then(|text| text.parse().ok()).unwrap_or(CALLS_MAX);
            json(&server.calls.last(parameter(query, "function").as_deref(), most))
        }
        "/logs" => logs(server, query),
        "/images" => json(&statuses::all(&server.volume)),
        _ => {
            Problem::not_found("there are /healthz, /readyz, /metrics, /functions, /images, /calls and /logs")
                .response("", Reader::Owner)
        }
    }
}

/// `GET /healthz` of the function port.
pub fn health() -> Response<Body> {
    text(StatusCode::OK, "ok\n")
}

/// What a node that is ready says: if there is one, the gap in its workers' jail as well.
fn ready(server: &Server) -> String {
    let lacks = server.node.stock.jail_lacks();
    let lacks = lacks.map(|lacks| format!("{JAIL_LACKS} {lacks}\n"));
    format!("ready\n{}", lacks.unwrap_or_default())
}

fn entry(function: &Function) -> Entry<'_> {
    let serving = function.serving();
    let revision = match &*serving {
        Serving::Ready(revision) => Some(revision),
        Serving::Baking | Serving::Failed(_) => None,
    };
    Entry {
        name: function.name.as_str(),
        url: format!("/{}/", function.name),
        report: function.report(),
        spec: revision.map(|revision| revision.published.spec.clone()),
        machines: revision.map(|revision| revision.pool.counts()).unwrap_or_default(),
        in_flight: revision.map_or(0, |revision| revision.admission.running()),
        queued: revision.map_or(0, |revision| revision.admission.queued()),
        answered: function.answered.load(Ordering::Relaxed),
    }
}

fn logs(server: &Server, query: &str) -> Response<Body> {
    let Some(name) = parameter(query, "function") else {
        let why = "name the function: /logs?function=NAMESPACE/FUNCTION";
        return Problem::new(StatusCode::BAD_REQUEST, Component::Request, Reason::FunctionMissing, why)
            .response("", Reader::Owner);
    };
    match server.functions.get(&name) {
        Some(function) => json(&function.log.lines(parameter(query, "call").as_deref())),
        None => {
            let problem = Problem::not_found("no function of this name is published");
            problem.with_detail(format!("no function {name} is published")).response("", Reader::Owner)
        }
    }
}

fn metrics(server: &Server) -> Response<Body> {
    let metrics = &server.metrics;
    for function in server.functions.all() {
        let name = function.name.as_str();
        let counts = match &*function.serving() {
            Serving::Ready(revision) => revision.pool.counts(),
            Serving::Baking | Serving::Failed(_) => Counts::default(),
        };
        for (state, count) in
            [("waiting", counts.waiting), ("making", counts.making), ("running", counts.running)]
        {
            let label = OfState { faas_name: name.to_owned(), state };
            metrics.machines.get_or_create(&label).set(signed(count));
        }
        metrics.workers.get_or_create(&OfFunction { faas_name: name.to_owned() }).set(signed(counts.workers));
    }
    let measures = server.node.stock.hello().map(|hello| hello.jail.measures).unwrap_or_default();
    for Measure { name, missing } in measures {
        metrics.jail_missing.get_or_create(&OfMeasure { measure: name }).set(missing.is_some().into());
    }
    metrics.log_dropped.inner().store((server.options.dropped_records)(), Ordering::Relaxed);
    metrics.ahead.set(server.ahead.held());
    metrics.memory_used.set(server.node.budget.used());
    metrics.memory_limit.set(server.node.budget.limit());
    metrics.snapshot_bytes.set(server.node.snapshots.bytes());
    let more = server.options.system.as_ref().map(|system| system.metrics());
    let mut response = text(StatusCode::OK, metrics.encode(&more.unwrap_or_default()));
    let kind = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A parameter of a query that has a value.
fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned())
}

fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::full(Bytes::from(text.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn json<T: Serialize>(value: &T) -> Response<Body> {
    // The values here are texts, numbers and lists of them.
    let bytes = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::full(Bytes::from(bytes)));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(parameter("function=a%2Fb&call=x", "function").as_deref(), Some("a/b"));
        assert_eq!(parameter("function=a/b", "call"), None);
        assert_eq!(parameter("call=", "call"), None);
        assert_eq!(parameter("call=%zz", "call").as_deref(), Some("%zz"));
        assert_eq!(parameter("call=%ff", "call").as_deref(), Some("\u{fffd}"));
    }
}
