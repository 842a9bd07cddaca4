//! The few operations in which a machine and a test on the host differ.
//!
//! Both files offer the same functions; everything else in this crate is written once, over them.

#[cfg(target_os = "none")]
mod machine;
#[cfg(target_os = "none")]
pub(crate) use machine::*;

#[cfg(not(target_os = "none"))]
mod arena;
#[cfg(not(target_os = "none"))]
pub(crate) use arena::*;
