//! System calls: [`table`] lists them, one file per family implements them. The handler of `read` is `sys_read`, and so for
//! all: `km/guest/src/kernel/run.rs` calls it by the table. It takes the six argument registers and returns a result, an
//! error, or that the call blocks and is to be run again ([`crate::wait`]).
//!
//! What families share: paths and who calls in [`at`], blocking and time-outs in [`waiting`], signals in [`hooks`].

mod aio;
mod at;
mod attr;
mod credentials;
mod dir;
mod entry;
mod epoll;
mod event;
mod futex;
mod hooks;
mod identity;
mod inotify;
mod inspect;
mod ioctl;
mod ipc;
mod kontain;
mod memory;
mod mq;
pub(crate) mod msg;
pub mod names;
mod open;
pub(crate) mod pidfd;
mod pipe;
mod poll;
mod prctl;
mod process;
mod ptrace;
mod random;
mod refused;
mod resource;
pub mod row;
mod rw;
mod sched;
mod select;
pub(crate) mod sem;
pub(crate) mod shm;
mod signal;
mod signalfd;
mod socket;
mod stat;
pub mod table;
mod time;
mod timer;
mod wait;
mod waiting;
mod xattr;
