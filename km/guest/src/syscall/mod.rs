//! System calls: [`table`] lists them, one file per family implements them.

mod at;
mod attr;
mod dir;
mod entry;
mod epoll;
mod event;
mod hooks;
mod ioctl;
mod open;
mod pipe;
mod poll;
mod rw;
mod select;
mod stat;
mod xattr;
pub mod table;
mod waiting;
