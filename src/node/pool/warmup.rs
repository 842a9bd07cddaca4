//! One request to a machine for the sake of what it leaves there; what is answered does not matter.

use api::Warmup;
use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt, Full};

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
    let (mut sender, connection) = machine::client().handshake(machine.io()).await?;
    let request = hyper::Request::builder()
        .method(warmup.method.as_str())
        .uri(&warmup.path)
        .header(http::header::HOST, "localhost")
        // Nothing more comes on this connection, and the program comes to rest when it has closed it.
        .header(http::header::CONNECTION, "close")
        .body(Full::new(Bytes::from(warmup.body.clone())))?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let status = response.status();
        let mut body = response.into_body();
        while let Some(frame) = body.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(status)
    };
    tokio::pin!(exchange);
    let status = tokio::select! {
        biased;
        status = &mut exchange => status,
        // A connection may read the response and its own end in one turn; without a response the exchange knows.
        ended = connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(error),
        },
    };
    Ok(status?)
}
