//! The library OS: Linux's system-call ABI inside the guest, on top of `km-hal`.
//!
//! * [`kernel`]: the state that system calls work on, and the way of a trap through it.
//! * [`syscall`]: one file per family of system calls, and [`syscall::table`], the only list of them.
//! * [`task`]: processes, threads, scheduling, signals, futexes.
//! * [`signal`]: signals, from sending to the return of a handler.
//! * [`load`]: programs: ELF, `#!`, the first stack, the vDSO.
//! * [`mm`]: address spaces, page frames, user memory.
//! * [`fs`]: files, descriptors, the rootfs and its overlay, `/proc`, `/dev`, `/sys`.
//! * [`epoll`]: epoll instances.
//! * [`net`]: sockets within the guest and the connections that the monitor opens.
//! * [`ipc`]: System V IPC.
//! * [`host`]: the monitor as a peer: streams, batched output, standard input and output.
//! * [`time`]: clocks and timers.
//! * [`wait`]: how a handler waits without a stack of its own.
//!
//! There is one CPU and one stack. A handler never blocks: it returns [`wait::Stop::Block`] and is run again.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aio;
pub mod epoll;
pub mod errno;
pub mod fs;
pub mod host;
pub mod ipc;
pub mod kernel;
pub mod load;
pub mod log;
pub mod mm;
pub mod net;
pub mod random;
pub mod signal;
mod state;
pub mod syscall;
pub mod task;
pub mod time;
pub mod wait;
