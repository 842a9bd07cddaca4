//! Guest memory as the monitor sees it: RAM, and ROM with code and rootfs.
//!
//! Whatever the guest gives as an address goes through [`GuestMemory`], which checks the range and copies: nothing
//! here hands out a reference into memory that the guest can change.
#![allow(unsafe_code, reason = "mappings of guest memory are made and copied from by address")]

pub mod pagemap;
mod ram;
mod rootfs;

pub use ram::{GRANULE, GuestMemory, MemoryError};
pub use rootfs::Rootfs;
