//! `kontain-faas pack`: a program of this machine as an OCI image.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use bundles::pack::{Addition, Program, pack, to_layout};
use bundles::reference::Reference;

use super::Usage;

/// Options of `pack`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the image goes: oci:DIR[:NAME]; without it, a directory with the program's name in the current one.
    #[arg(short, long, env = "KONTAIN_OUTPUT", value_name = "oci:DIR[:NAME]")]
    pub output: Option<String>,
    /// A file or directory to put in, at the same path; or SRC:DST to put it elsewhere. Libraries that programs in
    /// it need come along; Python, Ruby, Perl, Node.js and PHP bring their standard libraries by themselves.
    #[arg(long, env = "KONTAIN_ADD", value_name = "PATH|SRC:DST")]
    pub add: Vec<Addition>,
    /// An environment variable of the image.
    #[arg(long, value_name = "NAME=VALUE", value_parser = environment_entry)]
    pub env: Vec<String>,
    /// The TCP port on which the program listens.
    #[arg(long, env = "KONTAIN_PORT", value_name = "N")]
    pub port: Option<u16>,
    /// The user to run as: a number, or a name in the image's /etc/passwd; with :GROUP if need be.
    #[arg(long, env = "KONTAIN_USER", value_name = "USER[:GROUP]")]
    pub user: Option<String>,
    /// The working directory in the image.
    #[arg(long, env = "KONTAIN_CWD", value_name = "DIR")]
    pub cwd: Option<String>,
    /// Where the program goes in the image, instead of to the same path.
    #[arg(long, env = "KONTAIN_AT", value_name = "PATH", value_parser = absolute)]
    pub at: Option<PathBuf>,
    /// The program, a path or a name in PATH, and its arguments.
    #[arg(last = true, required = true, value_name = "PROGRAM ARGS")]
    pub command: Vec<String>,
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("expected an absolute path".to_owned()) }
}

fn environment_entry(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Packs the program and says how the image is called.
///
/// # Errors
/// When the program or a library is missing, or the layout cannot be written.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (dir, tag) = output(args)?;
    let program = Program {
        command: args.command.clone(),
        env: args.env.clone(),
        add: args.add.clone(),
        port: args.port,
        user: args.user.clone(),
        cwd: args.cwd.clone(),
        at: args.at.clone(),
    };
    std::fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let packed = pack(&program, &dir)?;
    for warning in &packed.warnings {
        eprintln!("warning: {warning}");
    }
    let digest = to_layout(&packed, &dir, &tag)?;
    println!("oci:{}:{tag} {digest}", dir.display());
    Ok(ExitCode::SUCCESS)
}

/// Directory and tag of the image to write.
fn output(args: &Args) -> anyhow::Result<(PathBuf, String)> {
    let Some(text) = &args.output else {
        let name = args.command.first().and_then(|command| Path::new(command).file_name());
        return Ok((PathBuf::from(name.unwrap_or_default()).with_extension("oci"), "latest".to_owned()));
    };
    match text.parse::<Reference>().and_then(Reference::located) {
        Ok(Reference::OciLayout { path, select }) if select.digest.is_none() => {
            Ok((path, select.name.unwrap_or_else(|| "latest".to_owned())))
        }
        _ => Err(Usage(format!("--output {text}: expected oci:DIR[:NAME]")).into()),
    }
}
