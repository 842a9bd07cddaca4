//! `kontain-faas new`: a function to begin with, in one of the languages that have a template.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use build::template::{TEMPLATES, Template};

/// Options of `new`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder that is made.
    #[arg(value_name = "NAME")]
    pub name: PathBuf,
    /// The language.
    #[arg(long, env = "KONTAIN_LANG", value_parser = clap::builder::PossibleValuesParser::new(TEMPLATES.iter().map(|one| one.language)))]
    pub lang: String,
}

/// Writes the files, and says what to do with them. What is there already stays as it is.
///
/// # Errors
/// When there is a file of one of their names, or the folder cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let template = Template::named(&args.lang).context("there is no such template")?;
    let files = template.files();
    let taken =
        files.iter().map(|(path, _)| args.name.join(path)).find(|path| path.symlink_metadata().is_ok());
    anyhow::ensure!(taken.is_none(), "{} is there already", taken.unwrap_or_default().display());
    for (path, text) in &files {
        let path = args.name.join(path);
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(path.parent().unwrap_or(&args.name))?;
            File::create_new(&path)?.write_all(text.as_bytes())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
    }
    let name = args.name.display();
    println!("{name}: kontain-faas up {name} builds and publishes it; {} tests it", template.test);
    Ok(ExitCode::SUCCESS)
}
