//! System calls: [`table`] lists them, one file per family implements them.

mod at;
mod dir;
mod epoll;
mod hooks;
mod open;
mod poll;
mod rw;
mod select;
mod stat;
pub mod table;
mod waiting;
