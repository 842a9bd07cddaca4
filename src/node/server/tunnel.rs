//! Switched protocols (WebSocket and others): bytes both ways until either side ends or the deadline comes.

use std::pin::Pin;

use http::header::{CONNECTION, HeaderValue, UPGRADE};
use http::{Response, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::time::Sleep;

use super::body::{Body, Connection};
use super::finish::CallEnd;
use super::reason::CallResult;
use super::{headers, origin};

/// Passes the 101 of the function below `prefix` on to its client and starts the tunnel.
pub fn switch(
    mut response: Response<Incoming>,
    connection: Connection,
    deadline: Pin<Box<Sleep>>,
    end: CallEnd,
    (client, prefix): (OnUpgrade, &str),
) -> Response<Body> {
    let function = hyper::upgrade::on(&mut response);
    let (mut parts, _) = response.into_parts();
    let protocols: Vec<HeaderValue> = parts.headers.get_all(UPGRADE).iter().cloned().collect();
    headers::strip_hop_by_hop(&mut parts.headers);
    origin::narrow(&mut parts.headers, prefix);
    parts.headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    for protocol in protocols {
        parts.headers.append(UPGRADE, protocol);
    }
    parts.version = Version::HTTP_11;
    end.call().tunnel();
    tokio::spawn(run(connection, deadline, end, client, function));
    Response::from_parts(parts, Body::Empty)
}

async fn run(
    connection: Connection,
    deadline: Pin<Box<Sleep>>,
    end: CallEnd,
    client: OnUpgrade,
    function: OnUpgrade,
) {
    let both = async {
        // The connection gives its stream away once it is polled to its end.
        let (_, function, client) = tokio::join!(connection, function, client);
        let (mut function, mut client) = (TokioIo::new(function?), TokioIo::new(client?));
        tokio::io::copy_bidirectional(&mut client, &mut function)
            .await
            .map_err(|error| -> Box<dyn std::error::Error + Send + Sync> { error.into() })
    };
    tokio::select! {
        copied = both => match copied {
            Ok(_) => end.complete(),
            Err(error) => {
                tracing::debug!(%error, "tunnel ended");
                end.fail(CallResult::TunnelEnded);
            }
        },
        () = deadline => end.fail(CallResult::Deadline),
    }
}
