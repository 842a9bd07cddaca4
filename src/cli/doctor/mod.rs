//! `kontain-faas doctor`: what this host offers and lacks, one line each with the fix.
//!
//! [`checks`] looks, this file prints. Exit code 0 when functions can be served here, 1 when something stands in the way.

mod checks;

use serde::Serialize;
use std::process::ExitCode;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print what was found.
    #[arg(long, env = "KONTAIN_OUTPUT", default_value = "text")]
    pub output: Output,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Output {
    /// One line for each finding, with the fix below it.
    Text,
    /// An array of findings.
    Json,
}

/// How good a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// Functions are served, with less speed or less protection.
    Warn,
    /// Functions cannot be served.
    Fail,
}

/// One thing looked at.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub what: &'static str,
    /// How good it is.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it; empty when all is well.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fix: String,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Ok, found: found.into(), fix: String::new() }
    }

    fn warn(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Warn, found: found.into(), fix: fix.into() }
    }

    fn fail(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { what, verdict: Verdict::Fail, found: found.into(), fix: fix.into() }
    }
}

/// Looks at the host and prints what it found.
///
/// # Errors
/// Only when the report cannot be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = checks::all();
    match args.output {
        Output::Text => findings.iter().for_each(print),
        Output::Json => println!("{}", serde_json::to_string_pretty(&findings)?),
    }
    let fatal = findings.iter().any(|finding| finding.verdict == Verdict::Fail);
    Ok(if fatal { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(finding: &Finding) {
    let verdict = match finding.verdict {
        Verdict::Ok => "ok  ",
        Verdict::Warn => "warn",
        Verdict::Fail => "FAIL",
    };
    println!("{verdict}  {:<16} {}", finding.what, finding.found);
    if !finding.fix.is_empty() {
        println!("      {:<16} fix: {}", "", finding.fix);
    }
}
