//! One slot of a worker: the framed stream through which at most one machine at a time is driven.
//!
//! [`FrameStream`] reads frames without copying the bytes of a response more than once and queues what it writes, so that a
//! frame is never left half written when a call is given up.

use std::io::{self, Read, Write};
use std::ops::{Deref, DerefMut};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use km_vmm::protocol::frame::HEADER_LEN;
use km_vmm::protocol::{Frame, FrameError, Header, Kind};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::process::Worker;

/// Bytes that are read at once: of an answer that is short, and of one whose last read was filled.
const READ_FIRST: usize = 4 << 10;
const READ_SIZE: usize = 64 << 10;
/// Bytes of a request that go into one frame.
const WRITE_SIZE: usize = 64 << 10;
/// Queued bytes above which no more are accepted.
const QUEUE_MAX: usize = WRITE_SIZE;

/// Why a slot is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum SlotError {
    /// The worker is gone.
    #[error("the worker ended")]
    Gone,
    /// The stream failed.
    #[error("slot stream: {0}")]
    Io(#[from] io::Error),
    /// The worker sent what is no frame.
    #[error("worker protocol: {0}")]
    Frame(#[from] FrameError),
    /// The worker does not take what is sent to it: its machine does not read.
    #[error("the machine does not read")]
    Stalled,
    /// The worker could not make a machine.
    #[error("{0}")]
    NoMachine(String),
    /// The worker sent a frame that has no place here.
    #[error("worker protocol: unexpected {0:?} frame")]
    Unexpected(Kind),
}

/// What a slot has to say.
#[derive(Debug)]
pub enum Event {
    /// Bytes of the response wait in [`FrameStream::data`].
    Data,
    /// Any other frame.
    Frame(Kind, Bytes),
}

/// A slot, held by whoever drives its machine.
#[derive(Debug)]
pub struct Slot {
    frames: FrameStream,
    worker: Arc<Worker>,
    index: u8,
}

impl Slot {
    /// A slot on the server's end of its stream.
    ///
    /// # Errors
    /// See [`FrameStream::new`].
    pub fn new(stream: UnixStream, worker: Arc<Worker>, index: u8) -> io::Result<Self> {
        Ok(Self { frames: FrameStream::new(stream)?, worker, index })
    }

    /// The worker behind it.
    pub fn worker(&self) -> &Arc<Worker> {
        &self.worker
    }
}

impl Deref for Slot {
    type Target = FrameStream;

    fn deref(&self) -> &FrameStream {
        &self.frames
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut FrameStream {
        &mut self.frames
    }
}

/// The server's end of a slot's stream: frames in both directions.
///
/// The event loop is asked for room to write only while something waits to be written. Otherwise the worker, as it takes a
/// frame, would wake a thread of calls that has nothing to do, and the call would wait for that.
#[derive(Debug)]
pub struct FrameStream {
    stream: AsyncFd<UnixStream>,
    /// A second descriptor of it, while output waits for room.
    writable: Option<AsyncFd<UnixStream>>,
    /// Bytes that the next read asks for.
    ahead: usize,
    input: BytesMut,
    /// The frame that is being read, and how much of its payload is missing.
    current: Option<(Kind, usize)>,
    output: BytesMut,
}

/// A stream in the event loop, for this alone.
#[expect(
    deprecated,
    reason = "a stream owns its descriptor and never replaces it: what the note warns of cannot happen"
)]
fn watched(stream: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    AsyncFd::with_interest(stream, interest)
}

impl FrameStream {
    /// Nothing read nor queued yet. The stream does not block.
    ///
    /// # Errors
    /// When the event loop does not take it.
    pub fn new(stream: UnixStream) -> io::Result<Self> {
        let stream = watched(stream, Interest::READABLE)?;
        let (input, output) = (BytesMut::new(), BytesMut::new());
        Ok(Self { stream, writable: None, ahead: READ_FIRST, input, current: None, output })
    }

    /// Queues a frame without payload.
    pub fn queue_empty(&mut self, kind: Kind) {
        self.output.extend_from_slice(&Header::empty(kind).encode());
    }

    /// Queues a frame.
    ///
    /// # Errors
    /// When the payload is too long for its kind.
    pub fn queue(&mut self, frame: &Frame) -> Result<(), FrameError> {
        self.output.extend_from_slice(&frame.header()?.encode());
        self.output.extend_from_slice(&frame.payload);
        Ok(())
    }

    /// Takes bytes of the request, as many as there is room for, and sends what can be sent at once.
    pub fn poll_write_data(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.output.len() > QUEUE_MAX {
            ready!(self.poll_flush(cx))?;
        }
        let len = bytes.len().min(WRITE_SIZE);
        let header = Header::new(Kind::Data, len).map_err(io::Error::other)?;
        self.output.extend_from_slice(&header.encode());
        self.output.extend_from_slice(&bytes[..len]);
        // Not ready is no failure here: the bytes are queued, and poll_flush comes before the next wait.
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        Poll::Ready(Ok(len))
    }

    /// Sends what is queued.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.output.is_empty() {
            match self.stream.get_ref().write(&self.output) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => self.output.advance(written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.poll_room(cx))?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.writable = None;
        Poll::Ready(Ok(()))
    }

    /// Waits until there may be room to write.
    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let writable = match self.writable.take() {
            Some(writable) => writable,
            None => watched(self.stream.get_ref().try_clone()?, Interest::WRITABLE)?,
        };
        let writable = self.writable.insert(writable);
        // Whoever comes here again has found no room.
        ready!(writable.poll_write_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }

    /// Sends what is queued.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn flush(&mut self) -> Result<(), SlotError> {
        match std::future::poll_fn(|cx| self.poll_flush(cx)).await {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(SlotError::Gone),
            other => Ok(other?),
        }
    }

    /// Bytes of the response that were announced by [`Event::Data`].
    pub fn data(&self) -> &[u8] {
        match self.current {
            Some((Kind::Data, left)) => &self.input[..left.min(self.input.len())],
            _ => &[],
        }
    }

    /// Drops bytes from the front of [`Self::data`].
    pub fn consume(&mut self, count: usize) {
        if let Some((Kind::Data, left)) = &mut self.current {
            let count = count.min(*left).min(self.input.len());
            self.input.advance(count);
            *left -= count;
            if *left == 0 {
                self.current = None;
            }
        }
    }

    /// What comes next. Nothing is lost when the wait is given up.
    pub fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Result<Event, SlotError>> {
        loop {
            if let Some(event) = self.parse()? {
                return Poll::Ready(Ok(event));
            }
            let mut guard = ready!(self.stream.poll_read_ready(cx))?;
            let (kept, wanted) = (self.input.len(), self.ahead);
            self.input.resize(kept + wanted, 0);
            let read = guard.get_inner().read(&mut self.input[kept..]);
            self.input.truncate(kept + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => return Poll::Ready(Err(SlotError::Gone)),
                Ok(count) if count == wanted => self.ahead = READ_SIZE,
                // Nothing is left: what comes next, the end as well, is an event of its own.
                Ok(_) => {
                    self.ahead = READ_FIRST;
                    guard.clear_ready();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => guard.clear_ready(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    return Poll::Ready(Err(SlotError::Gone));
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// When the worker is gone or does not keep to the protocol.
    pub async fn event(&mut self) -> Result<Event, SlotError> {
        std::future::poll_fn(|cx| self.poll_event(cx)).await
    }

    fn parse(&mut self) -> Result<Option<Event>, SlotError> {
        if self.current.is_none() {
            let Some(head) = self.input.first_chunk::<HEADER_LEN>() else { return Ok(None) };
            // A call has one connection: no machine may reach out.
            let header = Header::decode(*head)?.of_call()?;
            self.input.advance(HEADER_LEN);
            self.current = Some((header.kind, header.len));
        }
        match self.current {
            Some((Kind::Data, 0)) => {
                self.current = None;
                self.parse()
            }
            Some((Kind::Data, _)) => Ok((!self.input.is_empty()).then_some(Event::Data)),
            Some((kind, len)) if self.input.len() >= len => {
                self.current = None;
                Ok(Some(Event::Frame(kind, self.input.split_to(len).freeze())))
            }
            _ => Ok(None),
        }
    }

    /// Gives buffers back that only a call needs; an idle slot holds no memory.
    pub fn shrink(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.output.is_empty() {
            self.output = BytesMut::new();
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.worker.slot_closed(self.index);
    }
}

/// Reads the record that a frame carries.
///
/// # Errors
/// When it carries something else.
pub fn record<T: serde::de::DeserializeOwned>(kind: Kind, payload: &[u8]) -> Result<T, SlotError> {
    serde_json::from_slice(payload).map_err(|error| FrameError::Payload { kind, error }.into())
}
