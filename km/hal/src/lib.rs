//! The library OS's unsafe floor: whatever touches the machine is here, behind safe functions.
//!
//! * `entry!` makes a [`LibOs`] the program of the guest image; [`context`] holds the interrupted thread.
//! * [`phys`], [`frames`] and [`paging`]: guest-physical memory, its frames, and the page tables over them.
//! * [`user`]: the program's memory through the current page tables; a fault comes back as an error.
//! * [`hyper`] and [`records`]: the doorbells, and what the monitor has written down for the guest.
//! * [`cpu`]: vector state, segment bases and the time-stamp counter.
//!
//! The same functions work in tests on the host, over a thread-local arena instead of the machine (`host`):
//! page tables are walked in software there, and doorbells are answered by a closure of the test.
//!
//! There is one CPU, and nothing interrupts the library OS: a kick that meets it only sets a flag. Safe functions
//! here rely on that where they hand out or replace global state.
#![cfg_attr(target_os = "none", no_std)]

extern crate alloc;

mod backend;
pub mod context;
pub mod cpu;
pub mod frames;
#[cfg(target_os = "none")]
pub mod guest;
#[cfg(not(target_os = "none"))]
pub mod host;
pub mod hyper;
pub mod paging;
pub mod phys;
pub mod records;
pub mod user;
pub mod vdso;

pub use context::{LibOs, Trap, UserContext};
pub use km_abi as abi;
