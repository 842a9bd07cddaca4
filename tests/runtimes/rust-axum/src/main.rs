//! axum on a runtime with four threads; an error that nobody catches ends the program.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Json};
use axum::routing::{get, post};
use axum::{Router, serve};
use rand::RngCore;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

static CALLS: AtomicU64 = AtomicU64::new(0);

async fn count() -> String {
    (CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string()
}

async fn unique() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// From the generator that `rand` keeps for each thread.
async fn random() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

async fn echo(Json(document): Json<Value>) -> Json<Value> {
    Json(json!({ "echo": document }))
}

async fn file(body: Bytes) -> Vec<u8> {
    tokio::fs::write("/tmp/written", &body).await.expect("a file can be written");
    tokio::fs::read("/tmp/written").await.expect("a file can be read")
}

async fn fail() {
    std::process::abort();
}

fn main() {
    let router = Router::new()
        .route("/count", get(count))
        .route("/uuid", get(unique))
        .route("/random", get(random))
        .route("/fail", get(fail))
        .route("/json", post(echo))
        .route("/file", post(file))
        .route("/body", post(|body: Bytes| async { body }))
        .layer(DefaultBodyLimit::max(8 << 20));
    let port = std::env::var("PORT").ok().and_then(|text| text.parse().ok()).unwrap_or(8080);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
    runtime.expect("threads start").block_on(async {
        let listener = TcpListener::bind(("0.0.0.0", port)).await.expect("the port is free");
        serve(listener, router).await.expect("serving does not end");
    });
}
