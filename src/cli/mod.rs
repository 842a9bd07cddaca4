//! The command line: one file per command, shared options here, the TOML file in [`config`].
//!
//! Every option can be given in three ways; the first that is present counts: the command line, the environment
//! (`KONTAIN_` and the option's name), the TOML file that `--config` names. A command's file has an `Args` and a `run`.

#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the documentation of an argument is its help, with brackets"
)]

mod access;
mod build;
mod build_order;
mod builder;
mod building;
mod bundle;
mod collect;
mod completions;
mod config;
mod crds;
mod describe;
mod doctor;
mod download;
mod egress;
mod follow;
mod gateway;
mod invoke;
mod list;
mod logging;
mod logs;
mod new;
mod output;
mod pack;
mod progress;
mod proxy;
mod publish;
mod queue;
mod registry;
mod remove;
mod serve;
mod signals;
mod source;
mod store;
mod system;
mod up;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand};

/// Serves functions: every HTTP call gets a virtual machine of its own.
#[derive(Debug, Parser)]
#[command(name = "kontain-faas", version, max_term_width = 100, after_help = AFTER_HELP)]
pub struct Cli {
    /// Options that every command has.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "Every option is also an environment variable, shown beside it, and a key of the file that \
--config names: at its top level for all commands, in a table with the command's name for one (`max-body = \"1Gi\"`, \
or the same below `[serve]`). The command line wins over the environment, the environment over the file.\n\n\
Exit codes: 0 success, 1 failure, 2 usage.";

/// Options that every command has.
#[derive(Debug, Args)]
pub struct Global {
    /// TOML file with options.
    #[arg(long, global = true, env = "KONTAIN_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// What the program can do, one variant for each file beside this one.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Builds an image from a Dockerfile and a context; its RUN steps run in machines of their own.
    Build(Box<build::Args>),
    /// Builds and pushes signed contexts: OpenFaaS' builder API.
    Builder(Box<builder::Args>),
    /// One build of the builder.
    #[command(hide = true)]
    BuildOrder(Box<build_order::Args>),
    /// Builds a function from source, publishes it, waits for it and calls it.
    Up(Box<up::Args>),
    /// Writes a function to begin with, with a test: in Python, JavaScript, Go, Ruby, PHP, Java, Rust or C.
    New(new::Args),
    /// Makes a bundle of an image: runtime configuration and root file system in a directory.
    Bundle(bundle::Args),
    /// Measures what calls cost here: latencies, throughput, cold boots, and the same programs as processes.
    Bench(benches::bench::Args),
    /// Publishes four sample programs, calls them, and shows what a call costs.
    Demo(benches::demo::Args),
    /// Serves functions.
    Serve(Box<serve::Args>),
    /// Answers OpenFaaS' REST API beside a server, which calls are handed on to.
    Gateway(Box<gateway::Args>),
    /// Publishes a folder of Image documents, for a server that serves the same volume.
    Download(Box<download::Args>),
    /// Publishes an image as a function, in a cluster or in a folder that a server follows.
    Publish(Box<publish::Args>),
    /// Lists functions.
    List(list::Args),
    /// Tells everything about a function.
    Describe(describe::Args),
    /// Prints what a function wrote.
    Logs(logs::Args),
    /// Takes functions back.
    Remove(remove::Args),
    /// Calls a function through a running server.
    Invoke(invoke::Args),
    /// Prints the CustomResourceDefinition of Image, for `kubectl apply -f -`.
    Crds(crds::Args),
    /// Prints a completion script for a shell.
    Completions(completions::Args),
    /// Tells what this host offers and lacks, with the fix.
    Doctor(doctor::Args),
    /// Makes an OCI image of a program on this machine, its libraries and added files.
    Pack(pack::Args),
    /// Lists, verifies and clears the bundles of a volume.
    Store(store::Args),
}

/// The user asked for something that cannot be: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Reads command line, environment and configuration file.
///
/// # Errors
/// When the configuration file cannot be used. A wrong command line prints its usage and ends the process here.
pub fn parse() -> anyhow::Result<Cli> {
    let command = as_called(config::command::<Cli>(), std::env::args_os().next());
    let command = config::with_defaults(command, std::env::args_os())?;
    let matches = command.get_matches();
    Ok(Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit()))
}

/// The name under which this is a plugin of kubectl: `kubectl kontain …`.
const PLUGIN: &str = "kubectl-kontain";
/// What the plugin shows; the rest is for those who run nodes.
const PLUGIN_COMMANDS: [&str; 7] = ["publish", "list", "describe", "logs", "remove", "crds", "completions"];

/// The command under the name that it was called by.
fn as_called(mut command: clap::Command, program: Option<std::ffi::OsString>) -> clap::Command {
    let name = program.map(PathBuf::from).and_then(|path| path.file_name().map(ToOwned::to_owned));
    if name.is_none_or(|name| name != PLUGIN) {
        return command;
    }
    let others: Vec<String> = command
        .get_subcommands()
        .map(|one| one.get_name().to_owned())
        .filter(|name| !PLUGIN_COMMANDS.contains(&name.as_str()))
        .collect();
    for name in others {
        command = command.mut_subcommand(name, |one| one.hide(true));
    }
    command.name(PLUGIN).bin_name("kubectl kontain").about("Publishes functions to a cluster")
}

/// Runs the command.
///
/// # Errors
/// Whatever made it fail.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Build(args) => build::run(&args),
        Command::Builder(args) => builder::run(*args),
        Command::BuildOrder(args) => build_order::run(*args),
        Command::Up(args) => up::run(*args),
        Command::New(args) => new::run(&args),
        Command::Bundle(args) => bundle::run(&args),
        Command::Bench(args) => benches::bench::run(&args),
        Command::Demo(args) => benches::demo::run(&args),
        Command::Serve(args) => serve::run(*args),
        Command::Download(args) => download::run(*args),
        Command::Gateway(args) => gateway::run(*args),
        Command::Publish(args) => publish::run(&args),
        Command::List(args) => list::run(&args),
        Command::Describe(args) => describe::run(&args),
        Command::Logs(args) => logs::run(&args),
        Command::Remove(args) => remove::run(&args),
        Command::Invoke(args) => invoke::run(&args),
        Command::Crds(args) => crds::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Store(args) => store::run(&args),
    }
}

/// Says what went wrong and gives the exit code for it.
pub fn report(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    if error.is::<Usage>() || error.is::<benches::Usage>() { ExitCode::from(2) } else { ExitCode::FAILURE }
}
