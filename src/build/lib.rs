//! From source to image: a Dockerfile and a context become an OCI image, and RUN steps run in machines.
//!
//! ```text
//! source ─► dockerfile: lines ─► instruction ─► plan: stages, checked ─► builder ─► run: one stage
//!    └─► context                                                          │          ├─ copy, add ◄─ origin ◄─ pattern
//!                                                                         │          ├─ step: a machine ─► told
//!                                                                         │          └─ layer ─► cache ─► stage: the tree
//!                                                                         └─► image: layout or archive
//! ```
//! * [`source`]: folders, [`archive`]s, URLs ([`fetch`]) and repositories ([`git`]) as contexts; ADD takes the latter three as well.
//! * [`template`]: Dockerfiles for those who have none. [`words`]: quotes and variables. [`config`]: the configuration of an image. [`progress`]: what is told meanwhile. [`provenance`]: what
//!   is told of the image.
//!
//! A Dockerfile, a context and a base image are strangers': what they name is looked up in trees in memory, never on this host,
//! and their programs run in machines of their own.
#![forbid(unsafe_code)]

pub mod add;
pub mod archive;
pub mod builder;
pub mod cache;
pub mod config;
pub mod context;
pub mod copy;
pub mod dockerfile;
pub mod fetch;
pub mod git;
pub mod image;
pub mod instruction;
pub mod layer;
pub mod origin;
pub mod pattern;
pub mod plan;
pub mod progress;
pub mod provenance;
pub mod run;
pub mod source;
pub mod stage;
pub mod step;
pub mod template;
pub mod told;
pub mod words;
