//! What /proc has of every process and, below `task`, of every thread.

use super::memory::Shows;
use super::table::{ProcEntry, Table, What};
use super::{Scope, Subject, decimal, fds, limits, mounts, namespaces, net, node, settings, status};
use crate::errno::{Errno, Result};
use crate::fs::node::meta::S_IFDIR;
use crate::fs::node::{Body, Node};
use crate::fs::synthetic::{Synthetic, View};
use crate::fs::walk::{Restrict, Walk, path_of};
use crate::mm::vma::{Backing, Prot, Vma};
use crate::task::Process;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What a process and a thread have in common.
const COMMON: &[ProcEntry] = &[
    ("auxv", What::File(status::auxiliary_vector)),
    ("cgroup", What::File(|_, _| Ok(b"0::/\n".to_vec()))),
    ("cmdline", What::File(status::command_line)),
    ("comm", What::Setting(status::comm, status::set_comm)),
    ("coredump_filter", What::Setting(settings::coredump_filter, settings::set_coredump_filter)),
    ("environ", What::File(status::environment)),
    ("cwd", What::Magic(cwd_text, cwd)),
    ("root", What::Magic(root_text, root)),
    ("exe", What::Magic(exe_text, exe)),
    ("fd", What::Other(fds::links)),
    ("fdinfo", What::Other(fds::infos)),
    ("gid_map", What::File(|_, _| Ok(ID_MAP.to_vec()))),
    ("io", What::File(io)),
    ("limits", What::File(limits::limits)),
    ("maps", What::File(maps)),
    ("mem", What::Window(Shows::Bytes)),
    ("mountinfo", What::File(mounts::mountinfo)),
    ("mounts", What::File(mounts::mounts)),
    ("ns", What::Dir(namespaces::ENTRIES)),
    ("net", What::Dir(net::ENTRIES)),
    ("oom_score", What::File(|_, _| Ok(b"0\n".to_vec()))),
    ("oom_score_adj", What::Setting(settings::oom_score_adj, settings::set_oom_score_adj)),
    ("pagemap", What::Window(Shows::State)),
    ("sched", What::File(status::sched)),
    ("schedstat", What::File(status::schedstat)),
    ("sessionid", What::File(|_, _| Ok(b"4294967295".to_vec()))),
    ("setgroups", What::File(|_, _| Ok(b"allow\n".to_vec()))),
    ("smaps", What::File(smaps)),
    ("smaps_rollup", What::File(smaps_rollup)),
    ("stat", What::File(status::stat)),
    ("statm", What::File(status::statm)),
    ("status", What::File(status::status)),
    ("loginuid", What::File(|_, _| Ok(b"4294967295".to_vec()))),
    ("task", What::Other(tasks)),
    ("timerslack_ns", What::Setting(settings::timer_slack, settings::set_timer_slack)),
    ("uid_map", What::File(|_, _| Ok(ID_MAP.to_vec()))),
    ("wchan", What::File(|_, _| Ok(b"0".to_vec()))),
];

/// There is one user namespace, so ids map to themselves.
const ID_MAP: &[u8] = b"         0          0 4294967295\n";

fn io(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    process(view, subject)?;
    let names = ["rchar", "wchar", "syscr", "syscw", "read_bytes", "write_bytes", "cancelled_write_bytes"];
    Ok(names.iter().map(|name| format!("{name}: 0\n")).collect::<String>().into_bytes())
}

fn smaps_rollup(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let space = process.space.borrow();
    let start = space.mappings().iter().next().map_or(0, |vma| vma.start);
    let end = space.mappings().iter().next_back().map_or(0, |vma| vma.end);
    let kb = space.usage().1 / 1024;
    let text = format!(
        "{start:08x}-{end:08x} ---p 00000000 00:00 0 {:>26}\nRss: {kb:>16} kB\nPss: {kb:>16} kB\n\
         Private_Dirty: {kb:>6} kB\nAnonymous: {kb:>10} kB\nSwap: {:>15} kB\n",
        "[rollup]", 0,
    );
    Ok(text.into_bytes())
}

/// The directory of a process or a thread.
pub(super) fn directory(dir: &Rc<Node>, view: View<'_>, name: &[u8], subject: Subject) -> Rc<Node> {
    let body = Body::Synthetic(Rc::new(Table { entries: COMMON, subject }));
    node(dir, name, S_IFDIR | 0o555, view, subject, body)
}

/// The process; ESRCH if it ended while its directory is open.
pub(super) fn process<'a>(view: View<'a>, subject: Subject) -> Result<&'a Process> {
    view.kernel.tasks.process(subject.pid).ok_or(Errno::ESRCH)
}

fn cwd(view: View<'_>, subject: Subject) -> Result<Rc<Node>> {
    Ok(Rc::clone(&process(view, subject)?.fs.borrow().cwd))
}

fn cwd_text(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let fs = process(view, subject)?.fs.borrow();
    Ok(path_of(&fs.cwd, Some(&fs.root)))
}

fn exe_text(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    if process.zombie.is_some() { Err(Errno::ENOENT) } else { Ok(process.program.path.clone()) }
}

/// What lies at the path of the program now.
fn exe(view: View<'_>, subject: Subject) -> Result<Rc<Node>> {
    let process = process(view, subject)?;
    let root = Rc::clone(view.kernel.vfs.root());
    let who = &process.credentials;
    let walk = Walk { view, who, start: Rc::clone(&root), root, restrict: Restrict::empty() };
    walk.find(&process.program.path)?.node()
}

fn root(view: View<'_>, subject: Subject) -> Result<Rc<Node>> {
    Ok(Rc::clone(&process(view, subject)?.fs.borrow().root))
}

fn root_text(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    Ok(path_of(&process(view, subject)?.fs.borrow().root, None))
}

/// Where the heap and the first stack are.
struct Marks {
    heap: (u64, u64),
    stack: u64,
}

fn mapping_line(vma: &Vma, marks: &Marks) -> String {
    let bit = |prot, letter| if vma.prot.contains(prot) { letter } else { '-' };
    let shared = if vma.shared() { 's' } else { 'p' };
    let (dev, ino, offset, path) = match &vma.backing {
        Backing::File { pages, offset } => {
            let (dev, ino) = pages.id();
            (dev, ino, *offset, pages.path())
        }
        Backing::Anonymous => (0, 0, 0, Vec::new()),
    };
    let name = match String::from_utf8_lossy(&path) {
        name if name.is_empty() && vma.start < marks.heap.1 && marks.heap.0 < vma.end => "[heap]".to_string(),
        name if name.is_empty() && vma.start <= marks.stack && marks.stack < vma.end => "[stack]".to_string(),
        name => name.into_owned(),
    };
    let line = format!(
        "{:08x}-{:08x} {}{}{}{shared} {offset:08x} {:02x}:{:02x} {ino} ",
        vma.start,
        vma.end,
        bit(Prot::READ, 'r'),
        bit(Prot::WRITE, 'w'),
        bit(Prot::EXEC, 'x'),
        dev >> 8,
        dev & 0xff,
    );
    if name.is_empty() { format!("{line}\n") } else { format!("{line:<72} {name}\n") }
}

fn maps(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let space = process.space.borrow();
    let marks = Marks { heap: space.heap(), stack: process.program.stack };
    let mut lines: String = space.mappings().iter().map(|vma| mapping_line(vma, &marks)).collect();
    lines.push_str(VSYSCALL);
    Ok(lines.into_bytes())
}

/// The line of the page at a fixed address that every program of x86-64 can call.
const VSYSCALL: &str =
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

fn smaps(view: View<'_>, subject: Subject) -> Result<Vec<u8>> {
    let process = process(view, subject)?;
    let space = process.space.borrow();
    let marks = Marks { heap: space.heap(), stack: process.program.stack };
    let text: String = space
        .mappings()
        .iter()
        .map(|vma| {
            let resident = space.residency(vma.start, vma.size()).unwrap_or_default();
            let resident_kb = resident.iter().filter(|&&page| page != 0).count() * 4;
            format!(
                "{}Size: {:>15} kB\nRss: {resident_kb:>16} kB\nPss: {resident_kb:>16} kB\n",
                mapping_line(vma, &marks),
                vma.size() / 1024,
            )
        })
        .collect();
    Ok(text.into_bytes())
}

/// The threads of a process.
fn tasks(subject: Subject) -> Rc<dyn Synthetic> {
    Rc::new(TaskDir { subject })
}

struct TaskDir {
    subject: Subject,
}

impl Synthetic for TaskDir {
    fn lookup(&self, dir: &Rc<Node>, view: View<'_>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        let Some(tid) = decimal(name) else { return Ok(None) };
        let pid = self.subject.pid;
        let known = view.kernel.tasks.thread(tid).is_some_and(|thread| thread.pid == pid);
        Ok(known.then(|| directory(dir, view, name, Subject { pid, tid, scope: Scope::Thread })))
    }

    /// Programs count their threads by this.
    fn links(&self, view: View<'_>) -> u32 {
        view.kernel.tasks.process(self.subject.pid).map_or(2, |process| 2 + process.threads.len() as u32)
    }

    fn list(&self, view: View<'_>) -> Vec<(Vec<u8>, u8)> {
        let threads = view.kernel.tasks.threads().filter(|thread| thread.pid == self.subject.pid);
        threads.map(|thread| (thread.tid.to_string().into_bytes(), 4)).collect()
    }
}
