//! The response's body on its way out.
//!
//! A function's response is driven by whoever sends it to the client: each poll also moves the connection to the program.
//! No task and no buffer in between moves bytes, so a client that reads slowly slows the function down and nothing else; what
//! looks after the time is [`super::watch`].

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use tokio::time::Sleep;

use super::exchange::Exchange;
use super::finish::CallEnd;
use super::opening::{Frames, Source};
use super::reason::CallResult;
use super::system::OtherBody;
use super::watch::Watched;

/// Bytes that are handed over at once of what is held here as a whole.
const PIECE: usize = 64 << 10;

/// The connection to the program, to be polled until the response is whole.
pub type Connection = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// Why a response is cut off.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The program's side of it.
    #[error("the function's response ended early")]
    Function(#[from] hyper::Error),
    /// The program ended, or the machine did, in the middle of it.
    #[error("{0}")]
    Program(String),
    /// The function's timeout passed in the middle of it.
    #[error("the call took longer than the function's timeout")]
    Deadline,
    /// The answer was no function's.
    #[error(transparent)]
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// What a client gets as body, from whichever protocol it came.
#[derive(Debug, Default)]
pub enum Body {
    /// No bytes.
    #[default]
    Empty,
    /// Bytes that are all here: a problem document, or a short response.
    Full(Bytes),
    /// The rest of an HTTP response, as the function sends it.
    Stream(Box<Stream>),
    /// The output of a function whose response is no HTTP and long.
    Output(Box<LongOutput>),
    /// What is no function's answer, nor this server's.
    Other(OtherBody),
}

/// Output that is passed on as it comes.
pub struct LongOutput {
    first: Bytes,
    exchange: Exchange,
    deadline: Pin<Box<Sleep>>,
    end: Option<Watched>,
}

impl std::fmt::Debug for LongOutput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LongOutput").field("end", &self.end).finish_non_exhaustive()
    }
}

impl LongOutput {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let Some(end) = &self.end else { return Poll::Ready(None) };
        if end.is_over() {
            self.end = None;
            return Poll::Ready(Some(Err(BodyError::Deadline)));
        }
        if !self.first.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(piece(&mut self.first)))));
        }
        let (reason, error) = match self.exchange.poll_rest(cx) {
            Poll::Ready(Some(Ok(bytes))) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Poll::Ready(None) => {
                self.end.take().into_iter().for_each(Watched::complete);
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(why))) => (CallResult::Cut, BodyError::Program(why)),
            Poll::Pending if self.deadline.as_mut().poll(cx).is_ready() => {
                (CallResult::Deadline, BodyError::Deadline)
            }
            Poll::Pending => return Poll::Pending,
        };
        self.end.take().into_iter().for_each(|end| end.fail(reason));
        Poll::Ready(Some(Err(error)))
    }
}

/// A function's response: what was taken of it already, then what is still to come.
#[derive(Debug)]
pub struct Stream {
    frames: Frames,
    size: SizeHint,
    rest: Option<Rest>,
}

/// What is still to come.
struct Rest {
    source: Source,
    deadline: Pin<Box<Sleep>>,
    end: Watched,
}

impl std::fmt::Debug for Rest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rest").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Body {
    /// A body of these bytes.
    pub fn full(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Full(bytes) }
    }

    /// Output of which `first` is here already.
    pub fn output(first: Bytes, exchange: Exchange, deadline: Pin<Box<Sleep>>, end: CallEnd) -> Self {
        let end = Some(Watched::new(end, deadline.deadline()));
        Self::Output(Box::new(LongOutput { first, exchange, deadline, end }))
    }

    /// A response that is here as a whole; `size` is what its head says of its length.
    pub fn whole(mut frames: Frames, size: SizeHint) -> Self {
        match (frames.pop_front().map(Frame::into_data), size.exact()) {
            (None, _) => Self::Empty,
            (Some(Ok(bytes)), Some(_)) if frames.is_empty() => Self::full(bytes),
            (Some(first), _) => {
                frames.push_front(first.map_or_else(|frame| frame, Frame::data));
                Self::Stream(Box::new(Stream { frames, size, rest: None }))
            }
        }
    }

    /// A response of which `frames` are here, and the rest comes from `source`.
    pub fn stream(
        frames: Frames,
        size: SizeHint,
        source: Source,
        deadline: Pin<Box<Sleep>>,
        end: CallEnd,
    ) -> Self {
        let end = Watched::new(end, deadline.deadline());
        let rest = Some(Rest { source, deadline, end });
        Self::Stream(Box::new(Stream { frames, size, rest }))
    }

    /// It is here as a whole and of more than one piece.
    pub fn is_long(&self) -> bool {
        matches!(self, Self::Full(bytes) if bytes.len() > PIECE)
    }
}

/// Takes a piece off the front. Of many bytes it is a copy: what a client leaves untaken must not keep all of them.
fn piece(bytes: &mut Bytes) -> Bytes {
    if bytes.len() <= PIECE {
        return std::mem::take(bytes);
    }
    let piece = Bytes::copy_from_slice(&bytes[..PIECE]);
    bytes.advance(PIECE);
    piece
}

impl Stream {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(Rest { end, .. }) = &self.rest
            && end.is_over()
        {
            self.rest = None;
            return Poll::Ready(Some(Err(BodyError::Deadline)));
        }
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(Ok(frame)));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        match rest.source.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                // The machine may go to rest while the client still reads the last bytes.
                if rest.source.is_end() {
                    self.complete();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.fail(CallResult::Cut);
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Pending if rest.deadline.as_mut().poll(cx).is_ready() => {
                self.fail(CallResult::Deadline);
                Poll::Ready(Some(Err(BodyError::Deadline)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn complete(&mut self) {
        self.rest.take().into_iter().for_each(|rest| rest.end.complete());
    }

    fn fail(&mut self, result: CallResult) {
        self.rest.take().into_iter().for_each(|rest| rest.end.fail(result));
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
            full @ Self::Full(_) => {
                let Self::Full(bytes) = full else { return Poll::Ready(None) };
                let piece = piece(bytes);
                if bytes.is_empty() {
                    *full = Self::Empty;
                }
                Poll::Ready(Some(Ok(Frame::data(piece))))
            }
            Self::Stream(stream) => stream.poll(cx),
            Self::Output(output) => output.poll(cx),
            Self::Other(body) => {
                Pin::new(body).poll_frame(cx).map(|frame| frame.map(|frame| frame.map_err(BodyError::Other)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(_) => false,
            Self::Stream(stream) => stream.frames.is_empty() && stream.rest.is_none(),
            Self::Output(output) => output.end.is_none(),
            Self::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size,
            Self::Output(_) => SizeHint::new(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
