//! Reports on bakes as files on the volume, for the downloader's status.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Server;
use super::functions::Function;

/// The pause after a report could not be written.
const PAUSE: Duration = Duration::from_secs(2);

/// Writes a function's report, again and again on a volume that takes nothing.
pub async fn write(server: Arc<Server>, function: Arc<Function>) {
    loop {
        let (server, function) = (server.clone(), function.clone());
        let written = tokio::task::spawn_blocking(move || try_write(&server, &function)).await;
        if written.unwrap_or(true) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes what is true by now, so that of several that write the last one has the last word.
fn try_write(server: &Server, function: &Arc<Function>) -> bool {
    let _turn = function.writing.lock().unwrap_or_else(PoisonError::into_inner);
    let known = server.functions.get(function.name.as_str());
    if !known.is_some_and(|known| Arc::ptr_eq(&known, function)) {
        return true;
    }
    let path = server.volume.report(&function.name);
    let bytes = serde_json::to_vec(&function.report()).unwrap_or_default();
    // After a restart most functions stand where they stood.
    if std::fs::read(&path).is_ok_and(|known| known == bytes) {
        return true;
    }
    let written = crate::volume::replace(&path, &bytes);
    written.inspect_err(|error| tracing::warn!(%error, "cannot write {}", path.display())).is_ok()
}

/// Removes the report of a function that is known no more.
pub fn remove(server: &Server, function: &Function) {
    let _turn = function.writing.lock().unwrap_or_else(PoisonError::into_inner);
    let path = server.volume.report(&function.name);
    if let Err(error) = crate::volume::remove(&path) {
        tracing::warn!(%error, "cannot remove {}", path.display());
    }
}
