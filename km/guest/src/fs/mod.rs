//! Files: descriptors, the rootfs and its overlay, pipes, `/proc`, `/dev`, `/sys`.
//!
//! ```text
//! descriptor ─► file::OpenFile ─► file::File   RegularFile, Handle, PipeEnd, MemoryDevice, sockets, …
//!  (fd)                              │ node()
//! path ─► walk::Walk ─► node::Node ──┘         one object per inode, whatever file system it is of
//!                          │ body: data, entries, link target, or computed (synthetic)
//!                          └ volume: rootfs image (erofs) below an overlay in memory, tmpfs, proc, sysfs
//! ```
//! * [`open`], [`ops`]: opening, and what changes the tree. [`vfs`]: what is mounted where.
//! * [`image`], [`erofs`]: the rootfs image. [`dev`], [`proc`], [`sys`], `etc`: what the library OS puts there.
//! * [`changes`]: what differs from the image. [`program`]: what execve(2) needs. [`stale`]: what mappings must let go. [`locks`]: advisory locks.

pub mod attributes;
pub mod changes;
pub mod dev;
pub mod dnotify;
pub mod erofs;
mod etc;
pub mod eventfd;
pub mod fd;
pub mod file;
pub mod generated;
pub mod image;
pub mod inotify;
pub mod io;
pub mod locks;
pub mod node;
pub mod open;
pub mod ops;
pub mod pipe;
pub mod proc;
pub mod program;
pub mod pty;
pub mod regular;
pub mod sigio;
pub mod stale;
pub mod synthetic;
pub mod sys;
pub mod timerfd;
pub mod vfs;
pub mod walk;

pub use vfs::{FsContext, Vfs};

#[cfg(test)]
mod tests;
