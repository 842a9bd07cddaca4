//! The beginning of a function's response: what is taken of it before its head goes to the client.
//!
//! A response that is whole by then ends its call at once, whatever the client does with it; one that turns out to be cut short
//! becomes a 502, since nothing of it was sent. So a short response of known length is awaited, and of any other one what
//! is there already is taken.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::body::Connection;

/// Most bytes of a response that are taken before its head goes out.
const AHEAD_MAX: u64 = 64 << 10;

/// A response's body with the connection that it comes on: each poll moves both.
pub struct Source {
    body: Incoming,
    connection: Option<Connection>,
}

/// Pieces of a response.
pub type Frames = VecDeque<Frame<Bytes>>;

/// Why a response has no good beginning.
#[derive(Debug)]
pub enum Broken {
    /// It ended early or is malformed.
    Response(hyper::Error),
    /// The deadline passed.
    Deadline,
}

impl Source {
    /// A body and its connection.
    pub fn new(body: Incoming, connection: Connection) -> Self {
        Self { body, connection: Some(connection) }
    }

    /// Nothing comes any more.
    pub fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// What is known of the length of what is still to come.
    pub fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }

    /// The next piece.
    pub fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match &mut self.connection {
            Some(connection) if polled.is_pending() => {
                if connection.as_mut().poll(cx).is_ready() {
                    self.connection = None;
                }
                Pin::new(&mut self.body).poll_frame(cx)
            }
            _ => polled,
        }
    }

    /// Takes the beginning; the body has ended when [`Self::is_end`] says so or nothing follows.
    ///
    /// # Errors
    /// When it is certain by now that the response never gets whole.
    pub async fn open(&mut self, deadline: &mut Pin<Box<Sleep>>) -> Result<(Frames, Ended), Broken> {
        let awaited = self.size_hint().exact().is_some_and(|len| len <= AHEAD_MAX);
        let (mut frames, mut taken) = (Frames::new(), 0);
        std::future::poll_fn(|cx| {
            while !self.is_end() {
                match self.poll_frame(cx) {
                    Poll::Ready(Some(Ok(frame))) => {
                        taken += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
                        frames.push_back(frame);
                    }
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(Broken::Response(error))),
                    Poll::Ready(None) => break,
                    Poll::Pending if !awaited => return Poll::Ready(Ok(Ended::No)),
                    Poll::Pending if deadline.as_mut().poll(cx).is_ready() => {
                        return Poll::Ready(Err(Broken::Deadline));
                    }
                    Poll::Pending => return Poll::Pending,
                }
                if taken > AHEAD_MAX {
                    return Poll::Ready(Ok(if self.is_end() { Ended::Yes } else { Ended::No }));
                }
            }
            Poll::Ready(Ok(Ended::Yes))
        })
        .await
        .map(|ended| (frames, ended))
    }
}

/// Whether a response is here as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its last piece is among those that were taken.
    Yes,
    /// More is to come.
    No,
}
