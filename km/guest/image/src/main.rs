//! The library OS as the program that the monitor loads.
//!
//! Built for `x86_64-unknown-none` by km-vmm's build script. For the host it is an empty program, so that commands
//! over the whole workspace work.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![forbid(unsafe_code)]

#[cfg(target_os = "none")]
km_hal::entry!(km_guest::kernel::Kernel);

#[cfg(not(target_os = "none"))]
fn main() {}
