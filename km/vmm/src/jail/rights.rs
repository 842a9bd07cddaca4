//! Descriptors, resource limits, user and capabilities.
#![allow(unsafe_code, reason = "no crate has close_range(2), nor descriptors that were inherited")]

use std::os::fd::{FromRawFd, OwnedFd};

use km_abi::outbound::OUTBOUND_MAX;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::{Gid, Uid, geteuid, setgroups, setresgid, setresuid};
// nix has no capabilities.
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::{JailError, refused};

/// The user that nobody is.
const NOBODY: u32 = 65534;
/// Open files: those of 8 slots (stream, broker, VM, vCPU, memory, spare), the process's own dozen, and the connections that
/// machines have opened.
const FILES: u64 = 8 * OUTBOUND_MAX as u64 + 64;
/// Limit of threads of this user. The filters forbid to start any; the kernel's KVM starts some when a machine first runs,
/// and those count.
const THREADS: u64 = 16 << 10;

/// Closes every descriptor from `first` on: a parent may have left some open by mistake.
///
/// # Errors
/// The kernel is older than 5.9.
pub fn close_from(first: u32) -> Result<(), JailError> {
    // SAFETY: called before anything of this process has opened a descriptor, so that no owner of one is left.
    let result = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    Errno::result(result).map(drop).map_err(refused("close_range"))
}

/// The control socket that the process was started with.
///
/// # Errors
/// There is none.
pub fn inherited_socket(number: i32) -> Result<OwnedFd, JailError> {
    // SAFETY: the number is only looked at; an error is the answer for one that is not open.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } < 0 {
        return Err(refused("the control socket is not open")(Errno::EBADF));
    }
    // SAFETY: it is open, and nothing else of this process owns it: it was inherited.
    let socket = unsafe { OwnedFd::from_raw_fd(number) };
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).map_err(refused("fcntl"))?;
    Ok(socket)
}

pub(super) fn no_new_privileges() -> Result<(), JailError> {
    prctl::set_no_new_privs().map_err(refused("prctl"))?;
    if prctl::get_no_new_privs() == Ok(true) {
        Ok(())
    } else {
        Err(JailError::NoEffect("no_new_privs is not set"))
    }
}

/// Gives up root; a worker that another user has started keeps that user.
pub(super) fn become_nobody() -> Result<(), JailError> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[]).map_err(refused("setgroups"))?;
    setresgid(gid, gid, gid).map_err(refused("setresgid"))?;
    setresuid(uid, uid, uid).map_err(refused("setresuid"))?;
    // The change has made /proc/self root's, where the namespaces' maps are written.
    prctl::set_dumpable(true).map_err(refused("prctl"))?;
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
    let refused = |what| move |error: rustix::io::Errno| refused(what)(Errno::from_raw(error.raw_os_error()));
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
        (Resource::RLIMIT_NOFILE, FILES, "open files"),
        (Resource::RLIMIT_CORE, 0, "core files"),
        (Resource::RLIMIT_NPROC, THREADS, "threads"),
        (Resource::RLIMIT_MSGQUEUE, 0, "message queues"),
        (Resource::RLIMIT_MEMLOCK, 0, "locked memory"),
    ];
    limits.into_iter().try_for_each(|(resource, value, name)| lower(resource, value, name))
}

/// Limits what only an assignment tells: address space, and the length of files.
///
/// # Errors
/// The kernel refuses.
pub fn limit_to(address_space: u64, file_bytes: u64) -> Result<(), JailError> {
    lower(Resource::RLIMIT_AS, address_space, "address space")?;
    lower(Resource::RLIMIT_FSIZE, file_bytes, "file length")
}

fn lower(resource: Resource, value: u64, name: &'static str) -> Result<(), JailError> {
    let (_, most) = getrlimit(resource).map_err(refused(name))?;
    let value = most.min(value);
    setrlimit(resource, value, value).map_err(refused(name))?;
    if getrlimit(resource) == Ok((value, value)) { Ok(()) } else { Err(JailError::NoEffect(name)) }
}

pub(super) fn not_dumpable() -> Result<(), JailError> {
    prctl::set_dumpable(false).map_err(refused("prctl"))?;
    match prctl::get_dumpable() {
        Ok(false) => Ok(()),
        _ => Err(JailError::NoEffect("still dumpable")),
    }
}
