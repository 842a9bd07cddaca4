//! The request as variables: the meta-variables of CGI (RFC 3875, 4.1).
//!
//! Beyond what the RFC asks for there is REQUEST_URI, which nearly all servers set. `Proxy` never becomes `HTTP_PROXY`,
//! which many HTTP clients obey, and names with an underscore are left out, since they would pass for others. The server
//! checks no credentials itself, so `Authorization` is the function's to see.

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName};
use http::{HeaderMap, StatusCode, request};

use super::headers::Peer;
use super::problem::{Component, Problem};
use super::reason::Reason;

/// The protocol that functions are spoken to with, whatever the client speaks.
const PROTOCOL: &str = "HTTP/1.1";

/// The variables of a request whose path was cut to what the function sees; `prefix` is what was cut off.
///
/// # Errors
/// 400 for a path that cannot be a variable.
pub fn of(parts: &request::Parts, prefix: &str, peer: Peer) -> Result<Vec<Vec<u8>>, Problem> {
    let path = parts.uri.path();
    let query = parts.uri.query().unwrap_or_default();
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let authority = host.parse::<http::uri::Authority>().ok();
    let name = authority.as_ref().map_or("localhost", |authority| authority.host());
    let port = authority.as_ref().and_then(|authority| authority.port_u16()).unwrap_or(80);
    let address = peer.address.ip().to_canonical().to_string();
    let rest = parts.uri.path_and_query().map_or("/", |rest| rest.as_str());
    let mut list = vec![
        variable("GATEWAY_INTERFACE", b"CGI/1.1"),
        variable("SERVER_SOFTWARE", concat!("kontain-faas/", env!("CARGO_PKG_VERSION")).as_bytes()),
        variable("SERVER_PROTOCOL", PROTOCOL.as_bytes()),
        variable("SERVER_NAME", name.as_bytes()),
        variable("SERVER_PORT", port.to_string().as_bytes()),
        variable("REQUEST_METHOD", parts.method.as_str().as_bytes()),
        variable("REQUEST_URI", format!("{prefix}{rest}").as_bytes()),
        variable("SCRIPT_NAME", prefix.as_bytes()),
        variable("PATH_INFO", &decoded(path)?),
        variable("QUERY_STRING", query.as_bytes()),
        variable("REMOTE_ADDR", address.as_bytes()),
        variable("REMOTE_HOST", address.as_bytes()),
    ];
    for (name, header) in [("CONTENT_LENGTH", CONTENT_LENGTH), ("CONTENT_TYPE", CONTENT_TYPE)] {
        if let Some(value) = parts.headers.get(header) {
            list.push(variable(name, value.as_bytes()));
        }
    }
    list.extend(parts.headers.keys().filter_map(|name| header(name, &parts.headers)));
    Ok(list)
}

/// `HTTP_…` for a header, its values joined.
fn header(name: &HeaderName, headers: &HeaderMap) -> Option<Vec<u8>> {
    let passes = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if [CONTENT_LENGTH, CONTENT_TYPE].contains(name) || name == "proxy" || !name.as_str().bytes().all(passes)
    {
        return None;
    }
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let joint: &[u8] = if *name == COOKIE { b"; " } else { b", " };
    let upper = name.as_str().to_ascii_uppercase().replace('-', "_");
    Some(variable(&format!("HTTP_{upper}"), &values.join(joint)))
}

fn variable(name: &str, value: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b"=", value].concat()
}

/// A path without its percent encoding. What would end a variable, or a line of a file of variables, is refused.
fn decoded(path: &str) -> Result<Vec<u8>, Problem> {
    let bytes: Vec<u8> = percent_encoding::percent_decode_str(path).collect();
    if bytes.iter().any(u8::is_ascii_control) {
        let detail = "the path has an encoded control character, which no variable can hold";
        return Err(Problem::new(StatusCode::BAD_REQUEST, Component::Request, Reason::PathInvalid, detail));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(uri: &str, headers: &[(&str, &str)]) -> Result<Vec<String>, Problem> {
        let mut request = http::Request::builder().method("POST").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let peer = Peer { address: "[::ffff:10.0.0.9]:1".parse().unwrap(), trusted: false };
        let list = of(&parts, "/ns/fn", peer)?;
        Ok(list.into_iter().map(|variable| String::from_utf8(variable).unwrap()).collect())
    }

    #[test]
    fn the_variables_of_the_rfc() {
        let headers = [
            ("host", "h.example:8080"),
            ("content-type", "text/plain"),
            ("content-length", "3"),
            ("x-a", "1"),
            ("x-a", "2"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
            ("authorization", "Bearer t"),
            ("proxy", "evil"),
            ("x_a", "spoofed"),
        ];
        let list = variables("/a%20b/c?q=%20", &headers).unwrap();
        for expected in [
            "GATEWAY_INTERFACE=CGI/1.1",
            "SERVER_PROTOCOL=HTTP/1.1",
            "SERVER_NAME=h.example",
            "SERVER_PORT=8080",
            "REQUEST_METHOD=POST",
            "REQUEST_URI=/ns/fn/a%20b/c?q=%20",
            "SCRIPT_NAME=/ns/fn",
            "PATH_INFO=/a b/c",
            "QUERY_STRING=q=%20",
            "REMOTE_ADDR=10.0.0.9",
            "CONTENT_LENGTH=3",
            "CONTENT_TYPE=text/plain",
            "HTTP_X_A=1, 2",
            "HTTP_COOKIE=a=1; b=2",
            "HTTP_AUTHORIZATION=Bearer t",
            "HTTP_HOST=h.example:8080",
        ] {
            assert!(list.iter().any(|variable| variable == expected), "{expected} in {list:?}");
        }
        assert!(!list.iter().any(|variable| variable.contains("evil") || variable.contains("spoofed")));
    }

    #[test]
    fn control_characters_are_refused_and_odd_percents_kept() {
        for path in ["/a%0aREMOTE_USER=root", "/a%00", "/%7f"] {
            assert_eq!(variables(path, &[]).unwrap_err().reason, Reason::PathInvalid, "{path}");
        }
        assert!(variables("/100%", &[]).unwrap().contains(&"PATH_INFO=/100%".to_owned()));
        assert!(variables("/%zz", &[]).unwrap().contains(&"PATH_INFO=/%zz".to_owned()));
    }
}
