//! `/proc/PID/fd` and `/proc/PID/fdinfo`.

use super::{Subject, decimal, node};
use crate::errno::{Errno, Result};
use crate::fs::fd::Descriptor;
use crate::fs::file::{O_ACCMODE, O_PATH, O_WRONLY, OpenFile};
use crate::fs::node::meta::{S_IFLNK, S_IFREG};
use crate::fs::node::{Body, Node};
use crate::fs::open::node_of;
use crate::fs::synthetic::{Generate, Magic, Synthetic, View};
use crate::fs::walk::path_of;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

/// `/proc/PID/fd`: links to the open files.
pub(super) fn links(subject: Subject) -> Rc<dyn Synthetic> {
    Rc::new(Fds { subject, info: false })
}

/// `/proc/PID/fdinfo`: position and flags of each descriptor, and what its kind adds.
pub(super) fn infos(subject: Subject) -> Rc<dyn Synthetic> {
    Rc::new(Fds { subject, info: true })
}

struct Fds {
    subject: Subject,
    info: bool,
}

struct Fd {
    subject: Subject,
    fd: u64,
}

impl Fd {
    fn descriptor(&self, view: View<'_>) -> Result<Descriptor> {
        let process = view.kernel.tasks.process(self.subject.pid).ok_or(Errno::ENOENT)?;
        process.files.borrow().descriptor(self.fd).cloned().ok_or(Errno::ENOENT)
    }
}

impl Synthetic for Fds {
    fn lookup(&self, dir: &Rc<Node>, view: View<'_>, name: &[u8]) -> Result<Option<Rc<Node>>> {
        let Some(fd) = decimal(name) else { return Ok(None) };
        let fd = Fd { subject: self.subject, fd: fd as u64 };
        let Ok(descriptor) = fd.descriptor(view) else { return Ok(None) };
        let (mode, body) = if self.info {
            (S_IFREG | 0o400, Body::Generated(Rc::new(fd) as Rc<dyn Generate>))
        } else {
            (S_IFLNK | access_bits(&descriptor.file), Body::Magic(Rc::new(fd) as Rc<dyn Magic>))
        };
        Ok(Some(node(dir, name, mode, view, self.subject, body)))
    }

    fn list(&self, view: View<'_>) -> Vec<(Vec<u8>, u8)> {
        let Some(process) = view.kernel.tasks.process(self.subject.pid) else { return Vec::new() };
        let kind = if self.info { 8 } else { 10 };
        process.files.borrow().numbers().map(|fd| (fd.to_string().into_bytes(), kind)).collect()
    }
}

/// The permission bits of a link say how the file was opened.
fn access_bits(file: &OpenFile) -> u32 {
    let access = file.flags.get() & O_ACCMODE;
    let read = if access == O_WRONLY { 0 } else { 0o500 };
    let write = if access == 0 { 0 } else { 0o300 };
    if file.has(O_PATH) { 0 } else { read | write }
}

impl Magic for Fd {
    fn text(&self, view: View<'_>) -> Result<Vec<u8>> {
        let file = self.descriptor(view)?.file;
        let root =
            view.kernel.tasks.process(self.subject.pid).map(|process| Rc::clone(&process.fs.borrow().root));
        Ok(match file.file.node() {
            Some(node) => path_of(node, root.as_ref()),
            None => file.file.label(),
        })
    }

    fn target(&self, view: View<'_>) -> Result<Rc<Node>> {
        let file = self.descriptor(view)?.file;
        if let Some(node) = file.file.node() {
            return Ok(Rc::clone(node));
        }
        Ok(node_of(&view.kernel.vfs.nameless, &file))
    }
}

impl Generate for Fd {
    fn content(&self, view: View<'_>) -> Result<Vec<u8>> {
        let descriptor = self.descriptor(view)?;
        let file = &descriptor.file;
        let on_exec = if descriptor.close_on_exec { 0o2_000_000 } else { 0 };
        let ino = file.file.node().map_or(file.identity() as u64, |node| node.ino);
        let own = file.file.describe();
        let text = format!(
            "pos:\t{}\nflags:\t0{:o}\nmnt_id:\t1\nino:\t{ino}\n{own}",
            file.offset.get(),
            file.flags.get() | on_exec,
        );
        Ok(text.into_bytes())
    }
}
