//! `km worker`: started by a server, with its control socket as descriptor 3.

use anyhow::Result;
use std::process::ExitCode;

/// Serves until the server is gone.
///
/// # Errors
/// No machines can be made here, or the server does not keep to the protocol.
pub fn run() -> Result<ExitCode> {
    km_vmm::worker::run()?;
    Ok(ExitCode::SUCCESS)
}
