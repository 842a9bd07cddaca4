//! One Image onto the volume, and off it again.
//!
//! * [`fetch`]: where images come from, registries among others.
//! * [`publisher`]: image → bundle in the store → record, each step atomic; `verdicts`: images that can never be published.
//! * [`collect`]: what nobody needs any more; [`room`]: how much the volume holds, and may hold.

pub mod collect;
pub mod fetch;
pub mod publisher;
pub mod room;
mod verdicts;

pub use publisher::{Outcome, PublishError, Publisher};
