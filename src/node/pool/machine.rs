//! A machine in use, as a byte stream that hyper can speak HTTP over.
//!
//! [`Machine`] says what is to be done and what the worker answers; [`MachineIo`] is hyper's end of the stream. Both look at
//! the same slot, one after the other: they are polled by one task.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use egress::KnownName;
use hyper::client::conn::http1;
use hyper::rt::ReadBufCursor;
use km_vmm::protocol::{Boot, Call, Ended, Frame, Kind, NotReady, Outcome, PAYLOAD_MAX, Ready, Started};

use super::table::ChargedSlot;
use super::workers::no_machine;
use crate::logs::CallLog;
use worker::slot::{Event, Slot, SlotError, record};

/// After the stream of a failed call ends, the worker's reason for it comes within this time.
const VERDICT_LIMIT: Duration = Duration::from_millis(100);

/// Bytes of an answer's beginning that are kept until it is over: where it is no HTTP, one of them shows it most often.
const BEGINNING: usize = 256;

/// Longest head of an answer in bytes, and longest trailers.
pub const HEAD_MAX: usize = 256 << 10;
/// Most header fields of an answer, and most fields of its trailers.
pub const FIELDS_MAX: usize = 1000;

/// How hyper speaks to programs.
pub fn client() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .preserve_header_case(true)
        .title_case_headers(true)
        .max_headers(FIELDS_MAX)
        .max_header_size(HEAD_MAX)
        .max_buf_size(HEAD_MAX)
        // Repaired, as RFC 9112, 5.1 and 5.2 ask of proxies.
        .allow_spaces_after_header_name_in_responses(true)
        .allow_obsolete_multiline_headers_in_responses(true);
    builder
}

/// Why a machine does not get ready.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The program did not get ready: the reason is its own.
    #[error("{}", .0.message)]
    NotReady(NotReady),
    /// The worker went away or broke the protocol.
    #[error(transparent)]
    Slot(#[from] SlotError),
}

/// Why a machine stopped to answer.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The machine ended, as the worker says.
    Ended(Ended),
    /// The program closed its connection.
    Closed,
    /// The worker ended or broke its protocol.
    Worker(String),
    /// The machine is well: the program's bytes were the problem.
    Alive,
}

/// What a program gives whose response is no HTTP.
#[derive(Clone, Debug)]
pub enum Output {
    /// Bytes of the response, in order.
    Data(Bytes),
    /// No more bytes come.
    Closed,
    /// Its machine has ended.
    Ended(Ended),
}

#[derive(Debug)]
struct Inner {
    /// Here until the call is over.
    shell: Option<ChargedSlot>,
    log: CallLog,
    beginning: Beginning,
    started: Option<Started>,
    ended: Option<Ended>,
    eof: bool,
    /// The connection was upgraded: its end is the end of the client's stream.
    tunnel: bool,
    broken: Option<String>,
}

/// The first bytes of an answer.
#[derive(Debug)]
struct Beginning {
    bytes: [u8; BEGINNING],
    len: usize,
    /// More came than is kept.
    goes_on: bool,
}

impl Default for Beginning {
    fn default() -> Self {
        Self { bytes: [0; BEGINNING], len: 0, goes_on: false }
    }
}

impl Beginning {
    fn push(&mut self, bytes: &[u8]) {
        let room = &mut self.bytes[self.len..];
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.len += count;
        self.goes_on |= count < bytes.len();
    }
}

#[derive(Debug)]
struct Shared(Mutex<Inner>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Each method leaves the state whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A machine in use.
#[derive(Clone, Debug)]
pub struct Machine {
    shared: Arc<Shared>,
}

impl Machine {
    /// Takes charge of a shell for a call to which `hops` others led.
    pub fn new(shell: ChargedSlot, log: CallLog, hops: u32) -> Self {
        shell.slot.begins(log.call(), hops);
        let inner = Inner {
            shell: Some(shell),
            log,
            beginning: Beginning::default(),
            started: None,
            ended: None,
            eof: false,
            tunnel: false,
            broken: None,
        };
        Self { shared: Arc::new(Shared(Mutex::new(inner))) }
    }

    /// Boots the machine and waits until the program is ready; for pools whose shells are empty.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn boot(&self, timeout: Duration) -> Result<Ready, BootError> {
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self.with_shell(|shell| {
            let boot = Boot { timeout_ms, memory: shell.charge.told() };
            Ok(shell.slot.queue(&Frame::json(Kind::Boot, &boot)?)?)
        })?;
        self.ready().await
    }

    /// Waits until the program is ready.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn ready(&self) -> Result<Ready, BootError> {
        match self.control_event().await? {
            (Kind::Ready, payload) => Ok(record(Kind::Ready, &payload)?),
            (Kind::NotReady, payload) => {
                let reason = record(Kind::NotReady, &payload)?;
                // The slot is empty again.
                self.shared.lock().ended = Some(ended_before_call());
                Err(BootError::NotReady(reason))
            }
            (Kind::Ended, payload) => {
                self.shared.lock().ended = Some(ended_before_call());
                Err(no_machine(&payload).into())
            }
            (kind, _) => Err(SlotError::Unexpected(kind).into()),
        }
    }

    /// After a warm-up request: waits until the program is ready again, whatever it still sends on the old connection.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn rest(&self) -> Result<(), BootError> {
        loop {
            match self.control_event().await? {
                (Kind::Ready, _) => break,
                (Kind::Eof | Kind::Started, _) => {}
                (Kind::NotReady, payload) => {
                    return Err(BootError::NotReady(record(Kind::NotReady, &payload)?));
                }
                (kind, _) => return Err(SlotError::Unexpected(kind).into()),
            }
        }
        // What the old connection left says nothing about the next.
        let mut inner = self.shared.lock();
        (inner.eof, inner.started) = (false, None);
        inner.beginning = Beginning::default();
        Ok(())
    }

    /// Sends a frame without payload.
    ///
    /// # Errors
    /// When the machine is gone already.
    pub fn tell(&self, kind: Kind) -> Result<(), SlotError> {
        self.with_shell(|shell| {
            shell.slot.queue_empty(kind);
            Ok(())
        })
    }

    /// Announces the call; goes out together with the first bytes of the request.
    ///
    /// # Errors
    /// When the machine is gone already.
    pub fn begin(&self, call_id: &str, port: u16, deadline: Duration) -> Result<(), SlotError> {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        self.with_shell(|shell| {
            let call = Call { call_id: call_id.to_owned(), deadline_ms, port, memory: shell.charge.told() };
            Ok(shell.slot.queue(&Frame::json(Kind::Call, &call)?)?)
        })
    }

    /// Hands over what is put into the machine of the call; before [`Self::boot`] or [`Self::begin`].
    ///
    /// # Errors
    /// When the machine is gone already.
    pub fn put_in(&self, inlay: &[u8]) -> Result<(), SlotError> {
        for piece in inlay.chunks(PAYLOAD_MAX) {
            let frame = Frame::new(Kind::Inlay, piece.to_vec());
            self.with_shell(|shell| Ok(shell.slot.queue(&frame)?))?;
        }
        Ok(())
    }

    /// Takes bytes of a request that is no HTTP, as many as there is room for.
    pub fn poll_send(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.shared.lock().slot()?.poll_write_data(cx, bytes)
    }

    /// The request is whole. A machine that is gone needs not know.
    pub fn end_input(&self) {
        let _ = self.tell(Kind::End);
    }

    /// Sends what is queued.
    pub fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.lock().slot()?.poll_flush(cx)
    }

    /// What comes next of a response that is no HTTP.
    pub fn poll_output(&self, cx: &mut Context<'_>) -> Poll<Result<Output, SlotError>> {
        let mut inner = self.shared.lock();
        let inner = &mut *inner;
        let news = std::task::ready!(inner.poll_stream(cx))?;
        Poll::Ready(Ok(match (news, &inner.ended, &mut inner.shell) {
            (Some(()), _, Some(shell)) => {
                let data = Bytes::copy_from_slice(shell.slot.data());
                shell.slot.consume(data.len());
                Output::Data(data)
            }
            (_, Some(ended), _) => Output::Ended(ended.clone()),
            _ => Output::Closed,
        }))
    }

    /// The byte stream to the program.
    pub fn io(&self) -> MachineIo {
        MachineIo(self.shared.clone())
    }

    /// The connection becomes a tunnel: from now on its end is told to the program.
    pub fn tunnel(&self) {
        self.shared.lock().tunnel = true;
    }

    /// What its program has resolved in this call.
    pub fn names(&self) -> Vec<KnownName> {
        self.with_shell(|shell| Ok(shell.slot.names())).unwrap_or_default()
    }

    /// Takes the slot back, with the log and what the worker said of the machine's end, if it did.
    pub fn take(&self) -> Option<(ChargedSlot, CallLog, Option<Ended>)> {
        let mut inner = self.shared.lock();
        let shell = inner.shell.take()?;
        Some((shell, inner.log.take(), inner.ended.take()))
    }

    /// The first bytes of the answer, and whether these are all that came.
    pub fn beginning(&self) -> (Vec<u8>, bool) {
        let inner = self.shared.lock();
        let beginning = &inner.beginning;
        (beginning.bytes[..beginning.len].to_vec(), !beginning.goes_on)
    }

    /// Call taken → first instruction, as the worker measured it.
    pub fn boot_us(&self) -> Option<u64> {
        self.shared.lock().started.map(|started| started.boot_us)
    }

    /// Why the stream ended before the response was whole.
    pub async fn verdict(&self) -> Verdict {
        let wait = async {
            while self.shared.lock().ended.is_none() {
                if let Err(error) = self.any_event().await {
                    return Some(error);
                }
            }
            None
        };
        let waited = tokio::time::timeout(VERDICT_LIMIT, wait).await;
        let inner = self.shared.lock();
        match (&inner.ended, &inner.broken, waited) {
            (Some(ended), ..) => Verdict::Ended(ended.clone()),
            (None, Some(broken), _) => Verdict::Worker(broken.clone()),
            (None, None, Ok(Some(error))) => Verdict::Worker(error.to_string()),
            _ if inner.eof => Verdict::Closed,
            _ => Verdict::Alive,
        }
    }

    fn with_shell<T>(
        &self,
        work: impl FnOnce(&mut ChargedSlot) -> Result<T, SlotError>,
    ) -> Result<T, SlotError> {
        match &mut self.shared.lock().shell {
            Some(shell) => work(shell),
            None => Err(SlotError::Gone),
        }
    }

    /// The next frame that is neither log nor data; sends what is queued meanwhile.
    ///
    /// # Errors
    /// When the worker is gone or does not keep to the protocol.
    pub async fn control_event(&self) -> Result<(Kind, Bytes), SlotError> {
        std::future::poll_fn(|cx| {
            let mut inner = self.shared.lock();
            let inner = &mut *inner;
            let Some(shell) = &mut inner.shell else { return Poll::Ready(Err(SlotError::Gone)) };
            if let Poll::Ready(Err(error)) = shell.slot.poll_flush(cx) {
                return Poll::Ready(Err(error.into()));
            }
            loop {
                match std::task::ready!(shell.slot.poll_event(cx))? {
                    // Late bytes of a connection that nobody reads any more.
                    Event::Data => shell.slot.consume(usize::MAX),
                    Event::Frame(Kind::Log, payload) => inner.log.frame(&payload),
                    Event::Frame(kind, payload) => return Poll::Ready(Ok((kind, payload))),
                }
            }
        })
        .await
    }

    /// Waits for any frame and keeps what it says; bytes of a response that nobody reads are dropped.
    async fn any_event(&self) -> Result<(), SlotError> {
        std::future::poll_fn(|cx| {
            let mut inner = self.shared.lock();
            match std::task::ready!(inner.poll_stream(cx)) {
                Ok(Some(())) => {
                    if let Some(shell) = &mut inner.shell {
                        shell.slot.consume(usize::MAX);
                    }
                    Poll::Ready(Ok(()))
                }
                Ok(None) => Poll::Ready(Ok(())),
                Err(error) => Poll::Ready(Err(error)),
            }
        })
        .await
    }
}

impl Inner {
    /// Keeps what frames say until bytes of the response wait (`Some`), or the program's side ends (`None`).
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<()>, SlotError>> {
        let Some(shell) = &mut self.shell else { return Poll::Ready(Err(SlotError::Gone)) };
        if self.ended.is_some() {
            return Poll::Ready(Ok(None));
        }
        loop {
            match std::task::ready!(shell.slot.poll_event(cx))? {
                Event::Data => return Poll::Ready(Ok(Some(()))),
                Event::Frame(Kind::Log, payload) => self.log.frame(&payload),
                Event::Frame(Kind::Started, payload) => self.started = Some(record(Kind::Started, &payload)?),
                Event::Frame(Kind::Eof, _) => {
                    self.eof = true;
                    return Poll::Ready(Ok(None));
                }
                Event::Frame(Kind::Ended, payload) => {
                    self.ended = Some(record(Kind::Ended, &payload)?);
                    return Poll::Ready(Ok(None));
                }
                Event::Frame(kind, _) => return Poll::Ready(Err(SlotError::Unexpected(kind))),
            }
        }
    }
}

/// hyper's end of the stream to the program.
#[derive(Debug)]
pub struct MachineIo(Arc<Shared>);

impl hyper::rt::Read for MachineIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        if inner.eof || inner.shell.is_none() {
            return Poll::Ready(Ok(()));
        }
        let inner = &mut *inner;
        match std::task::ready!(inner.poll_stream(cx)) {
            Ok(Some(())) => {
                if let Some(shell) = &mut inner.shell {
                    let data = shell.slot.data();
                    let count = data.len().min(buf.remaining());
                    buf.put_slice(&data[..count]);
                    inner.beginning.push(&data[..count]);
                    shell.slot.consume(count);
                }
                Poll::Ready(Ok(()))
            }
            // A program that ends closes its connections first; a machine that is gone without that took its answer along.
            Ok(None) if !inner.eof => Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(None) => Poll::Ready(Ok(())),
            Err(error) => {
                let text = error.to_string();
                inner.broken = Some(text);
                Poll::Ready(Err(io::Error::other(error)))
            }
        }
    }
}

impl hyper::rt::Write for MachineIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.lock().slot()?.poll_write_data(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().slot()?.poll_flush(cx)
    }

    /// A half close is for tunnels: a request's end is in its framing, and many servers take a half close for a client
    /// that went away.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inner = self.0.lock();
        if inner.shell.is_none() || inner.ended.is_some() {
            return Poll::Ready(Ok(()));
        }
        if std::mem::take(&mut inner.tunnel) {
            inner.slot()?.queue_empty(Kind::End);
        }
        inner.slot()?.poll_flush(cx)
    }
}

impl Inner {
    fn slot(&mut self) -> io::Result<&mut Slot> {
        self.shell.as_mut().map(|shell| &mut *shell.slot).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

/// For a machine that ended before its call began.
fn ended_before_call() -> Ended {
    Ended {
        outcome: Outcome::Cancelled,
        boot_us: 0,
        first_byte_us: None,
        run_us: 0,
        teardown_us: 0,
        dirty_pages: 0,
        touched_pages: 0,
        exits: 0,
        page_faults: 0,
    }
}
