//! Questions to a node's admin port, over a local connection or one that is forwarded through a cluster.

use anyhow::Context;
use api::FunctionName;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncRead, AsyncWrite};

/// Longest answer that is taken.
const BODY_MAX: usize = 256 << 20;
/// What stands for itself in a URL (RFC 3986, section 2.3); the rest is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One GET; gives status and body.
///
/// # Errors
/// When there is no whole answer.
pub async fn get(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    host: &str,
    path: &str,
) -> anyhow::Result<(StatusCode, Bytes)> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = Request::get(path).header(http::header::HOST, host).body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await.context("no answer")?;
    let status = response.status();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await;
    let body = body.map_err(|error| anyhow::anyhow!("the answer broke off: {error}"))?;
    connection.abort();
    Ok((status, body.to_bytes()))
}

/// The path of `/logs` for a function, of one call or of all.
#[must_use]
pub fn logs_path(name: &FunctionName, call: Option<&str>) -> String {
    match call {
        Some(call) => format!("/logs?function={name}&call={}", utf8_percent_encode(call, RESERVED)),
        None => format!("/logs?function={name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_encoded() {
        let name = "a/b".parse().unwrap();
        assert_eq!(logs_path(&name, None), "/logs?function=a/b");
        assert_eq!(logs_path(&name, Some("x-1.~ &é")), "/logs?function=a/b&call=x-1.~%20%26%C3%A9");
    }
}
