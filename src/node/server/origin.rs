//! Functions share a host, and to browsers that is one origin: what a function says to them about that origin would hold
//! for the functions of others. A function with a host of its own has an origin of its own, but shares the domain above.
//!
//! Headers that speak for the origin as a whole are taken out of answers. Cookies are kept to the function that sets them: no
//! `Domain`, and on a shared host a `Path` below the function's own. A `__Host-` cookie must have the path `/`, so there browsers refuse it.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, SET_COOKIE};

/// Headers that hold for a whole origin.
const OF_ORIGIN: [HeaderName; 9] = [
    HeaderName::from_static("accept-ch"),
    HeaderName::from_static("alt-svc"),
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("origin-agent-cluster"),
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("strict-transport-security"),
];

/// Of these, those that reach beyond a host: browsers clear cookies of all hosts of a site.
const OF_SITE: [HeaderName; 1] = [HeaderName::from_static("clear-site-data")];

/// Narrows an answer to the function that gives it. `prefix` is the part of the path that names it, like `/namespace/function`;
/// empty where it has a host of its own.
pub fn narrow(headers: &mut HeaderMap, prefix: &str) {
    let beyond: &[HeaderName] = if prefix.is_empty() { &OF_SITE } else { &OF_ORIGIN };
    for name in beyond {
        headers.remove(name);
    }
    if !headers.contains_key(SET_COOKIE) {
        return;
    }
    let narrowed: Vec<HeaderValue> =
        headers.get_all(SET_COOKIE).iter().filter_map(|cookie| narrow_cookie(cookie, prefix)).collect();
    headers.remove(SET_COOKIE);
    for cookie in narrowed {
        headers.append(SET_COOKIE, cookie);
    }
}

/// The cookie without `Domain` and with one `Path` below the prefix, as RFC 6265, 5.2 reads it: the last one counts. Without a
/// prefix the path is the function's to say.
fn narrow_cookie(cookie: &HeaderValue, prefix: &str) -> Option<HeaderValue> {
    let mut parts = cookie.as_bytes().split(|byte| *byte == b';');
    let mut narrowed = parts.next()?.to_vec();
    let mut path: &[u8] = b"/";
    for attribute in parts {
        let (name, value) = match attribute.iter().position(|byte| *byte == b'=') {
            Some(at) => (attribute[..at].trim_ascii(), attribute[at + 1..].trim_ascii()),
            None => (attribute.trim_ascii(), &b""[..]),
        };
        if name.eq_ignore_ascii_case(b"path") && !prefix.is_empty() {
            // RFC 6265, 5.2.4: what does not begin with a slash is the default path.
            path = if value.starts_with(b"/") { value } else { b"/" };
        } else if !name.eq_ignore_ascii_case(b"domain") {
            narrowed.push(b';');
            narrowed.extend_from_slice(attribute);
        }
    }
    if !prefix.is_empty() {
        narrowed.extend_from_slice(b"; Path=");
        narrowed.extend_from_slice(prefix.as_bytes());
        narrowed.extend_from_slice(below(path, prefix));
    }
    HeaderValue::from_bytes(&narrowed).ok()
}

/// What of a path comes after the function's own, which programs that know their prefix have put in already.
fn below<'a>(path: &'a [u8], prefix: &str) -> &'a [u8] {
    match path.strip_prefix(prefix.as_bytes()) {
        Some(rest) if rest.is_empty() || rest.starts_with(b"/") => rest,
        _ if path == b"/" => b"",
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_stay_with_their_function() {
        for (cookie, expected) in [
            ("a=1", "a=1; Path=/ns/fn"),
            ("a=1; Path=/", "a=1; Path=/ns/fn"),
            ("a=1; path = /x/y ; Secure", "a=1; Secure; Path=/ns/fn/x/y"),
            ("a=1;Domain=example.com;HttpOnly", "a=1;HttpOnly; Path=/ns/fn"),
            ("a=1; Path=/ns/fn/x", "a=1; Path=/ns/fn/x"),
            ("a=1; Path=/ns/fn", "a=1; Path=/ns/fn"),
            ("a=1; Path=/ns/fnord", "a=1; Path=/ns/fn/ns/fnord"),
            ("a=1; Path=/ns/fn; Path=/", "a=1; Path=/ns/fn"),
            ("a=1; DOMAIN; PATH", "a=1; Path=/ns/fn"),
            ("a=\"x\"; Path=relative; SameSite=Lax", "a=\"x\"; SameSite=Lax; Path=/ns/fn"),
        ] {
            let narrowed = narrow_cookie(&HeaderValue::from_static(cookie), "/ns/fn").unwrap();
            assert_eq!(narrowed, expected, "{cookie}");
        }
    }

    #[test]
    fn a_host_of_ones_own_is_no_domain() {
        let mut headers = HeaderMap::new();
        headers
            .insert(SET_COOKIE, HeaderValue::from_static("__Host-a=1; Path=/; Secure; Domain=example.com"));
        headers.insert("service-worker-allowed", HeaderValue::from_static("/"));
        headers.insert("clear-site-data", HeaderValue::from_static("\"cookies\""));
        narrow(&mut headers, "");
        assert_eq!(headers[SET_COOKIE], "__Host-a=1; Path=/; Secure");
        assert!(headers.contains_key("service-worker-allowed") && !headers.contains_key("clear-site-data"));
    }
}
