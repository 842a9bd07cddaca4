//! Memory: address spaces, frames, and access to what programs point to.

pub mod frame;
pub mod user;

/// An address space: a page-table root and the list of its mappings.
#[derive(Debug, Default)]
pub struct AddressSpace {}
