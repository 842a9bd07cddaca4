//! Real runtimes: each is an ordinary image that scripts beside this file build from packages; it is published, baked
//! after a warm-up, and called hundreds of times.
//!
//! A test per row of [`matrix`]: `cargo test --test runtimes -- node`; `RUNTIMES_CALLS=1000` makes so many calls of each,
//! `RUNTIMES_DRAWS=10000` so many draws of its secure source. [`programs`] has servers and programs that are no runtimes.
//! What is measured by the way is written to `target/runtimes/results/NAME.json`, from which `table.py` makes the
//! README's table.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod matrix;
mod programs;
mod report;
mod shell;

use common::{kvm_or_skip, node::Node, root};
use libtest_mimic::{Arguments, Failed, Trial};
use matrix::{RUNTIMES, Runtime};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Longest bake.
const BAKE_LIMIT: Duration = Duration::from_secs(600);

fn main() {
    let arguments = Arguments::from_args();
    let runnable = kvm_or_skip("real runtimes");
    let runtimes = RUNTIMES.iter().map(|runtime| Trial::test(runtime.name, move || check(runtime)));
    let programs = programs::PROGRAMS.iter();
    let programs = programs.map(|program| Trial::test(program.name, move || programs::check(program)));
    let by_hand =
        [Trial::test("shell/by-hand", shell::by_hand), Trial::test("shell/debuggers", shell::debuggers)];
    let trials = runtimes.chain(programs).chain(by_hand);
    let trials = trials.map(|trial| trial.with_ignored_flag(!runnable)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn check(runtime: &Runtime) -> Result<(), Failed> {
    let image = image(runtime.name)?;
    // A JVM that starts beside other tests takes its time.
    let node = Node::start(&["--ready-limit", "8m"]);
    node.document(runtime.name, &runtime.specification(&image));
    let state = node.settled_within(BAKE_LIMIT, runtime.name);
    if state["phase"] != "Ready" {
        return Err(format!("{state}\nthe log:\n{}", node.log()).into());
    }
    calls::all(&node, runtime)
        .map_err(|problem| format!("{problem}\nthe log:\n{}", last_lines(&node.log())))?;
    report::write(&node, runtime);
    Ok(())
}

/// The layout of an image, built if it is not yet.
pub fn image(name: &str) -> Result<PathBuf, Failed> {
    let built = Command::new(root().join("tests/runtimes/build.sh")).arg(name).output().expect("sh is there");
    if !built.status.success() {
        return Err(format!("{name} is not built:\n{}", String::from_utf8_lossy(&built.stderr)).into());
    }
    Ok(root().join("target/runtimes/images").join(name))
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
