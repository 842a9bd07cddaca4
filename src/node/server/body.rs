//! The response's body on its way out.
//!
//! A function's response is driven by whoever sends it to the client: each poll also moves the connection to the program.
//! There is no task and no buffer in between, so a client that reads slowly slows the function down and nothing else.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as _, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::exchange::Exchange;
use super::finish::CallEnd;

/// The connection to the program, to be polled until the response is whole.
pub type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Why a response is cut off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The program's side of it.
    #[error("the function's response ended early")]
    Function(#[from] hyper::Error),
    /// The program's end.
    #[error("{0}")]
    Program(String),
    /// The deadline.
    #[error("the call took longer than the function's timeout")]
    Deadline,
}

/// A body.
#[derive(Debug, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes of ours.
    Full(Bytes),
    /// A function's response.
    Stream(Box<Stream>),
    /// The output of a function whose response is no HTTP and long.
    Output(Box<LongOutput>),
}

/// Output that is passed on as it comes.
pub struct LongOutput {
    first: Option<Bytes>,
    exchange: Exchange,
    deadline: Pin<Box<Sleep>>,
    end: Option<CallEnd>,
}

impl std::fmt::Debug for LongOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongOutput").field("end", &self.end).finish_non_exhaustive()
    }
}

impl LongOutput {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.is_none() {
            return Poll::Ready(None);
        }
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let (reason, error) = match self.exchange.poll_rest(cx) {
            Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => {
                self.end.take().into_iter().for_each(CallEnd::complete);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(why))) => ("response ended early", BodyError::Program(why)),
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => ("deadline", BodyError::Deadline),
            Poll::Pending => return Poll::Pending,
        };
        self.end.take().into_iter().for_each(|end| end.fail(reason));
        Poll::Ready(Some(Err(error)))
    }
}

/// A function's response.
pub struct Stream {
    body: Incoming,
    connection: Option<Connection>,
    deadline: Pin<Box<Sleep>>,
    end: Option<CallEnd>,
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// Output of which `first` is here already.
    pub fn output(first: Bytes, exchange: Exchange, deadline: Pin<Box<Sleep>>, end: CallEnd) -> Self {
        Self::Output(Box::new(LongOutput { first: Some(first), exchange, deadline, end: Some(end) }))
    }

    /// The response of a function; one without a body ends its call here.
    pub fn stream(body: Incoming, connection: Connection, deadline: Pin<Box<Sleep>>, end: CallEnd) -> Self {
        if body.is_end_stream() {
            drop(connection);
            end.complete();
            return Self::Empty;
        }
        Self::Stream(Box::new(Stream { body, connection: Some(connection), deadline, end: Some(end) }))
    }
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if self.end.is_none() {
            return Poll::Ready(None);
        }
        let mut polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending()
            && let Some(connection) = &mut self.connection
        {
            if connection.as_mut().poll(cx).is_ready() {
                self.connection = None;
            }
            polled = Pin::new(&mut self.body).poll_frame(cx);
        }
        match polled {
            Poll::Ready(Some(Ok(frame))) => {
                // The machine may go to rest while the client still reads the last bytes.
                if self.body.is_end_stream() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail("response ended early");
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => {
                self.fail("deadline");
                Poll::Ready(Some(Err(BodyError::Deadline)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn complete(&mut self) {
        self.connection = None;
        if let Some(end) = self.end.take() {
            end.complete();
        }
    }

    fn fail(&mut self, reason: &'static str) {
        self.connection = None;
        if let Some(end) = self.end.take() {
            end.fail(reason);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            full @ Self::Full(_) => match std::mem::take(full) {
                Self::Full(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Stream(stream) => stream.poll(cx),
            Self::Output(output) => output.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(stream) => stream.end.is_none(),
            Self::Output(output) => output.end.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.body.size_hint(),
            Self::Output(_) => SizeHint::new(),
        }
    }
}
