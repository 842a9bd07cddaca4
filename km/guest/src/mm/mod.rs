//! Memory: address spaces, frames, and access to what programs point to.
//!
//! ```text
//! AddressSpace ── vma: VmaMap      which ranges are mapped to what (pure arithmetic)
//!      │       └─ page-table root  filled by `fault` when a page is needed, by `populate` ahead of need
//!      └── space (mmap, munmap, mprotect, brk), remap, advise, fork
//! ```
//! A page table holds one reference to each [`frame::PageFrame`] it shows; pages of the rootfs slot are shown in place
//! and are never owned. A frame with one reference is written in place, one with more is copied first.

mod advise;
pub(crate) mod bytes;
mod fault;
mod fork;
pub mod frame;
pub mod generator;
mod hot;
mod locked;
mod remap;
mod search;
pub mod shared;
mod space;
pub mod user;
pub mod vma;

pub use advise::Advice;
pub use fault::{Access, FaultError};
pub use remap::Remap;
pub use space::{AddressSpace, MapRequest, Placement, is_relocated};
