//! System calls: [`table`] lists them, one file per family implements them.

pub mod table;
