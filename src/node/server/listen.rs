//! Connections: accepted, bounded in number and patience, handed to hyper, drained at the end.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulConnection, GracefulShutdown};
use prometheus_client::metrics::gauge::Gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;

use super::body::Body;
use super::headers::{FIELDS_MAX, HEAD_MAX};
use super::refusal::{Answered, Answering};
use super::watch::{Pace, Sender, Streams};

/// The first bytes of a connection must come within this time; hyper's own timers begin once it knows the version.
const FIRST_LIMIT: Duration = Duration::from_secs(10);
/// Bytes after which the version is known.
const PREFACE: usize = 24;
/// HTTP/2 streams of one connection at once.
const STREAMS_MAX: u32 = 256;
/// HTTP/2 streams that a client may reset before they were looked at.
const RESETS_MAX: usize = 32;
/// HTTP/2 connections are asked for a sign of life this often, and given up after as long again.
const H2_PING: Duration = Duration::from_secs(30);
/// After an accept that failed for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What one client connection may take: places, time for a head, time without progress.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Client connections that are open at once; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// A head must be whole, and the next request begin, within this time.
    pub header_timeout: Duration,
    /// A client must take something of its response within this time; each KiB that was handed over gives it another second.
    pub write_timeout: Duration,
    /// A client may pause so long in all while it sends a body; each KiB of it gives it another second.
    pub body_timeout: Duration,
}

/// Serves connections until `stop`, then lets those that are open finish their requests.
pub async fn serve<F, R>(
    listener: TcpListener,
    limits: Limits,
    open: Gauge,
    stop: CancellationToken,
    handle: F,
) where
    F: Fn(SocketAddr, Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limits.connections));
    let builder = builder(limits);
    let graceful = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &places) => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let handle = handle.clone();
        let connection = connection(&builder, stream, limits, move |request| handle(peer, request));
        let connection = graceful.watch(connection);
        let counted = Counted::new(open.clone(), place);
        Sender::spawn(async move {
            let _counted = counted;
            if let Err(error) = connection.await {
                tracing::trace!(%error, %peer, "connection ended");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Serves one connection, whoever made it.
pub async fn serve_one<S, F, R>(stream: S, limits: Limits, handle: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    if let Err(error) = connection(&builder(limits), stream, limits, handle).await {
        tracing::trace!(%error, "connection ended");
    }
}

fn connection<S, F, R>(
    builder: &auto::Builder<Streams>,
    stream: S,
    limits: Limits,
    handle: F,
) -> impl GracefulConnection<Error: std::fmt::Display> + Send + 'static + use<S, F, R>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Send + 'static,
    R: Future<Output = Response<Body>> + Send + 'static,
{
    let answering = Answering::default();
    let patient = Patient::new(stream, limits.write_timeout, answering.clone());
    let service = hyper::service::service_fn(move |request: Request<Incoming>| {
        let (answer, version) = (answering.begin(), request.version());
        let response = handle(request);
        async move {
            let response = response.await;
            // The socket shows who takes nothing of a connection, but not of which stream, nor of how much.
            let paced =
                response.body().is_long() || (version == Version::HTTP_2 && !response.body().is_end_stream());
            let pace = if paced { Pace::new(limits.write_timeout) } else { None };
            Ok::<_, Infallible>(response.map(|body| Answered::new(body, pace, answer)))
        }
    });
    builder.serve_connection_with_upgrades(TokioIo::new(patient), service).into_owned()
}

/// An open connection: its place, and its part of the number of them.
struct Counted {
    open: Gauge,
    _place: OwnedSemaphorePermit,
}

impl Counted {
    fn new(open: Gauge, place: OwnedSemaphorePermit) -> Self {
        open.inc();
        Self { open, _place: place }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.open.dec();
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    // A response is often two writes; waiting for the first one's acknowledgement would cost 40 ms.
    stream.set_nodelay(true)?;
    Ok((stream, peer, place))
}

fn builder(limits: Limits) -> auto::Builder<Streams> {
    let mut builder = auto::Builder::new(Streams);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(FIELDS_MAX)
        .max_buf_size(HEAD_MAX)
        .preserve_header_case(true)
        .title_case_headers(true);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_header_list_size(HEAD_MAX as u32)
        .keep_alive_interval(H2_PING)
        .keep_alive_timeout(H2_PING);
    builder
}

/// A stream with a time limit for its first bytes and for each write that the client does not take; on it, hyper's own
/// refusals become problem documents.
struct Patient<S> {
    stream: S,
    /// Until the first bytes came or went.
    first: Option<Pin<Box<Sleep>>>,
    seen: usize,
    write_timeout: Duration,
    stalled: Option<Pin<Box<Sleep>>>,
    answering: Answering,
    /// What is left to write of a refusal.
    refusal: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Patient<S> {
    fn new(stream: S, write_timeout: Duration, answering: Answering) -> Self {
        let first = Some(Box::pin(tokio::time::sleep(FIRST_LIMIT)));
        Self { stream, first, seen: 0, write_timeout, stalled: None, answering, refusal: Vec::new() }
    }

    /// Takes a refusal of hyper's instead of passing it on; says whether it was one.
    fn refuse(&mut self, bytes: &[u8]) -> bool {
        match self.answering.replacement(bytes) {
            Some(refusal) => self.refusal = refusal,
            None => return false,
        }
        true
    }

    fn write_refusal(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.refusal.is_empty() {
            let result = Pin::new(&mut self.stream).poll_write(cx, &self.refusal);
            let count = std::task::ready!(self.written(cx, result))?;
            self.refusal.drain(..count);
        }
        Poll::Ready(Ok(()))
    }

    /// Passes the result of a write on, and gives up when the client takes nothing for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stalled = None;
            return result;
        }
        let until = Instant::now() + self.write_timeout;
        let timer = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        match timer.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        if let Some(first) = &mut this.first {
            this.seen += buf.filled().len() - before;
            if this.seen >= PREFACE {
                this.first = None;
            } else if result.is_pending() && first.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.first = None;
        if this.refuse(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.first = None;
        if let Some(bytes) = bufs.iter().find(|bytes| !bytes.is_empty()).filter(|_| bufs.len() == 1)
            && this.refuse(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.write_refusal(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::task::ready!(self.write_refusal(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
