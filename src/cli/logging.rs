//! Log records: for people on a terminal, JSON otherwise.

use std::io::IsTerminal;

use clap::ValueEnum;
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

/// Begins to log.
///
/// # Errors
/// When the filter is malformed.
pub fn start(args: &LogArgs) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&args.log).map_err(|error| Usage(format!("--log {}: {error}", args.log)))?;
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
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
    started.map_err(|error| anyhow::anyhow!("cannot log: {error}"))
}
