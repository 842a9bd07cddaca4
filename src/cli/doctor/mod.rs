//! `kontain-faas doctor`: what this host or a cluster offers and lacks, one line each with the fix.
//!
//! [`checks`] looks at the host, [`cluster`] at Kubernetes, this file prints. Exit code 0 when functions can be served
//! there, 1 when something stands in the way.

mod checks;
mod cluster;

use serde::Serialize;
use std::process::ExitCode;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A cluster instead of this host.
    #[command(flatten)]
    pub cluster: cluster::ClusterArgs,
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

/// Looks at the host, or at a cluster, and prints what it found.
///
/// # Errors
/// When there is no kubeconfig, or the report cannot be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = if args.cluster.kube {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(cluster::all(&args.cluster))?
    } else {
        checks::all()
    };
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
