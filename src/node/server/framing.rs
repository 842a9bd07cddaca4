//! Whether a function's answer can be passed on truthfully (RFC 9112, 5 and 6).
//!
//! What the RFC has a proxy repair, hyper repairs when it is asked to: space before a colon, and lines that are folded. What is
//! ambiguous, or in a coding that this proxy does not undo, is no answer: another reader would see another one.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, StatusCode, Version, response};

/// Checks how an answer says where it ends, and makes equal lengths one.
///
/// # Errors
/// What is wrong with it.
pub fn check(parts: &mut response::Parts) -> Result<(), &'static str> {
    if let Some(codings) = list(&parts.headers, TRANSFER_ENCODING)? {
        if parts.headers.contains_key(CONTENT_LENGTH) {
            return Err("it has a length and a transfer coding");
        }
        if parts.version < Version::HTTP_11 {
            return Err("it is HTTP/1.0 and has a transfer coding");
        }
        if !matches!(codings.as_slice(), [coding] if coding.eq_ignore_ascii_case("chunked")) {
            return Err("it has a transfer coding that is not `chunked`");
        }
    }
    if let Some(lengths) = list(&parts.headers, CONTENT_LENGTH)? {
        let numbers = lengths.iter().map(|text| length(text)).collect::<Option<Vec<u64>>>();
        let number = match numbers.as_deref() {
            Some([first, rest @ ..]) if rest.iter().all(|other| other == first) => *first,
            _ => return Err("its length is no number, or more than one"),
        };
        // RFC 9110, 8.6: this one never has a length.
        if parts.status == StatusCode::NO_CONTENT {
            parts.headers.remove(CONTENT_LENGTH);
        } else if lengths.len() > 1 {
            parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(number));
        }
    }
    Ok(())
}

/// The members of a list header, if it is there.
fn list(headers: &HeaderMap, name: http::HeaderName) -> Result<Option<Vec<&str>>, &'static str> {
    let mut members = Vec::new();
    for value in headers.get_all(&name) {
        let text = value.to_str().map_err(|_| "its framing is not ASCII")?;
        members.extend(text.split(',').map(str::trim));
    }
    Ok((!members.is_empty()).then_some(members))
}

fn length(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}
