//! Requests to a machine for the sake of what they leave there or how long they take; what is answered does not matter.

use std::time::{Duration, Instant};

use api::Warmup;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;

use super::machine::{self, Machine};

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The request cannot be sent.
    #[error(transparent)]
    Request(#[from] http::Error),
    /// The answer is no HTTP, or did not come to its end.
    #[error(transparent)]
    Answer(#[from] hyper::Error),
}

/// Sends a request over the machine's connection and reads the answer to its end; gives its status.
///
/// # Errors
/// See [`ExchangeError`].
pub async fn exchange(machine: &Machine, warmup: &Warmup) -> Result<StatusCode, ExchangeError> {
    // Nothing more comes on this connection, and the program comes to rest when it has closed it.
    connected(machine, |mut sender| async move { answer(&mut sender, warmup, "close").await }).await
}

/// Sends a request twice over the machine's connection; gives how long each took. Nothing where the program closes the
/// connection after the first, or an answer is no success.
///
/// # Errors
/// See [`ExchangeError`].
pub async fn exchange_twice(
    machine: &Machine,
    warmup: &Warmup,
) -> Result<Option<[Duration; 2]>, ExchangeError> {
    let twice = |mut sender: SendRequest<Full<Bytes>>| async move {
        let mut times = [Duration::ZERO; 2];
        for (time, connection) in times.iter_mut().zip(["keep-alive", "close"]) {
            if sender.ready().await.is_err() {
                return Ok(None);
            }
            let begin = Instant::now();
            if !answer(&mut sender, warmup, connection).await?.is_success() {
                return Ok(None);
            }
            *time = begin.elapsed();
        }
        Ok(Some(times))
    };
    connected(machine, twice).await
}

/// Does some work over the machine's connection.
async fn connected<T, F>(
    machine: &Machine,
    work: impl FnOnce(SendRequest<Full<Bytes>>) -> F,
) -> Result<T, ExchangeError>
where
    F: Future<Output = Result<T, ExchangeError>>,
{
    let (sender, connection) = machine::client().handshake(machine.io()).await?;
    let work = work(sender);
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => done,
        // A connection may read the response and its own end in one turn; without a response the work knows.
        ended = connection => match ended {
            Ok(()) => work.await,
            Err(error) => Err(error.into()),
        },
    }
}

async fn answer(
    sender: &mut SendRequest<Full<Bytes>>,
    warmup: &Warmup,
    connection: &str,
) -> Result<StatusCode, ExchangeError> {
    let request = hyper::Request::builder()
        .method(warmup.method.as_str())
        .uri(&warmup.path)
        .header(http::header::HOST, "localhost")
        .header(http::header::CONNECTION, connection)
        .body(Full::new(Bytes::from(warmup.body.clone())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(status)
}
