//! Calls over HTTP/1.1 connections that are kept and used again.

use anyhow::Context;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Connections to one server. For one thread: each load generator has its own.
#[derive(Debug)]
pub struct Client {
    server: SocketAddr,
    idle: RefCell<Vec<SendRequest<Full<Bytes>>>>,
}

/// What a call gave.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request's first byte to the response's last.
    pub latency: Duration,
    /// Status of the response.
    pub status: u16,
    /// What the header X-Count says.
    pub count: Option<u64>,
    /// The whole body of the response.
    pub body: Bytes,
}

impl Client {
    /// No connections yet.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, idle: RefCell::default() }
    }

    /// A call with GET.
    ///
    /// # Errors
    /// No connection, or no complete response.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        // A connection that the server closed meanwhile is found out by using it; the next one is another.
        let mut sender = loop {
            let kept = self.idle.borrow_mut().pop();
            match kept {
                Some(sender) if sender.is_closed() => {}
                Some(sender) => break sender,
                None => break self.connect().await?,
            }
        };
        let request = Request::get(path).header("host", self.server.to_string()).body(Full::default())?;
        sender.ready().await?;
        let response: Response<Incoming> = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let count = response.headers().get("x-count").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = response.into_body().collect().await?.to_bytes();
        self.idle.borrow_mut().push(sender);
        Ok(Answer { latency: begun.elapsed(), status, count, body })
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream =
            TcpStream::connect(self.server).await.with_context(|| format!("connect to {}", self.server))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }
}
