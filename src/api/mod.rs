//! The objects that people write: `Image` documents (`build.kontain.app/v1`), no client.
//!
//! * [`image`]: the types and their defaults.
//! * [`units`]: durations and sizes as Kubernetes writes them.
//! * [`validate`]: what the types alone cannot say, each problem with field and fix.
//! * [`document`]: YAML files of one or more documents to images, each problem with its line.
//! * [`status`], [`crd`]: what a cluster says of an Image, and how it learns what one is.
//! * [`record`]: the accepted form on the volume, which the server follows.

pub mod crd;
pub mod document;
pub mod image;
pub mod record;
pub mod status;
pub mod units;
pub mod validate;

pub use image::{Image, ImageSpec, Protocol, Snapshot, Warmup};
pub use record::{FunctionName, Published};
