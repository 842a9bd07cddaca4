//! `/proc/cpuinfo`, from what CPUID says: programs choose code by the flags.

use super::Subject;
use crate::errno::Result;
use crate::fs::synthetic::View;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::arch::x86_64::__cpuid_count;

/// Names of the bits of a register, from bit 0 on; `-` for those that Linux does not show or that mean nothing to programs.
type BitNames = &'static str;

const LEAF_1_EDX: BitNames = "fpu vme de pse tsc msr pae mce cx8 apic - sep mtrr pge mca cmov pat pse36 pn clflush - dts acpi \
                           mmx fxsr sse sse2 ss ht tm ia64 pbe";
const LEAF_1_ECX: BitNames = "pni pclmulqdq dtes64 - ds_cpl vmx smx est tm2 ssse3 cid sdbg fma cx16 xtpr pdcm - pcid dca \
                           sse4_1 sse4_2 x2apic movbe popcnt tsc_deadline_timer aes xsave - avx f16c rdrand hypervisor";
const EXTENDED_EDX: BitNames = "- - - - - - - - - - - syscall - - - - - - - mp nx - mmxext - - fxsr_opt pdpe1gb rdtscp - lm \
                             3dnowext 3dnow";
const EXTENDED_ECX: BitNames = "lahf_lm cmp_legacy svm extapic cr8_legacy abm sse4a misalignsse 3dnowprefetch osvw ibs xop \
                             skinit wdt - lwp fma4 tce - nodeid_msr - tbm topoext perfctr_core perfctr_nb - bpext ptsc \
                             perfctr_llc mwaitx - -";
const LEAF_7_EBX: BitNames = "fsgsbase tsc_adjust - bmi1 hle avx2 - smep bmi2 erms invpcid rtm cqm - mpx rdt_a avx512f avx512dq \
                           rdseed adx smap avx512ifma - clflushopt clwb intel_pt avx512pf avx512er avx512cd sha_ni \
                           avx512bw avx512vl";
const LEAF_7_ECX: BitNames = "- avx512vbmi umip pku ospke waitpkg avx512_vbmi2 - gfni vaes vpclmulqdq avx512_vnni avx512_bitalg \
                           tme avx512_vpopcntdq - la57 - - - - - rdpid - bus_lock_detect cldemote - movdiri movdir64b \
                           enqcmd - -";
const LEAF_7_EDX: BitNames = "- - avx512_4vnniw avx512_4fmaps fsrm - - - avx512_vp2intersect - md_clear - - - serialize - \
                           tsxldtrk - - arch_lbr - - amx_bf16 avx512_fp16 amx_tile amx_int8 - - - - - -";
const LEAF_7_1_EAX: BitNames = "- - - - avx_vnni avx512_bf16 - - - - fzrm fsrs fsrc";
const LEAF_XSAVE_EAX: BitNames = "xsaveopt xsavec xgetbv1 xsaves";

fn named(bits: u32, names: BitNames) -> impl Iterator<Item = &'static str> {
    let set = names.split_whitespace().enumerate().filter(move |(bit, _)| bits >> bit & 1 == 1);
    set.map(|(_, name)| name).filter(|name| *name != "-")
}

fn flags() -> Vec<&'static str> {
    let (basic, most) = (__cpuid_count(1, 0), __cpuid_count(0, 0).eax);
    let extended = __cpuid_count(0x8000_0001, 0);
    let mut flags: Vec<_> = named(basic.edx, LEAF_1_EDX).collect();
    flags.extend(named(extended.edx, EXTENDED_EDX));
    flags.extend(["constant_tsc", "rep_good", "nopl", "nonstop_tsc", "cpuid"]);
    flags.extend(named(basic.ecx, LEAF_1_ECX));
    flags.extend(named(extended.ecx, EXTENDED_ECX));
    if most >= 7 {
        let (leaf, sub) = (__cpuid_count(7, 0), __cpuid_count(7, 1));
        flags.extend(named(leaf.ebx, LEAF_7_EBX));
        flags.extend(named(__cpuid_count(0xd, 1).eax, LEAF_XSAVE_EAX));
        flags.extend(named(if leaf.eax >= 1 { sub.eax } else { 0 }, LEAF_7_1_EAX));
        flags.extend(named(leaf.ecx, LEAF_7_ECX));
        flags.extend(named(leaf.edx, LEAF_7_EDX));
    }
    flags
}

fn text(words: &[u32]) -> String {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    String::from_utf8_lossy(&bytes).trim_matches(['\0', ' ']).into()
}

fn model_name() -> String {
    if __cpuid_count(0x8000_0000, 0).eax < 0x8000_0004 {
        return String::from("unknown");
    }
    let leaves = (0x8000_0002..=0x8000_0004).map(|leaf| __cpuid_count(leaf, 0));
    text(&leaves.flat_map(|leaf| [leaf.eax, leaf.ebx, leaf.ecx, leaf.edx]).collect::<Vec<_>>())
}

/// Family and model, with the extended parts as the manuals combine them.
fn family_and_model(signature: u32) -> (u32, u32) {
    let (family, model) = (signature >> 8 & 0xf, signature >> 4 & 0xf);
    let whole = if family == 0xf { family + (signature >> 20 & 0xff) } else { family };
    let extends = family == 0xf || family == 6;
    (whole, if extends { model | (signature >> 16 & 0xf) << 4 } else { model })
}

/// There is one CPU.
pub(super) fn info(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let (vendor, basic) = (__cpuid_count(0, 0), __cpuid_count(1, 0));
    let (family, model) = family_and_model(basic.eax);
    let text = format!(
        "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: {}\n\
         stepping\t: {}\nmicrocode\t: 0x1\ncpu MHz\t\t: 2000.000\ncache size\t: 1024 KB\nphysical id\t: 0\nsiblings\t: 1\n\
         core id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\nfpu\t\t: yes\nfpu_exception\t: yes\n\
         cpuid level\t: {}\nwp\t\t: yes\nflags\t\t: {}\nbugs\t\t:\nbogomips\t: 4000.00\nclflush size\t: {}\n\
         cache_alignment\t: 64\naddress sizes\t: 46 bits physical, 48 bits virtual\npower management:\n\n",
        text(&[vendor.ebx, vendor.edx, vendor.ecx]),
        model_name(),
        basic.eax & 0xf,
        vendor.eax,
        flags().join(" "),
        (basic.ebx >> 8 & 0xff) * 8,
    );
    Ok(text.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_has_its_place() {
        for names in [LEAF_1_EDX, LEAF_1_ECX, EXTENDED_EDX, EXTENDED_ECX, LEAF_7_EBX, LEAF_7_ECX, LEAF_7_EDX]
        {
            assert_eq!(names.split_whitespace().count(), 32, "{names}");
        }
    }

    #[test]
    fn flags_are_those_of_the_host() {
        let Ok(host) = std::fs::read_to_string("/proc/cpuinfo") else { return };
        let line = host.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
        let known: Vec<_> = line.split_whitespace().collect();
        for flag in [
            "sse2", "ssse3", "sse4_2", "avx", "avx2", "fma", "bmi2", "aes", "avx512f", "avx512bw", "sha_ni",
            "vaes",
        ] {
            assert_eq!(flags().contains(&flag), known.contains(&flag), "{flag}");
        }
    }
}
