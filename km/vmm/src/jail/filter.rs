//! Which system calls a thread may make, by what the thread is for. Any other ends the process.
//!
//! Nothing here takes a path, connects, executes, forks, ends a thread, maps executable memory or reaches another process.
//! Descriptors come only from KVM (machines), over the control socket, and over a slot's socket to its broker.

use std::collections::BTreeMap;

use kvm_bindings::{
    kvm_cpuid2, kvm_msr_filter, kvm_msrs, kvm_userspace_memory_region, kvm_vcpu_events, kvm_xcrs,
};
use nix::errno::Errno;
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

/// What both roles may do, with any arguments.
const COMMON: [i64; 15] = [
    libc::SYS_write,   // last words on standard error
    libc::SYS_pread64, // rootfs, snapshot and page map
    libc::SYS_lseek,   // the holes of a snapshot
    libc::SYS_fstat,   // size and mode of what was handed over; of a descriptor alone
    libc::SYS_fstatfs, // the file system of a snapshot, which says how it makes holes
    libc::SYS_close,
    libc::SYS_munmap,
    libc::SYS_mremap,        // the allocator: long blocks that grow
    libc::SYS_madvise,       // the allocator, and RAM that is populated or made of small pages
    libc::SYS_brk,           // the allocator
    libc::SYS_futex,         // locks and channels
    libc::SYS_sched_yield,   // channels, while the other side is about to finish
    libc::SYS_clock_gettime, // hosts whose vDSO cannot read the clock
    libc::SYS_getrandom,     // seeds of clones, and of the standard library's hash maps
    libc::SYS_rt_sigreturn,  // the end of the tick's handler
];

/// What the control thread may do beside.
const CONTROL: [i64; 4] = [
    libc::SYS_recvmsg,     // packets with descriptors
    libc::SYS_sendmsg,     // answers
    libc::SYS_sigaltstack, // the standard library at the end of `main`
    libc::SYS_exit_group,
];

/// What the thread of a slot may do beside.
const SLOT: [i64; 7] = [
    libc::SYS_recvfrom,      // frames, and bytes of connections
    libc::SYS_recvmsg,       // connections, as descriptors from the broker
    libc::SYS_shutdown,      // their writing half
    libc::SYS_ppoll,         // waits for frames
    libc::SYS_pwrite64,      // a bake's snapshot
    libc::SYS_ftruncate,     // its length
    libc::SYS_timer_settime, // the tick, whose timer was made before
];

/// KVM's requests that a slot makes of machines.
const KVM_REQUESTS: [u32; 11] = [
    request(NONE, 0x01, 0),                                         // KVM_CREATE_VM
    request(NONE, 0x04, 0),                                         // KVM_GET_VCPU_MMAP_SIZE
    request(NONE, 0x41, 0),                                         // KVM_CREATE_VCPU
    request(WRITE, 0x46, size_of::<kvm_userspace_memory_region>()), // KVM_SET_USER_MEMORY_REGION
    request(NONE, 0x80, 0),                                         // KVM_RUN
    request(READ | WRITE, 0x88, size_of::<kvm_msrs>()),             // KVM_GET_MSRS
    request(WRITE, 0x89, size_of::<kvm_msrs>()),                    // KVM_SET_MSRS
    request(WRITE, 0x90, size_of::<kvm_cpuid2>()),                  // KVM_SET_CPUID2
    request(READ, 0x9f, size_of::<kvm_vcpu_events>()),              // KVM_GET_VCPU_EVENTS
    request(WRITE, 0xa7, size_of::<kvm_xcrs>()),                    // KVM_SET_XCRS
    request(WRITE, 0xc6, size_of::<kvm_msr_filter>()),              // KVM_X86_SET_MSR_FILTER
];

const NONE: u32 = 0;
const WRITE: u32 = 1 << 30;
const READ: u32 = 2 << 30;

/// A request of KVM (type 0xAE) by number, direction and size of what it points to (`_IOC` in asm-generic/ioctl.h).
const fn request(direction: u32, number: u32, size: usize) -> u32 {
    direction | (size as u32) << 16 | 0xae00 | number
}

/// Socket options that a slot sets on the connections that it was given, by level and name.
const SOCKET_OPTIONS: [(i32, i32); 7] = [
    (libc::IPPROTO_TCP, libc::TCP_NODELAY),
    (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE),
    (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
    (libc::IPPROTO_TCP, libc::TCP_KEEPCNT),
    (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT),
    (libc::SOL_SOCKET, libc::SO_KEEPALIVE),
    (libc::SOL_SOCKET, libc::SO_LINGER),
];

/// For getrusage(2): of the calling thread.
const RUSAGE_THREAD: u32 = 1;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the calling thread under the filter of its role, for ever.
///
/// # Errors
/// The kernel has no filters.
pub fn apply(role: ThreadRole) -> Result<(), JailError> {
    install(&program(role).map_err(|error| JailError::Partial(error.to_string()))?)
}

/// Tries on a thread of its own whether filters hold: a sandbox around this process may answer that one is installed and
/// do nothing. The filters of the roles cannot be tried, since they end the process.
///
/// # Errors
/// The kernel has no filters, or they do nothing.
pub fn probe() -> Result<(), JailError> {
    std::thread::spawn(refuse_one_call)
        .join()
        .unwrap_or(Err(JailError::NoEffect("the thread that tries a filter has died")))
}

fn refuse_one_call() -> Result<(), JailError> {
    let refusal = SeccompAction::Errno(Errno::EXFULL as u32);
    let rules = Rules::from([(libc::SYS_getppid, Vec::new())]);
    let program = SeccompFilter::new(rules, SeccompAction::Allow, refusal, TargetArch::x86_64)
        .and_then(TryInto::try_into)
        .map_err(|error| JailError::Partial(error.to_string()))?;
    install(&program)?;
    // SAFETY: getppid(2) takes nothing and touches no memory.
    let answer = Errno::result(unsafe { libc::syscall(libc::SYS_getppid) });
    if answer == Err(Errno::EXFULL) { Ok(()) } else { Err(JailError::NoEffect("a filter refuses nothing")) }
}

fn install(program: &BpfProgram) -> Result<(), JailError> {
    seccompiler::apply_filter(program).map_err(|error| JailError::Partial(error.to_string()))
}

fn program(role: ThreadRole) -> Result<BpfProgram, seccompiler::BackendError> {
    SeccompFilter::new(rules(role)?, SeccompAction::KillProcess, SeccompAction::Allow, TargetArch::x86_64)?
        .try_into()
}

fn rules(role: ThreadRole) -> Result<Rules, seccompiler::BackendError> {
    let mut rules = Rules::new();
    allow(&mut rules, &COMMON);
    let not_executable = || rule(vec![SeccompCondition::new(2, Len::Dword, Op::MaskedEq(4), 0)?]);
    rules.insert(libc::SYS_mmap, vec![not_executable()?]);
    rules.insert(libc::SYS_mprotect, vec![not_executable()?]);
    // Duplicates of own descriptors, for mappings that keep their file; musl marks them once more. Debug builds of the
    // standard library look whether what they close is open.
    let commands = [libc::F_DUPFD_CLOEXEC, libc::F_SETFD, libc::F_GETFD];
    let command = |command: i32| rule(vec![equals(1, command.unsigned_abs())?]);
    rules.insert(libc::SYS_fcntl, commands.into_iter().map(command).collect::<Result<_, _>>()?);
    match role {
        ThreadRole::Control => {
            allow(&mut rules, &CONTROL);
            // Limits are lowered once more when the function is known; only of this process.
            rules.insert(libc::SYS_prlimit64, vec![rule(vec![equals(0, 0)?])?]);
        }
        ThreadRole::Slot => {
            allow(&mut rules, &SLOT);
            let requests = KVM_REQUESTS.into_iter().chain([PAGEMAP_SCAN]);
            let requests = requests.map(|request| rule(vec![equals(1, request)?]));
            rules.insert(libc::SYS_ioctl, requests.collect::<Result<_, _>>()?);
            // To the peer of the socket and no other: the address is null.
            let no_address = SeccompCondition::new(4, Len::Qword, Op::Eq, 0)?;
            rules.insert(libc::SYS_sendto, vec![rule(vec![no_address])?]);
            let options = SOCKET_OPTIONS.into_iter().map(|(level, name)| {
                rule(vec![equals(1, level.unsigned_abs())?, equals(2, name.unsigned_abs())?])
            });
            rules.insert(libc::SYS_setsockopt, options.collect::<Result<_, _>>()?);
            // Whether it gives way to others; only of this thread.
            rules.insert(libc::SYS_sched_setattr, vec![rule(vec![equals(0, 0)?])?]);
            // How many page faults it had; only of this thread.
            rules.insert(libc::SYS_getrusage, vec![rule(vec![equals(0, RUSAGE_THREAD)?])?]);
        }
    }
    Ok(rules)
}

fn allow(rules: &mut Rules, calls: &[i64]) {
    rules.extend(calls.iter().map(|&call| (call, Vec::new())));
}

fn rule(conditions: Vec<SeccompCondition>) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(conditions)
}

/// An argument of 32 bits, as the kernel reads it: it drops the upper half of the register as well.
fn equals(argument: u8, value: u32) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, Len::Dword, Op::Eq, value.into())
}

#[cfg(test)]
mod tests;
