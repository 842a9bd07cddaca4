//! What clients get: one JSON object when the build is over, or lines of JSON while it goes on.
//!
//! OpenFaaS' client shows of an answer with another status than 200 that status alone, takes a line of more than 64 KiB or an end without a
//! last word for success, and an empty line for an error. So a stream always has status 200, ends with `success` or
//! `failed`, has short lines, and none without something in it.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use serde::Serialize;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::DropGuard;

use crate::process::{Ended, Event};

/// The body of an answer.
pub type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

const NDJSON: &str = "application/x-ndjson";
/// Bytes of log lines in one line of JSON, in which each may take two.
const LINE_BYTES: usize = 16 << 10;
/// Bytes of log lines in a stream, and the last so many in an object.
const STREAM_BYTES: usize = 16 << 20;
const OBJECT_BYTES: usize = 1 << 20;

/// A context that is not built.
#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    text: String,
}

impl Refusal {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into() }
    }

    /// All places are taken.
    pub fn busy() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "the builder is busy: try again later")
    }

    pub fn response(self) -> Response<Body> {
        if self.status != StatusCode::TOO_MANY_REQUESTS {
            let told = Told { status: FAILED, error: Some(&self.text), ..Told::default() };
            return json(self.status, &told);
        }
        let mut response = text(self.status, &self.text);
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        response
    }
}

const FAILED: &str = "failed";
const SUCCESS: &str = "success";
const IN_PROGRESS: &str = "in_progress";

/// What is told of a build.
#[derive(Debug, Default, Serialize)]
struct Told<'a> {
    log: Vec<String>,
    image: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    duration: Option<f64>,
}

impl<'a> Told<'a> {
    fn end(log: Vec<String>, image: &'a str, ended: &'a Ended) -> Self {
        let status = if ended.error.is_none() { SUCCESS } else { FAILED };
        let duration = Some((ended.took.as_secs_f64() * 1000.0).round() / 1000.0);
        Self { log, image, status, error: ended.error.as_deref(), duration }
    }
}

/// Whether a client wants to hear of it while it goes on.
pub fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted
        .flat_map(|value| value.split(','))
        .any(|one| one.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(NDJSON)))
}

/// A text.
pub fn text(status: StatusCode, text: &str) -> Response<Body> {
    respond(status, "text/plain; charset=utf-8", full(format!("{text}\n").into_bytes()))
}

/// A document.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Texts, numbers and lists of them can be written.
    respond(status, "application/json", full(serde_json::to_vec(value).unwrap_or_default()))
}

fn full(bytes: Vec<u8>) -> Body {
    Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync()
}

fn respond(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// The supervisor is gone without a word.
fn lost() -> Ended {
    Ended { error: Some("the build ended without a result".to_owned()), took: Duration::ZERO }
}

/// One object, once the build is over. Without `hold` it is over at once.
pub async fn whole(image: String, mut events: Receiver<Event>, hold: DropGuard) -> Response<Body> {
    let (mut log, mut bytes, mut left_out) = (VecDeque::new(), 0, 0usize);
    let ended = loop {
        match events.recv().await {
            Some(Event::Line(line)) => {
                bytes += line.len();
                log.push_back(line);
                while bytes > OBJECT_BYTES {
                    bytes -= log.pop_front().map_or(bytes, |first| first.len());
                    left_out += 1;
                }
            }
            Some(Event::End(ended)) => break ended,
            None => break lost(),
        }
    };
    drop(hold);
    if left_out > 0 {
        log.push_front(format!("({left_out} lines are left out)"));
    }
    let status = if ended.error.is_none() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    json(status, &Told::end(log.into(), &image, &ended))
}

/// A stream of objects.
struct Lines {
    image: String,
    events: Receiver<Event>,
    /// Nothing once the last object is handed over.
    hold: Option<DropGuard>,
    begun: bool,
    bytes: usize,
}

/// An object for what happens, as it happens. When nobody wants them any more, the build is over as well.
pub fn lines(image: String, events: Receiver<Event>, hold: DropGuard) -> Response<Body> {
    let lines = Lines { image, events, hold: Some(hold), begun: false, bytes: 0 };
    let objects = stream::unfold(lines, async |mut lines| {
        let bytes = lines.next().await?;
        Some((Ok(Frame::data(bytes)), lines))
    });
    respond(StatusCode::OK, NDJSON, StreamBody::new(objects).boxed_unsync())
}

impl Lines {
    async fn next(&mut self) -> Option<Bytes> {
        self.hold.as_ref()?;
        // The head goes out with it.
        if !std::mem::replace(&mut self.begun, true) {
            return Some(self.object(&Told { image: &self.image, status: IN_PROGRESS, ..Told::default() }));
        }
        let (mut log, mut bytes) = (Vec::new(), 0);
        let mut event = self.events.recv().await.unwrap_or_else(|| Event::End(lost()));
        loop {
            match event {
                Event::End(ended) => {
                    self.hold = None;
                    return Some(self.object(&Told::end(log, &self.image, &ended)));
                }
                Event::Line(line) => {
                    bytes += line.len();
                    self.take(line, &mut log);
                }
            }
            event = match self.events.try_recv() {
                Ok(event) if bytes < LINE_BYTES => event,
                Ok(Event::Line(line)) => {
                    self.take(line, &mut log);
                    break;
                }
                Ok(end) => {
                    event = end;
                    continue;
                }
                // A log that is left out still needs to be waited for.
                Err(_) if log.is_empty() => self.events.recv().await.unwrap_or_else(|| Event::End(lost())),
                Err(_) => break,
            };
        }
        Some(self.object(&Told { log, image: &self.image, status: IN_PROGRESS, ..Told::default() }))
    }

    /// A line of the log, while there is room for it.
    fn take(&mut self, line: String, log: &mut Vec<String>) {
        let had_room = self.bytes <= STREAM_BYTES;
        self.bytes = self.bytes.saturating_add(line.len());
        if self.bytes <= STREAM_BYTES {
            log.push(line);
        } else if had_room {
            log.push("(the log is too long: the rest is left out)".to_owned());
        }
    }

    fn object(&self, told: &Told<'_>) -> Bytes {
        // Texts, numbers and lists of them can be written.
        let mut bytes = serde_json::to_vec(told).unwrap_or_default();
        bytes.push(b'\n');
        bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::LOG_LINE_MAX;
    use serde_json::{Value, json};
    use tokio_util::sync::CancellationToken;

    async fn read(lines: Vec<Event>) -> Vec<Value> {
        let (sender, events) = tokio::sync::mpsc::channel(lines.len().max(1));
        for line in lines {
            sender.try_send(line).unwrap();
        }
        drop(sender);
        let cancelled = CancellationToken::new();
        let response = super::lines("i".to_owned(), events, cancelled.clone().drop_guard());
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        assert!(cancelled.is_cancelled());
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        assert!(text.ends_with('\n') && text.lines().all(|line| !line.is_empty() && line.len() < 64 << 10));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn success() -> Event {
        Event::End(Ended { error: None, took: Duration::from_millis(1500) })
    }

    #[tokio::test]
    async fn a_stream_has_short_lines_and_a_last_word() {
        let some = read(vec![Event::Line("a".to_owned()), Event::Line("b".to_owned()), success()]).await;
        assert_eq!(some[0], json!({"log": [], "image": "i", "status": "in_progress"}));
        assert_eq!(some[1], json!({"log": ["a", "b"], "image": "i", "status": "success", "duration": 1.5}));
        let none = read(Vec::new()).await;
        assert_eq!(none.last().unwrap()["status"], "failed");
        let long: Vec<Event> =
            (0..10_000).map(|_| Event::Line("\"".repeat(LOG_LINE_MAX))).chain([success()]).collect();
        let told = read(long).await;
        let lines = told.iter().map(|one| one["log"].as_array().unwrap().len()).sum::<usize>();
        assert_eq!(lines, STREAM_BYTES / LOG_LINE_MAX + 1, "and that the rest is left out");
        assert_eq!(told.last().unwrap()["status"], "success");
    }

    #[test]
    fn clients_say_what_they_want() {
        let wants = |accept: &str| wants_lines(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]));
        assert!(wants("application/x-ndjson") && wants("text/html, application/X-NDJSON;q=1"));
        assert!(!wants("application/json") && !wants("*/*") && !wants_lines(&HeaderMap::new()));
    }
}
