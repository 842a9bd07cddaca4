//! Open regular files and directories, and handles for paths.

use super::file::{File, FilePage, O_ACCMODE, PageUse, Pages};
use super::inotify::{event, notify};
use super::io::{Sink, Source};
use super::node::data::PAGE;
use super::node::{Node, meta};
use super::stale::{self, Stale};
use super::walk;
use crate::errno::{Errno, Result};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;

/// An open regular file.
pub struct RegularFile {
    node: Rc<Node>,
    writes: bool,
}

impl RegularFile {
    /// An open file of a node that has data, with the access mode of `flags`.
    #[must_use]
    pub fn new(node: Rc<Node>, flags: u32) -> Self {
        let writes = flags & O_ACCMODE != 0;
        if let Some(data) = node.data().filter(|_| writes) {
            data.writers.set(data.writers.get() + 1);
        }
        Self { node, writes }
    }
}

impl Drop for RegularFile {
    fn drop(&mut self) {
        if let Some(data) = self.node.data().filter(|_| self.writes) {
            data.writers.set(data.writers.get().saturating_sub(1));
        }
    }
}

/// Held by a process for the file that it runs: the file cannot be written meanwhile (ETXTBSY).
pub struct Running {
    node: Rc<Node>,
}

impl Running {
    /// Runs a file.
    ///
    /// # Errors
    /// ETXTBSY while it is open for writing.
    pub fn new(node: &Rc<Node>) -> Result<Rc<Self>> {
        let data = node.data().ok_or(Errno::EACCES)?;
        if data.writers.get() > 0 {
            return Err(Errno::ETXTBSY);
        }
        data.runners.set(data.runners.get() + 1);
        Ok(Rc::new(Self { node: Rc::clone(node) }))
    }
}

impl core::fmt::Debug for Running {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Running").field("ino", &self.node.ino).finish()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(data) = self.node.data() {
            data.runners.set(data.runners.get().saturating_sub(1));
        }
    }
}

/// Checks that no process runs a file that is to be written.
///
/// # Errors
/// ETXTBSY.
pub fn check_idle(node: &Node) -> Result<()> {
    if node.data().is_some_and(|data| data.runners.get() > 0) { Err(Errno::ETXTBSY) } else { Ok(()) }
}

/// Reports the pages of a range that mappings may show and that are about to be replaced or dropped.
pub(super) fn invalidate(node: &Node, start: u64, end: u64) {
    report(node, start, end, false);
}

fn report(node: &Node, start: u64, end: u64, cut: bool) {
    let Some(data) = node.data() else { return };
    if data.mapped.get() && start < end {
        let id = (node.volume.dev, node.ino);
        stale::report(Stale { id, first: start / PAGE, end: end.div_ceil(PAGE), cut });
    }
}

/// Writes to a node's data: mappings see it, attributes change.
///
/// # Errors
/// As [`super::node::data::Data::write`].
pub fn write(node: &Rc<Node>, offset: u64, from: &mut dyn Source) -> Result<usize> {
    let data = node.data().ok_or(Errno::EINVAL)?;
    let end = offset.saturating_add(from.left() as u64);
    let replaced =
        data.mapped.get() && (offset / PAGE..end.div_ceil(PAGE)).any(|index| !data.in_memory(index));
    let count = data.write(&node.volume, offset, from)?;
    if replaced {
        invalidate(node, offset, offset + count as u64);
    }
    if count > 0 {
        changed(node);
    }
    Ok(count)
}

/// Data changed: times, and the set-id bits go.
fn changed(node: &Rc<Node>) {
    node.modified();
    notify(node, event::MODIFY);
    let mode = node.meta.get().mode;
    if mode & (meta::S_ISUID | meta::S_ISGID) != 0 {
        let group = if mode & 0o010 != 0 { meta::S_ISGID } else { 0 };
        node.update(|meta| meta.mode &= !(meta::S_ISUID | group));
    }
}

/// Sets the size of a node's data.
///
/// # Errors
/// EINVAL for something else than a regular file, and as [`super::node::data::Data::truncate`].
pub fn truncate(node: &Rc<Node>, size: u64) -> Result<()> {
    let data = node.data().ok_or(Errno::EINVAL)?;
    let old = data.size();
    data.truncate(&node.volume, size)?;
    invalidate(node, size - size % PAGE, old);
    report(node, size.next_multiple_of(PAGE), old, true);
    changed(node);
    Ok(())
}

/// Gives a range memory; with `grow`, extends the file to the end of the range.
///
/// # Errors
/// ENOSPC, ENOMEM; EINVAL for something else than a regular file.
pub fn allocate(node: &Rc<Node>, start: u64, end: u64, grow: bool) -> Result<()> {
    let data = node.data().ok_or(Errno::EINVAL)?;
    data.check_growth(if grow { end } else { 0 })?;
    data.allocate(&node.volume, start, end)?;
    if grow {
        data.grow(end);
    }
    changed(node);
    Ok(())
}

/// Makes a range zero.
///
/// # Errors
/// ENOSPC, ENOMEM; EPERM when sealed; EINVAL for something else than a regular file.
pub fn punch(node: &Rc<Node>, start: u64, end: u64) -> Result<()> {
    let data = node.data().ok_or(Errno::EINVAL)?;
    data.check_growth(0)?;
    let end = end.min(data.size().next_multiple_of(PAGE));
    data.punch(&node.volume, start, end)?;
    invalidate(node, start - start % PAGE, end);
    changed(node);
    Ok(())
}

impl File for RegularFile {
    fn read(&self, offset: u64, out: &mut dyn Sink) -> Result<usize> {
        self.node.data().ok_or(Errno::EINVAL)?.read(&self.node.volume, offset, out)
    }

    fn write(&self, offset: u64, from: &mut dyn Source) -> Result<usize> {
        write(&self.node, offset, from)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn pages(&self) -> Option<Rc<dyn Pages>> {
        Some(Rc::new(MappedFile { node: Rc::clone(&self.node) }))
    }

    fn readable_bytes(&self) -> Option<u64> {
        Some(self.node.data().map_or(0, super::node::data::Data::size))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The pages of a regular file.
struct MappedFile {
    node: Rc<Node>,
}

impl Pages for MappedFile {
    fn id(&self) -> (u64, u64) {
        (self.node.volume.dev, self.node.ino)
    }

    fn path(&self) -> Vec<u8> {
        walk::path_of(&self.node, None)
    }

    fn page(&self, index: u64, usage: PageUse) -> Result<FilePage> {
        let data = self.node.data().ok_or(Errno::ENXIO)?;
        let known = data.in_memory(index);
        let page = data.page(&self.node.volume, index, usage)?;
        if usage == PageUse::Write {
            self.node.modified();
            if !known {
                invalidate(&self.node, index * PAGE, (index + 1) * PAGE);
            }
        }
        Ok(page)
    }
}

/// An open directory, or a handle for a path (O_PATH).
pub struct Handle {
    node: Rc<Node>,
}

impl Handle {
    /// A handle for a node.
    #[must_use]
    pub fn new(node: Rc<Node>) -> Self {
        Self { node }
    }
}

impl File for Handle {
    fn read(&self, _: u64, _: &mut dyn Sink) -> Result<usize> {
        Err(if self.node.meta.get().is_dir() { Errno::EISDIR } else { Errno::EBADF })
    }

    fn write(&self, _: u64, _: &mut dyn Source) -> Result<usize> {
        Err(Errno::EBADF)
    }

    fn seekable(&self) -> bool {
        true
    }

    fn node(&self) -> Option<&Rc<Node>> {
        Some(&self.node)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
