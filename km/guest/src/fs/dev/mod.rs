//! `/dev`: the devices that a container has, and the files behind them.

pub mod memory;

use super::file::File;
use super::node::meta::{Meta, S_IFCHR, S_IFREG};
use super::node::volume::{FsKind, Volume};
use super::node::{Body, Node, dir};
use super::pty::side::{Master, Slave};
use super::pty::{Pty, SLAVE_MAJOR};
use super::synthetic::{Generate, View};
use super::vfs::{directory, link};
use crate::errno::{Errno, Result};
use crate::task::Process;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use memory::{Device, MemoryDevice};

/// Room of /dev in pages: what programs put there beside the devices is small.
const LIMIT_PAGES: u64 = 16_384;

/// A device number as the kernel encodes it in 32 bits.
#[must_use]
pub const fn number(major: u32, minor: u32) -> u32 {
    (minor & 0xff) | major << 8 | (minor & !0xff) << 12
}

const MEMORY_MAJOR: u32 = 1;
const TTY_MAJOR: u32 = 5;

const DEVICES: [(&str, u32, u32); 8] = [
    ("null", MEMORY_MAJOR, 3),
    ("zero", MEMORY_MAJOR, 5),
    ("full", MEMORY_MAJOR, 7),
    ("random", MEMORY_MAJOR, 8),
    ("urandom", MEMORY_MAJOR, 9),
    ("tty", TTY_MAJOR, 0),
    ("console", TTY_MAJOR, 1),
    ("ptmx", TTY_MAJOR, 2),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

/// The root of /dev.
#[must_use]
pub fn tree(dev: u64) -> Rc<Node> {
    let volume = Volume::new(FsKind::Tmpfs, dev, LIMIT_PAGES, None);
    let root = Node::directory(&volume, 0o755);
    // Cannot fail: the directory is in memory.
    let _ = fill(&root);
    root
}

fn fill(root: &Rc<Node>) -> Result<()> {
    for (name, major, minor) in DEVICES {
        let mut meta = Meta::new(S_IFCHR | 0o666, 0, 0);
        meta.rdev = number(major, minor);
        dir::insert(root, name.as_bytes(), &Node::new(&root.volume, meta, Body::Special))?;
    }
    let meta = Meta::new(S_IFREG | 0o444, 0, 0);
    let generation = Node::new(&root.volume, meta, Body::Generated(Rc::new(Generation)));
    dir::insert(root, b"generation", &generation)?;
    for (name, target) in LINKS {
        link(root, name.as_bytes(), target.as_bytes())?;
    }
    directory(root, b"pts", 0o755).map(drop)
}

/// The process that opens something.
fn opener<'a>(view: View<'a>) -> Option<&'a Process> {
    let thread = view.kernel.tasks.thread(view.tid)?;
    view.kernel.tasks.process(thread.pid)
}

/// The pseudo-terminal that controls the caller's session.
fn controlling(view: View<'_>) -> Option<Rc<Pty>> {
    view.kernel.vfs.ptys.of_session(opener(view)?.session)
}

/// A session leader without a terminal gets the one that it opens, unless it passes O_NOCTTY.
fn open_slave(view: View<'_>, node: &Rc<Node>, number: u32, flags: u32) -> Result<Rc<dyn File>> {
    const O_NOCTTY: u32 = 0o400;
    let pty = view.kernel.vfs.ptys.find(number).ok_or(Errno::EIO)?;
    let slave = Slave::open(pty, node)?;
    if let Some(process) = opener(view)
        && process.session == process.pid
        && flags & O_NOCTTY == 0
        && !view.kernel.vfs.terminal
        && controlling(view).is_none()
    {
        slave.adopt(process.session);
    }
    Ok(slave)
}

/// `/dev/generation`: a number that is 0 until a snapshot is taken and another one in every clone. A program that keeps
/// random state in its memory reads it, or watches it with inotify(7), to know when to draw anew.
struct Generation;

impl Generate for Generation {
    fn content(&self, view: View<'_>) -> Result<Vec<u8>> {
        Ok(format!("{}\n", view.kernel.generation).into_bytes())
    }
}

/// Opens the device of a node.
///
/// # Errors
/// ENXIO when there is no such device.
pub fn open(view: View<'_>, node: &Rc<Node>, flags: u32) -> Result<Rc<dyn File>> {
    let rdev = node.meta.get().rdev;
    let device =
        match (node.meta.get().kind() == S_IFCHR, rdev >> 8 & 0xfff, rdev & 0xff | rdev >> 12 & !0xff) {
            (true, MEMORY_MAJOR, 3) => Device::Null,
            (true, MEMORY_MAJOR, 5) => Device::Zero,
            (true, MEMORY_MAJOR, 7) => Device::Full,
            (true, MEMORY_MAJOR, 8 | 9) => Device::Random,
            (true, TTY_MAJOR, 2) => {
                let who = opener(view).map(|process| process.credentials.clone()).unwrap_or_default();
                return Ok(Master::open(&view.kernel.vfs.ptys, node, &who)? as Rc<dyn File>);
            }
            (true, TTY_MAJOR, 0) if controlling(view).is_some() => {
                let pty = controlling(view).ok_or(Errno::ENXIO)?;
                return Ok(Slave::open(pty, node)? as Rc<dyn File>);
            }
            (true, SLAVE_MAJOR, number) => return open_slave(view, node, number, flags),
            // The only other terminal is the machine's, if it has one.
            (true, TTY_MAJOR, 0 | 1) if view.kernel.vfs.terminal => {
                return Ok(Rc::clone(&view.kernel.net.stdio().input) as Rc<dyn File>);
            }
            _ => return Err(Errno::ENXIO),
        };
    Ok(Rc::new(MemoryDevice::new(Rc::clone(node), device)))
}
