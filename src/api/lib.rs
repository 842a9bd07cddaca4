//! The objects that people write: `Image` documents (`build.kontain.app/v1`), and what is said of them. No I/O, no client.
//!
//! * [`image`], [`protocol`]: the types and their defaults. [`units`]: durations and sizes as Kubernetes writes them.
//! * [`egress`]: what a function may connect to.
//! * [`validate`]: what the types alone cannot say, each problem with field and fix.
//! * [`document`]: YAML files of one or more documents to images, each problem with its line.
//! * [`object`]: an Image as its source has it, whatever kind of source that is.
//! * [`status`], [`crd`]: what is said of an Image, and how a cluster learns what one is.
//! * [`record`]: the accepted form on the volume, which the node follows, and the node's word on it.
//! * [`reason`]: one vocabulary for everything that can go wrong with an Image.

#![forbid(unsafe_code)]

pub mod crd;
pub mod document;
pub mod egress;
pub mod image;
pub mod object;
pub mod protocol;
pub mod reason;
pub mod record;
pub mod status;
pub mod units;
pub mod validate;

pub use image::{Image, ImageSpec, Snapshot, Warmup};
pub use object::ImageObject;
pub use protocol::Protocol;
pub use reason::FailureReason;
pub use record::{FunctionName, Published};
