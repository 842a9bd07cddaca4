//! Differential tests: the same binary natively and under `km run` prints the same and exits the same.
//!
//! Each program in `tests/guest/<family>/` is a test of its own, once per way of building it: a C program statically
//! with musl and dynamically with glibc, a C++ program dynamically and statically with glibc, a Rust program for both
//! targets. Filter by name as with any test: `cargo test --test differential -- files/ --exact …`.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;
mod guest;

use common::{Ended, binary, kvm_or_skip, run};
use guest::{Build, Program};
use libtest_mimic::{Arguments, Failed, Trial};
use std::process::Command;
use std::time::Duration;

/// No program here needs more than two seconds on an idle machine.
const LIMIT: Duration = Duration::from_secs(120);

fn main() {
    let arguments = Arguments::from_args();
    let runnable = kvm_or_skip("differential tests");
    let trials = guest::programs().into_iter().flat_map(|program| {
        program.builds().into_iter().map(move |build| {
            let program = program.clone();
            Trial::test(program.test_name(build), move || compare(&program, build))
                .with_ignored_flag(!runnable)
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn compare(program: &Program, build: Build) -> Result<(), Failed> {
    let executable = program.compile(build)?;
    let mut native = Command::new(&executable);
    native.args(&program.args).env_clear().envs(program.env.iter().cloned()).current_dir("/tmp");
    let mut machine = Command::new(binary("km"));
    machine.args(["run", "--cwd", "/tmp"]);
    for (name, value) in &program.env {
        machine.arg("--env").arg(format!("{name}={value}"));
    }
    machine.arg(&executable).arg("--").args(&program.args);
    let expected = run(&mut native, &program.stdin, LIMIT)?;
    let got = run(&mut machine, &program.stdin, LIMIT)?;
    if (expected.status, &expected.stdout) == (got.status, &got.stdout) {
        return Ok(());
    }
    let again = run(&mut native, &program.stdin, LIMIT)?;
    Err((difference(&expected, &got) + steadiness(&expected, &again)).into())
}

/// Whether the program wavers by itself, or only the machine can be at fault.
fn steadiness(first: &Ended, second: &Ended) -> &'static str {
    if (first.status, &first.stdout) == (second.status, &second.stdout) {
        "natively a second run was the same\n"
    } else {
        "natively a second run was different from the first: the program itself depends on time\n"
    }
}

/// The first lines that differ, and what the machine said on standard error.
fn difference(expected: &Ended, got: &Ended) -> String {
    let (native, machine) = (String::from_utf8_lossy(&expected.stdout), String::from_utf8_lossy(&got.stdout));
    let mut text = String::new();
    if expected.status != got.status {
        text += &format!("exit status: natively {}, in the machine {}\n", expected.status, got.status);
    }
    let (mut left, mut right) = (native.lines(), machine.lines());
    let mut shown = 0;
    for number in 1.. {
        let pair = (left.next(), right.next());
        if pair == (None, None) || shown == 4 {
            break;
        }
        if pair.0 != pair.1 {
            text +=
                &format!("line {number}\n  natively:       {:?}\n  in the machine: {:?}\n", pair.0, pair.1);
            shown += 1;
        }
    }
    text + "standard error of the machine:\n" + &String::from_utf8_lossy(&got.stderr) + "\n"
}
