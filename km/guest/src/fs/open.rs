//! From a path to an open file (open(2)).

use super::dev;
use super::file::{File, O_ACCMODE, O_LARGEFILE, O_NONBLOCK, O_PATH, OpenFile};
use super::generated::GeneratedFile;
use super::inotify::{event, notify};
use super::node::meta::{self, MAY_EXEC, MAY_READ, MAY_WRITE, Meta, S_IFBLK, S_IFCHR, S_IFIFO};
use super::node::volume::Volume;
use super::node::{Body, Node};
use super::ops;
use super::pipe::{Pipe, PipeEnd};
use super::regular::{self, Handle, RegularFile};
use super::walk::{Found, Restrict, Walk};
use crate::errno::{Errno, Result};
use crate::wait::{Stop, Wait};
use alloc::rc::Rc;
use core::any::Any;

/// Create the file if it is not there.
pub const O_CREAT: u32 = 0o100;
/// It must not be there.
pub const O_EXCL: u32 = 0o200;
/// Sets the size of an existing file to 0.
pub const O_TRUNC: u32 = 0o1000;
/// Packet mode of a pipe (pipe(2)); no effect on files.
pub const O_DIRECT: u32 = 0o40_000;
/// It must be a directory.
pub const O_DIRECTORY: u32 = 0o200_000;
/// It must not be a symbolic link.
pub const O_NOFOLLOW: u32 = 0o400_000;
/// Close it at execve(2).
pub const O_CLOEXEC: u32 = 0o2_000_000;
/// A file without a name in a directory.
pub const O_TMPFILE: u32 = 0o20_000_000;
/// Flags that an open file keeps: the others matter only while it is opened.
const KEPT: u32 = !(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC | 0o400);

/// Opens a path. `mode` is that of a new file, without the bits of the umask.
///
/// # Errors
/// As open(2); it waits for the other end of a named pipe.
pub fn open(
    walk: &mut Walk<'_>,
    path: &[u8],
    flags: u32,
    mode: u32,
) -> core::result::Result<Rc<OpenFile>, Stop> {
    if flags & O_PATH != 0 {
        return Ok(open_handle(walk, path, flags)?);
    }
    if flags & (O_CREAT | O_DIRECTORY) == O_CREAT | O_DIRECTORY {
        return Err(Errno::EINVAL.into());
    }
    let flags = flags | O_LARGEFILE;
    if flags & O_TMPFILE != 0 {
        return Ok(open_nameless(walk, path, flags, mode)?);
    }
    let exclusive = flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL;
    walk.restrict.set(Restrict::NO_FOLLOW, exclusive || flags & O_NOFOLLOW != 0);
    walk.restrict.set(Restrict::ENTRY, flags & O_CREAT != 0 && path.ends_with(b"/"));
    let found = walk.find(path)?;
    // Whatever is there: no file is made under a name that ends with a slash.
    if flags & O_CREAT != 0 && found.slash && !found.name.is_empty() {
        return Err(Errno::EISDIR.into());
    }
    match &found.node {
        Some(_) if exclusive => Err(Errno::EEXIST.into()),
        Some(node) => {
            let node = Rc::clone(node);
            check_kind(&found, &node, flags)?;
            let file = open_node(walk, &node, flags)?;
            notify(&node, event::OPEN);
            Ok(OpenFile::new(file, flags & KEPT))
        }
        None if flags & O_CREAT == 0 => Err(Errno::ENOENT.into()),
        None => Ok(create(walk, &found, flags, mode)?),
    }
}

/// A new file gets the access that was asked for, whatever its mode is (open(2), O_CREAT).
fn create(walk: &Walk<'_>, found: &Found, flags: u32, mode: u32) -> Result<Rc<OpenFile>> {
    let node = ops::create_file(walk, found, mode)?;
    notify(&node, event::OPEN);
    Ok(OpenFile::new(Rc::new(RegularFile::new(node, flags)), flags & KEPT))
}

fn open_handle(walk: &mut Walk<'_>, path: &[u8], flags: u32) -> Result<Rc<OpenFile>> {
    walk.restrict.set(Restrict::NO_FOLLOW, flags & O_NOFOLLOW != 0);
    let node = walk.find(path)?.node()?;
    if flags & O_DIRECTORY != 0 && !node.meta.get().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    Ok(OpenFile::new(Rc::new(Handle::new(node)), flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW)))
}

fn open_nameless(walk: &Walk<'_>, path: &[u8], flags: u32, mode: u32) -> Result<Rc<OpenFile>> {
    if flags & O_DIRECTORY == 0 || flags & O_ACCMODE == 0 {
        return Err(Errno::EINVAL);
    }
    let dir = walk.find(path)?.node()?;
    if !dir.meta.get().is_dir() {
        return Err(Errno::ENOTDIR);
    }
    if dir.dir().is_none() {
        return Err(Errno::EOPNOTSUPP);
    }
    let node = ops::create_nameless(walk, &dir, mode, flags & O_EXCL == 0)?;
    Ok(OpenFile::new(Rc::new(RegularFile::new(node, flags)), flags & KEPT))
}

fn check_kind(found: &Found, node: &Rc<Node>, flags: u32) -> Result<()> {
    let is_dir = node.meta.get().is_dir();
    if (flags & O_DIRECTORY != 0 || found.slash) && !is_dir {
        return Err(Errno::ENOTDIR);
    }
    if is_dir && (flags & O_ACCMODE != 0 || flags & (O_CREAT | O_TRUNC) != 0) {
        return Err(Errno::EISDIR);
    }
    if matches!(node.body, Body::Link(_) | Body::Magic(_)) { Err(Errno::ELOOP) } else { Ok(()) }
}

/// The permissions that opening with `flags` needs.
fn wanted(flags: u32) -> u32 {
    let access = match flags & O_ACCMODE {
        0 => MAY_READ,
        1 => MAY_WRITE,
        _ => MAY_READ | MAY_WRITE,
    };
    if flags & O_TRUNC == 0 { access } else { access | MAY_WRITE }
}

fn open_node(walk: &Walk<'_>, node: &Rc<Node>, flags: u32) -> core::result::Result<Rc<dyn File>, Stop> {
    if let Body::Open(open) = &node.body {
        return Ok(reopen(open, flags)?);
    }
    meta::check(walk.who, &node.meta.get(), wanted(flags))?;
    match &node.body {
        Body::File(_) => {
            if wanted(flags) & MAY_WRITE != 0 {
                regular::check_idle(node)?;
            }
            if flags & O_TRUNC != 0 {
                regular::truncate(node, 0)?;
            }
            Ok(Rc::new(RegularFile::new(Rc::clone(node), flags)))
        }
        Body::Dir(_) | Body::Synthetic(_) => Ok(Rc::new(Handle::new(Rc::clone(node)))),
        Body::Generated(generate) => match generate.window(node, walk.view) {
            Some(file) => Ok(file?),
            None => Ok(Rc::new(GeneratedFile::new(Rc::clone(node), Rc::clone(generate)))),
        },
        Body::Special => match node.meta.get().kind() {
            S_IFIFO => open_fifo(walk, node, flags).map(|end| end as Rc<dyn File>),
            S_IFCHR | S_IFBLK => Ok(dev::open(walk.view, node, flags)?),
            _ => Err(Errno::ENXIO.into()),
        },
        Body::Link(_) | Body::Magic(_) | Body::Open(_) => Err(Errno::ELOOP.into()),
    }
}

/// A node for an open file that has none, so that a path or an empty one can lead to it.
#[must_use]
pub fn node_of(nameless: &Rc<Volume>, file: &Rc<OpenFile>) -> Rc<Node> {
    let mode = file.file.mode();
    let meta = file.file.attributes().map_or_else(|| Meta::new(mode, 0, 0), |own| own.meta(mode));
    Node::with_ino(nameless, file.identity() as u64, meta, Body::Open(Rc::clone(file)))
}

/// Opens again what has no inode, through /proc/PID/fd.
fn reopen(open: &Rc<OpenFile>, flags: u32) -> Result<Rc<dyn File>> {
    let file: &dyn Any = open.file.as_any();
    if let Some(end) = file.downcast_ref::<PipeEnd>() {
        let end = PipeEnd::open(end.pipe(), None, flags & O_ACCMODE, flags & O_DIRECT != 0);
        return Ok(end);
    }
    if open.file.can_reopen() { Ok(Rc::clone(&open.file)) } else { Err(Errno::ENXIO) }
}

/// Numbers of open, creat, openat and openat2: the calls in which a thread waits for the other end of a named pipe.
const OPENING: [u64; 4] = [2, 85, 257, 437];

/// One end of a named pipe waits until the other is open (fifo(7)); it counts as open while it waits.
fn open_fifo(walk: &Walk<'_>, node: &Rc<Node>, flags: u32) -> core::result::Result<Rc<PipeEnd>, Stop> {
    let pipe = Pipe::of_node(node);
    let access = flags & O_ACCMODE;
    let new = || PipeEnd::open(&pipe, Some(Rc::clone(node)), access, false);
    if access == 2 {
        return Ok(new());
    }
    if flags & O_NONBLOCK != 0 {
        let unread = access == 1 && pipe.ends().0 == 0;
        return if unread { Err(Errno::ENXIO.into()) } else { Ok(new()) };
    }
    pipe.keep_waiting(|tid| {
        let call = walk.view.kernel.tasks.thread(tid).and_then(|thread| thread.call);
        call.is_some_and(|call| OPENING.contains(&call.number))
    });
    pipe.rendezvous(walk.view.tid, access, new).ok_or_else(|| Stop::Block(Wait::on(pipe.queue())))
}

/// Checks that a node is a program that may be executed.
///
/// # Errors
/// ELOOP for a link, EACCES.
pub fn check_program(walk: &Walk<'_>, node: &Rc<Node>) -> Result<()> {
    if matches!(node.body, Body::Link(_)) {
        return Err(Errno::ELOOP);
    }
    if node.data().is_none() {
        return Err(Errno::EACCES);
    }
    meta::check(walk.who, &node.meta.get(), MAY_EXEC)
}
