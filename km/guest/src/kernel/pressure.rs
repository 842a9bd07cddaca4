//! When the library OS's own memory is nearly used up, calls that would make something new fail with ENOMEM, so that
//! what exists can go on and be given back.

use alloc::vec::Vec;
use linux_raw_sys::general as raw;

/// Bytes of heap below which the exact need is computed.
const ENOUGH: u64 = 4 << 20;
/// What must still be had in one piece.
const LEAST: usize = 256 << 10;
/// Bytes of heap kept for every thread, so that each can be sent a signal and end.
const LEAST_PER_THREAD: usize = 256;

/// Calls that make threads, mappings, files, sockets or timers.
#[rustfmt::skip]
const MAKERS: &[u32] = &[
    raw::__NR_open, raw::__NR_mmap, raw::__NR_mprotect, raw::__NR_pipe, raw::__NR_mremap, raw::__NR_dup, raw::__NR_dup2,
    raw::__NR_socket, raw::__NR_connect, raw::__NR_accept, raw::__NR_sendmsg, raw::__NR_listen, raw::__NR_socketpair,
    raw::__NR_clone, raw::__NR_fork, raw::__NR_vfork, raw::__NR_execve, raw::__NR_fcntl, raw::__NR_rename, raw::__NR_mkdir,
    raw::__NR_creat, raw::__NR_link, raw::__NR_symlink, raw::__NR_rt_sigqueueinfo, raw::__NR_mknod, raw::__NR_setxattr,
    raw::__NR_timer_create, raw::__NR_epoll_ctl, raw::__NR_openat, raw::__NR_mkdirat, raw::__NR_mknodat, raw::__NR_linkat,
    raw::__NR_symlinkat, raw::__NR_signalfd4, raw::__NR_timerfd_create, raw::__NR_accept4, raw::__NR_eventfd2,
    raw::__NR_epoll_create1, raw::__NR_dup3, raw::__NR_pipe2, raw::__NR_inotify_add_watch, raw::__NR_memfd_create,
    raw::__NR_execveat, raw::__NR_clone3, raw::__NR_openat2, raw::__NR_shmget, raw::__NR_shmat, raw::__NR_semget,
    raw::__NR_semop, raw::__NR_semtimedop, raw::__NR_semctl, raw::__NR_msgget, raw::__NR_msgsnd,
];

/// Whether a call must fail for want of memory.
pub(super) fn refuses(number: u64, threads: usize) -> bool {
    km_hal::frames::heap_room() < ENOUGH
        && MAKERS.iter().any(|maker| u64::from(*maker) == number)
        && Vec::<u8>::new().try_reserve_exact(LEAST + threads * LEAST_PER_THREAD).is_err()
}
