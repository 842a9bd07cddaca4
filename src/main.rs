//! kontain-faas: the function server and its tools, one subcommand each.
//!
//! `main` parses the command line and hands over to the file in `cli/` that bears the command's name. The crates below
//! return typed errors; commands add what people need to know, and one line on standard error and an exit code (0 success,
//! 1 failure, 2 usage) is what becomes of them here.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

/// musl's allocator takes a lock per call and returns memory slowly; a server that streams bodies feels both.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report(&error),
    };
    cli::run(cli).unwrap_or_else(|error| cli::report(&error))
}
