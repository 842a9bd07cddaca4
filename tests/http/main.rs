//! The server's front, black box: routing, headers, limits, hostile bytes, streams, life and death of workers.
//!
//! The workers behind it have no machines: this binary, started by the server as `… worker`, plays them (see [`worker`]).
//! So these tests run without KVM, and can give answers that no decent program gives.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on says why and ends")]

mod answers;
mod bakes;
mod clients;
mod dialects;
mod framing;
mod headers;
mod hostile;
mod life;
mod logs;
mod node;
mod streams;
mod worker;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    // How the server starts a worker.
    if std::env::args().nth(1).as_deref() == Some("worker") {
        worker::main();
        return ExitCode::SUCCESS;
    }
    let trials: Vec<Trial> = [
        answers::trials(),
        bakes::trials(),
        clients::trials(),
        dialects::trials(),
        framing::trials(),
        headers::trials(),
        hostile::trials(),
        life::trials(),
        logs::trials(),
        streams::trials(),
    ]
    .into_iter()
    .flatten()
    .collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    node::end_shared();
    conclusion.exit_code()
}

/// A trial for each named function of a module.
macro_rules! trials {
    ($($name:ident),* $(,)?) => {
        /// The tests of this file.
        pub fn trials() -> Vec<libtest_mimic::Trial> {
            let file = module_path!().rsplit("::").next().unwrap_or_default();
            vec![$(libtest_mimic::Trial::test(format!("{file}::{}", stringify!($name)), || {
                $name();
                Ok(())
            })),*]
        }
    };
}
pub(crate) use trials;
