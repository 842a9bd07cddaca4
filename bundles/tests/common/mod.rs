//! What the tests share: loop mounts, listings of directories, and a loud way to skip.
#![allow(dead_code, reason = "each test program uses its own part")]

use std::io::Write;

pub mod image;
pub mod layers;
pub mod listing;
pub mod mount;
pub mod proxy;
pub mod put;
pub mod registry;
pub mod tarball;

/// Says that a test was skipped and why, where nobody can overlook it.
pub fn skip(test: &str, reason: &str) {
    // Not by a macro: what those print of a test that passes is not shown.
    let _ = writeln!(std::io::stderr(), "\n*** SKIPPED {test}: {reason} ***\n");
}

/// Whether a program is installed.
pub fn has_program(name: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|dir| dir.join(name).is_file())
}
