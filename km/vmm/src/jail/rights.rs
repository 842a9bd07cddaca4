//! Descriptors, resource limits, user and capabilities.

use std::os::fd::{FromRawFd, OwnedFd};

use rustix::process::{
    DumpableBehavior, Gid, Resource, Rlimit, Uid, dumpable_behavior, geteuid, getrlimit,
    set_dumpable_behavior, setrlimit,
};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set, no_new_privs,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use super::{JailError, refused};

/// The user that nobody is.
const NOBODY: u32 = 65534;
/// Open files: 8 slots with 5 each (stream, VM, vCPU, memory, spare) and the process's own dozen.
const FILES: u64 = 64;
/// Threads of this user: no filter lets one be started, but KVM starts some of its own on a machine's first run.
const THREADS: u64 = 16 << 10;

/// Closes every descriptor from `first` on: whatever a parent left open is none of ours.
///
/// # Errors
/// The kernel is older than 5.9.
pub fn close_from(first: u32) -> Result<(), JailError> {
    // SAFETY: called before anything of this process has opened a descriptor, so that no owner of one is left.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if result == 0 {
        Ok(())
    } else {
        let code = std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::ENOSYS);
        Err(refused("close_range")(rustix::io::Errno::from_raw_os_error(code)))
    }
}

/// The control socket that the process was started with.
///
/// # Errors
/// There is none.
pub fn inherited_socket(number: i32) -> Result<OwnedFd, JailError> {
    // SAFETY: the number is only looked at; an error is the answer for one that is not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(refused("the control socket is not open")(rustix::io::Errno::BADF));
    }
    // SAFETY: it is open, and nothing else of this process owns it: it was inherited.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC).map_err(refused("fcntl"))?;
    Ok(socket)
}

pub(super) fn no_new_privileges() -> Result<(), JailError> {
    set_no_new_privs(true).map_err(refused("prctl"))?;
    if no_new_privs() == Ok(true) { Ok(()) } else { Err(JailError::NoEffect("no_new_privs is not set")) }
}

/// Gives up root. A worker of another user stays who it is.
pub(super) fn become_nobody() -> Result<(), JailError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[]).map_err(refused("setgroups"))?;
    set_thread_res_gid(gid, gid, gid).map_err(refused("setresgid"))?;
    set_thread_res_uid(uid, uid, uid).map_err(refused("setresuid"))?;
    // The change has made /proc/self root's, where the namespaces' maps are written.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(refused("prctl"))?;
    if geteuid() == uid { Ok(()) } else { Err(JailError::NoEffect("still root")) }
}

pub(super) fn drop_capabilities() -> Result<(), JailError> {
    let none = CapabilitySet::empty();
    // Neither exists on every kernel, and a process without CAP_SETPCAP may not: what counts is looked at below.
    let _ = clear_ambient_capability_set();
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    set_capabilities(None, sets).map_err(refused("capset"))?;
    let left = capabilities(None).map_err(refused("capget"))?;
    if left.permitted.is_empty() && left.effective.is_empty() && left.inheritable.is_empty() {
        Ok(())
    } else {
        Err(JailError::NoEffect("capabilities are left"))
    }
}

pub(super) fn limit() -> Result<(), JailError> {
    let limits = [
        (Resource::Nofile, FILES, "open files"),
        (Resource::Core, 0, "core files"),
        (Resource::Nproc, THREADS, "threads"),
        (Resource::Msgqueue, 0, "message queues"),
        (Resource::Memlock, 0, "locked memory"),
    ];
    limits.into_iter().try_for_each(|(resource, value, name)| lower(resource, value, name))
}

/// Limits what only an assignment tells: address space, and the length of files.
///
/// # Errors
/// The kernel refuses.
pub fn limit_to(address_space: u64, file_bytes: u64) -> Result<(), JailError> {
    lower(Resource::As, address_space, "address space")?;
    lower(Resource::Fsize, file_bytes, "file length")
}

fn lower(resource: Resource, value: u64, name: &'static str) -> Result<(), JailError> {
    let value = getrlimit(resource).maximum.map_or(value, |maximum| maximum.min(value));
    let limit = Rlimit { current: Some(value), maximum: Some(value) };
    setrlimit(resource, limit).map_err(refused(name))?;
    if getrlimit(resource) == limit { Ok(()) } else { Err(JailError::NoEffect(name)) }
}

pub(super) fn not_dumpable() -> Result<(), JailError> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(refused("prctl"))?;
    match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) => Ok(()),
        _ => Err(JailError::NoEffect("still dumpable")),
    }
}
