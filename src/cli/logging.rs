//! Log records: for people on a terminal, JSON otherwise.
//!
//! A thread of its own writes them. When nobody reads standard error, records wait up to [`WAITING_MAX`] and are then
//! dropped and counted: a log that is not read never stops the server.

use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use super::Usage;

/// The form of log records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `text` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// One JSON object per line.
    Json,
}

/// Options for log records.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Form of the log records on stderr.
    #[arg(long, env = "KONTAIN_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    pub log_format: LogFormat,
    /// What is logged: error, warn, info, debug or trace, also by part, like `info,function=warn`.
    #[arg(long, env = "KONTAIN_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// Records that wait for standard error to be read.
const WAITING_MAX: usize = 4096;

static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// Records that were dropped because nobody read standard error.
pub fn dropped() -> u64 {
    DROPPED.get().map_or(0, |counter| counter.dropped_lines() as u64)
}

/// Begins to log. What is given back writes the records that still wait when it is dropped, for a second at most.
///
/// # Errors
/// When the filter is malformed.
pub fn start(args: &LogArgs) -> anyhow::Result<WorkerGuard> {
    let filter =
        EnvFilter::try_new(&args.log).map_err(|error| Usage(format!("--log {}: {error}", args.log)))?;
    let terminal = std::io::stderr().is_terminal();
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING_MAX)
        .thread_name("log")
        .finish(std::io::stderr());
    // There is one log.
    let _ = DROPPED.set(writer.error_counter());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    let json = match args.log_format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let started = if json {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    } else {
        builder.with_ansi(terminal).with_target(false).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("cannot log: {error}"))?;
    Ok(guard)
}
