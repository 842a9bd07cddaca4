//! `/system/logs`: a function's lines as ndjson, those that are there and, if that is asked for, those that come.

use std::sync::Arc;
use std::time::Duration;

use api::FunctionName;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use control::source::{LogLine, Seen};
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use crate::failure::Failure;
use crate::request::parameter;
use crate::{Shared, State};

/// How often is asked for new lines.
const INTERVAL: Duration = Duration::from_millis(500);
/// A node that cannot be asked so often is not asked any more.
const MISSES_MAX: u32 = 20;
/// What is shown where the client does not say how much.
const RECENT: SignedDuration = SignedDuration::from_mins(5);

/// A line as clients read it.
#[derive(Serialize)]
struct Message<'a> {
    name: &'a str,
    namespace: &'a str,
    /// The call: each has a machine of its own.
    instance: &'a str,
    timestamp: &'a str,
    text: &'a str,
}

/// Which lines are asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    since: Option<Timestamp>,
    /// The last so many.
    tail: Option<usize>,
    follow: bool,
}

impl Wanted {
    fn of(uri: &Uri, now: Timestamp) -> Result<Self, Failure> {
        let unreadable = |name: &str, value: &str| {
            Failure::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{name}: `{value}` cannot be read"))
        };
        let tail = parameter(uri, "tail")
            .map(|value| value.parse::<i64>().map_err(|_| unreadable("tail", &value)))
            .transpose()?;
        let since = parameter(uri, "since")
            .map(|value| value.parse::<Timestamp>().map_err(|_| unreadable("since", &value)))
            .transpose()?;
        let recent = || now.checked_sub(RECENT).unwrap_or(Timestamp::MIN);
        let follow = parameter(uri, "follow").unwrap_or_default();
        Ok(Self {
            since: if tail.is_none() && since.is_none() { Some(recent()) } else { since },
            tail: tail.and_then(|tail| usize::try_from(tail).ok()).filter(|tail| *tail > 0),
            follow: ["1", "t", "T", "true", "TRUE", "True"].contains(&follow.as_str()),
        })
    }

    /// Those of the lines that are there.
    fn choose(&self, mut lines: Vec<LogLine>) -> Vec<LogLine> {
        if let Some(since) = self.since {
            lines.retain(|line| line.time.parse::<Timestamp>().is_ok_and(|time| time >= since));
        }
        let more = self.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        lines.split_off(more)
    }
}

pub async fn read(shared: Shared, uri: Uri) -> Result<Response, Failure> {
    let named = parameter(&uri, "name")
        .ok_or_else(|| Failure::new(StatusCode::UNPROCESSABLE_ENTITY, "name: is required"))?;
    let wanted = Wanted::of(&uri, Timestamp::now())?;
    let name = shared.function(&named, parameter(&uri, "namespace").as_deref())?;
    if shared.get(&name).await?.is_none() {
        return Err(Failure::not_found(format!("no function {named}")));
    }
    let place = match wanted.follow {
        false => None,
        true => Some(shared.followers.clone().try_acquire_owned().map_err(|_| {
            Failure::new(StatusCode::TOO_MANY_REQUESTS, "as many clients as may already follow logs")
        })?),
    };
    // One that no node knows yet has written nothing.
    let lines = shared.options.catalog.logs(&name, None).await.unwrap_or_default();
    let mut seen = Seen::default();
    let lines = wanted.choose(seen.fresh(lines));
    let first = encode(&name, &lines);
    let body = match place {
        None => Body::from(first),
        Some(place) => {
            let (state, misses) = (shared.0.clone(), 0);
            let follower = Follower { state, name, seen, misses, first: Some(first), _place: place };
            Body::from_stream(stream::unfold(follower, Follower::next))
        }
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    Ok(response)
}

/// Who waits for lines.
struct Follower {
    state: Arc<State>,
    name: FunctionName,
    seen: Seen,
    /// Questions in a row that no node answered.
    misses: u32,
    first: Option<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next lines; ends with the gateway, and with the function.
    async fn next(mut self) -> Option<(Result<Bytes, std::convert::Infallible>, Self)> {
        if let Some(first) = self.first.take().filter(|first| !first.is_empty()) {
            return Some((Ok(first), self));
        }
        loop {
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = self.state.options.stop.cancelled() => return None,
            }
            match self.state.options.catalog.logs(&self.name, None).await {
                Ok(lines) => {
                    self.misses = 0;
                    let fresh = self.seen.fresh(lines);
                    if !fresh.is_empty() {
                        let bytes = encode(&self.name, &fresh);
                        return Some((Ok(bytes), self));
                    }
                }
                Err(_) if self.misses < MISSES_MAX => self.misses += 1,
                Err(_) => return None,
            }
        }
    }
}

fn encode(name: &FunctionName, lines: &[LogLine]) -> Bytes {
    let mut bytes = Vec::new();
    for LogLine { time, call, text, .. } in lines {
        let (namespace, name) = (name.namespace(), name.function());
        let message = Message { name, namespace, instance: call, timestamp: time, text };
        // Texts always have a JSON form.
        bytes.extend(serde_json::to_vec(&message).unwrap_or_default());
        bytes.push(b'\n');
    }
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Result<Wanted, u16> {
        let uri: Uri = format!("/system/logs?{query}").parse().unwrap();
        let now = "2026-01-01T00:10:00Z".parse().unwrap();
        Wanted::of(&uri, now).map_err(|failure| failure.status.as_u16())
    }

    #[test]
    fn queries_are_read_as_clients_write_them() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        for (query, since, tail, follow) in [
            ("name=f", time("2026-01-01T00:05:00Z"), None, false),
            ("tail=-1&follow=true", None, None, true),
            ("tail=3&follow=1", None, Some(3), true),
            ("since=2026-01-01T02:00:00%2B02:00&follow=maybe", time("2026-01-01T00:00:00Z"), None, false),
            ("tail=1&tail=2&follow=1&follow=0", None, Some(2), false),
        ] {
            assert_eq!(wanted(query), Ok(Wanted { since, tail, follow }), "{query}");
        }
        assert_eq!((wanted("tail=many"), wanted("since=yesterday")), (Err(422), Err(422)));
    }

    #[test]
    fn lines_are_chosen() {
        let line = |time: &str| LogLine {
            time: time.into(),
            call: "c".into(),
            stream: "stdout".into(),
            text: "\"".into(),
        };
        let lines = || {
            vec![
                line("2026-01-01T00:00:00.000001Z"),
                line("2026-01-01T00:06:00Z"),
                line("2026-01-01T00:07:00Z"),
            ]
        };
        let count = |query: &str| wanted(query).unwrap().choose(lines()).len();
        assert_eq!(
            (count(""), count("tail=-1"), count("tail=1"), count("since=2026-01-01T00:00:00.5Z")),
            (2, 3, 1, 2)
        );
        let text = encode(&"n/f".parse().unwrap(), &lines()[..1]);
        let expected = "{\"name\":\"f\",\"namespace\":\"n\",\"instance\":\"c\",\"timestamp\":\"2026-01-01T00:00:00.000001Z\",\"text\":\"\\\"\"}\n";
        assert_eq!(text, expected);
    }
}
