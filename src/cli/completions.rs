//! `kontain-faas completions SHELL`: the completion script, on stdout.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

/// Options of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell to complete in.
    pub shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// Never; the signature is that of every command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut command = super::Cli::command();
    clap_complete::generate(args.shell, &mut command, "kontain-faas", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
