//! What inode(7) says of an inode, and who may do what with it.

use crate::errno::{Errno, Result};
use crate::task::Credentials;

/// Mask of the file type in a mode.
pub const S_IFMT: u32 = 0o170_000;
/// File type: socket.
pub const S_IFSOCK: u32 = 0o140_000;
/// File type: symbolic link.
pub const S_IFLNK: u32 = 0o120_000;
/// File type: regular file.
pub const S_IFREG: u32 = 0o100_000;
/// File type: block device.
pub const S_IFBLK: u32 = 0o060_000;
/// File type: directory.
pub const S_IFDIR: u32 = 0o040_000;
/// File type: character device.
pub const S_IFCHR: u32 = 0o020_000;
/// File type: named pipe.
pub const S_IFIFO: u32 = 0o010_000;
/// Set-group-id: a program runs with the file's group, a directory passes its group on.
pub const S_ISGID: u32 = 0o2000;
/// Set-user-id: a program runs with the file's owner.
pub const S_ISUID: u32 = 0o4000;
/// Sticky: only an owner removes or renames entries of the directory.
pub const S_ISVTX: u32 = 0o1000;

/// The `r` bit within one class of a mode.
pub const MAY_READ: u32 = 4;
/// The `w` bit within one class of a mode.
pub const MAY_WRITE: u32 = 2;
/// Permission to execute or search.
pub const MAY_EXEC: u32 = 1;

/// A point in time as files keep it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time {
    /// Seconds since 1970, negative before.
    pub s: i64,
    /// Nanoseconds to be added, below 10⁹.
    pub ns: u32,
}

impl Time {
    /// The time of CLOCK_REALTIME.
    #[must_use]
    pub fn now() -> Self {
        let ns = now_ns();
        Self { s: (ns / 1_000_000_000) as i64, ns: (ns % 1_000_000_000) as u32 }
    }
}

#[cfg(not(test))]
fn now_ns() -> u64 {
    crate::time::realtime_ns()
}

/// Unit tests have no machine, hence no clock page.
#[cfg(test)]
fn now_ns() -> u64 {
    use core::sync::atomic::{AtomicU64, Ordering};
    static TICKS: AtomicU64 = AtomicU64::new(1_700_000_000_000_000_000);
    TICKS.fetch_add(1000, Ordering::Relaxed)
}

/// Attributes of an inode.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta {
    /// File type and permission bits.
    pub mode: u32,
    /// Owner's user number.
    pub uid: u32,
    /// Owner's group number.
    pub gid: u32,
    /// How many names it has; 0 once the last is removed.
    pub nlink: u32,
    /// Device number of a device, as the kernel encodes it in 32 bits.
    pub rdev: u32,
    /// Last access, as mounts with relatime keep it ([`Meta::access_is_old`]).
    pub atime: Time,
    /// Last change of the data.
    pub mtime: Time,
    /// Last change of anything.
    pub ctime: Time,
    /// Creation (statx(2), `stx_btime`); never changes.
    pub btime: Time,
}

impl Meta {
    /// Attributes of a new inode.
    #[must_use]
    pub fn new(mode: u32, uid: u32, gid: u32) -> Self {
        let now = Time::now();
        let nlink = if mode & S_IFMT == S_IFDIR { 2 } else { 1 };
        Self { mode, uid, gid, nlink, rdev: 0, atime: now, mtime: now, ctime: now, btime: now }
    }

    /// Whether an access at `now` is noted: only if none was since the last change, or none for a day (mount(8),
    /// relatime).
    #[must_use]
    pub fn access_is_old(&self, now: Time) -> bool {
        const DAY_S: i64 = 24 * 60 * 60;
        self.atime <= self.mtime || self.atime <= self.ctime || now.s.saturating_sub(self.atime.s) >= DAY_S
    }

    /// The file type, one of the `S_IF*` values.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.mode & S_IFMT
    }

    /// Whether this is a directory.
    #[must_use]
    pub fn is_dir(&self) -> bool {
        self.kind() == S_IFDIR
    }

    /// The d_type of getdents64(2).
    #[must_use]
    pub fn dirent_kind(&self) -> u8 {
        (self.kind() >> 12) as u8
    }
}

/// CAP_CHOWN: any owner for any file.
pub const CAP_CHOWN: u32 = 0;
/// CAP_DAC_OVERRIDE: permission bits do not bind.
pub const CAP_DAC_OVERRIDE: u32 = 1;
/// CAP_FOWNER: acting like the owner of any file.
pub const CAP_FOWNER: u32 = 3;
/// CAP_FSETID: set-id bits stay.
pub const CAP_FSETID: u32 = 4;
/// Number of the capability that chroot(2) needs.
pub const CAP_SYS_CHROOT: u32 = 18;
/// Number of the capability that mknod(2) of a device needs.
pub const CAP_MKNOD: u32 = 27;

/// Whether `who` is the owner or has CAP_FOWNER.
#[must_use]
pub fn owns(who: &Credentials, meta: &Meta) -> bool {
    who.fs_uid == meta.uid || who.can(CAP_FOWNER)
}

/// Whether `who` belongs to a group.
#[must_use]
pub fn in_group(who: &Credentials, gid: u32) -> bool {
    who.fs_gid == gid || who.groups.contains(&gid)
}

/// Checks `MAY_*` bits against an inode.
///
/// # Errors
/// EACCES.
pub fn check(who: &Credentials, meta: &Meta, want: u32) -> Result<()> {
    let bits = if who.fs_uid == meta.uid {
        meta.mode >> 6
    } else if in_group(who, meta.gid) {
        meta.mode >> 3
    } else {
        meta.mode
    };
    // Even with CAP_DAC_OVERRIDE at least one execute bit must be set (capabilities(7)).
    let executable = meta.is_dir() || meta.mode & 0o111 != 0;
    let overridden = who.can(CAP_DAC_OVERRIDE) && (want & MAY_EXEC == 0 || executable);
    if overridden || bits & want == want { Ok(()) } else { Err(Errno::EACCES) }
}

/// Removing or renaming an entry of a sticky directory is for the owner of either.
///
/// # Errors
/// EPERM.
pub fn check_sticky(who: &Credentials, dir: &Meta, victim: &Meta) -> Result<()> {
    let restricted = dir.mode & S_ISVTX != 0 && who.fs_uid != victim.uid && who.fs_uid != dir.uid;
    if restricted && !who.can(CAP_FOWNER) { Err(Errno::EPERM) } else { Ok(()) }
}
