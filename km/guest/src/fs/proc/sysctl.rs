//! `/proc/sys`.

use super::Subject;
use super::table::{ProcEntry, What};
use crate::aio;
use crate::errno::Result;
use crate::fs::file::{open_files, open_files_max};
use crate::fs::synthetic::View;
use crate::ipc::mq::{self, MESSAGE_BYTES, MESSAGES};
use crate::ipc::msg::{MESSAGE_MAX, QUEUE_BYTES};
use crate::syscall::msg::QUEUES_MAX;
use crate::syscall::sem::LIMITS;
use crate::syscall::shm::{PAGES_MAX, SEGMENTS_MAX, SIZE_MAX};
use alloc::format;
use alloc::vec::Vec;

/// Release of Linux whose interface this is.
pub const RELEASE: &str = "6.1.0-kontain";
/// The rest of uname(2)'s answer.
pub const VERSION: &str = "#1 SMP PREEMPT_DYNAMIC km";

macro_rules! fixed {
    ($name:literal, $text:literal) => {
        ($name, What::File(|_, _| Ok(concat!($text, "\n").as_bytes().to_vec())))
    };
}

macro_rules! limit {
    ($name:literal, $value:expr) => {
        ($name, What::File(|_, _| Ok(format!("{}\n", $value).into_bytes())))
    };
}

pub(super) const ENTRIES: &[ProcEntry] =
    &[("fs", What::Dir(FS)), ("kernel", What::Dir(KERNEL)), ("net", What::Dir(NET)), ("vm", What::Dir(VM))];

const FS: &[ProcEntry] = &[
    limit!("aio-max-nr", aio::EVENTS_MAX),
    limit!("aio-nr", aio::events_reserved()),
    ("file-max", What::File(|_, _| Ok(format!("{}\n", open_files_max()).into_bytes()))),
    ("file-nr", What::File(|_, _| Ok(format!("{}\t0\t{}\n", open_files(), open_files_max()).into_bytes()))),
    fixed!("nr_open", "1048576"),
    fixed!("pipe-max-size", "1048576"),
    fixed!("pipe-user-pages-hard", "0"),
    fixed!("pipe-user-pages-soft", "16384"),
    fixed!("protected_hardlinks", "1"),
    fixed!("protected_symlinks", "1"),
    ("inotify", What::Dir(INOTIFY)),
    ("mqueue", What::Dir(MQUEUE)),
];

const MQUEUE: &[ProcEntry] = &[
    limit!("msg_default", MESSAGES),
    limit!("msg_max", MESSAGES),
    limit!("msgsize_default", MESSAGE_BYTES),
    limit!("msgsize_max", MESSAGE_BYTES),
    limit!("queues_max", mq::QUEUES_MAX),
];

const INOTIFY: &[ProcEntry] = &[
    fixed!("max_queued_events", "16384"),
    fixed!("max_user_instances", "128"),
    fixed!("max_user_watches", "65536"),
];

const KERNEL: &[ProcEntry] = &[
    fixed!("cap_last_cap", "40"),
    fixed!("core_pattern", "core"),
    fixed!("domainname", "(none)"),
    ("hostname", What::File(hostname)),
    fixed!("ngroups_max", "65536"),
    ("osrelease", What::File(|_, _| Ok(format!("{RELEASE}\n").into_bytes()))),
    fixed!("ostype", "Linux"),
    fixed!("overflowuid", "65534"),
    fixed!("overflowgid", "65534"),
    fixed!("pid_max", "4194304"),
    ("random", What::Dir(RANDOM)),
    fixed!("randomize_va_space", "2"),
    fixed!("sched_child_runs_first", "0"),
    ("sem", What::File(semaphore_limits)),
    limit!("msgmax", MESSAGE_MAX),
    limit!("msgmnb", QUEUE_BYTES),
    limit!("msgmni", QUEUES_MAX),
    fixed!("shm_rmid_forced", "0"),
    limit!("shmall", PAGES_MAX),
    limit!("shmmax", SIZE_MAX),
    limit!("shmmni", SEGMENTS_MAX),
    fixed!("tainted", "0"),
    fixed!("threads-max", "65536"),
    ("version", What::File(|_, _| Ok(format!("{VERSION}\n").into_bytes()))),
];

const RANDOM: &[ProcEntry] = &[
    ("boot_id", What::File(boot_id)),
    fixed!("entropy_avail", "256"),
    fixed!("poolsize", "256"),
    ("uuid", What::File(|_, _| Ok(uuid(random())))),
];

const NET: &[ProcEntry] =
    &[("core", What::Dir(NET_CORE)), ("ipv4", What::Dir(NET_IPV4)), ("ipv6", What::Dir(NET_IPV6))];

const NET_CORE: &[ProcEntry] = &[
    fixed!("optmem_max", "20480"),
    fixed!("rmem_default", "212992"),
    fixed!("rmem_max", "212992"),
    fixed!("somaxconn", "4096"),
    fixed!("wmem_default", "212992"),
    fixed!("wmem_max", "212992"),
];

const NET_IPV4: &[ProcEntry] = &[
    fixed!("ip_forward", "0"),
    fixed!("ip_local_port_range", "32768\t60999"),
    fixed!("ip_unprivileged_port_start", "0"),
    fixed!("tcp_fin_timeout", "60"),
    fixed!("tcp_keepalive_time", "7200"),
    fixed!("tcp_max_syn_backlog", "4096"),
    fixed!("tcp_rmem", "4096\t131072\t6291456"),
    fixed!("tcp_wmem", "4096\t16384\t4194304"),
];

const NET_IPV6: &[ProcEntry] = &[fixed!("bindv6only", "0")];

const VM: &[ProcEntry] = &[
    fixed!("max_map_count", "65530"),
    fixed!("mmap_min_addr", "65536"),
    fixed!("nr_hugepages", "0"),
    fixed!("overcommit_memory", "0"),
    fixed!("overcommit_ratio", "50"),
    fixed!("swappiness", "60"),
];

/// The four limits of semaphores (proc_sys_kernel(5)).
fn semaphore_limits(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    let [set, all, operations, sets] = LIMITS;
    Ok(format!("{set}\t{all}\t{operations}\t{sets}\n").into_bytes())
}

fn hostname(view: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(format!("{}\n", view.kernel.vfs.hostname).into_bytes())
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    crate::random::fill(&mut bytes);
    bytes
}

/// Another one in every clone, the same within it.
fn boot_id(_: View<'_>, _: Subject) -> Result<Vec<u8>> {
    Ok(uuid(crate::random::boot_id()))
}

/// A version 4 UUID of random bytes.
fn uuid(mut bytes: [u8; 16]) -> Vec<u8> {
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = alloc::string::String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text.push('\n');
    text.into_bytes()
}
