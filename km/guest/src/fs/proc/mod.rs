//! `/proc`: computed from the kernel's state at every lookup and read.
//!
//! * `table`: directories that are lists of entries. `system`, `sysctl`, `net`: what is there once.
//! * `process`: what every process has. `fds`: its descriptors. `mounts`: what is mounted.
//!
//! Contents have Linux's format because programs parse them; figures that this system has not are zero.

mod cpu;
mod fds;
mod limits;
mod memory;
mod mounts;
mod namespaces;
mod net;
mod process;
mod settings;
mod sockets;
mod status;
mod sysctl;
mod system;
mod sysvipc;
mod table;

pub use sysctl::{RELEASE, VERSION};
pub(super) use system::memory;

use super::node::meta::{Meta, S_IFDIR, S_IFLNK};
use super::node::volume::{FsKind, Volume};
use super::node::{Body, Node};
use super::synthetic::{Synthetic, View};
use crate::errno::Result;
use crate::task::{Pid, Tid};
use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

/// The root of /proc.
#[must_use]
pub fn volume(dev: u64) -> Rc<Node> {
    let volume = Volume::new(FsKind::Proc, dev, 0, None);
    Node::new(&volume, Meta::new(S_IFDIR | 0o555, 0, 0), Body::Synthetic(Rc::new(Root)))
}

/// What an entry is about: a process and, below `task`, one of its threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Subject {
    pid: Pid,
    tid: Tid,
    scope: Scope,
}

/// Whether figures are of all threads of a process or of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    /// `/proc/PID`.
    Process,
    /// `/proc/PID/task/TID`.
    Thread,
}

/// A node of /proc. Its number follows from its place, so that two looks agree.
fn node(dir: &Rc<Node>, name: &[u8], mode: u32, view: View<'_>, subject: Subject, body: Body) -> Rc<Node> {
    let (uid, gid) = view
        .kernel
        .tasks
        .process(subject.pid)
        .map_or((0, 0), |process| (process.credentials.uid, process.credentials.gid));
    let mut meta = Meta::new(mode, uid, gid);
    if let Body::Synthetic(directory) = &body {
        meta.nlink = directory.links(view);
    }
    Node::with_ino(&dir.volume, number(dir.ino, name), meta, body)
}

/// FNV-1a over the directory's number and the name.
fn number(parent: u64, name: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ parent.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hash = name.iter().fold(start, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash >> 24) | 1 << 41
}

fn decimal(name: &[u8]) -> Option<i32> {
    if name.first() == Some(&b'0') && name.len() > 1 || name.first().is_none_or(|byte| !byte.is_ascii_digit())
    {
        return None;
    }
    core::str::from_utf8(name).ok()?.parse().ok()
}

struct Root;

impl Synthetic for Root {
    fn lookup(&self, dir: &Rc<Node>, view: View<'_>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        let own = subject_of(view);
        let link =
            |target: Vec<u8>| Ok(Some(node(dir, name, S_IFLNK | 0o777, view, own, Body::Link(target))));
        match name {
            b"self" => return link(own.pid.to_string().into_bytes()),
            b"thread-self" => return link(format!("{}/task/{}", own.pid, own.tid).into_bytes()),
            b"mounts" => return link(b"self/mounts".to_vec()),
            b"net" => return link(b"self/net".to_vec()),
            _ => {}
        }
        if let Some(tid) = decimal(name) {
            // The number of any thread works as well, though listings show first threads only (proc(5)).
            let Some(thread) = view.kernel.tasks.thread(tid) else {
                return Ok(zombie(dir, view, name, tid));
            };
            let subject = Subject { pid: thread.pid, tid, scope: Scope::Process };
            return Ok(Some(process::directory(dir, view, name, subject)));
        }
        table::lookup(system::ENTRIES, dir, view, name, own)
    }

    fn list(&self, view: View<'_>) -> Vec<(Vec<u8>, u8)> {
        let links = ["self", "thread-self", "mounts", "net"];
        let mut all: Vec<_> = links.iter().map(|name| (name.as_bytes().to_vec(), 10)).collect();
        all.extend(table::list(system::ENTRIES));
        all.extend(view.kernel.tasks.processes().map(|process| (process.pid.to_string().into_bytes(), 4)));
        all
    }
}

/// A process that has no thread any more but was not waited for.
fn zombie(dir: &Rc<Node>, view: View<'_>, name: &[u8], pid: Pid) -> Option<Rc<Node>> {
    view.kernel.tasks.process(pid)?;
    Some(process::directory(dir, view, name, Subject { pid, tid: pid, scope: Scope::Process }))
}

fn subject_of(view: View<'_>) -> Subject {
    let pid = view.kernel.tasks.thread(view.tid).map_or(view.tid, |thread| thread.pid);
    Subject { pid, tid: view.tid, scope: Scope::Process }
}
