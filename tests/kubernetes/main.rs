//! The Kubernetes source before a real API server, with a real registry: the two containers of a pod, without the pod.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod commands;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod full;
mod kit;
mod life;
mod many;
mod private;
mod proxy;
mod rights;
mod schema;
mod secrets;
