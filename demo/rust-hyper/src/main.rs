//! A server on hyper and tokio.
//!
//! `GET /` greets, `POST /echo` streams the body back, `GET /random` gives 16 random bytes in hex. `X-Count` is the
//! number of calls that this process has served.

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::body::{Bytes, Incoming};
use hyper::{Method, Request, Response, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, hyper::Error>;

static COUNT: AtomicU64 = AtomicU64::new(0);

fn text(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed()
}

fn random() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has random bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).chain(["\n".to_owned()]).collect()
}

async fn answer(request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let (status, body) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => (200, text("hello from Rust\n")),
        (&Method::GET, "/random") => (200, text(random())),
        (&Method::POST, "/echo") => (200, request.into_body().boxed()),
        _ => (404, text("no such page\n")),
    };
    let mut response = Response::new(body);
    *response.status_mut() = hyper::StatusCode::from_u16(status).expect("a valid status");
    response.headers_mut().insert("x-count", count.into());
    Ok(response)
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let port = std::env::var("PORT").ok().and_then(|port| port.parse().ok()).unwrap_or(8080);
    let listener = TcpListener::bind(("0.0.0.0", port)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)));
    }
}
