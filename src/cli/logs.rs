//! `kontain-faas logs`: what a function wrote on stdout and stderr.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::output::{Format, print};
use super::source::{self, FunctionArgs};
use control::source::{LogLine, Seen};

/// How often is asked for new lines.
const INTERVAL: Duration = Duration::from_millis(500);

/// Options of `logs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which function's, and from which source.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// Only the lines of this call.
    #[arg(long, env = "KONTAIN_CALL", value_name = "ID")]
    pub call: Option<String>,
    /// Go on with new lines as they come.
    #[arg(short, long, env = "KONTAIN_FOLLOW", value_parser = clap::builder::FalseyValueParser::new())]
    pub follow: bool,
}

/// Prints the lines that are kept, and the new ones if that is asked for.
///
/// # Errors
/// When no server can be asked.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let FunctionArgs { name, view } = &args.function;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let catalog = view.source.open().await?;
        let name = source::name(&*catalog, name)?;
        let mut seen = Seen::default();
        loop {
            let fresh = seen.fresh(catalog.logs(&name, args.call.as_deref()).await?);
            if view.output != Format::Table && !args.follow {
                print(view.output, &fresh)?;
            } else if !show(view.output, &fresh) {
                return Ok(ExitCode::SUCCESS);
            }
            if !args.follow {
                return Ok(ExitCode::SUCCESS);
            }
            tokio::time::sleep(INTERVAL).await;
        }
    })
}

/// Prints lines; `false` when nobody reads them any more.
fn show(format: Format, lines: &[LogLine]) -> bool {
    let mut out = std::io::stdout().lock();
    let written = lines.iter().try_for_each(|line| match format {
        Format::Table => writeln!(out, "{} {} {}: {}", line.time, line.call, line.stream, line.text),
        Format::Json | Format::Yaml => {
            writeln!(out, "{}", serde_json::to_string(line).unwrap_or_default())
        }
    });
    written.and_then(|()| out.flush()).is_ok()
}
