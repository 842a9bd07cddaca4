//! Files: descriptors, the rootfs and its overlay, pipes, `/proc`, `/dev`, `/sys`.

pub mod fd;
pub mod file;
pub mod io;
pub mod stale;

/// The mounted file systems.
#[derive(Default)]
pub struct Vfs {}

/// What path lookups of a process start from.
#[derive(Clone, Debug, Default)]
pub struct FsContext {
    /// File mode creation mask.
    pub umask: u32,
}
