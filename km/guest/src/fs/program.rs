//! What execve(2) and the boot need of the file systems: programs, and a first working directory.

use super::file::{File, OpenFile};
use super::node::meta::{MAY_EXEC, S_ISGID, S_ISUID};
use super::node::{Node, meta};
use super::open::check_program;
use super::regular::{RegularFile, Running};
use super::synthetic::View;
use super::vfs::directory;
use super::walk::{Restrict, Walk, path_of};
use crate::errno::{Errno, Result};
use crate::kernel::Kernel;
use crate::task::{Pid, Process};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// The working directory as a directory descriptor.
pub const AT_FDCWD: i64 = -100;

/// A file that may be executed.
pub struct Executable {
    /// Its absolute path, without links.
    pub path: Vec<u8>,
    /// The file, readable whatever its mode says.
    pub file: Rc<dyn File>,
    /// Keeps it from being written.
    pub running: Rc<Running>,
    /// The user that its set-user-id bit gives.
    pub set_uid: Option<u32>,
    /// The group that its set-group-id bit gives.
    pub set_gid: Option<u32>,
}

/// Opens a program for a process. An empty path means the directory descriptor itself (execveat(2)).
///
/// # Errors
/// EACCES for what may not be executed, ELOOP for a link that is not followed; as path_resolution(7).
pub fn open(kernel: &Kernel, pid: Pid, dir: i64, path: &[u8], follow: bool) -> Result<Executable> {
    let process = kernel.tasks.process(pid).ok_or(Errno::ESRCH)?;
    let restrict = if follow { Restrict::empty() } else { Restrict::NO_FOLLOW };
    let start = start(process, dir, path)?;
    let root = Rc::clone(&process.fs.borrow().root);
    let view = View { kernel, tid: pid };
    let walk = Walk { view, who: &process.credentials, root: Rc::clone(&root), start, restrict };
    let node = if path.is_empty() { Rc::clone(&walk.start) } else { walk.find(path)?.node()? };
    check_program(&walk, &node)?;
    node.accessed();
    let meta = node.meta.get();
    Ok(Executable {
        path: path_of(&node, Some(&root)),
        set_uid: (meta.mode & S_ISUID != 0).then_some(meta.uid),
        set_gid: (meta.mode & (S_ISGID | 0o010) == S_ISGID | 0o010).then_some(meta.gid),
        running: Running::new(&node)?,
        file: Rc::new(RegularFile::new(node, 0)),
    })
}

fn start(process: &Process, dir: i64, path: &[u8]) -> Result<Rc<Node>> {
    let fs = process.fs.borrow();
    if path.first() == Some(&b'/') {
        return Ok(Rc::clone(&fs.root));
    }
    if dir == AT_FDCWD {
        return Ok(Rc::clone(&fs.cwd));
    }
    let file: Rc<OpenFile> = process.files.borrow().get(dir.cast_unsigned()).ok_or(Errno::EBADF)?;
    file.file.node().cloned().ok_or(if path.is_empty() { Errno::EACCES } else { Errno::ENOTDIR })
}

/// Puts a process into a directory, which is made if the image has it not (as container engines do).
///
/// # Errors
/// ENOTDIR, EACCES; ENOSPC without room.
pub fn enter(kernel: &mut Kernel, pid: Pid, path: &[u8]) -> Result<()> {
    let process = kernel.tasks.process(pid).ok_or(Errno::ESRCH)?;
    let root = Rc::clone(&process.fs.borrow().root);
    let node = match lookup(kernel, process, &root, path) {
        Err(Errno::ENOENT) => make(&root, path)?,
        found => found?,
    };
    if !node.meta.get().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    meta::check(&process.credentials, &node.meta.get(), MAY_EXEC)?;
    process.fs.borrow_mut().cwd = node;
    Ok(())
}

fn lookup(kernel: &Kernel, process: &Process, root: &Rc<Node>, path: &[u8]) -> Result<Rc<Node>> {
    let view = View { kernel, tid: process.pid };
    let walk = Walk {
        view,
        who: &process.credentials,
        root: Rc::clone(root),
        start: Rc::clone(root),
        restrict: Restrict::empty(),
    };
    walk.find(path)?.node()
}

fn make(root: &Rc<Node>, path: &[u8]) -> Result<Rc<Node>> {
    let names = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
    names
        .filter(|name| *name != b"." && *name != b"..")
        .try_fold(Rc::clone(root), |here, name| directory(&here, name, 0o755))
}
