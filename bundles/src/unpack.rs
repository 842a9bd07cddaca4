//! A tree as a plain directory, for OCI runtimes that cannot mount the EROFS image.
//!
//! Everything is created relative to the directory's descriptor with openat2(2), in that root and through no symbolic
//! link, so nothing that an image names can reach outside, even while someone else plays with the directory. What
//! would give power on the host stays out: device nodes, set-id bits, and attributes other than `user.`.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags, chownat,
    fchmod, fchown, fsetxattr, futimens, linkat, mkdirat, mknodat, openat, openat2, symlinkat, utimensat,
};

use crate::tree::{Kind, Meta, Node, NodeId, Tree};

/// Why a tree cannot be written as a directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot write \"{path}\" of the root file system")]
pub struct UnpackError {
    path: String,
    #[source]
    pub(crate) source: io::Error,
}

fn error_at(path: &[u8]) -> impl FnOnce(rustix::io::Errno) -> UnpackError {
    let path = crate::tree::show(path);
    move |errno| UnpackError { path, source: errno.into() }
}

/// Writes the tree as the directory `path`, which must not exist yet.
///
/// # Errors
/// When the system refuses something; what was written stays for the caller to remove.
pub fn to_directory(tree: &Tree, path: &Path) -> Result<(), UnpackError> {
    mkdirat(CWD, path, Mode::RWXU).map_err(error_at(b"/"))?;
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let root = openat(CWD, path, flags, Mode::empty()).map_err(error_at(b"/"))?;
    let is_root = rustix::process::geteuid().is_root();
    let mut writer = Writer { tree, root, is_root, first_names: HashMap::new() };
    let mut directories = Vec::new();
    let mut queue = VecDeque::from([(PathBuf::from("."), NodeId::ROOT)]);
    while let Some((path, id)) = queue.pop_front() {
        queue.extend(writer.fill(&path, id)?);
        directories.push((path, id));
    }
    // Deepest first: a directory's time changes with what is put in, and its mode may shut it.
    for (path, id) in directories.iter().rev() {
        let directory = writer.open_directory(path)?;
        writer.finish(directory.as_fd(), &tree.node(*id).meta).map_err(error_at(bytes(path)))?;
    }
    Ok(())
}

fn bytes(path: &Path) -> &[u8] {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes()
}

fn join(path: &Path, name: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    path.join(std::ffi::OsStr::from_bytes(name))
}

struct Writer<'a> {
    tree: &'a Tree,
    root: OwnedFd,
    is_root: bool,
    /// Where a node with several names was put first.
    first_names: HashMap<NodeId, PathBuf>,
}

impl Writer<'_> {
    fn open_directory(&self, path: &Path) -> Result<OwnedFd, UnpackError> {
        let flags = OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(&self.root, path, flags, Mode::empty(), resolve).map_err(error_at(bytes(path)))
    }

    /// Creates what is in a directory and returns its subdirectories, still empty.
    fn fill(&mut self, path: &Path, id: NodeId) -> Result<Vec<(PathBuf, NodeId)>, UnpackError> {
        let directory = self.open_directory(path)?;
        let mut subdirectories = Vec::new();
        for (name, child) in self.tree.entries(id) {
            let child_path = join(path, name);
            let node = self.tree.node(child);
            if matches!(node.kind, Kind::Directory(_)) {
                mkdirat(&directory, name, Mode::RWXU).map_err(error_at(bytes(&child_path)))?;
                subdirectories.push((child_path, child));
            } else if let Some(first) = self.first_names.get(&child).cloned() {
                self.link(&first, directory.as_fd(), name)?;
            } else {
                self.create(directory.as_fd(), name, node).map_err(error_at(bytes(&child_path)))?;
                self.first_names.insert(child, child_path);
            }
        }
        Ok(subdirectories)
    }

    fn link(&self, first: &Path, directory: BorrowedFd<'_>, name: &[u8]) -> Result<(), UnpackError> {
        let (Some(parent), Some(first_name)) = (first.parent(), first.file_name()) else { return Ok(()) };
        let parent = self.open_directory(parent)?;
        match linkat(&parent, first_name, directory, name, AtFlags::empty()) {
            // The first name belongs to something that was left out.
            Err(rustix::io::Errno::NOENT) => Ok(()),
            other => other.map_err(error_at(name)),
        }
    }

    fn create(&self, directory: BorrowedFd<'_>, name: &[u8], node: &Node) -> rustix::io::Result<()> {
        match &node.kind {
            Kind::File(extent) => {
                let flags =
                    OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let mut file = File::from(openat(directory, name, flags, Mode::RUSR | Mode::WUSR)?);
                io::copy(&mut self.tree.spool().reader(*extent), &mut file).map_err(|error| {
                    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
                })?;
                self.finish(file.as_fd(), &node.meta)
            }
            Kind::Symlink(target) => {
                symlinkat(&**target, directory, name)?;
                self.finish_by_name(directory, name, &node.meta)
            }
            Kind::Fifo => {
                mknodat(directory, name, FileType::Fifo, mode(&node.meta), 0)?;
                self.finish_by_name(directory, name, &node.meta)
            }
            Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Directory(_) => Ok(()),
        }
    }

    /// Owner, attributes, mode and time of an open file, in the order in which one does not undo the other.
    fn finish(&self, file: BorrowedFd<'_>, meta: &Meta) -> rustix::io::Result<()> {
        if self.is_root {
            fchown(file, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))?;
        }
        for (name, value) in meta.xattrs.iter().filter(|(name, _)| name.starts_with(b"user.")) {
            match fsetxattr(file, &**name, value, XattrFlags::empty()) {
                Err(rustix::io::Errno::OPNOTSUPP) | Ok(()) => {}
                other => return other,
            }
        }
        fchmod(file, mode(meta))?;
        futimens(file, &times(meta))
    }

    /// As [`Self::finish`] for what cannot be opened.
    fn finish_by_name(&self, directory: BorrowedFd<'_>, name: &[u8], meta: &Meta) -> rustix::io::Result<()> {
        if self.is_root {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            chownat(directory, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?;
        }
        utimensat(directory, name, &times(meta), AtFlags::SYMLINK_NOFOLLOW)
    }
}

/// The permissions without the set-id bits.
fn mode(meta: &Meta) -> Mode {
    Mode::from_raw_mode(u32::from(meta.mode) & 0o1777)
}

fn times(meta: &Meta) -> Timestamps {
    let time = Timespec { tv_sec: meta.mtime, tv_nsec: meta.mtime_nsec.into() };
    Timestamps { last_access: time, last_modification: time }
}
