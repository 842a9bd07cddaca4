//! Namespaces with nothing in them: no file, no network, no neighbour.

use std::fs;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{chdir, getegid, geteuid, pivot_root};

use super::{JailError, refused};

/// Where the empty root is mounted before it becomes the root; there on every host.
const PLACE: &str = "/proc";
/// For what a request of mount(2) does not look at.
const NOTHING: Option<&str> = None;

pub(super) fn enter() -> Result<(), JailError> {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let flags = CloneFlags::CLONE_NEWUSER
        | CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    unshare(flags).map_err(refused("unshare"))?;
    // Without a map the mounts below would be of no user. Only the own ids may be mapped, and groups not be changed.
    let written = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")));
    written.map_err(|error| JailError::Partial(format!("map the user: {error}")))?;
    empty_root()
}

fn empty_root() -> Result<(), JailError> {
    let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
    mount(NOTHING, "/", NOTHING, private, NOTHING).map_err(refused("make mounts private"))?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("none"), PLACE, Some("tmpfs"), flags, Some("size=4k,nr_inodes=1,mode=0"))
        .map_err(refused("mount an empty root"))?;
    chdir(PLACE).map_err(refused("enter the empty root"))?;
    // Both at the same place: the old root lies on top of the new one and is taken off (pivot_root(2), NOTES).
    pivot_root(".", ".").map_err(refused("pivot_root"))?;
    umount2(".", MntFlags::MNT_DETACH).map_err(refused("unmount the old root"))?;
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY | flags;
    mount(NOTHING, "/", NOTHING, flags, NOTHING).map_err(refused("make the root read-only"))?;
    chdir("/").map_err(refused("enter the root"))?;
    if fs::metadata("/proc/self").is_ok() { Err(JailError::NoEffect("/proc is there")) } else { Ok(()) }
}
