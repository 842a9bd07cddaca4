//! Reports on bakes as files on the volume, for the downloader's status.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use volume::reports;

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
    let written = reports::write(&server.volume, &function.name, &function.report());
    let tell = |error: &std::io::Error| {
        tracing::warn!(function = %function.name, %error, "cannot write the report");
    };
    written.inspect_err(tell).is_ok()
}

/// Removes the report of a function that is known no more.
pub fn remove(server: &Server, function: &Function) {
    let _turn = function.writing.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = reports::remove(&server.volume, &function.name) {
        tracing::warn!(function = %function.name, %error, "cannot remove the report");
    }
}
