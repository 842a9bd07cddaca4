//! `kontain-faas remove`: takes functions back.

use std::process::ExitCode;

use super::source::{self, SourceArgs};

/// Options of `remove`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The functions: NAME, or NAMESPACE/NAME.
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Where they are published.
    #[command(flatten)]
    pub source: SourceArgs,
}

/// Removes; one that is not there is exit code 1, after the others were removed.
///
/// # Errors
/// When the source cannot be asked, or refuses.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let catalog = args.source.open().await?;
        let mut code = ExitCode::SUCCESS;
        for text in &args.names {
            let name = source::name(&*catalog, text)?;
            if catalog.remove(&name).await? {
                println!("{name} removed");
            } else {
                eprintln!("{name} is not published");
                code = ExitCode::FAILURE;
            }
        }
        Ok(code)
    })
}
