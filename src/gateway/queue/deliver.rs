//! From the queue to the function, and from its answer to what is next.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::callback::Sent;
use super::functions::{Known, path_name};
use super::index::Begun;
use super::record::{Death, Fields, Id, Outcome, Record, Stage};
use super::retry::{self, INTERNAL};
use super::store::{Change, Part, StoreError, Stored};
use super::{Queue, Upstream, now};

/// How often a call was tried before, and how often it is at most.
pub const RETRY: HeaderName = HeaderName::from_static("x-retry");
const RETRY_MAX: HeaderName = HeaderName::from_static("x-retry-max");
const CALL_ID: HeaderName = HeaderName::from_static("x-call-id");
/// What an answer takes on its way, beside the function's own time.
const GRACE: Duration = Duration::from_secs(30);
/// An attempt is made again after this where the queue's own file fails.
const FILE_WAIT: Duration = Duration::from_secs(10);
/// What is under way is waited for at the end.
const DRAIN: Duration = Duration::from_secs(30);
/// Longest time without a look at what is due: clocks are set.
const LOOK: Duration = Duration::from_secs(60);

/// What a function gave.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// Delivers until `stop`, then to the end what is under way.
pub async fn run(queue: Arc<Queue>, upstream: Arc<dyn Upstream>, stop: CancellationToken) {
    let mut running = JoinSet::new();
    while !stop.is_cancelled() {
        let known = queue.functions.last().await;
        let at_once = |name: &_| known.get(name).map_or(1, |known| known.at_once);
        let (begun, next) = queue.index.take(now(), at_once, queue.options.at_once);
        for begun in begun {
            let (queue, upstream) = (queue.clone(), upstream.clone());
            running.spawn(async move { attempt(&queue, &*upstream, begun).await });
        }
        let wait = next.map_or(LOOK, |next| Duration::from_millis(next.saturating_sub(now()))).min(LOOK);
        tokio::select! {
            () = stop.cancelled() => {}
            () = queue.index.changed.notified() => {}
            Some(_) = running.join_next() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let rest = async { while running.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN, rest).await.is_err() {
        tracing::warn!("asynchronous calls are cut off; they are made again at the next start");
    }
}

/// One attempt at what a call's stage says.
async fn attempt(queue: &Queue, upstream: &dyn Upstream, begun: Begun) {
    let Begun { id, cancelled } = begun;
    let work = async {
        let Some(stored) = queue.store.read(id).await? else { return Ok(None) };
        match &stored.record.stage {
            Stage::Call => call(queue, upstream, id, stored).await,
            Stage::Callback(_) => tell(queue, id, stored).await,
            Stage::Dead(_) => Ok(Some(stored.record)),
        }
    };
    let next = tokio::select! {
        next = work => next,
        () = cancelled.cancelled() => Ok(None),
    };
    match next {
        Ok(Some(record)) => {
            queue.index.settle(id, &record);
            drop_surplus(queue, &record).await;
        }
        Ok(None) => queue.index.remove(id),
        Err(error) => {
            tracing::error!(call = %id, "an asynchronous call waits: {error}");
            queue.index.delay(id, now() + millis(FILE_WAIT));
        }
    }
    queue.note_live();
}

/// Calls the function; gives the record as it is then, or nothing where the call is over.
async fn call(
    queue: &Queue,
    upstream: &dyn Upstream,
    id: Id,
    stored: Stored,
) -> Result<Option<Record>, StoreError> {
    let Stored { mut record, body, .. } = stored;
    let known = match queue.functions.find(&record.function).await {
        Ok(Some(known)) => known,
        _ => queue.functions.unknown(),
    };
    record.tries += 1;
    record.runs += 1;
    // A death after this is an attempt that was made.
    if !queue.store.change(Change::update(id, &record)).await? {
        return Ok(None);
    }
    let begun = Instant::now();
    let limit = known.timeout + GRACE;
    let asked = ask(upstream, request(&record, body, known.retry.attempts), queue.options.body_max);
    let answered = match tokio::time::timeout(limit, asked).await {
        Ok(answered) => answered,
        Err(_) => Err(io::Error::other(format!("no answer within {limit:?}"))),
    };
    let seconds = begun.elapsed().as_secs_f64();
    let answer = answered.unwrap_or_else(|error| unreachable_function(&error));
    if !known.retry.is_failure(answer.status, &answer.headers) {
        queue.counts.delivered(&record.function);
        return end(queue, id, record, answer, seconds, None).await;
    }
    if record.tries < known.retry.attempts {
        let wait = known.retry.wait(record.tries, retry::asked(&answer.headers, Timestamp::now()));
        tracing::debug!(call = %id, function = %record.function, status = answer.status, ?wait, "tried again");
        queue.counts.retried(&record.function);
        record.due = now() + millis(wait);
        return update(queue, id, record).await;
    }
    let reason = format!("{} attempts failed, the last with {}", record.tries, answer.status);
    tracing::warn!(call = %id, label = record.label, function = %record.function, "a call is a dead letter: {reason}");
    end(queue, id, record, answer, seconds, Some(reason)).await
}

/// The function's part is over: the answer goes to the callback, if there is one. `failed`: it is a dead letter.
async fn end(
    queue: &Queue,
    id: Id,
    mut record: Record,
    answer: Answer,
    seconds: f64,
    failed: Option<String>,
) -> Result<Option<Record>, StoreError> {
    let Answer { status, headers, body } = answer;
    if record.callback.is_none() {
        let Some(reason) = failed else {
            queue.store.change(Change::remove(id)).await?;
            return Ok(None);
        };
        queue.counts.died(&record.function);
        record.stage = Stage::Dead(Death { reason, untold: None });
        return update(queue, id, record).await;
    }
    // A dead letter keeps its request, to be made again.
    let request = if failed.is_some() { Part::Keep } else { Part::Remove };
    let headers = Fields::of(&headers);
    record.size += body.len() as u64 + headers.size() as u64;
    (record.tries, record.due) = (0, now());
    record.stage = Stage::Callback(Outcome { status, seconds, headers, sends: 0, failed });
    let change = Change::update(id, &record).with(request, Part::Put(body));
    Ok(queue.store.change(change).await?.then_some(record))
}

/// Sends the answer to the callback.
async fn tell(queue: &Queue, id: Id, stored: Stored) -> Result<Option<Record>, StoreError> {
    let Stored { mut record, answer, .. } = stored;
    let (Stage::Callback(outcome), Some(url)) = (&mut record.stage, &record.callback) else {
        return Ok(Some(record));
    };
    record.tries += 1;
    outcome.sends += 1;
    let (outcome, url) = (outcome.clone(), url.clone());
    if !queue.store.change(Change::update(id, &record)).await? {
        return Ok(None);
    }
    let known = queue.functions.find(&record.function).await.ok().flatten();
    let Known { retry, .. } = known.unwrap_or_else(|| queue.functions.unknown());
    let reason = match queue.callbacks.send(&record, &outcome, &url, answer).await {
        Ok(Sent { status, headers }) if retry.codes.contains(&status) => {
            let asked = retry::asked(&headers, Timestamp::now());
            (format!("its receiver answered {status}"), Some(asked))
        }
        Ok(Sent { status, .. }) => {
            queue.counts.told(&record.function);
            tracing::debug!(call = %id, status, "the callback was sent");
            return told(queue, id, record, outcome).await;
        }
        Err(error) if error.is_final() => (error.to_string(), None),
        Err(error) => (error.to_string(), Some(None)),
    };
    match reason {
        (why, Some(asked)) if record.tries < retry.attempts => {
            tracing::debug!(call = %id, why, "the callback is sent again");
            record.due = now() + millis(retry.wait(record.tries, asked));
            update(queue, id, record).await
        }
        (why, _) => {
            tracing::warn!(call = %id, label = record.label, function = %record.function, "a callback is given up: {why}");
            queue.counts.died(&record.function);
            let (reason, untold, part) = match &outcome.failed {
                Some(failed) => (format!("{failed}; callback: {why}"), None, Part::Remove),
                None => (format!("callback: {why}"), Some(outcome), Part::Keep),
            };
            record.stage = Stage::Dead(Death { reason, untold });
            let change = Change::update(id, &record).with(Part::Keep, part);
            Ok(queue.store.change(change).await?.then_some(record))
        }
    }
}

/// The receiver knows: the call is over, or stays as a dead letter.
async fn told(
    queue: &Queue,
    id: Id,
    mut record: Record,
    outcome: Outcome,
) -> Result<Option<Record>, StoreError> {
    let Some(reason) = outcome.failed else {
        queue.store.change(Change::remove(id)).await?;
        return Ok(None);
    };
    queue.counts.died(&record.function);
    record.stage = Stage::Dead(Death { reason, untold: None });
    let change = Change::update(id, &record).with(Part::Keep, Part::Remove);
    Ok(queue.store.change(change).await?.then_some(record))
}

async fn update(queue: &Queue, id: Id, record: Record) -> Result<Option<Record>, StoreError> {
    Ok(queue.store.change(Change::update(id, &record)).await?.then_some(record))
}

/// Dead letters have half of a function's bytes: beyond that the oldest go, so that they keep no new call out.
async fn drop_surplus(queue: &Queue, record: &Record) {
    if !matches!(record.stage, Stage::Dead(_)) {
        return;
    }
    for id in queue.index.surplus(&record.function, queue.options.quota / 2) {
        if queue.store.change(Change::remove(id)).await.is_ok() {
            queue.index.remove(id);
            tracing::warn!(call = %id, function = %record.function, "the function has too many dead letters: the oldest goes");
            queue.counts.dropped(&record.function);
        }
    }
}

/// The request that the function's server gets.
fn request(record: &Record, body: Bytes, attempts: u32) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = Method::POST;
    let path = format!("/function/{}{}", path_name(&record.function), record.rest);
    // It was a path when the call was accepted.
    *request.uri_mut() = path.parse().unwrap_or_default();
    let mut headers = record.headers.to_headers();
    headers.remove(RETRY);
    headers.remove(RETRY_MAX);
    headers.extend(HeaderValue::try_from(record.label.as_str()).ok().map(|label| (CALL_ID, label)));
    if record.runs > 1 {
        headers.insert(RETRY, HeaderValue::from(record.runs - 1));
        headers.insert(RETRY_MAX, HeaderValue::from(attempts - 1));
    }
    *request.headers_mut() = headers;
    request
}

/// One request to a server, on a connection of its own: with the attempt ends the connection, and so the call.
async fn ask(upstream: &dyn Upstream, request: Request<Full<Bytes>>, most: u64) -> io::Result<Answer> {
    let stream = upstream.connect().await?;
    let handshake = hyper::client::conn::http1::Builder::new()
        .preserve_header_case(true)
        .title_case_headers(true)
        .handshake(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(io::Error::other)?;
    take(response, most).await
}

/// The whole answer. Of one that is too long only that is kept.
async fn take(response: Response<Incoming>, most: u64) -> io::Result<Answer> {
    let (parts, mut body) = response.into_parts();
    let (mut bytes, mut length) = (BytesMut::new(), 0u64);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(io::Error::other)?.into_data() else { continue };
        length += data.len() as u64;
        if length <= most {
            bytes.extend_from_slice(&data);
        }
    }
    let (status, headers) = (parts.status.as_u16(), parts.headers);
    if length <= most {
        return Ok(Answer { status, headers, body: bytes.freeze() });
    }
    let mut headers = HeaderMap::new();
    headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-function-answer", HeaderValue::from_static("too long"));
    let told =
        format!("the function answered {status} with {length} bytes, and {most} are kept for a callback\n");
    Ok(Answer { status, headers, body: told.into() })
}

/// What stands for the answer of a function that gave none.
fn unreachable_function(error: &io::Error) -> Answer {
    tracing::debug!("a queued call has no answer: {error}");
    let mut headers = HeaderMap::new();
    headers.insert(INTERNAL, HeaderValue::from_static("proxy"));
    Answer { status: 503, headers, body: Bytes::from_static(b"the function could not be reached\n") }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
