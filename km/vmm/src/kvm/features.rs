//! What guests see of the CPU where KVM decides it: lists of what may be seen, so that what a new CPU or KVM brings is not
//! there until somebody has looked at it.
//!
//! Programs get instructions and facts (model, caches). They get nothing that virtualizes, counts, traces, traps, manages
//! power or needs a register that the library OS does not set: no VMX or SVM, PMU, MPX, SGX, TSX, protection keys (the APIC's
//! own bit KVM shows by itself).
//! Model-specific registers are all refused to the guest: its ring 0 is a few instructions that use none.
//! Sources: Intel SDM volume 2A, CPUID; AMD64 Architecture Programmer's Manual volume 3, appendix E.

use std::fs::File;
use std::io::Read;

use kvm_bindings::{CpuId, kvm_cpuid_entry2};
use kvm_ioctls::{MsrFilterDefaultAction, MsrFilterRange, MsrFilterRangeFlags, VmFd};

use super::{KvmError, request};

/// Features of XCR0 that guests use: x87, SSE, AVX, and the three of AVX-512. AMX needs a permission that nobody asks for.
pub const XCR0: u32 = 0xe7;
/// The highest leaves that exist for guests.
const LAST_BASIC: u32 = 0xd;
const LAST_EXTENDED: u32 = 0x8000_0008;

/// A mask of bits by number.
const fn bits<const N: usize>(numbers: [u32; N]) -> u32 {
    let (mut mask, mut at) = (0, 0);
    while at < N {
        mask |= 1 << numbers[at];
        at += 1;
    }
    mask
}

/// Bytes of `/proc/cpuinfo` that hold the first processor's lines.
const CPUINFO_READ: u64 = 8 << 10;
const ALL: u32 = u32::MAX;
/// SSE3, PCLMULQDQ, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, OSXSAVE, AVX, F16C, RDRAND, hypervisor.
const LEAF_1_ECX: u32 = bits([0, 1, 9, 12, 13, 19, 20, 22, 23, 25, 26, 27, 28, 29, 30, 31]);
/// FPU, PSE, TSC, MSR, PAE, CX8, SEP, PGE, CMOV, CLFSH, MMX, FXSR, SSE, SSE2. MSR says that the registers of `syscall`
/// exist.
const LEAF_1_EDX: u32 = bits([0, 3, 4, 5, 6, 8, 11, 13, 15, 19, 23, 24, 25, 26]);
/// FSGSBASE, BMI1, AVX2, the two that deprecate x87 pointers, BMI2, ERMS, AVX512F, AVX512DQ, RDSEED, ADX, AVX512IFMA,
/// CLFLUSHOPT, CLWB, AVX512CD, SHA, AVX512BW, AVX512VL.
const LEAF_7_EBX: u32 = bits([0, 3, 5, 6, 8, 9, 13, 16, 17, 18, 19, 21, 23, 24, 28, 29, 30, 31]);
/// AVX512VBMI, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ.
const LEAF_7_ECX: u32 = bits([1, 6, 8, 9, 10, 11, 12, 14]);
/// Fast short REP MOV, VP2INTERSECT, SERIALIZE, AVX512FP16.
const LEAF_7_EDX: u32 = bits([4, 8, 14, 23]);
/// SHA512, SM3, SM4, AVX-VNNI, AVX512BF16, the three of fast REP, AVX-IFMA.
const LEAF_7_1_EAX: u32 = bits([0, 1, 2, 4, 5, 10, 11, 12, 23]);
/// AVX-VNNI-INT8, AVX-NE-CONVERT, AVX-VNNI-INT16, PREFETCHI.
const LEAF_7_1_EDX: u32 = bits([4, 5, 10, 14]);
/// XSAVEOPT, XSAVEC, XGETBV with 1. XSAVES belongs to ring 0.
const LEAF_D_1_EAX: u32 = bits([0, 1, 2]);
/// LAHF, ABM, SSE4A, misaligned SSE, PREFETCHW, XOP, FMA4, TBM.
const EXTENDED_1_ECX: u32 = bits([0, 5, 6, 7, 8, 11, 16, 21]);
/// AMD's copies of leaf 1, then SYSCALL, NX, MMXEXT, FXSR_OPT, RDTSCP, LM.
const EXTENDED_1_EDX: u32 = LEAF_1_EDX & 0x0183_f3ff | bits([11, 20, 22, 25, 27, 29]);
/// INVTSC.
const EXTENDED_7_EDX: u32 = bits([8]);
/// CLZERO, error pointers that are restored.
const EXTENDED_8_EBX: u32 = bits([0, 2]);
/// CLFLUSH's line. The rest numbers CPUs, of which a guest has one.
const LINE: u32 = 0xff00;
/// Kind, level and form of a cache; the upper half counts who shares it.
const CACHE: u32 = 0x3fff;

/// What may be seen of a leaf: a mask for each register; nothing of a leaf that is not listed.
fn allowed(leaf: u32, index: u32) -> Option<[u32; 4]> {
    Some(match (leaf, index) {
        // Vendor, the old and the new description of caches, brand.
        (0 | 2 | 0x8000_0000 | 0x8000_0002..=0x8000_0006, _) => [ALL; 4],
        (1, _) => [ALL, LINE, LEAF_1_ECX, LEAF_1_EDX],
        (4, _) => [CACHE, ALL, ALL, ALL],
        (7, 0) => [ALL, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX],
        (7, 1) => [LEAF_7_1_EAX, 0, 0, LEAF_7_1_EDX],
        (0xd, 0) => [XCR0, ALL, ALL, 0],
        (0xd, 1) => [LEAF_D_1_EAX, 0, 0, 0],
        (0xd, 2..32) if XCR0 >> index & 1 == 1 => [ALL; 4],
        (0x8000_0001, _) => [ALL, 0, EXTENDED_1_ECX, EXTENDED_1_EDX],
        (0x8000_0007, _) => [0, 0, 0, EXTENDED_7_EDX],
        (0x8000_0008, _) => [ALL, EXTENDED_8_EBX, 0, 0],
        _ => return None,
    })
}

fn visible(entry: &kvm_cpuid_entry2) -> Option<kvm_cpuid_entry2> {
    let [eax, ebx, ecx, edx] = allowed(entry.function, entry.index)?;
    let mut seen = *entry;
    seen.eax &= eax;
    seen.ebx &= ebx;
    seen.ecx &= ecx;
    seen.edx &= edx;
    match (entry.function, entry.index) {
        (0, _) => seen.eax = seen.eax.min(LAST_BASIC),
        (7, 0) => seen.eax = seen.eax.min(1),
        (0x8000_0000, _) => seen.eax = seen.eax.min(LAST_EXTENDED),
        _ => {}
    }
    Some(seen)
}

/// Whether CPUID in ring 3 of a deprivileged guest comes to KVM. Intel's CPUs can make it fault, and KVM then answers it; on
/// others it runs on the CPU itself, and guests see all that the host sees. Must be asked before a jail hides `/proc`.
pub fn cpuid_faults() -> bool {
    let mut text = Vec::new();
    // One processor's lines are enough: all have the same flags. Without them, the CPU is taken to answer by itself.
    let read = File::open("/proc/cpuinfo").and_then(|file| file.take(CPUINFO_READ).read_to_end(&mut text));
    read.is_ok() && has_flag(&String::from_utf8_lossy(&text), "cpuid_fault")
}

fn has_flag(cpuinfo: &str, name: &str) -> bool {
    let mut flags = cpuinfo.lines().filter(|line| line.starts_with("flags"));
    flags.any(|line| line.split_whitespace().any(|flag| flag == name))
}

/// What guests see of what KVM supports.
pub fn cpuid(supported: &CpuId) -> Result<CpuId, KvmError> {
    let entries: Vec<_> = supported.as_slice().iter().filter_map(visible).collect();
    CpuId::from_entries(&entries).map_err(|_| KvmError::Lacks("CPUID entries"))
}

/// Refuses all model-specific registers to the guest of a machine; the monitor still sets them.
pub fn refuse_msrs(vm: &VmFd) -> Result<(), KvmError> {
    // KVM refuses a filter that refuses all and names none (KVM_X86_SET_MSR_FILTER): this names the time-stamp counter,
    // which `rdtsc` reads.
    let flags = MsrFilterRangeFlags::READ | MsrFilterRangeFlags::WRITE;
    let named = MsrFilterRange { flags, base: 0x10, msr_count: 1, bitmap: &[0] };
    vm.set_msr_filter(MsrFilterDefaultAction::DENY, &[named])
        .map_err(request("refuse model-specific registers"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(function: u32, index: u32) -> kvm_cpuid_entry2 {
        kvm_cpuid_entry2 { function, index, eax: ALL, ebx: ALL, ecx: ALL, edx: ALL, ..Default::default() }
    }

    #[test]
    fn a_cpu_with_everything_shows_what_is_listed() {
        let leaves = (0..0x40).chain(0x4000_0000..0x4000_0010).chain(0x8000_0000..0x8000_0030);
        let all: Vec<_> = leaves.flat_map(|leaf| (0..3).map(move |index| entry(leaf, index))).collect();
        let all = all
            .chunks(80)
            .flat_map(|some| cpuid(&CpuId::from_entries(some).unwrap()).unwrap().as_slice().to_vec());
        let seen: Vec<_> = all.collect();
        let of =
            |leaf, index| seen.iter().find(|entry| (entry.function, entry.index) == (leaf, index)).copied();
        let one = of(1, 0).unwrap();
        // VMX, SMX, PDCM, x2APIC, the deadline timer; machine checks, APIC, MTRR, hyper-threading.
        assert_eq!(one.ecx & bits([5, 6, 15, 21, 24]), 0);
        assert_eq!(one.edx & bits([7, 9, 12, 14, 28]), 0);
        let seven = of(7, 0).unwrap();
        // SGX, TSX, RDT, MPX, processor trace; protection keys, UMIP; AMX and what speculation is controlled by.
        assert_eq!(seven.ebx & bits([2, 4, 11, 12, 14, 15, 25]), 0);
        assert_eq!(seven.ecx & bits([2, 3, 4, 5, 7, 30]), 0);
        assert_eq!(seven.edx & bits([22, 24, 25, 26, 27, 28, 29, 31]), 0);
        let extended = of(0x8000_0001, 0).unwrap();
        // SVM, IBS, the performance counters; AMD's copy of the APIC.
        assert_eq!(extended.ecx & bits([2, 10, 23, 24, 28]), 0);
        assert_eq!(extended.edx & bits([9]), 0);
        assert_eq!(extended.edx & bits([11, 20, 29]), bits([11, 20, 29]));
        // Power, PMU, SGX, trace, KVM's own, SVM.
        for leaf in [5, 6, 0xa, 0x12, 0x14, 0x4000_0000, 0x4000_0001, 0x8000_000a, 0x8000_0021] {
            assert!(of(leaf, 0).is_none(), "{leaf:#x}");
        }
        let leaves = [of(0, 0), of(0x8000_0000, 0)].map(|entry| entry.unwrap().eax);
        assert_eq!(leaves, [LAST_BASIC, LAST_EXTENDED]);
        assert!(seen.iter().all(|entry| allowed(entry.function, entry.index).is_some()));
    }

    #[test]
    fn flags_are_whole_words_of_their_line() {
        let text = "processor\t: 0\nmodel name\t: cpuid_fault\nflags\t\t: fpu cpuid_fault epb\n";
        assert!(has_flag(text, "cpuid_fault") && has_flag(text, "fpu"));
        assert!(!has_flag(text, "cpuid") && !has_flag("flags: fpu\nbugs: cpuid_fault", "cpuid_fault"));
    }

    #[test]
    fn only_listed_parts_of_the_extended_state_are_there() {
        assert_eq!(visible(&entry(0xd, 0)).unwrap().eax, XCR0);
        let there: Vec<u32> = (2..32).filter(|&index| visible(&entry(0xd, index)).is_some()).collect();
        assert_eq!(there, [2, 5, 6, 7]);
    }

    #[test]
    fn what_the_cpu_lacks_does_not_come_to_be() {
        for (leaf, index) in [(0, 0), (1, 0), (7, 0), (7, 1), (0xd, 0), (0x8000_0001, 0)] {
            let nothing = kvm_cpuid_entry2 { function: leaf, index, ..Default::default() };
            assert_eq!(visible(&nothing), Some(nothing));
        }
    }
}
