//! What /proc says of the machine.

use super::sysctl::{RELEASE, VERSION};
use super::table::{ProcEntry, What};
use super::{Subject, cpu, sysctl, sysvipc};
use crate::errno::Result;
use crate::fs::node::meta::Time;
use crate::fs::synthetic::View;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use km_abi::layout::PAGE_SIZE;

pub(super) const ENTRIES: &[ProcEntry] = &[
    ("cgroups", What::File(|_, _| Ok(b"#subsys_name\thierarchy\tnum_cgroups\tenabled\n".to_vec()))),
    ("cmdline", What::File(|_, _| Ok(b"\n".to_vec()))),
    ("cpuinfo", What::File(cpu::info)),
    ("crypto", What::File(empty)),
    ("devices", What::File(|_, _| Ok(b"Character devices:\n  1 mem\n  5 /dev/tty\n136 pts\n".to_vec()))),
    ("diskstats", What::File(empty)),
    ("filesystems", What::File(filesystems)),
    ("interrupts", What::File(|_, _| Ok(b"           CPU0\n".to_vec()))),
    ("loadavg", What::File(loadavg)),
    ("meminfo", What::File(meminfo)),
    ("modules", What::File(empty)),
    ("partitions", What::File(|_, _| Ok(b"major minor  #blocks  name\n\n".to_vec()))),
    ("pressure", What::Dir(PRESSURE)),
    ("stat", What::File(stat)),
    ("swaps", What::File(|_, _| Ok(b"Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n".to_vec()))),
    ("sys", What::Dir(sysctl::ENTRIES)),
    ("sysvipc", What::Dir(sysvipc::ENTRIES)),
    ("uptime", What::File(uptime)),
    ("version", What::File(version)),
    ("vmstat", What::File(|_, _| Ok(b"nr_free_pages 0\npgfault 0\npgmajfault 0\n".to_vec()))),
];

const PRESSURE: &[ProcEntry] =
    &[("cpu", What::File(no_pressure)), ("io", What::File(no_pressure)), ("memory", What::File(no_pressure))];

fn no_pressure(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let none = "avg10=0.00 avg60=0.00 avg300=0.00 total=0";
    Ok(format!("some {none}\nfull {none}\n").into_bytes())
}

fn empty(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(Vec::new())
}

/// Bytes of memory in all and free, as sysinfo(2) has them.
pub(in crate::fs) fn memory() -> (u64, u64) {
    (km_hal::frames::total() * PAGE_SIZE, km_hal::frames::available() * PAGE_SIZE)
}

fn meminfo(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let (total, free) = memory();
    let shared: u64 = view.kernel.vfs.mounts().iter().map(|mount| mount.root.volume.used_pages() * 4).sum();
    let rows = [
        ("MemTotal", total / 1024),
        ("MemFree", free / 1024),
        ("MemAvailable", free / 1024),
        ("Buffers", 0),
        ("Cached", shared),
        ("SwapCached", 0),
        ("Active", (total - free.min(total)) / 1024),
        ("Inactive", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", (total - free.min(total)) / 1024),
        ("Mapped", 0),
        ("Shmem", shared),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("CommitLimit", total / 1024),
        ("Committed_AS", 0),
        ("VmallocTotal", 34_359_738_367),
        ("VmallocUsed", 0),
    ];
    let mut text: String =
        rows.iter().map(|(name, kb)| format!("{:<15} {kb:>8} kB\n", format!("{name}:"))).collect();
    text.push_str("HugePages_Total:       0\nHugePages_Free:        0\nHugepagesize:       2048 kB\n");
    Ok(text.into_bytes())
}

fn filesystems(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(b"nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tcgroup2\nnodev\tdevpts\nnodev\toverlay\n".to_vec())
}

fn loadavg(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let threads = view.kernel.tasks.threads().count();
    let running = view.kernel.tasks.threads().filter(|thread| thread.wait.is_none()).count();
    Ok(format!("0.00 0.00 0.00 {running}/{threads} {}\n", view.tid).into_bytes())
}

fn stat(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let up_s = (crate::time::boottime_ns() / 1_000_000_000).cast_signed();
    let boot_time = Time::now().s - up_s;
    let processes = view.kernel.tasks.threads().count();
    // In ticks of 10 ms; all of the time is shown as user time.
    let jiffies = crate::time::monotonic_ns() / 10_000_000;
    let text = format!(
        "cpu  {jiffies} 0 0 0 0 0 0 0 0 0\ncpu0 {jiffies} 0 0 0 0 0 0 0 0 0\nintr 0\nctxt 0\nbtime {boot_time}\n\
         processes {processes}\nprocs_running 1\nprocs_blocked 0\n"
    );
    Ok(text.into_bytes())
}

fn uptime(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let hundredths = crate::time::boottime_ns() / 10_000_000;
    Ok(format!("{}.{:02} 0.00\n", hundredths / 100, hundredths % 100).into_bytes())
}

fn version(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(format!("Linux version {RELEASE} (kontain-faas) {VERSION}\n").into_bytes())
}
