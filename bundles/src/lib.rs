//! OCI images to bundles: reference → source → verified layers → tree → EROFS image and `config.json`.
//!
//! The way of an image through this crate:
//!
//! ```text
//! reference/   "oci:PATH:tag" and friends, parsed strictly, no I/O
//! source/      the transport behind a reference: manifest, config and blobs, each verified
//! layer/       one layer: decompression, digests, tar entries, whiteouts
//! tree/        the file system they add up to: metadata in memory, data in one unlinked spool file
//! erofs/       the tree as a read-only EROFS image (the format's subset is documented there)
//! config/      the OCI runtime configuration derived from the image's own
//! store/       content-addressed bundles on a shared volume: publish, lock, verify, collect
//! unpack/      the tree as a plain directory, for other OCI runtimes
//! registry/    images from registries, downloaded layer by layer and then treated as local ones
//! assemble     all of it at once: an image into the store, or into a directory
//! reason       one word for each kind of failure, and what to do about it
//! pack/        the other way: a program of this machine as a tree, an image or a bundle
//! ```
//!
//! Everything that an image says is hostile until checked: sizes, counts, names, digests, targets of links. What is
//! checked against which bound is in [`limits::Limits`]; nothing here ever opens a host path that an image names.
#![forbid(unsafe_code)]

pub mod assemble;
pub mod bundle;
pub mod config;
pub mod digest;
pub mod erofs;
pub mod layer;
pub mod limits;
pub mod pack;
pub mod reason;
pub mod reference;
#[cfg(feature = "registry")]
pub mod registry;
pub mod source;
pub mod store;
pub mod tree;
pub mod unpack;
