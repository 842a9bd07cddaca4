//! The bytes of a context on their way in: into a file without a name, counted and hashed, and looked at by nobody.

use std::fs::File;
use std::io::{Seek, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::BodyExt;
use tokio::time::Instant;

use crate::answer::Refusal;
use crate::signature::Expected;

/// A client may pause so long in all while it sends a context; each 16 KiB of it give it another second.
const PATIENCE: Duration = Duration::from_secs(10);
const FLOOR_BYTES_PER_SEC: u64 = 16 << 10;
/// What is refused is read so far and for so long, and thrown away.
const DISCARDED_MAX: u64 = 4 << 30;
const DISCARD_TIME: Duration = Duration::from_secs(30);

/// Takes a whole body whose signature is right, at its beginning; nothing where it is longer than `max`.
pub async fn receive<B>(
    body: &mut B,
    scratch: &Path,
    max: u64,
    mut expected: Option<Expected>,
) -> Result<Option<File>, Refusal>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let failed = |error: std::io::Error| {
        tracing::error!(%error, "a context cannot be kept");
        Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "the builder has no room for the context")
    };
    let slow = |_| Refusal::new(StatusCode::REQUEST_TIMEOUT, "the context comes too slowly");
    let mut file = tempfile::tempfile_in(scratch).map_err(failed)?;
    let (begun, mut count) = (Instant::now(), 0u64);
    loop {
        let due = begun + PATIENCE + Duration::from_secs(count / FLOOR_BYTES_PER_SEC);
        let frame = tokio::time::timeout_at(due, body.frame()).await.map_err(slow)?;
        let Some(frame) = frame else { break };
        let broken = |_| Refusal::new(StatusCode::BAD_REQUEST, "the body is malformed or incomplete");
        let Ok(piece) = frame.map_err(broken)?.into_data() else { continue };
        count = count.saturating_add(piece.len() as u64);
        if count > max {
            return Ok(None);
        }
        if let Some(expected) = &mut expected {
            expected.update(&piece);
        }
        file.write_all(&piece).map_err(failed)?;
    }
    expected.map_or(Ok(()), Expected::check)?;
    file.rewind().map_err(failed)?;
    Ok(Some(file))
}

/// Reads what nobody wants.
pub async fn discard<B>(body: &mut B)
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    let read = async {
        let mut count = 0;
        while let Some(Ok(frame)) = body.frame().await {
            count += frame.data_ref().map_or(0, |piece| piece.len() as u64);
            if count > DISCARDED_MAX {
                return;
            }
        }
    };
    // Whoever takes longer loses the answer.
    let _ = tokio::time::timeout(DISCARD_TIME, read).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;

    #[tokio::test]
    async fn bodies_are_taken_up_to_their_limit() {
        let folder = tempfile::tempdir().unwrap();
        let take = async |max| {
            let mut body = Full::new(Bytes::from_static(b"12345"));
            receive(&mut body, folder.path(), max, None).await.unwrap()
        };
        assert_eq!(std::io::read_to_string(take(5).await.unwrap()).unwrap(), "12345");
        assert!(take(4).await.is_none());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut body = http_body_util::StreamBody::new(futures_util::stream::pending::<
            Result<http_body::Frame<Bytes>, std::io::Error>,
        >());
        let refusal = receive(&mut body, folder.path(), 5, None).await.unwrap_err();
        assert_eq!(refusal.status, StatusCode::REQUEST_TIMEOUT);
    }
}
