//! `kontain-faas doctor`: what this host or a cluster offers and lacks, one line each with the fix.
//!
//! [`checks`] looks at the host, [`control::doctor`] at Kubernetes, this file prints. Exit code 0 when functions can be served
//! there, 1 when something stands in the way.

mod checks;

use std::path::PathBuf;
use std::process::ExitCode;

use control::doctor::{self, Finding, Target, Verdict};
use control::source::cluster::client::ConnectOptions;

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A cluster instead of this host.
    #[command(flatten)]
    pub cluster: ClusterArgs,
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

/// Which cluster, and where in it.
#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// Looks at a cluster instead of this host: definition, rights, device, image, pods and ingress.
    #[arg(long, env = "KONTAIN_KUBE", value_parser = clap::builder::FalseyValueParser::new())]
    pub kube: bool,
    /// Namespace of the installation; by default the only one that there is.
    #[arg(short, long, env = "KONTAIN_NAMESPACE", value_name = "NS")]
    pub namespace: Option<String>,
    /// The kubeconfig; by default that in its usual places.
    #[arg(long, env = "KONTAIN_KUBECONFIG", value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context.
    #[arg(long, env = "KONTAIN_CONTEXT", value_name = "NAME")]
    pub context: Option<String>,
}

impl ClusterArgs {
    fn target(&self) -> Target {
        let cluster = ConnectOptions { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() };
        Target { cluster, namespace: self.namespace.clone() }
    }
}

/// Looks at the host, or at a cluster, and prints what it found.
///
/// # Errors
/// When there is no kubeconfig, or the report cannot be printed.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = if args.cluster.kube {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(doctor::all(&args.cluster.target()))?
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
