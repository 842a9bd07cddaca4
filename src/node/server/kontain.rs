//! `protocol: kontain`, the first Kontain FAAS: a request document to the program, a reply document from it.
//!
//! The request is JSON: `{"Method":…,"Url":…,"Headers":{NAME:[VALUE,…]},"Data":BASE64}`. `Url` is the whole one that the
//! client asked for, as a path with namespace and function (and the query); the body is encoded as it comes, so a long one
//! is never held. The reply is JSON as well, `{"Status":…,"Data":BASE64}`, or lines: `STATUSCODE: NUMBER` and
//! `DATA: BASE64`. Status 200 and no data are what is meant by leaving them out.

use std::collections::BTreeMap;
use std::pin::Pin;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use bytes::Bytes;
use http::{Response, StatusCode, request};
use serde::{Deserialize, Serialize};
use tokio::time::Sleep;

use super::body::Body;
use super::exchange::{Collected, Exchange, Input};
use super::finish::CallEnd;
use super::intake::RequestBody;
use super::invoke::Call;
use super::problem::{Component, Problem};
use super::reason::Reason;
use super::verdict;

/// Longest reply, as the program writes it.
const REPLY_MAX: usize = 32 << 20;
/// Decoding that does not ask for padding, which the first Kontain's functions sometimes left out.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The request without its body.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Head<'a> {
    method: &'a str,
    url: String,
    headers: BTreeMap<String, Vec<String>>,
    data: &'static str,
}

/// A reply; names of fields are as its writers' languages have them.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Reply {
    #[serde(rename = "Status", alias = "status", default)]
    status: Option<u16>,
    #[serde(rename = "Data", alias = "data", default)]
    data: Option<String>,
}

/// Carries the call out on its machine, and answers it.
///
/// # Errors
/// The answer to give instead, with the call's end, which is not done.
pub async fn answer(
    call: &Call,
    end: CallEnd,
    mut deadline: Pin<Box<Sleep>>,
    parts: &request::Parts,
    body: RequestBody,
) -> Result<Response<Body>, (CallEnd, Problem)> {
    let mut exchange = Exchange::new((**end.call()).clone(), document(call.prefix(), parts, body));
    let collected = exchange.collect(REPLY_MAX, &call.server().node.budget, &mut deadline).await;
    let replied = match collected {
        Err(problem) => Err(problem),
        Ok(Collected::Whole(bytes)) => reply(&bytes),
        Ok(Collected::Ended(_, ended)) => Err(verdict::outcome(&ended.outcome)),
        Ok(Collected::Part(_)) => Err(malformed(format!("it is longer than {REPLY_MAX} bytes"))),
    };
    let (status, data) = match replied {
        Ok(replied) => replied,
        Err(problem) => return Err((end, problem)),
    };
    let response = call.plain(status, &end, Body::full(data));
    end.complete();
    Ok(response)
}

/// The request as the program reads it.
fn document(prefix: &str, parts: &request::Parts, body: RequestBody) -> Input {
    let rest = parts.uri.path_and_query().map_or("/", |rest| rest.as_str());
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.entry(title_case(name.as_str())).or_default().push(value);
    }
    let head = Head { method: parts.method.as_str(), url: format!("{prefix}{rest}"), headers, data: "" };
    // Texts and lists of them always have a JSON form; it ends with the empty text of the data and a brace.
    let mut text = serde_json::to_vec(&head).unwrap_or_default();
    text.truncate(text.len().saturating_sub(2));
    let mut left: Vec<u8> = Vec::new();
    Input::encoded(body, text.into(), move |piece| match piece {
        // Groups of three bytes have a form of their own; what is left of one waits for the next piece.
        Some(piece) => {
            left.extend_from_slice(&piece);
            let whole = left.len() / 3 * 3;
            let text = STANDARD.encode(&left[..whole]);
            left.drain(..whole);
            text.into()
        }
        None => format!("{}\"}}", STANDARD.encode(&left)).into(),
    })
}

/// `X-Call-Id` for `x-call-id`, as HTTP/1 and the first Kontain's server have it.
fn title_case(name: &str) -> String {
    let capital = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Status and body of a reply.
fn reply(bytes: &[u8]) -> Result<(StatusCode, Bytes), Problem> {
    let text = bytes.trim_ascii();
    let Reply { status, data } = match text.first() {
        Some(b'{') => serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?,
        _ => lines(text)?,
    };
    let status = status.unwrap_or(StatusCode::OK.as_u16());
    let status = StatusCode::from_u16(status).ok().filter(|status| (200..600).contains(&status.as_u16()));
    let status = status.ok_or_else(|| malformed("its status is none of 200 to 599"))?;
    let data = LENIENT.decode(data.unwrap_or_default().trim());
    let data = data.map_err(|error| malformed(format!("its data is not base64: {error}")))?;
    // RFC 9110, 15.3.5 and 15.4.5: these two have no content.
    let empty = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status);
    Ok((status, if empty { Bytes::new() } else { data.into() }))
}

/// The reply in lines.
fn lines(text: &[u8]) -> Result<Reply, Problem> {
    let text = std::str::from_utf8(text).map_err(|_| malformed("it is not text"))?;
    if text.is_empty() {
        return Err(malformed("it is empty"));
    }
    let mut reply = Reply::default();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.split_once(':').map(|(key, value)| (key.trim(), value.trim())) {
            Some(("STATUSCODE", value)) => {
                let status = value.parse().map_err(|_| malformed("STATUSCODE is not a number"))?;
                reply.status = Some(status);
            }
            Some(("DATA", value)) => reply.data = Some(value.to_owned()),
            _ => return Err(malformed("it is neither JSON nor lines of STATUSCODE: and DATA:")),
        }
    }
    Ok(reply)
}

fn malformed(why: impl std::fmt::Display) -> Problem {
    Problem::bad_gateway(
        Component::Function,
        Reason::ReplyMalformed,
        format!("the function's reply is malformed: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replied(text: &str) -> (u16, String) {
        let (status, data) = reply(text.as_bytes()).unwrap();
        (status.as_u16(), String::from_utf8(data.to_vec()).unwrap())
    }

    #[test]
    fn both_forms_of_a_reply() {
        for text in [
            r#"{"Status":201,"Data":"aGk="}"#,
            r#" {"status":201,"data":"aGk"} "#,
            "STATUSCODE: 201\nDATA: aGk=\n",
            "DATA:aGk=\r\nSTATUSCODE:201\r\n",
        ] {
            assert_eq!(replied(text), (201, "hi".into()), "{text}");
        }
        assert_eq!(replied("{}"), (200, String::new()));
        assert_eq!(replied(r#"{"Status":200,"Data":null}"#), (200, String::new()));
        assert_eq!(replied("DATA: aGk="), (200, "hi".into()));
        assert_eq!(replied(r#"{"Status":204,"Data":"aGk="}"#), (204, String::new()));
    }

    #[test]
    fn what_is_no_reply_is_a_bad_gateway() {
        for text in [
            "",
            "hello",
            "STATUSCODE: many",
            "STATUSCODE: 99",
            "STATUSCODE: 101",
            r#"{"Status":99999}"#,
            r#"{"Status":200,"Data":"%"}"#,
            r#"{"Status":200"#,
            "STATUSCODE: 200\nX: 1",
        ] {
            assert_eq!(reply(text.as_bytes()).unwrap_err().reason, Reason::ReplyMalformed, "{text}");
        }
        assert!(reply(b"\xff\xfe").is_err());
    }

    #[test]
    fn names_are_capitalized() {
        assert_eq!(title_case("x-call-id"), "X-Call-Id");
        assert_eq!(title_case("-"), "-");
    }
}
