//! `/function/NAME[.NAMESPACE]/…`: OpenFaaS' way to call a function.
//!
//! The last dot of the name splits off the namespace. OpenFaaS' client always names one, `openfaas-fn` where its user names none:
//! that and a missing one mean the server's default namespace (`serve --default-namespace`). A function whose own name has dots
//! is called with its namespace.
//!
//! Function and client see `X-Start-Time`; the client sees `X-Served-By`, a content type in any case, `X-Call-Id` only where it
//! chose none itself, and `X-OpenFaaS-Internal: proxy` on answers that are the server's. Calls to `/async-function/` need
//! a queue, which a node has not.

use std::time::{SystemTime, UNIX_EPOCH};

use api::validate::{is_dns_label, is_dns_subdomain};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode, response};

use super::{Asked, Dialect, Names, Route, Source, Target};
use crate::server::headers::CALL_ID;
use crate::server::problem::{Component, Problem};
use crate::server::reason::Reason;

/// `/function/NAME[.NAMESPACE]/…`.
pub struct OpenFaas;

const FUNCTION: &str = "/function";
const ASYNC_FUNCTION: &str = "/async-function";
/// What OpenFaaS' client writes for "no namespace".
const NO_NAMESPACE: &str = "openfaas-fn";
/// When a call came: nanoseconds since 1970.
const START_TIME: HeaderName = HeaderName::from_static("x-start-time");
/// Who answered.
const SERVED_BY: HeaderName = HeaderName::from_static("x-served-by");
/// Marks answers that no function gave; queues try these again.
const INTERNAL: HeaderName = HeaderName::from_static("x-openfaas-internal");
const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::HEAD];

impl Dialect for OpenFaas {
    fn find(&self, names: &Names, target: Target<'_>) -> Option<Result<Route, Problem>> {
        let path = target.path.path();
        // Of nearly all paths of other dialects the second byte already tells.
        if !matches!(path.as_bytes().get(1), Some(b'f' | b'a')) {
            return None;
        }
        if below(path, ASYNC_FUNCTION).is_some() {
            let told = "this node has no queue for asynchronous calls: call /function/NAME instead";
            let (status, reason) = (StatusCode::NOT_IMPLEMENTED, Reason::NoQueue);
            return Some(Err(Problem::new(status, Component::Router, reason, told)));
        }
        let name = below(path, FUNCTION)?;
        let name = name.split_once('/').map_or(name, |(name, _)| name);
        let route = function(name, &names.namespace)
            .and_then(|function| Route::below(target.path, FUNCTION.len() + 1 + name.len(), function));
        let told = "the path names no function: /function/NAME[.NAMESPACE]/…";
        Some(route.ok_or_else(|| Problem::not_found(told)))
    }

    fn takes(&self, method: &Method) -> bool {
        METHODS.contains(method)
    }

    fn note(&self, headers: &HeaderMap, has_id: bool) -> Asked {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started = HeaderValue::try_from(now.as_nanos().to_string()).ok();
        Asked { started, content_type: headers.get(CONTENT_TYPE).cloned(), has_id }
    }

    fn ask(&self, headers: &mut HeaderMap, asked: &Asked) {
        if let Some(started) = &asked.started {
            headers.insert(START_TIME, started.clone());
        }
    }

    fn answer(&self, parts: &mut response::Parts, asked: Asked, source: Source) {
        let has_content = !parts.status.is_informational()
            && ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&parts.status);
        let headers = &mut parts.headers;
        if has_content && !headers.contains_key(CONTENT_TYPE) {
            let kind = asked.content_type.unwrap_or(HeaderValue::from_static("text/plain"));
            headers.insert(CONTENT_TYPE, kind);
        }
        if let Some(started) = asked.started {
            headers.insert(START_TIME, started);
        }
        headers
            .insert(SERVED_BY, HeaderValue::from_static(concat!("kontain-faas/", env!("CARGO_PKG_VERSION"))));
        if asked.has_id {
            headers.remove(CALL_ID);
        }
        if source == Source::Platform {
            headers.insert(INTERNAL, HeaderValue::from_static("proxy"));
        }
    }
}

/// What follows a first part of a path; empty where nothing does.
fn below<'a>(path: &'a str, first: &str) -> Option<&'a str> {
    let rest = path.strip_prefix(first)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

/// `namespace/function` of a name as clients write it.
fn function(name: &str, default: &str) -> Option<String> {
    let (function, namespace) = match name.rsplit_once('.') {
        Some((function, NO_NAMESPACE)) => (function, default),
        Some((function, namespace)) => (function, namespace),
        None => (name, default),
    };
    (is_dns_subdomain(function) && is_dns_label(namespace)).then(|| format!("{namespace}/{function}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::route::tests::routed;

    #[test]
    fn the_last_dot_splits_off_the_namespace() {
        for (path, function, prefix, rest) in [
            ("/function/hello", "default/hello", "/function/hello", "/"),
            ("/function/hello?a=1", "default/hello", "/function/hello", "/?a=1"),
            ("/function/hello.ns/x//y?z", "ns/hello", "/function/hello.ns", "/x//y?z"),
            ("/function/hello.openfaas-fn/", "default/hello", "/function/hello.openfaas-fn", "/"),
            ("/function/v2.hello.ns/", "ns/v2.hello", "/function/v2.hello.ns", "/"),
        ] {
            let expected = (function.to_owned(), prefix.to_owned(), rest.to_owned());
            assert_eq!(routed(&Names::default(), "h", path), Ok(expected), "{path}");
        }
        let names = Names::new(Vec::new(), "team".to_owned());
        for path in ["/function/hello", "/function/hello.openfaas-fn"] {
            assert_eq!(routed(&names, "h", path).unwrap().0, "team/hello");
        }
    }

    #[test]
    fn tricks_in_names_are_no_names() {
        for path in [
            "/function",
            "/function/",
            "/function//hello",
            "/function/.ns",
            "/function/hello.",
            "/function/..",
            "/function/Hello",
            "/function/a_b",
            "/function/%68ello",
            "/function/hello%2ens",
            "/function/a..b",
        ] {
            assert_eq!(routed(&Names::default(), "h", path), Err(404), "{path}");
        }
    }

    #[test]
    fn answers_are_marked() {
        let answer = |status: u16, source, has_id, kind: Option<&'static str>| {
            let mut asked = OpenFaas.note(&HeaderMap::new(), has_id);
            asked.content_type = kind.map(HeaderValue::from_static);
            let response = http::Response::builder().status(status).header(CALL_ID, "id").body(()).unwrap();
            let (mut parts, ()) = response.into_parts();
            OpenFaas.answer(&mut parts, asked, source);
            parts.headers
        };
        let plain = answer(200, Source::Function, false, None);
        assert_eq!(
            (&plain[CONTENT_TYPE], &plain[CALL_ID]),
            (&HeaderValue::from_static("text/plain"), &HeaderValue::from_static("id"))
        );
        assert!(
            plain[START_TIME].to_str().unwrap().parse::<u128>().unwrap() > 1 << 60
                && !plain.contains_key(INTERNAL)
        );
        let marked = answer(404, Source::Platform, true, Some("text/x"));
        assert_eq!(
            (&marked[CONTENT_TYPE], &marked[INTERNAL]),
            (&HeaderValue::from_static("text/x"), &HeaderValue::from_static("proxy"))
        );
        assert!(!marked.contains_key(CALL_ID));
        assert!(!answer(204, Source::Function, false, None).contains_key(CONTENT_TYPE));
    }
}
