//! The request's body on its way in: how much, how fast, and how much of it before a machine is taken.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::ahead::Held;
use super::problem::{Component, Problem};
use super::reason::Reason;

/// Bytes that come before a machine is taken.
pub const AHEAD_MAX: usize = 64 << 10;
/// Bytes that are rather copied than kept with the buffer that they were read into; the least that is charged.
const COPY_MAX: usize = 4 << 10;
/// A client is given another second for each so many bytes.
const FLOOR_BYTES_PER_SEC: u64 = 1024;

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.told())]
#[repr(u8)]
pub enum Fault {
    /// Longer than allowed.
    TooLarge = 1,
    /// Slower than allowed.
    TooSlow = 2,
    /// Malformed, or its sender is gone.
    Broken = 3,
}

impl Fault {
    /// What is wrong, in words.
    const fn told(self) -> &'static str {
        match self {
            Self::TooLarge => "the body is larger than this server accepts",
            Self::TooSlow => "the body comes too slowly",
            Self::Broken => "the body is malformed or incomplete",
        }
    }

    /// The answer to it.
    pub fn problem(self) -> Problem {
        let (status, reason) = match self {
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, Reason::BodyTooLarge),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, Reason::BodyTooSlow),
            Self::Broken => (StatusCode::BAD_REQUEST, Reason::BodyMalformed),
        };
        Problem::new(status, Component::Request, reason, self.told())
    }
}

/// Where a body leaves its fault for those who only see that the exchange failed.
#[derive(Clone, Debug, Default)]
pub struct FaultCell(Arc<AtomicU8>);

impl FaultCell {
    /// The fault, if there was one.
    pub fn get(&self) -> Option<Fault> {
        [Fault::TooLarge, Fault::TooSlow, Fault::Broken]
            .into_iter()
            .find(|fault| *fault as u8 == self.0.load(Ordering::Relaxed))
    }

    fn set(&self, fault: Fault) -> Fault {
        self.0.store(fault as u8, Ordering::Relaxed);
        fault
    }
}

/// A body that is read under limits.
#[derive(Debug)]
pub struct Intake {
    body: Incoming,
    left: u64,
    taken: u64,
    patience: Duration,
    fault: FaultCell,
    waited: Duration,
    waiting: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Intake {
    /// A body of at most `max` bytes, whose sender may pause for `patience` in all, and longer as more of it comes.
    ///
    /// # Errors
    /// When it says itself that it is longer: before anything of it (or a 100 Continue) is exchanged.
    pub fn new(body: Incoming, max: u64, patience: Duration) -> Result<Self, Fault> {
        if body.size_hint().lower() > max {
            return Err(Fault::TooLarge);
        }
        let fault = FaultCell::default();
        Ok(Self { body, left: max, taken: 0, patience, fault, waited: Duration::ZERO, waiting: None })
    }

    /// Nothing comes any more.
    pub fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The next bytes; trailers are dropped.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Fault>>> {
        loop {
            match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.stop_waiting();
                    if let Ok(bytes) = frame.into_data() {
                        return Poll::Ready(Some(self.count(bytes)));
                    }
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Some(Err(self.fault.set(Fault::Broken)))),
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Pending => {
                    ready!(self.poll_patience(cx));
                    return Poll::Ready(Some(Err(self.fault.set(Fault::TooSlow))));
                }
            }
        }
    }

    /// Reads ahead until the body is whole or [`AHEAD_MAX`] bytes of it are here, and charges `held` with what that takes.
    ///
    /// # Errors
    /// The answer to the call: see [`Fault`] and [`Held::cover`].
    pub async fn ahead(mut self, mut held: Held) -> Result<RequestBody, Problem> {
        let mut ahead = BytesMut::new();
        while ahead.len() < AHEAD_MAX && !self.is_end() {
            let Some(bytes) = std::future::poll_fn(|cx| self.poll_next(cx)).await else {
                return Ok(RequestBody::whole(ahead.freeze(), held, self.fault));
            };
            let bytes = bytes.map_err(Fault::problem)?;
            if ahead.is_empty() && self.is_end() && bytes.len() >= COPY_MAX {
                held.cover(bytes.len() as u64)?;
                return Ok(RequestBody::whole(bytes, held, self.fault));
            }
            // Pieces are copied together: one of a byte keeps all of the buffer that it was read into.
            let needed = ahead.len() + bytes.len();
            if needed > ahead.capacity() {
                let room = needed.next_power_of_two().max(COPY_MAX);
                held.cover(room as u64)?;
                ahead.reserve(room - ahead.len());
            }
            ahead.extend_from_slice(&bytes);
        }
        if self.is_end() {
            return Ok(RequestBody::whole(ahead.freeze(), held, self.fault));
        }
        // A declared length stays what it is; without one the program gets chunks.
        let rest = self.body.size_hint().exact();
        let total = rest.map(|rest| rest + ahead.len() as u64);
        let (fault, ahead) = (self.fault.clone(), Some((ahead.freeze(), held)));
        Ok(RequestBody { total, fault, ahead, rest: Some(self) })
    }

    fn count(&mut self, bytes: Bytes) -> Result<Bytes, Fault> {
        let len = bytes.len() as u64;
        self.taken += len;
        self.left = self.left.checked_sub(len).ok_or_else(|| self.fault.set(Fault::TooLarge))?;
        Ok(bytes)
    }

    /// Ready when the client's time is up. Only time spent waiting for the client counts: a slow function is no fault
    /// of its client.
    fn poll_patience(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let (_, timer) = self.waiting.get_or_insert_with(|| {
            let allowed = self.patience + Duration::from_secs(self.taken / FLOOR_BYTES_PER_SEC);
            (Instant::now(), Box::pin(tokio::time::sleep(allowed.saturating_sub(self.waited))))
        });
        timer.as_mut().poll(cx)
    }

    fn stop_waiting(&mut self) {
        if let Some((since, _)) = self.waiting.take() {
            self.waited += since.elapsed();
        }
    }
}

/// The body as the function gets it.
#[derive(Debug)]
pub struct RequestBody {
    total: Option<u64>,
    fault: FaultCell,
    ahead: Option<(Bytes, Held)>,
    rest: Option<Intake>,
}

impl RequestBody {
    fn whole(bytes: Bytes, held: Held, fault: FaultCell) -> Self {
        let total = Some(bytes.len() as u64);
        let ahead = (!bytes.is_empty()).then_some((bytes, held));
        Self { total, fault, ahead, rest: None }
    }

    /// Its length, if it is known.
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// Where a fault will be found.
    pub fn fault(&self) -> FaultCell {
        self.fault.clone()
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        if let Some((bytes, _)) = self.ahead.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        Poll::Ready(ready!(rest.poll_next(cx)).map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.ahead.is_none() && self.rest.as_ref().is_none_or(Intake::is_end)
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.as_ref().map_or(0, |(bytes, _)| bytes.len() as u64);
        match (&self.rest, self.total) {
            (None, _) => SizeHint::with_exact(ahead),
            (Some(rest), Some(_)) => rest
                .body
                .size_hint()
                .exact()
                .map_or_else(SizeHint::new, |rest| SizeHint::with_exact(ahead + rest)),
            (Some(_), None) => SizeHint::new(),
        }
    }
}
