//! What happens to headers between client and function.
//!
//! End-to-end headers pass unchanged. Hop-by-hop ones (RFC 9110, 7.6.1) end here, before ours are set, so that a
//! `Connection` header cannot name ours away.

use std::net::{IpAddr, SocketAddr};

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, Entry, FORWARDED, HOST, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Request, Version, request};
use ipnet::IpNet;

use super::problem::Problem;

/// Most header fields of a request.
pub const FIELDS_MAX: usize = 1000;
/// Longest head of a request in bytes; over HTTP/2 as RFC 9113, 6.5.2 counts them.
pub const HEAD_MAX: usize = 64 << 10;
/// Id of a call, in requests, responses, logs and records; 1 to 128 visible characters if a client chose it.
pub const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Hop-by-hop headers beside those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// Names that proxies set, in order; `Proxy` becomes `HTTP_PROXY`.
const IDENTITIES: [&str; 16] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded-for",
    "proxy",
    "remote-addr",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-host",
    "x-original-uri",
    "x-original-url",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
];
/// Longest call id that a client may choose.
const CALL_ID_MAX: usize = 128;

/// The id of a call: the client's own if it is a good one, else a new one; and whether it is the client's.
pub fn call_id(headers: &HeaderMap) -> (String, bool) {
    let mut given = headers.get_all(&CALL_ID).iter();
    let own = given.next().filter(|_| given.next().is_none()).and_then(|value| value.to_str().ok());
    match own {
        Some(id)
            if (1..=CALL_ID_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            (id.to_owned(), true)
        }
        _ => (format!("{:032x}", fastrand::u128(..)), false),
    }
}

/// The host that the client named, if it named it as it must.
///
/// # Errors
/// What is wrong with it.
pub fn check_host(parts: &request::Parts) -> Result<HeaderValue, &'static str> {
    let mut hosts = parts.headers.get_all(HOST).iter();
    let header = hosts.next();
    if hosts.next().is_some() {
        return Err("the request has more than one Host header");
    }
    // RFC 9112, 3.2.2: the authority of an absolute target replaces Host; HTTP/2 has only the authority.
    let authority = parts.uri.authority().map(|authority| HeaderValue::from_str(authority.as_str()));
    match (authority, header) {
        (Some(Ok(authority)), _) if parts.version == Version::HTTP_2 || header.is_some() => {
            if is_host(&authority) { Ok(authority) } else { Err("the target's authority is malformed") }
        }
        (_, Some(host)) if is_host(host) => Ok(host.clone()),
        (_, Some(_)) => Err("the Host header is malformed"),
        (_, None) if parts.version <= Version::HTTP_10 => Ok(HeaderValue::from_static("localhost")),
        (_, None) => Err("the request has no Host header"),
    }
}

fn is_host(host: &HeaderValue) -> bool {
    let Ok(text) = host.to_str() else { return false };
    text.is_empty()
        || text.parse::<http::uri::Authority>().is_ok_and(|authority| !authority.as_str().contains('@'))
}

/// Does the client ask for another protocol on this connection?
pub fn wants_upgrade(parts: &request::Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.headers.contains_key(UPGRADE)
        && connection_tokens(&parts.headers).any(|token| token.eq_ignore_ascii_case("upgrade"))
}

fn connection_tokens(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Removes what concerns this connection alone.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> =
            connection_tokens(headers).filter_map(|token| token.parse().ok()).collect();
        for name in named {
            // Framing is ours to say, whatever a Connection header names.
            if name != CONTENT_LENGTH && name != HOST {
                headers.remove(name);
            }
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Who sent a request, and how far its word is taken.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// What it says of the client before it is believed.
    pub trusted: bool,
}

impl Peer {
    /// The peer at an address.
    pub fn new(address: SocketAddr, trusted_proxies: &[IpNet]) -> Self {
        let ip = address.ip().to_canonical();
        Self { address, trusted: trusted_proxies.iter().any(|net| net.contains(&ip)) }
    }
}

/// Makes the headers that a function sees; `prefix` is the part of the path that is gone.
pub fn for_function(
    headers: &mut HeaderMap,
    peer: Peer,
    host: HeaderValue,
    call_id: &HeaderValue,
    prefix: &str,
) {
    strip_hop_by_hop(headers);
    headers.remove(EXPECT);
    // Those of requests are dropped; those of responses pass.
    headers.remove(TRAILER);
    if !peer.trusted {
        strip_identities(headers);
    }
    forwarded(headers, peer, &host);
    // Where nothing is gone, what a trusted proxy took away still is.
    if let (false, Ok(prefix)) = (prefix.is_empty(), HeaderValue::try_from(prefix)) {
        headers.insert(FORWARDED_PREFIX, prefix);
    }
    headers.insert(CALL_ID, call_id.clone());
    headers.insert(HOST, host);
    if !headers.get(TRACEPARENT).is_some_and(is_traceparent)
        && let Ok(value) =
            HeaderValue::try_from(format!("00-{:032x}-{:016x}-00", fastrand::u128(1..), fastrand::u64(1..)))
    {
        headers.insert(TRACEPARENT, value);
    }
}

/// A request that is queued, with the headers that the function is to see, and its client's own id for the call.
///
/// # Errors
/// When its head is one that no function is called with.
pub fn for_queue<B>(
    request: Request<B>,
    peer: Peer,
    host: HeaderValue,
) -> Result<(Request<B>, Option<String>), Problem> {
    let (mut parts, body) = request.into_parts();
    if parts.headers.len() > FIELDS_MAX {
        return Err(Problem::headers_too_large());
    }
    let (id, has_id) = call_id(&parts.headers);
    let value = HeaderValue::try_from(id.as_str()).map_err(|_| Problem::headers_too_large())?;
    for_function(&mut parts.headers, peer, host, &value, "");
    Ok((Request::from_parts(parts, body), has_id.then_some(id)))
}

/// Removes headers that a client could forge as a proxy's word: names that say who the client is or what it asked for. Names
/// with other characters than letters, digits and `-` go as well: where these become `_`, they collide with the former.
fn strip_identities(headers: &mut HeaderMap) {
    let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_taken = |name: &str| {
        !is_plain(name) || name.starts_with("x-forwarded-") || IDENTITIES.binary_search(&name).is_ok()
    };
    let taken: Vec<HeaderName> = headers.keys().filter(|name| is_taken(name.as_str())).cloned().collect();
    for name in &taken {
        headers.remove(name);
    }
}

/// The `X-Forwarded-*` headers and `Forwarded`: appended to what a trusted proxy says, else replaced.
fn forwarded(headers: &mut HeaderMap, peer: Peer, host: &HeaderValue) {
    if !peer.trusted {
        for name in [&FORWARDED_FOR, &FORWARDED_HOST, &FORWARDED_PROTO, &FORWARDED] {
            headers.remove(name);
        }
    }
    let ip = peer.address.ip().to_canonical();
    append(headers, FORWARDED_FOR, &ip.to_string());
    headers.entry(FORWARDED_HOST).or_insert_with(|| host.clone());
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
    let node = match ip {
        IpAddr::V4(ip) => ip.to_string(),
        // RFC 7239, 6: an IPv6 address is bracketed and quoted.
        IpAddr::V6(ip) => format!("\"[{ip}]\""),
    };
    let host = host.to_str().unwrap_or_default();
    append(headers, FORWARDED, &format!("for={node};host=\"{host}\";proto=http"));
}

fn append(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let known: Vec<&str> = headers.get_all(&name).iter().filter_map(|value| value.to_str().ok()).collect();
    let joined = if known.is_empty() { text.to_owned() } else { format!("{}, {text}", known.join(", ")) };
    if let Ok(value) = HeaderValue::try_from(joined) {
        match headers.entry(name) {
            Entry::Occupied(mut entry) => {
                entry.insert(value);
            }
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
        }
    }
}

/// `version-trace-parent-flags` of W3C Trace Context, version 00.
fn is_traceparent(value: &HeaderValue) -> bool {
    let Ok(text) = value.to_str() else { return false };
    let parts: Vec<&str> = text.split('-').collect();
    let hex = |text: &str, len: usize| {
        text.len() == len && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let nonzero = |text: &str| text.bytes().any(|byte| byte != b'0');
    matches!(parts.as_slice(), [version, trace, parent, flags]
        if hex(version, 2) && *version != "ff" && hex(trace, 32) && nonzero(trace)
            && hex(parent, 16) && nonzero(parent) && hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn seen(list: &[(&'static str, &'static str)], trusted: bool) -> HeaderMap {
        seen_below("/a/b", list, trusted)
    }

    fn seen_below(prefix: &str, list: &[(&'static str, &'static str)], trusted: bool) -> HeaderMap {
        let mut headers = map(list);
        let peer = Peer { address: "10.0.0.9:1".parse().unwrap(), trusted };
        for_function(
            &mut headers,
            peer,
            HeaderValue::from_static("h"),
            &HeaderValue::from_static("id"),
            prefix,
        );
        headers
    }

    #[test]
    fn connection_cannot_strip_ours() {
        let headers = seen(
            &[
                ("connection", "x-call-id, x-own, host, x-forwarded-for"),
                ("x-own", "1"),
                ("te", "trailers"),
                ("expect", "100-continue"),
            ],
            false,
        );
        assert_eq!(headers["x-call-id"], "id");
        assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(headers["host"], "h");
        for name in ["x-own", "te", "connection", "expect"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let spoofed = [
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/x"),
            ("forwarded", "for=1.2.3.4"),
        ];
        let headers = seen(&spoofed, false);
        assert_eq!(headers["x-forwarded-for"], "10.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "http");
        assert_eq!(headers["forwarded"], "for=10.0.0.9;host=\"h\";proto=http");
        let headers = seen(&spoofed, true);
        assert_eq!(headers["x-forwarded-for"], "1.2.3.4, 10.0.0.9");
        assert_eq!(headers["x-forwarded-proto"], "https");
        assert_eq!(headers["forwarded"], "for=1.2.3.4, for=10.0.0.9;host=\"h\";proto=http");
        assert_eq!(headers["x-forwarded-prefix"], "/a/b");
        assert!(!seen_below("", &spoofed, false).contains_key("x-forwarded-prefix"));
        assert_eq!(seen_below("", &spoofed, true)["x-forwarded-prefix"], "/x");
    }

    #[test]
    fn identities_are_a_proxys_to_say() {
        assert!(IDENTITIES.is_sorted());
        let spoofed = [
            ("x_forwarded_for", "1"),
            ("x_call_id", "1"),
            ("x.real.ip", "1"),
            ("proxy", "1"),
            ("x-real-ip", "1"),
            ("x-forwarded-port", "1"),
            ("authorization", "1"),
        ];
        let headers = seen(&spoofed, false);
        let passed: Vec<_> = spoofed.iter().filter(|(name, _)| headers.contains_key(*name)).collect();
        assert_eq!(passed, [&("authorization", "1")]);
        let headers = seen(&spoofed, true);
        assert!(spoofed.iter().all(|(name, _)| headers.contains_key(*name)));
    }

    #[test]
    fn call_ids_are_validated() {
        assert_eq!(call_id(&map(&[("x-call-id", "mine-1")])), ("mine-1".to_owned(), true));
        for wrong in ["", "a b", "é"] {
            let mut headers = HeaderMap::new();
            headers.insert(CALL_ID, HeaderValue::from_bytes(wrong.as_bytes()).unwrap());
            let (id, is_own) = call_id(&headers);
            assert!(id.len() == 32 && !is_own, "{wrong}");
        }
        let mut headers = map(&[("x-call-id", "a")]);
        headers.append(CALL_ID, HeaderValue::from_static("b"));
        assert_eq!(call_id(&headers).0.len(), 32);
    }

    #[test]
    fn traceparent_is_kept_or_made() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(seen(&[("traceparent", good)], false)["traceparent"], good);
        let made = seen(&[("traceparent", "00-0-0-0")], false);
        assert!(is_traceparent(&made["traceparent"]));
    }

    #[test]
    fn hosts_are_checked() {
        let parts = |uri: &str, hosts: &[&str]| {
            let mut request = http::Request::builder().uri(uri);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            request.body(()).unwrap().into_parts().0
        };
        assert_eq!(check_host(&parts("/", &["a:1"])).unwrap(), "a:1");
        assert_eq!(check_host(&parts("http://b/", &["a"])).unwrap(), "b");
        for (uri, hosts) in [
            ("/", &[][..]),
            ("/", &["a", "a"]),
            ("/", &["a b"]),
            ("/", &["a@b"]),
            ("/", &["a/b"]),
            ("http://u@b/", &["b"]),
            ("http://u:p@b/", &["b"]),
        ] {
            assert!(check_host(&parts(uri, hosts)).is_err(), "{hosts:?}");
        }
    }
}
