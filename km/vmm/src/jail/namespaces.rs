//! Namespaces with nothing in them: no file, no network, no neighbour.

use std::fs;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, mount_remount, unmount,
};
use rustix::process::{chdir, getegid, geteuid, pivot_root};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::{JailError, refused};

/// Where the empty root is mounted before it becomes the root; there on every host.
const PLACE: &str = "/proc";

pub(super) fn enter() -> Result<(), JailError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let flags = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    // SAFETY: none of these flags unshares the descriptor table.
    unsafe { unshare_unsafe(flags) }.map_err(refused("unshare"))?;
    // Without a map the mounts below would be of no user. Only the own ids may be mapped, and groups not be changed.
    let written = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")));
    written.map_err(|error| JailError::Partial(format!("map the user: {error}")))?;
    empty_root()
}

fn empty_root() -> Result<(), JailError> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).map_err(refused("make mounts private"))?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("none", PLACE, "tmpfs", flags, c"size=4k,nr_inodes=1,mode=0")
        .map_err(refused("mount an empty root"))?;
    chdir(PLACE).map_err(refused("enter the empty root"))?;
    // Both at the same place: the old root lies on top of the new one and is taken off (pivot_root(2), NOTES).
    pivot_root(".", ".").map_err(refused("pivot_root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(refused("unmount the old root"))?;
    mount_remount("/", flags | MountFlags::RDONLY, c"").map_err(refused("make the root read-only"))?;
    chdir("/").map_err(refused("enter the root"))?;
    if fs::metadata("/proc/self").is_ok() { Err(JailError::NoEffect("/proc is there")) } else { Ok(()) }
}
