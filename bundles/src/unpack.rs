//! A tree as a plain directory, for OCI runtimes that cannot mount the EROFS image.
//!
//! Everything is created relative to the directory's descriptor with openat2(2), in that root and through no symbolic
//! link, so nothing that an image names can reach outside, even while someone else plays with the directory. What
//! would give power on the host stays out: device nodes, set-id bits, and attributes other than `user.`.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags, OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, fchmod, futimens, mkdirat, mknodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, geteuid, linkat, symlinkat};
use xattr::FileExt;

use crate::tree::{Kind, Meta, Node, NodeId, Tree};

/// Why a tree cannot be written as a directory.
#[derive(Debug, thiserror::Error)]
#[error("cannot write \"{path}\" of the root file system")]
pub struct UnpackError {
    path: String,
    #[source]
    pub(crate) source: io::Error,
}

fn error_at<E: Into<io::Error>>(path: &[u8]) -> impl FnOnce(E) -> UnpackError {
    let path = crate::tree::show(path);
    move |error| UnpackError { path, source: error.into() }
}

/// Writes the tree as the directory `path`, which must not exist yet.
///
/// # Errors
/// When the system refuses something; what was written stays for the caller to remove.
pub fn to_directory(tree: &Tree, path: &Path) -> Result<(), UnpackError> {
    mkdirat(AT_FDCWD, path, Mode::S_IRWXU).map_err(error_at(b"/"))?;
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let root = openat(AT_FDCWD, path, flags, Mode::empty()).map_err(error_at(b"/"))?;
    let is_root = geteuid().is_root();
    let mut writer = Writer { tree, root: root.into(), is_root, first_names: HashMap::new() };
    let mut directories = Vec::new();
    let mut queue = VecDeque::from([(PathBuf::from("."), NodeId::ROOT)]);
    while let Some((path, id)) = queue.pop_front() {
        queue.extend(writer.fill(&path, id)?);
        directories.push((path, id));
    }
    // Deepest first: a directory's time changes with what is put in, and its mode may shut it.
    for (path, id) in directories.iter().rev() {
        let directory = writer.open_directory(path)?;
        writer.finish(&directory, &tree.node(*id).meta).map_err(error_at(bytes(path)))?;
    }
    Ok(())
}

fn bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

fn join(path: &Path, name: &[u8]) -> PathBuf {
    path.join(OsStr::from_bytes(name))
}

struct Writer<'a> {
    tree: &'a Tree,
    root: File,
    is_root: bool,
    /// Where a node with several names was put first.
    first_names: HashMap<NodeId, PathBuf>,
}

impl Writer<'_> {
    fn open_directory(&self, path: &Path) -> Result<File, UnpackError> {
        let flags = OFlag::O_DIRECTORY | OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        let resolve = ResolveFlag::RESOLVE_IN_ROOT
            | ResolveFlag::RESOLVE_NO_SYMLINKS
            | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let how = OpenHow::new().flags(flags).resolve(resolve);
        openat2(&self.root, path, how).map(File::from).map_err(error_at(bytes(path)))
    }

    /// Creates what is in a directory and returns its subdirectories, still empty.
    fn fill(&mut self, path: &Path, id: NodeId) -> Result<Vec<(PathBuf, NodeId)>, UnpackError> {
        let directory = self.open_directory(path)?;
        let mut subdirectories = Vec::new();
        for (name, child) in self.tree.entries(id) {
            let child_path = join(path, name);
            let node = self.tree.node(child);
            if matches!(node.kind, Kind::Directory(_)) {
                mkdirat(&directory, name, Mode::S_IRWXU).map_err(error_at(bytes(&child_path)))?;
                subdirectories.push((child_path, child));
            } else if let Some(first) = self.first_names.get(&child).cloned() {
                self.link(&first, &directory, name)?;
            } else {
                self.create(&directory, name, node).map_err(error_at(bytes(&child_path)))?;
                self.first_names.insert(child, child_path);
            }
        }
        Ok(subdirectories)
    }

    fn link(&self, first: &Path, directory: &File, name: &[u8]) -> Result<(), UnpackError> {
        let (Some(parent), Some(first_name)) = (first.parent(), first.file_name()) else { return Ok(()) };
        let parent = self.open_directory(parent)?;
        match linkat(&parent, first_name, directory, name, AtFlags::empty()) {
            // The first name belongs to something that was left out.
            Err(Errno::ENOENT) => Ok(()),
            other => other.map_err(error_at(name)),
        }
    }

    fn create(&self, directory: &File, name: &[u8], node: &Node) -> io::Result<()> {
        match &node.kind {
            Kind::File(extent) => {
                let new = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW;
                let flags = new | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
                let mut file = File::from(openat(directory, name, flags, Mode::S_IRUSR | Mode::S_IWUSR)?);
                io::copy(&mut self.tree.spool().reader(*extent), &mut file)?;
                self.finish(&file, &node.meta)
            }
            Kind::Symlink(target) => {
                symlinkat(&**target, directory, name)?;
                self.finish_by_name(directory, name, &node.meta)
            }
            Kind::Fifo => {
                mknodat(directory, name, SFlag::S_IFIFO, mode(&node.meta), 0)?;
                self.finish_by_name(directory, name, &node.meta)
            }
            Kind::CharDevice(..) | Kind::BlockDevice(..) | Kind::Directory(_) => Ok(()),
        }
    }

    /// Owner, attributes, mode and time of an open file, in the order in which one does not undo the other.
    fn finish(&self, file: &File, meta: &Meta) -> io::Result<()> {
        if self.is_root {
            fchown(file, Some(Uid::from_raw(meta.uid)), Some(Gid::from_raw(meta.gid)))?;
        }
        for (name, value) in meta.xattrs.iter().filter(|(name, _)| name.starts_with(b"user.")) {
            match file.set_xattr(OsStr::from_bytes(name), value) {
                Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
                _ => {}
            }
        }
        fchmod(file, mode(meta))?;
        Ok(futimens(file, &time(meta), &time(meta))?)
    }

    /// As [`Self::finish`] for what cannot be opened.
    fn finish_by_name(&self, directory: &File, name: &[u8], meta: &Meta) -> io::Result<()> {
        if self.is_root {
            let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
            fchownat(directory, name, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
        }
        Ok(utimensat(directory, name, &time(meta), &time(meta), UtimensatFlags::NoFollowSymlink)?)
    }
}

/// The permissions without the set-id bits.
fn mode(meta: &Meta) -> Mode {
    Mode::from_bits_truncate(u32::from(meta.mode) & 0o1777)
}

fn time(meta: &Meta) -> TimeSpec {
    TimeSpec::new(meta.mtime, meta.mtime_nsec.into())
}
