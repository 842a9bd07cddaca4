//! From source to image: a Dockerfile and a context become an OCI image, and RUN steps run in machines.
//!
//! ```text
//! text ─► dockerfile: lines ─► instruction ─► plan: stages, checked ─► builder ─► run: one stage
//!                                                                         │          ├─ copy, add ◄─ origin ◄─ pattern
//!                                                                         │          ├─ step: a machine ─► told
//!                                                                         │          └─ layer ─► cache ─► stage: the tree
//!                                                                         └─► image: layout or archive
//! ```
//! * [`words`]: quotes and variables. [`config`]: the configuration of an image. [`progress`]: what is told meanwhile.
//!
//! A Dockerfile, a context and a base image are strangers': what they name is looked up in trees in memory, never on this host,
//! and their programs run in machines of their own.
#![forbid(unsafe_code)]

pub mod add;
pub mod builder;
pub mod cache;
pub mod config;
pub mod copy;
pub mod dockerfile;
pub mod image;
pub mod instruction;
pub mod layer;
pub mod origin;
pub mod pattern;
pub mod plan;
pub mod progress;
pub mod run;
pub mod stage;
pub mod step;
pub mod told;
pub mod words;
