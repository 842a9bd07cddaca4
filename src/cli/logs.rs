//! `kontain-faas logs`: what a function wrote on stdout and stderr.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use super::output::{Format, print};
use super::source::{self, FunctionArgs};
use control::source::LogLine;

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

/// The time of the last lines that were shown, and the lines of that very time.
#[derive(Default)]
struct Seen {
    time: String,
    lines: Vec<LogLine>,
}

impl Seen {
    /// Those that were not shown yet. Servers keep the last lines of a function; times order them.
    fn fresh(&mut self, lines: Vec<LogLine>) -> Vec<LogLine> {
        let fresh: Vec<LogLine> = lines
            .into_iter()
            .filter(|line| line.time > self.time || (line.time == self.time && !self.lines.contains(line)))
            .collect();
        for line in &fresh {
            if line.time > self.time {
                self.time.clone_from(&line.time);
                self.lines.clear();
            }
            if line.time == self.time {
                self.lines.push(line.clone());
            }
        }
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(time: &str, text: &str) -> LogLine {
        LogLine { time: time.into(), call: "c".into(), stream: "stdout".into(), text: text.into() }
    }

    #[test]
    fn nothing_is_shown_twice() {
        let mut seen = Seen::default();
        let (a, b, c) = (line("1", "a"), line("2", "b"), line("2", "c"));
        assert_eq!(seen.fresh(vec![a.clone(), b.clone()]), [a.clone(), b.clone()]);
        assert_eq!(seen.fresh(vec![a, b.clone(), c.clone()]).len(), 1);
        assert!(seen.fresh(vec![b, c]).is_empty());
    }
}
