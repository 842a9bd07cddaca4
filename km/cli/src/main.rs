//! km: runs one program in one virtual machine, and holds the machines of the function server.
#![forbid(unsafe_code)]

mod bake;
mod bundle;
mod egress;
mod run;
mod size;
mod streams;
mod syscalls;
mod worker;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Runs ordinary Linux programs in virtual machines of their own.
#[derive(Parser)]
#[command(name = "km", version, max_term_width = 110)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run one program in one machine, with standard input, output and error connected
    Run(run::RunArgs),
    /// Boot one program until it is ready and write a snapshot of it
    Bake(bake::BakeArgs),
    /// Hold machines for a server, which starts this
    #[command(hide = true)]
    Worker,
    /// List the system calls that programs may make, and how much of each there is
    Syscalls(syscalls::SyscallsArgs),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Bake(args) => bake::run(&args),
        Command::Worker => worker::run(),
        Command::Syscalls(args) => syscalls::run(&args).map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("km: {error:#}");
        ExitCode::FAILURE
    })
}
