//! The single checks. Each reads the host and changes nothing.

use control::doctor::Finding;
use km_vmm::client::Worker;
use km_vmm::kvm::{Kvm, KvmKind};
use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::utsname::uname;
use std::fs;
use std::path::Path;

/// Descriptors that a busy server holds: connections, worker sockets, bundles.
const OPEN_FILES_WANTED: u64 = 65_536;
/// Memory below which a handful of idle functions fill the machine.
const MEMORY_WANTED_MIB: u64 = 1024;

/// Everything, in the order of importance.
pub fn all() -> Vec<Finding> {
    let mut findings = vec![kvm_device()];
    findings.extend(kvm_kind());
    findings.extend(jail());
    findings.extend([
        architecture(),
        cpu(),
        clock(),
        memory(),
        landlock(),
        user_namespaces(),
        open_files(),
        page_scan(),
        processor_groups(),
        names(),
    ]);
    findings
}

/// What functions' resolvers would find.
fn names() -> Finding {
    let what = "names";
    let file = Path::new("/etc/resolv.conf");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answers = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(egress::answers(file)).map_err(|error| error.to_string()));
    let fix = "mend /etc/resolv.conf, or name another file with serve --egress-resolv-conf; functions that reach no names need neither";
    match answers {
        Ok(true) => Finding::ok(what, "are resolved by a server of /etc/resolv.conf"),
        Ok(false) => {
            Finding::warn(what, "no server of /etc/resolv.conf answers: functions reach addresses alone", fix)
        }
        Err(error) => Finding::warn(what, error, fix),
    }
}

fn kvm_device() -> Finding {
    let what = "/dev/kvm";
    match fs::OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Finding::ok(what, "can be opened"),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Finding::fail(
            what,
            "is not there",
            "modprobe kvm_intel or kvm_amd; in a virtual machine, turn on nested virtualization; in a container, pass --device /dev/kvm",
        ),
        Err(error) => Finding::fail(
            what,
            error.to_string(),
            "usermod -aG kvm $USER and log in again; in Kubernetes, a group of /dev/kvm in supplementalGroups",
        ),
    }
}

/// The kind of KVM and whether it has what machines need; nothing when it cannot be opened at all.
fn kvm_kind() -> Option<Finding> {
    let what = "KVM";
    match Kvm::open() {
        Err(km_vmm::kvm::KvmError::Open(_)) => None,
        Err(error) => {
            Some(Finding::fail(what, error.to_string(), "a newer kernel, or a host whose KVM is whole"))
        }
        Ok(kvm) => Some(match kvm.kind() {
            KvmKind::Pvm => {
                Finding::ok(what, "PVM: software-deprivileged guests, no hardware virtualization used")
            }
            KvmKind::Svm => Finding::ok(what, "SVM: AMD-V"),
            KvmKind::Vmx => Finding::ok(what, "VMX: Intel VT-x (not a part of this project's tests)"),
            KvmKind::Other => Finding::warn(
                what,
                "of an unknown kind",
                "nothing to do if functions are served; tests cover PVM and SVM",
            ),
        }),
    }
}

/// What a worker says of its jail; nothing where none can be started because KVM is missing.
fn jail() -> Option<Finding> {
    let what = "jail";
    let km = match crate::cli::serve::find_km(None) {
        Ok(km) => km,
        Err(error) => return Some(Finding::fail(what, error.to_string(), "install km beside kontain-faas")),
    };
    Kvm::open().ok()?;
    Some(match Worker::spawn(&km).map(|worker| worker.hello.jail.missing()) {
        Ok(None) => Finding::ok(what, "holds in all its measures"),
        Ok(Some(missing)) => Finding::warn(
            what,
            format!("lacks {missing}"),
            "as landlock and user namespaces say below; in a container, a seccomp profile that allows unshare, mount, \
             pivot_root and landlock; workers are held by the other measures meanwhile",
        ),
        Err(error) => Finding::fail(
            what,
            causes(&error),
            "a kernel with seccomp filters, and no sandbox around this program that refuses them",
        ),
    })
}

fn causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn architecture() -> Finding {
    let Ok(name) = uname() else { return Finding::warn("kernel", "does not say what it is", "nothing") };
    let found = format!("{} {}", name.machine().to_string_lossy(), name.release().to_string_lossy());
    if name.machine() == "x86_64" {
        Finding::ok("kernel", found)
    } else {
        Finding::fail("kernel", found, "an x86-64 machine: no other CPU is supported")
    }
}

/// Value of the first line `NAME : value` in a file like /proc/cpuinfo.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.split(':').next().is_some_and(|start| start.trim() == name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn cpu_flags() -> Vec<String> {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    field(&info, "flags").unwrap_or_default().split(' ').map(str::to_owned).collect()
}

fn cpu() -> Finding {
    let what = "CPU features";
    let flags = cpu_flags();
    let lacks = |wanted: &[&'static str]| -> Vec<&'static str> {
        wanted.iter().copied().filter(|name| !flags.iter().any(|flag| flag == name)).collect()
    };
    // Threads switch by FSGSBASE and XSAVE; everything since 2013 (Intel) and 2022 (FSGSBASE in AMD's EPYC: 2019) has them.
    let needed = lacks(&["fsgsbase", "xsave", "nx", "syscall", "cx16", "sse4_2"]);
    if !needed.is_empty() {
        return Finding::fail(
            what,
            format!("lacks {}", needed.join(", ")),
            "another CPU, or a hypervisor that passes them on",
        );
    }
    let wanted = lacks(&["avx2", "rdrand"]);
    if wanted.is_empty() {
        return Finding::ok(what, "fsgsbase, xsave, avx2 and what else is used");
    }
    Finding::warn(
        what,
        format!("lacks {}", wanted.join(", ")),
        "programs that need them end with SIGILL; a hypervisor may hide them",
    )
}

fn clock() -> Finding {
    let flags = cpu_flags();
    if flags.iter().any(|flag| flag == "constant_tsc" || flag == "nonstop_tsc") {
        return Finding::ok("clock", "time-stamp counter of constant rate");
    }
    Finding::warn(
        "clock",
        "the time-stamp counter's rate is not said to be constant",
        "clocks in functions may drift from the host's; a newer CPU or hypervisor",
    )
}

fn memory() -> Finding {
    let what = "memory";
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mib = |name: &str| -> u64 {
        field(&info, name).and_then(|value| value.split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
    };
    let limit = cgroup_limit_mib();
    let total = limit.map_or(mib("MemTotal"), |limit| limit.min(mib("MemTotal")));
    let note = limit.map_or(String::new(), |limit| format!(", the control group allows {limit} MiB"));
    let found = format!("{} MiB, {} MiB available{note}", mib("MemTotal"), mib("MemAvailable"));
    if total >= MEMORY_WANTED_MIB {
        return Finding::ok(what, found);
    }
    Finding::warn(
        what,
        found,
        format!("{MEMORY_WANTED_MIB} MiB leave room for more than a few idle functions"),
    )
}

fn cgroup_limit_mib() -> Option<u64> {
    let paths = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let text = paths.iter().find_map(|path| fs::read_to_string(path).ok())?;
    let bytes: u64 = text.trim().parse().ok()?;
    // No limit is a number near 2^63 in the first version of control groups.
    (bytes < 1 << 50).then_some(bytes >> 20)
}

/// The newest version of landlock's interface that this kernel has.
fn landlock_version() -> u32 {
    let known = [(ABI::V6, 6), (ABI::V5, 5), (ABI::V4, 4), (ABI::V3, 3), (ABI::V2, 2), (ABI::V1, 1)];
    let offered = |abi: ABI| {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))
            .and_then(|rules| {
                if abi >= ABI::V4 {
                    rules.handle_access(landlock::AccessNet::from_all(abi))
                } else {
                    Ok(rules)
                }
            })
            .and_then(
                |rules| if abi >= ABI::V6 { rules.scope(landlock::Scope::from_all(abi)) } else { Ok(rules) },
            )
            .and_then(Ruleset::create)
            .is_ok()
    };
    known.into_iter().find(|(abi, _)| offered(*abi)).map_or(0, |(_, number)| number)
}

fn landlock() -> Finding {
    let what = "landlock";
    match landlock_version() {
        0 => Finding::warn(
            what,
            "not there",
            "Linux 5.13 or newer with lsm=landlock; workers are held by seccomp and namespaces without it",
        ),
        version @ 1..6 => Finding::warn(
            what,
            format!("version {version}"),
            "Linux 6.12 or newer closes network and signals as well; seccomp does meanwhile",
        ),
        version => Finding::ok(what, format!("version {version} or newer")),
    }
}

fn user_namespaces() -> Finding {
    let what = "user namespaces";
    let number = |path: &str| fs::read_to_string(path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    let none = number("/proc/sys/user/max_user_namespaces") == Some(0);
    let barred = number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0)
        || number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1);
    if none || (barred && !nix::unistd::geteuid().is_root()) {
        return Finding::warn(
            what,
            "cannot be made by this user",
            "sysctl user.max_user_namespaces=15000 (and kernel.unprivileged_userns_clone=1); workers keep the host's root folder in view without",
        );
    }
    Finding::ok(what, "can be made")
}

fn open_files() -> Finding {
    // Asking for a known limit does not fail.
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or_default();
    let found = format!("{soft} now, {hard} at most");
    if hard >= OPEN_FILES_WANTED {
        return Finding::ok("open files", found);
    }
    Finding::warn(
        "open files",
        found,
        format!("ulimit -Hn {OPEN_FILES_WANTED}, or LimitNOFILE={OPEN_FILES_WANTED} in the unit"),
    )
}

/// PAGEMAP_SCAN came with Linux 6.7; working sets are sampled by it.
fn page_scan() -> Finding {
    let what = "PAGEMAP_SCAN";
    let release = uname().map(|name| name.release().to_string_lossy().into_owned()).unwrap_or_default();
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (6, 7) {
        return Finding::ok(what, format!("there (Linux {release})"));
    }
    Finding::warn(
        what,
        format!("not there (Linux {release})"),
        "Linux 6.7 or newer finds written pages faster",
    )
}

/// Functions share the processors evenly by the scheduler's groups of sessions, which a control group's processes have not.
fn processor_groups() -> Finding {
    let what = "processor groups";
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if read("/proc/sys/kernel/sched_autogroup_enabled").trim() != "1" {
        return Finding::warn(
            what,
            "not there",
            "sysctl kernel.sched_autogroup_enabled=1; without them a function with many calls takes more than its share",
        );
    }
    let weighs = |group: &Path| Path::new("/sys/fs/cgroup").join(group).join("cpu.weight").exists();
    match processor_group(&read("/proc/self/cgroup"), weighs) {
        None => Finding::ok(what, "each function has an equal share"),
        Some(group) => Finding::warn(
            what,
            format!("of no effect in the control group {group}"),
            "nothing, if functions trust each other: calls that compute for long give way to others all the same",
        ),
    }
}

/// The control group by which this process gets its processors, unless that is the uppermost; `weighs` says whether a folder
/// of the second version's is a group with a weight.
fn processor_group(groups: &str, weighs: impl Fn(&Path) -> bool) -> Option<String> {
    groups.lines().find_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let counts = match controllers {
            // In a container the own group looks like the uppermost, but that one has no weight.
            "" => Path::new(path.trim_start_matches('/')).ancestors().any(&weighs),
            list => path != "/" && list.split(',').any(|name| name == "cpu"),
        };
        counts.then(|| path.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_their_whole_name() {
        let text = "processor\t: 0\nflags\t\t: fpu xsave\nMemTotal:       100 kB\n";
        assert_eq!(field(text, "flags").as_deref(), Some("fpu xsave"));
        assert_eq!(field(text, "MemTotal").as_deref(), Some("100 kB"));
        assert_eq!(field(text, "Mem"), None);
    }

    #[test]
    fn the_group_that_counts_is_that_of_the_processors() {
        let group = |text: &str, weighing: &str| processor_group(text, |path| path == Path::new(weighing));
        assert_eq!(group("4:memory:/a\n1:cpu,cpuacct:/\n0::/\n", "none"), None);
        assert_eq!(group("1:cpu,cpuacct:/a\n0::/\n", "none").as_deref(), Some("/a"));
        assert_eq!(group("0::/user.slice/x\n", "none"), None);
        assert_eq!(group("0::/system.slice/x\nwrong", "system.slice").as_deref(), Some("/system.slice/x"));
        assert_eq!(group("0::/\n", "").as_deref(), Some("/"));
    }

    #[test]
    fn every_bad_finding_has_a_fix() {
        assert!(
            all()
                .iter()
                .all(|finding| finding.verdict == super::super::Verdict::Ok || !finding.fix.is_empty())
        );
    }
}
