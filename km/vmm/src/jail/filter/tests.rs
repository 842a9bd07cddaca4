//! Sweeps of the filters: by an interpreter of their programs over everything, and by children of this process over samples.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::*;

const ROLES: [ThreadRole; 2] = [ThreadRole::Control, ThreadRole::Slot];
/// AUDIT_ARCH_X86_64 and AUDIT_ARCH_I386 (linux/audit.h).
const X86_64: u32 = 0xc000_003e;
const I386: u32 = 0x4000_0003;
/// Marks the calls of x32 (`__X32_SYSCALL_BIT`).
const X32: i64 = 1 << 30;
/// KVM_ENABLE_CAP, which has number and type of KVM_GET_TSC_KHZ.
const ENABLE_CAP: u64 = 0x4068_aea3;

/// What a filter says to a call, by the rules of Linux's classic BPF (networking/filter.rst).
fn verdict(program: &BpfProgram, arch: u32, number: i64, args: [u64; 6]) -> u32 {
    let mut data = [0; 64];
    data[..4].copy_from_slice(&(number as u32).to_le_bytes());
    data[4..8].copy_from_slice(&arch.to_le_bytes());
    for (place, value) in data[16..].chunks_exact_mut(8).zip(args) {
        place.copy_from_slice(&value.to_le_bytes());
    }
    let (mut at, mut value) = (0, 0u32);
    loop {
        let step = &program[at];
        at += 1;
        let jump = |holds: bool| usize::from(if holds { step.jt } else { step.jf });
        match step.code {
            0x20 => {
                let from = step.k as usize;
                value = u32::from_le_bytes(data[from..from + 4].try_into().unwrap());
            }
            0x54 => value &= step.k,
            0x05 => at += step.k as usize,
            0x15 => at += jump(value == step.k),
            0x25 => at += jump(value > step.k),
            0x35 => at += jump(value >= step.k),
            0x06 => return step.k,
            code => panic!("instruction {code:#x} is not known here"),
        }
    }
}

fn allows(program: &BpfProgram, number: i64, args: [u64; 6]) -> bool {
    match verdict(program, X86_64, number, args) {
        libc::SECCOMP_RET_ALLOW => true,
        libc::SECCOMP_RET_KILL_PROCESS => false,
        other => panic!("call {number}: {other:#x}"),
    }
}

/// Arguments that differ from each other in what rules look at.
fn arguments() -> impl Iterator<Item = [u64; 6]> {
    let values = [0, 1, 2, 4, 7, 0x1000, 1030, u64::from(PAGEMAP_SCAN), 0xae80, 1 << 32, u64::MAX];
    let any = values
        .into_iter()
        .flat_map(move |one| values.into_iter().map(move |two| [one, two, two, one, two, one]));
    any.chain([[0, libc::IPPROTO_TCP as u64, libc::TCP_NODELAY as u64, 0, 0, 0]])
}

/// Names of all calls that a role may make with some arguments.
fn allowed(role: ThreadRole) -> BTreeSet<i64> {
    let program = program(role).unwrap();
    (-1..600).filter(|&number| arguments().any(|args| allows(&program, number, args))).collect()
}

#[test]
fn each_role_may_make_the_calls_of_its_table_and_no_other() {
    let common: [i64; 3] = [libc::SYS_mmap, libc::SYS_mprotect, libc::SYS_fcntl];
    let control = CONTROL.into_iter().chain([libc::SYS_prlimit64]);
    let looked_at = [
        libc::SYS_ioctl,
        libc::SYS_sendto,
        libc::SYS_setsockopt,
        libc::SYS_sched_setattr,
        libc::SYS_getrusage,
    ];
    let slot = SLOT.into_iter().chain(looked_at);
    let both: BTreeSet<i64> = COMMON.into_iter().chain(common).collect();
    assert_eq!(allowed(ThreadRole::Control), both.iter().copied().chain(control).collect());
    assert_eq!(allowed(ThreadRole::Slot), both.iter().copied().chain(slot).collect());
    let union = allowed(ThreadRole::Control).union(&allowed(ThreadRole::Slot)).count();
    assert!(union <= 35, "{union} calls");
}

#[test]
fn no_role_takes_a_path_or_reaches_out() {
    let never = [
        libc::SYS_open,
        libc::SYS_openat,
        libc::SYS_openat2,
        libc::SYS_stat,
        libc::SYS_lstat,
        libc::SYS_statx,
        libc::SYS_newfstatat,
        libc::SYS_statfs,
        libc::SYS_access,
        libc::SYS_faccessat2,
        libc::SYS_readlink,
        libc::SYS_unlink,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_accept4,
        libc::SYS_clone,
        libc::SYS_clone3,
        libc::SYS_fork,
        libc::SYS_execve,
        libc::SYS_execveat,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_kill,
        libc::SYS_tgkill,
        libc::SYS_pidfd_getfd,
        libc::SYS_io_uring_setup,
        libc::SYS_bpf,
        libc::SYS_memfd_create,
        libc::SYS_pkey_mprotect,
        libc::SYS_remap_file_pages,
        libc::SYS_userfaultfd,
        libc::SYS_prctl,
    ];
    for role in ROLES {
        assert!(never.iter().all(|call| !allowed(role).contains(call)), "{role:?}");
    }
    assert!(!allowed(ThreadRole::Slot).contains(&libc::SYS_sendmsg));
}

#[test]
fn calls_of_other_architectures_are_none() {
    for role in ROLES {
        let program = program(role).unwrap();
        for number in -1..600 {
            for args in arguments() {
                assert!(!allows(&program, number | X32, args), "{role:?} {number}");
                assert_ne!(
                    verdict(&program, I386, number, args),
                    libc::SECCOMP_RET_ALLOW,
                    "{role:?} {number}"
                );
            }
        }
    }
}

#[test]
fn requests_are_compared_as_a_whole() {
    let slot = program(ThreadRole::Slot).unwrap();
    let control = program(ThreadRole::Control).unwrap();
    let known: BTreeSet<u32> = KVM_REQUESTS.into_iter().chain([PAGEMAP_SCAN]).collect();
    let ask = |program, request: u64| allows(program, libc::SYS_ioctl, [9, request, 0, 0, 0, 0]);
    for &request in &known {
        assert!(ask(&slot, request.into()) && !ask(&control, request.into()), "{request:#x}");
        // The kernel drops the upper half, so this is the same request.
        assert!(ask(&slot, u64::from(request) | 0xffff_ffff << 32));
        // The same number and type with every direction and every size.
        for upper in 0..=u16::MAX {
            let namesake = request & 0xffff | u32::from(upper) << 16;
            assert_eq!(ask(&slot, namesake.into()), known.contains(&namesake), "{namesake:#x}");
        }
    }
    for number in 0..=0xffff {
        assert_eq!(ask(&slot, number), known.contains(&(number as u32)), "{number:#x}");
    }
    assert!(!ask(&slot, ENABLE_CAP));
}

#[test]
fn requests_are_those_of_the_kernel() {
    // As strace prints them.
    let known = [
        0xae01,
        0xae04,
        0xae41,
        0x4020_ae46,
        0xae80,
        0xc008_ae88,
        0x4008_ae89,
        0x4008_ae90,
        0x8040_ae9f,
        0x4188_aea7,
        0x4188_aec6,
    ];
    assert_eq!(KVM_REQUESTS, known);
}

#[test]
fn arguments_are_looked_at() {
    let [control, slot] = ROLES.map(|role| program(role).unwrap());
    let with = |program, call, argument: usize, value| {
        let mut args = [0; 6];
        args[argument] = value;
        allows(program, call, args)
    };
    for address in [1, 0x7fff_0000_0000, 1 << 32, 1 << 63] {
        assert!(!with(&slot, libc::SYS_sendto, 4, address), "{address:#x}");
    }
    assert!(with(&slot, libc::SYS_sendto, 4, 0));
    let options: Vec<(i32, i32)> = (0..300)
        .flat_map(|level| (0..300).map(move |name| (level, name)))
        .filter(|&(level, name)| allows(&slot, libc::SYS_setsockopt, [0, level as u64, name as u64, 0, 0, 0]))
        .collect();
    let mut listed = SOCKET_OPTIONS.to_vec();
    listed.sort_unstable();
    assert_eq!(options, listed);
    for namesake in [1 << 32, u64::MAX << 32] {
        let tcp = libc::IPPROTO_TCP as u64;
        // The kernel drops the upper halves as well.
        assert!(allows(&slot, libc::SYS_setsockopt, [0, tcp | namesake, libc::TCP_NODELAY as u64, 0, 0, 0]));
        assert!(!allows(&slot, libc::SYS_setsockopt, [0, tcp | namesake, libc::TCP_MD5SIG as u64, 0, 0, 0]));
    }
    for program in [&control, &slot] {
        for protection in 0..16u64 {
            let plain = protection & 4 == 0;
            assert_eq!(with(program, libc::SYS_mmap, 2, protection), plain);
            assert_eq!(with(program, libc::SYS_mprotect, 2, protection), plain);
        }
        let taken = (0..2000).filter(|&command| with(program, libc::SYS_fcntl, 1, command));
        assert_eq!(taken.collect::<Vec<_>>(), [1, 2, 1030]);
    }
    assert!(with(&control, libc::SYS_prlimit64, 0, 0) && !with(&control, libc::SYS_prlimit64, 0, 1));
    assert!(with(&slot, libc::SYS_getrusage, 0, 1) && !with(&slot, libc::SYS_getrusage, 0, 0));
    assert!(with(&slot, libc::SYS_sched_setattr, 0, 0) && !with(&slot, libc::SYS_sched_setattr, 0, 1));
}

/// The signal that ends a child which makes one call under a filter: SIGSYS, or SIGILL after a call that was allowed.
fn end(program: &BpfProgram, number: i64, args: [u64; 6]) -> Signal {
    // SAFETY: the child makes system calls and nothing else, so no lock that another thread held can stop it. What it
    // asks for has a bad descriptor, no effect or no memory behind it. No role may exit by itself without a call, so the
    // child ends by an undefined instruction.
    let ended = match unsafe { fork() }.unwrap() {
        ForkResult::Parent { child } => waitpid(child, None).unwrap(),
        // SAFETY: as above; nothing returns from here.
        ForkResult::Child => unsafe {
            if seccompiler::apply_filter(program).is_err() {
                libc::_exit(9);
            }
            let [a, b, c, d, e, f] = args;
            libc::syscall(number, a, b, c, d, e, f);
            core::arch::asm!("ud2", options(noreturn));
        },
    };
    let WaitStatus::Signaled(_, signal, _) = ended else { panic!("{number}: {ended:?}") };
    signal
}

#[test]
fn the_kernel_agrees() {
    let bad = u64::MAX;
    let samples = [
        (libc::SYS_ioctl, [bad, 0xae80, 0, 0, 0, 0]),
        (libc::SYS_ioctl, [bad, ENABLE_CAP, 0, 0, 0, 0]),
        (libc::SYS_sendto, [bad, 0, 0, 0, 0, 0]),
        (libc::SYS_sendto, [bad, 0, 0, 0, 1 << 32, 0]),
        (libc::SYS_sendmsg, [bad, 0, 0, 0, 0, 0]),
        (libc::SYS_fstat, [bad, 0, 0, 0, 0, 0]),
        (libc::SYS_newfstatat, [bad, 0, 0, 0x1000, 0, 0]),
        (libc::SYS_statx, [bad, 0, 0x1000, 0, 0, 0]),
        (libc::SYS_mmap, [0, 0, 4, 0, 0, 0]),
        (libc::SYS_fcntl, [bad, 2, 0, 0, 0, 0]),
        (libc::SYS_fcntl, [bad, 3, 0, 0, 0, 0]),
        (libc::SYS_getppid, [0; 6]),
        (libc::SYS_sched_yield, [0; 6]),
        (libc::SYS_sched_yield | X32, [0; 6]),
        (600, [0; 6]),
    ];
    for role in ROLES {
        let program = program(role).unwrap();
        for (number, args) in samples {
            let expected = if allows(&program, number, args) { Signal::SIGILL } else { Signal::SIGSYS };
            assert_eq!(end(&program, number, args), expected, "{role:?} {number} {args:x?}");
        }
    }
}

#[test]
fn filters_fit_what_the_kernel_takes_and_hold() {
    for role in ROLES {
        let program = program(role).unwrap();
        assert!(program.len() < 4096, "{role:?}: {}", program.len());
    }
    probe().unwrap();
}
