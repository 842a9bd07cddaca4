//! `kontain-faas crds`: the CustomResourceDefinition of Image, for `kubectl apply -f -`.

use std::process::ExitCode;

use anyhow::Context;

use api::crd;

/// Options of `crds`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the definition as YAML.
///
/// # Errors
/// When it cannot be written as YAML.
pub fn run(_: &Args) -> anyhow::Result<ExitCode> {
    print!("{}", serde_saphyr::to_string(&crd::definition()).context("cannot write YAML")?);
    Ok(ExitCode::SUCCESS)
}
