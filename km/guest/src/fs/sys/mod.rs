//! `/sys`: the few fixed facts that runtimes look for (CPUs, memory limit). A tree in memory, written once.

use super::node::meta::{Meta, S_IFREG};
use super::node::volume::{FsKind, Volume};
use super::node::{Body, Node, dir};
use super::synthetic::{Generate, View};
use super::vfs::{directory, file, link};
use crate::errno::Result;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

const LIMIT_PAGES: u64 = 256;

const FILES: &[(&str, &str)] = &[
    ("devices/system/cpu/online", "0"),
    ("devices/system/cpu/possible", "0"),
    ("devices/system/cpu/present", "0"),
    ("devices/system/cpu/offline", ""),
    ("devices/system/cpu/kernel_max", "0"),
    ("devices/system/cpu/cpu0/online", "1"),
    ("devices/system/cpu/cpu0/topology/core_id", "0"),
    ("devices/system/cpu/cpu0/topology/physical_package_id", "0"),
    ("devices/system/cpu/cpu0/topology/core_siblings", "1"),
    ("devices/system/cpu/cpu0/topology/core_siblings_list", "0"),
    ("devices/system/cpu/cpu0/topology/thread_siblings", "1"),
    ("devices/system/cpu/cpu0/topology/thread_siblings_list", "0"),
    ("devices/system/cpu/cpu0/cache/index0/coherency_line_size", "64"),
    ("devices/system/cpu/cpu0/cache/index0/level", "1"),
    ("devices/system/cpu/cpu0/cache/index0/size", "32K"),
    ("devices/system/cpu/cpu0/cache/index0/type", "Data"),
    ("devices/system/node/online", "0"),
    ("devices/system/node/possible", "0"),
    ("devices/system/node/node0/cpulist", "0"),
    ("devices/system/node/node0/cpumap", "1"),
    ("devices/system/node/node0/distance", "10"),
    ("kernel/mm/transparent_hugepage/enabled", "always madvise [never]"),
    ("kernel/mm/transparent_hugepage/defrag", "always defer defer+madvise [madvise] never"),
    ("kernel/mm/transparent_hugepage/shmem_enabled", "always within_size advise [never] deny force"),
    ("kernel/mm/transparent_hugepage/hpage_pmd_size", "2097152"),
    ("class/net/lo/address", "00:00:00:00:00:00"),
    ("class/net/lo/mtu", "65536"),
    ("class/net/lo/operstate", "unknown"),
    ("class/net/lo/type", "772"),
];

/// Files of the one control group.
const CGROUP: &[(&str, &str)] = &[
    ("cgroup.controllers", "cpu memory pids"),
    ("cgroup.subtree_control", ""),
    ("cgroup.procs", "1"),
    ("cgroup.type", "domain"),
    ("cpu.max", "100000 100000"),
    ("cpu.weight", "100"),
    ("cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0"),
    ("cpuset.cpus.effective", "0"),
    ("memory.high", "max"),
    ("memory.low", "0"),
    ("memory.swap.max", "0"),
    ("memory.swap.current", "0"),
    ("memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0"),
    ("memory.stat", "anon 0\nfile 0\nshmem 0\ninactive_file 0\nactive_file 0"),
    ("pids.max", "max"),
    ("pids.current", "1"),
];

/// The root of /sys.
#[must_use]
pub fn tree(dev: u64) -> Rc<Node> {
    let root = Node::directory(&Volume::new(FsKind::Sysfs, dev, LIMIT_PAGES, None), 0o555);
    // Cannot fail: the directory is in memory.
    let _ = fill(&root);
    root
}

/// The root of the control groups: there is one, and its limit is the machine's memory.
#[must_use]
pub fn cgroup(dev: u64, memory_bytes: u64) -> Rc<Node> {
    let root = Node::directory(&Volume::new(FsKind::Cgroup2, dev, LIMIT_PAGES, None), 0o555);
    // Cannot fail: the directory is in memory.
    let _ = fill_cgroup(&root, memory_bytes);
    root
}

fn fill_cgroup(root: &Rc<Node>, memory_bytes: u64) -> Result<()> {
    for (path, text) in CGROUP {
        put(root, path, text)?;
    }
    put(root, "memory.max", &memory_bytes.to_string())?;
    put(root, "memory.current", &(memory_bytes / 8).to_string())
}

fn fill(root: &Rc<Node>) -> Result<()> {
    for (path, text) in FILES {
        put(root, path, text)?;
    }
    path_to(root, "fs/cgroup/x")?;
    let node = path_to(root, "devices/system/node/node0/x")?;
    let meta = Meta::new(S_IFREG | 0o444, 0, 0);
    let meminfo = Node::new(&node.volume, meta, Body::Generated(Rc::new(NodeMemory)));
    dir::insert(&node, b"meminfo", &meminfo)?;
    link(&node, b"cpu0", b"../../cpu/cpu0")
}

/// `meminfo` of the one memory node, with the rows that libnuma looks for.
struct NodeMemory;

impl Generate for NodeMemory {
    fn content(&self, _: View<'_>) -> Result<Vec<u8>> {
        let (total, free) = super::proc::memory();
        let rows = [("MemTotal", total), ("MemFree", free), ("MemUsed", total.saturating_sub(free))];
        let line = |(name, bytes): &(&str, u64)| format!("Node 0 {name:<15} {:>8} kB\n", bytes / 1024);
        Ok(rows
            .map(|(name, bytes)| (format!("{name}:"), bytes))
            .iter()
            .map(|(name, bytes)| line(&(name, *bytes)))
            .collect::<String>()
            .into_bytes())
    }
}

fn path_to(root: &Rc<Node>, path: &str) -> Result<Rc<Node>> {
    let mut here = Rc::clone(root);
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        if names.peek().is_some() {
            here = directory(&here, name.as_bytes(), 0o555)?;
        }
    }
    Ok(here)
}

fn put(root: &Rc<Node>, path: &str, text: &str) -> Result<()> {
    let name = path.rsplit('/').next().unwrap_or(path);
    file(&path_to(root, path)?, name.as_bytes(), 0o444, (String::from(text) + "\n").as_bytes())
}
