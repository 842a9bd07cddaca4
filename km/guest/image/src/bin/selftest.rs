//! An image that tries the ground under the library OS on a real machine, and says what each thing costs.
//!
//! It runs a small program in ring 3 that makes system calls, touches new pages, executes what no program may and
//! then loops until it is kicked. Everything must come out as `km-hal` promises; the first thing that does not ends the
//! machine with a message. For the host it is an empty program.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
#[path = "../selftest/mod.rs"]
mod selftest;

#[cfg(target_os = "none")]
km_hal::entry!(selftest::Selftest);

#[cfg(not(target_os = "none"))]
fn main() {}
