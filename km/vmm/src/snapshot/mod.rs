//! Snapshots: a machine at rest as a file, and new machines from it.
//!
//! ```text
//! file    0 ┬──────────────────────────────┐
//!           │ guest memory, RAM            │  zero pages are holes; mapped privately into every clone
//!  memory   ├──────────────────────────────┤
//!           │ trailer, one page            │  what it is, what it is bound to, digest of everything
//!           └──────────────────────────────┘
//! ```
//!
//! All state of a guest lies in its memory (the library OS saves vector state, FS and GS before it is idle), so
//! the only register in the file is the root of the page tables in use; the others are a template.
//!
//! * [`mod@format`]: the trailer; reading and writing its bytes.
//! * [`identity`]: what a snapshot is bound to: monitor build, host CPU, KVM.
//! * [`holes`]: what is done where the file system fills holes.
//! * [`writer`]: from a machine's memory to a file.
//! * [`reader`]: checks a file; gives memory pages and trailer.
//! * [`walk`]: the pages that a guest's page tables show.
//! * [`accessed`]: which of them a machine has used.
//! * [`working_set`]: which pages calls use, and the touch list made from that.
//! * [`page_list`]: a working set as bytes, for the workers that come after.

pub mod accessed;
pub mod format;
pub mod holes;
pub mod identity;
pub mod page_list;
pub mod reader;
pub mod walk;
pub mod working_set;
pub mod writer;

pub use format::{Expected, Moment, SnapshotError, Trailer};
pub use identity::Identity;
pub use reader::Snapshot;
pub use writer::{RamSource, Written, write};

/// A page as bytes.
pub type Page = [u8; PAGE];
/// Bytes in a page.
pub const PAGE: usize = km_abi::layout::PAGE_SIZE as usize;
