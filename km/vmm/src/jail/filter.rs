//! Which system calls a thread may make, by what the thread is for. Any other ends the process.
//!
//! Nothing here opens, connects, executes, forks, maps executable memory or reaches another process. Descriptors
//! come only from KVM (machines) and over the control socket.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::JailError;
use crate::memory::pagemap::PAGEMAP_SCAN;

/// What a thread is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThreadRole {
    /// Reads the control socket and checks snapshots.
    Control,
    /// Makes, runs and destroys the machines of one slot.
    Slot,
}

/// KVM's requests that making and running a machine takes, by number (`_IO*(0xAE, number, …)`).
const KVM_REQUESTS: [u64; 17] = [
    0x01, // KVM_CREATE_VM
    0x03, // KVM_CHECK_EXTENSION
    0x04, // KVM_GET_VCPU_MMAP_SIZE
    0x41, // KVM_CREATE_VCPU
    0x46, // KVM_SET_USER_MEMORY_REGION
    0x80, // KVM_RUN
    0x81, // KVM_GET_REGS
    0x82, // KVM_SET_REGS
    0x83, // KVM_GET_SREGS
    0x84, // KVM_SET_SREGS
    0x88, // KVM_GET_MSRS
    0x89, // KVM_SET_MSRS
    0x90, // KVM_SET_CPUID2
    0x9f, // KVM_GET_VCPU_EVENTS
    0xa0, // KVM_SET_VCPU_EVENTS
    0xa3, // KVM_GET_TSC_KHZ
    0xa7, // KVM_SET_XCRS
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the calling thread under the filter of its role, for ever.
///
/// # Errors
/// The kernel has no filters.
pub fn apply(role: ThreadRole) -> Result<(), JailError> {
    let program = program(role).map_err(|error| JailError::Partial(error.to_string()))?;
    seccompiler::apply_filter(&program).map_err(|error| JailError::Partial(error.to_string()))
}

fn program(role: ThreadRole) -> Result<BpfProgram, seccompiler::BackendError> {
    let mut rules = common()?;
    match role {
        ThreadRole::Control => {
            allow(&mut rules, &[libc::SYS_recvmsg, libc::SYS_sendmsg]);
            // Limits are lowered once more when the function is known; only of this process.
            rules.insert(libc::SYS_prlimit64, vec![rule(vec![equals(0, 0)?])?]);
        }
        ThreadRole::Slot => {
            rules.insert(libc::SYS_ioctl, requests()?);
            // The thread's timer was made before; here it is started, stopped and, when the thread leaves, deleted.
            allow(&mut rules, &[libc::SYS_timer_settime, libc::SYS_timer_delete]);
            // Whether it gives way to others; only of this thread.
            rules.insert(libc::SYS_sched_setattr, vec![rule(vec![equals(0, 0)?])?]);
        }
    }
    SeccompFilter::new(rules, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?
        .try_into()
}

/// What Rust's runtime, its allocator and input and output on open descriptors need.
fn common() -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    allow(
        &mut rules,
        &[
            libc::SYS_read,
            libc::SYS_write,
            libc::SYS_readv,
            libc::SYS_writev,
            libc::SYS_pread64,
            libc::SYS_pwrite64,
            libc::SYS_recvfrom,
            libc::SYS_sendto,
            libc::SYS_poll,
            libc::SYS_ppoll,
            libc::SYS_lseek,
            libc::SYS_fstat,
            // What file system a snapshot lies on.
            libc::SYS_fstatfs,
            libc::SYS_ftruncate,
            libc::SYS_close,
            libc::SYS_munmap,
            libc::SYS_mremap,
            libc::SYS_madvise,
            libc::SYS_brk,
            libc::SYS_futex,
            libc::SYS_clock_gettime,
            libc::SYS_clock_nanosleep,
            libc::SYS_nanosleep,
            libc::SYS_restart_syscall,
            libc::SYS_sched_yield,
            libc::SYS_getrandom,
            libc::SYS_rt_sigreturn,
            libc::SYS_rt_sigprocmask,
            libc::SYS_sigaltstack,
            libc::SYS_gettid,
            libc::SYS_getpid,
            libc::SYS_exit,
            libc::SYS_exit_group,
        ],
    );
    let not_executable = || rule(vec![SeccompCondition::new(2, Len::Dword, Op::MaskedEq(4), 0)?]);
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    // Only of open descriptors, which have an empty path: the flag is AT_EMPTY_PATH.
    let empty_path =
        |index| rule(vec![SeccompCondition::new(index, Len::Dword, Op::MaskedEq(0x1000), 0x1000)?]);
    rules.insert(libc::SYS_statx, vec![empty_path(2)?]);
    rules.insert(libc::SYS_newfstatat, vec![empty_path(3)?]);
    // Duplicates of own descriptors, for mappings that keep their file.
    let duplicate = equals(1, libc::F_DUPFD_CLOEXEC.unsigned_abs().into())?;
    // Debug builds of the standard library look whether what they close is open.
    let look = equals(1, libc::F_GETFD.unsigned_abs().into())?;
    // musl sets the flag once more after it has duplicated a descriptor.
    let mark = equals(1, libc::F_SETFD.unsigned_abs().into())?;
    rules.insert(libc::SYS_fcntl, vec![rule(vec![duplicate])?, rule(vec![look])?, rule(vec![mark])?]);
    Ok(rules)
}

/// KVM's requests and the page-map scan.
fn requests() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let kvm = KVM_REQUESTS.iter().map(|number| {
        // Type and number; direction and size are the upper half.
        rule(vec![SeccompCondition::new(1, Len::Dword, Op::MaskedEq(0xffff), 0xae00 | number)?])
    });
    let scan = rule(vec![equals(1, PAGEMAP_SCAN.into())?]);
    kvm.chain([scan]).collect()
}

fn allow(rules: &mut Rules, calls: &[i64]) {
    rules.extend(calls.iter().map(|&call| (call, Vec::new())));
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(conditions)
}

fn equals(argument: u8, value: u64) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Len::Dword, Op::Eq, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_fit_what_the_kernel_takes() {
        for role in [ThreadRole::Control, ThreadRole::Slot] {
            let program = program(role).unwrap();
            assert!(program.len() < 4096, "{role:?}: {}", program.len());
        }
    }
}
