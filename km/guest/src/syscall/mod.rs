//! System calls: [`table`] lists them, one file per family implements them.

mod at;
mod dir;
mod hooks;
mod open;
mod rw;
mod stat;
pub mod table;
