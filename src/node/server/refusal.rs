//! Answers that hyper gives itself, to bytes that are no request: here they get the problem document that all of our
//! answers have.
//!
//! hyper has no hook for them and writes a bare head, as the last thing on a connection. It is recognised by that shape,
//! and only while no request of the connection is being answered, so that a function's bytes are never taken for it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Frame, SizeHint};

use super::body::{Body, BodyError};
use super::headers;
use super::problem::{Component, Problem, Reader};
use super::reason::Reason;
use super::watch::Pace;

/// Longest head that hyper writes of itself.
const HEAD_MAX: usize = 256;
/// Headers that it puts there.
const OWN: [&str; 3] = ["connection", "content-length", "date"];

/// Requests of one connection that are being answered.
#[derive(Clone, Debug, Default)]
pub struct Answering(Arc<AtomicUsize>);

/// One of them, until its answer is handed over.
#[derive(Debug)]
pub struct Answer(Arc<AtomicUsize>);

impl Answering {
    /// Counts a request whose answer is ours to give, so that hyper's own one is not taken for it.
    pub fn begin(&self) -> Answer {
        self.0.fetch_add(1, Ordering::Relaxed);
        Answer(self.0.clone())
    }

    /// What to write instead of `bytes`, if those are hyper's own.
    pub fn replacement(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if self.0.load(Ordering::Relaxed) == 0 { replacement(bytes) } else { None }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response's body that knows whose answer it is.
#[derive(Debug)]
pub struct Answered {
    body: Body,
    pace: Option<Pace>,
    _answer: Answer,
}

impl Answered {
    /// The body of an answer, and the limit on its client, if it has one of its own.
    pub fn new(body: Body, pace: Option<Pace>, answer: Answer) -> Self {
        Self { body, pace, _answer: answer }
    }
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(pace) = &self.pace else { return Pin::new(&mut self.body).poll_frame(cx) };
        pace.taken();
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let (Poll::Ready(Some(Ok(frame))), Some(pace)) = (&polled, &self.pace) {
            pace.handed(frame.data_ref().map_or(0, Bytes::len));
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn replacement(bytes: &[u8]) -> Option<Vec<u8>> {
    let head = bytes.strip_suffix(b"\r\n\r\n").filter(|head| head.len() <= HEAD_MAX)?;
    let mut lines = std::str::from_utf8(head).ok()?.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    let of_request = |status, reason, told| Problem::new(status, Component::Request, reason, told);
    let problem = match status {
        "400" => of_request(
            StatusCode::BAD_REQUEST,
            Reason::Malformed,
            "the request is not HTTP as RFC 9112 has it",
        ),
        "414" => of_request(
            StatusCode::URI_TOO_LONG,
            Reason::TargetTooLong,
            "the target of the request is too long",
        ),
        "431" => Problem::headers_too_large(),
        _ => return None,
    };
    let fields: Vec<(&str, &str)> = lines.map(|line| line.split_once(": ")).collect::<Option<_>>()?;
    let own = fields.iter().all(|(name, _)| OWN.iter().any(|own| name.eq_ignore_ascii_case(own)));
    let empty =
        fields.iter().any(|(name, value)| name.eq_ignore_ascii_case("content-length") && *value == "0");
    if !own || !empty {
        return None;
    }
    let (id, _) = headers::call_id(&http::HeaderMap::new());
    let document = problem.document(&id, Reader::Caller);
    let mut text = format!(
        "HTTP/1.1 {}\r\nContent-Type: application/problem+json\r\nContent-Length: {}\r\nX-Call-Id: {id}\r\n\
         Connection: close\r\n",
        problem.status,
        document.len()
    );
    for (name, value) in fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case("date")) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    Some([text.into_bytes(), document].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &[u8] =
        b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";

    #[test]
    fn a_bare_refusal_gets_a_document() {
        let text = String::from_utf8(replacement(BARE).unwrap()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n") && head.contains("\r\ndate: x"), "{head}");
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{head}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(body).unwrap()["reason"], "Malformed");
    }

    #[test]
    fn other_bytes_pass() {
        for other in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nx-call-id: a\r\n\r\n",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 5\r\n\r\nhello",
            b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nmore",
            b"HTTP/1.1 400",
            b"",
        ] {
            assert_eq!(replacement(other), None, "{}", other.escape_ascii());
        }
        let answering = Answering::default();
        let answer = answering.begin();
        assert_eq!(answering.replacement(BARE), None);
        drop(answer);
        assert!(answering.replacement(BARE).is_some());
    }
}
