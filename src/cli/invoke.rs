//! `kontain-faas invoke`: one call through a running server, for people and scripts.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::Context;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Usage;

/// Most header fields of a response: those that the server lets a function's answer have, and its own.
const FIELDS_MAX: usize = 1100;

/// Options of `invoke`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The function, and the path that it sees: NAMESPACE/FUNCTION[/PATH][?QUERY].
    #[arg(value_name = "NS/FN[/PATH]")]
    pub target: String,
    /// Body of the request; `-` reads standard input, `@FILE` a file.
    #[arg(short, long, env = "KONTAIN_DATA", value_name = "BODY")]
    pub data: Option<String>,
    /// A header of the request, `Name: value`.
    #[arg(short = 'H', long, env = "KONTAIN_HEADER", value_name = "HEADER")]
    pub header: Vec<String>,
    /// The method; GET without a body, POST with one.
    #[arg(short = 'X', long, env = "KONTAIN_METHOD", value_name = "METHOD")]
    pub method: Option<String>,
    /// Function port of the server.
    #[arg(long, env = "KONTAIN_SERVER", value_name = "ADDR", default_value = "127.0.0.1:8080")]
    pub server: SocketAddr,
    /// Print the head of the response as well.
    #[arg(short, long, env = "KONTAIN_INCLUDE", value_parser = clap::builder::FalseyValueParser::new())]
    pub include: bool,
}

/// Calls, and prints the response; an error status is exit code 1.
///
/// # Errors
/// When there is no response.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let request = request(args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(call(args, request))
}

fn request(args: &Args) -> anyhow::Result<Request<Full<Bytes>>> {
    let body = match args.data.as_deref() {
        None => Vec::new(),
        Some("-") => std::io::read_to_string(std::io::stdin())?.into_bytes(),
        Some(text) => match text.strip_prefix('@') {
            Some(path) => std::fs::read(path).with_context(|| format!("cannot read {path}"))?,
            None => text.as_bytes().to_vec(),
        },
    };
    let method = args.method.as_deref().unwrap_or(if args.data.is_some() { "POST" } else { "GET" });
    let path = format!("/{}", args.target.trim_start_matches('/'));
    let mut builder =
        Request::builder().method(method).uri(&path).header(http::header::HOST, args.server.to_string());
    for header in &args.header {
        let pair = header.split_once(':').and_then(|(name, value)| {
            Some((name.trim().parse::<HeaderName>().ok()?, value.trim().parse::<HeaderValue>().ok()?))
        });
        let (name, value) =
            pair.ok_or_else(|| Usage(format!("`{header}` is not a header: write `Name: value`")))?;
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Usage(format!("{method} {path} is not a request: {error}")).into())
}

async fn call(args: &Args, request: Request<Full<Bytes>>) -> anyhow::Result<ExitCode> {
    let server = args.server;
    let stream = TcpStream::connect(server).await.with_context(|| {
        format!("no server at {server}: start one with `kontain-faas serve`, or name it with --server")
    })?;
    let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
        .max_headers(FIELDS_MAX)
        .handshake(TokioIo::new(stream))
        .await?;
    tokio::spawn(connection);
    let response = sender.send_request(request).await.context("no response")?;
    let status = response.status();
    let mut out = std::io::stdout().lock();
    if args.include {
        writeln!(out, "{:?} {status}", response.version())?;
        for (name, value) in response.headers() {
            writeln!(out, "{name}: {}", value.as_bytes().escape_ascii())?;
        }
        writeln!(out)?;
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame.context("the response ended early")?.into_data() {
            out.write_all(&bytes)?;
            out.flush()?;
        }
    }
    Ok(if status.is_client_error() || status.is_server_error() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
