//! `/sys`: the few fixed facts that run times look for. A tree in memory, written once.

use super::node::Node;
use super::node::volume::{Kind, Volume};
use super::vfs::{directory, file, link};
use crate::errno::Result;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};

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
    ("fs/cgroup/cgroup.controllers", "cpu memory pids"),
    ("fs/cgroup/cgroup.subtree_control", ""),
    ("fs/cgroup/cgroup.procs", "1"),
    ("fs/cgroup/cgroup.type", "domain"),
    ("fs/cgroup/cpu.max", "100000 100000"),
    ("fs/cgroup/cpu.weight", "100"),
    ("fs/cgroup/cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0"),
    ("fs/cgroup/cpuset.cpus.effective", "0"),
    ("fs/cgroup/memory.high", "max"),
    ("fs/cgroup/memory.low", "0"),
    ("fs/cgroup/memory.swap.max", "0"),
    ("fs/cgroup/memory.swap.current", "0"),
    ("fs/cgroup/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0"),
    ("fs/cgroup/memory.stat", "anon 0\nfile 0\nshmem 0\ninactive_file 0\nactive_file 0"),
    ("fs/cgroup/pids.max", "max"),
    ("fs/cgroup/pids.current", "1"),
    ("class/net/lo/address", "00:00:00:00:00:00"),
    ("class/net/lo/mtu", "65536"),
    ("class/net/lo/operstate", "unknown"),
    ("class/net/lo/type", "772"),
];

/// The root of /sys, for a machine with so much memory.
#[must_use]
pub fn tree(dev: u64, memory_bytes: u64) -> Rc<Node> {
    let root = Node::directory(&Volume::new(Kind::Sysfs, dev, LIMIT_PAGES, None), 0o555);
    // Into a directory in memory nothing can fail to be put.
    let _ = fill(&root, memory_bytes);
    root
}

fn fill(root: &Rc<Node>, memory_bytes: u64) -> Result<()> {
    for (path, text) in FILES {
        put(root, path, text)?;
    }
    put(root, "fs/cgroup/memory.max", &memory_bytes.to_string())?;
    put(root, "fs/cgroup/memory.current", &(memory_bytes / 8).to_string())?;
    let kb = memory_bytes / 1024;
    put(root, "devices/system/node/node0/meminfo", &format!("Node 0 MemTotal: {kb} kB"))?;
    let node = path_to(root, "devices/system/node/node0/x")?;
    link(&node, b"cpu0", b"../../cpu/cpu0")
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
