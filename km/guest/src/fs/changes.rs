//! What differs between the rootfs and its image, for a build step: its layer.
//!
//! The walk goes over directories alone, since a node of the image that was changed is *pinned* ([`super::node`]): other files
//! are not looked at. Whatever changed of an inode with several names, all of its names are told, the first with the content, so
//! that they stay one inode wherever the layer is unpacked. Times of last access and of last change of attributes do not count.

use super::erofs;
use super::erofs::inode::Inode;
use super::io::Collect;
use super::node::meta::{S_IFSOCK, Time};
use super::node::{Body, Node, dir};
use super::vfs::Vfs;
use crate::errno::{Errno, Result};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use km_abi::changes::{self, Change, Entry};

/// Bytes of a file that are handed over at a time.
const PIECE: usize = 64 << 10;
/// Files that the library OS supplies ([`super::etc`]): they are not the program's.
const SUPPLIED: [&[u8]; 3] = [b"etc/hosts", b"etc/hostname", b"etc/resolv.conf"];
/// Directories that the library OS makes where the image has none.
const MADE: [&[u8]; 2] = [b"etc", b"tmp"];

/// Takes the bytes of the stream.
pub type Out<'a> = dyn FnMut(&[u8]) -> Result<()> + 'a;

/// Before the program's first instruction: what booting changed is no change.
pub fn begin(vfs: &Vfs) {
    let root = vfs.root();
    let etc = dir::lookup(root, b"etc").ok().flatten();
    for node in [Some(Rc::clone(root)), etc].into_iter().flatten() {
        if let Some(inode) = node.lower().copied() {
            node.update(|meta| meta.mtime = mtime(&inode));
        }
    }
}

/// Tells all changes, a directory before what is in it.
///
/// # Errors
/// EIO for a bad image; what `out` says.
pub fn tell(vfs: &Vfs, out: &mut Out<'_>) -> Result<()> {
    let root = Rc::clone(vfs.root());
    let mut teller = Teller { first: BTreeMap::new(), out };
    let image = root.lower().copied();
    if image.is_none_or(|inode| directory_differs(&root, &inode)) {
        teller.entry(&root, Vec::new(), changes::Body::Directory { opaque: false })?;
    }
    let mut pending = alloc::vec![Place { node: root, path: Vec::new(), image }];
    while let Some(place) = pending.pop() {
        pending.extend(teller.directory(&place)?);
    }
    (teller.out)(&encode(&Change::Whole)?)
}

/// A directory that is still to be looked into.
struct Place {
    node: Rc<Node>,
    path: Vec<u8>,
    /// The image's directory at this path, if this is it: nothing where all is new.
    image: Option<Inode>,
}

struct Teller<'a> {
    /// Where inodes with several names were told first.
    first: BTreeMap<u64, Vec<u8>>,
    out: &'a mut Out<'a>,
}

impl Teller<'_> {
    /// Tells what changed in a directory and gives those within it that are to be looked into.
    fn directory(&mut self, place: &Place) -> Result<Vec<Place>> {
        let old = image_entries(&place.node, place.image.as_ref())?;
        let names = dir::changed_names(&place.node);
        let mut further = Vec::new();
        for name in names.clone().unwrap_or_else(|| old_names(&place.node)) {
            let was = old.get(&*name).copied();
            if names.is_none() && was.is_some_and(|was| self.is_untouched(&place.node, was)) {
                continue;
            }
            let Some(node) = dir::lookup(&place.node, &name)? else { continue };
            let path = join(&place.path, &name);
            if node.mounted().is_some() || is_supplied(&node, &path, was.is_some()) {
                continue;
            }
            further.extend(self.name(node, path, was)?);
        }
        let gone = names.map(|names| old.into_keys().filter(move |name| !has(&names, name)));
        for name in gone.into_iter().flatten() {
            let path = join(&place.path, &name);
            if !SUPPLIED.contains(&&*path) {
                (self.out)(&encode(&Change::Removed { path })?)?;
            }
        }
        Ok(further)
    }

    /// A file of the image that nobody keeps is as it was.
    fn is_untouched(&self, parent: &Rc<Node>, was: Was) -> bool {
        was.kind != DT_DIR && !parent.volume.is_pinned(was.nid)
    }

    /// Tells what has a name, if it changed, and gives it back if it is a directory.
    fn name(&mut self, node: Rc<Node>, path: Vec<u8>, was: Option<Was>) -> Result<Option<Place>> {
        let same = node.lower().copied().filter(|inode| was.is_some_and(|was| was.nid == inode.nid));
        if node.dir().is_some() {
            let opaque = same.is_none() && was.is_some_and(|was| was.kind == DT_DIR);
            if same.is_none_or(|inode| directory_differs(&node, &inode)) {
                self.entry(&node, path.clone(), changes::Body::Directory { opaque })?;
            }
            return Ok(Some(Place { node, path, image: same }));
        }
        if same.is_none_or(|inode| file_differs(&node, &inode)) {
            self.file(&node, path)?;
        }
        Ok(None)
    }

    fn file(&mut self, node: &Rc<Node>, path: Vec<u8>) -> Result<()> {
        let meta = node.meta.get();
        if let Some(first) = self.first.get(&node.ino) {
            let body = changes::Body::Link { first: first.clone() };
            return self.entry(node, path, body);
        }
        if meta.nlink > 1 {
            self.first.insert(node.ino, path.clone());
        }
        match &node.body {
            Body::File(data) => {
                self.entry(node, path, changes::Body::File { size: data.size() })?;
                self.content(node)
            }
            Body::Link(target) => self.entry(node, path, changes::Body::Symlink { target: target.clone() }),
            // As with other tools: a bound socket means nothing without who bound it.
            Body::Special if meta.kind() == S_IFSOCK => Ok(()),
            Body::Special => self.entry(node, path, changes::Body::Special { rdev: meta.rdev }),
            _ => Ok(()),
        }
    }

    fn entry(&mut self, node: &Rc<Node>, path: Vec<u8>, body: changes::Body) -> Result<()> {
        let meta = node.meta.get();
        let value = |name: Vec<u8>| node.xattr(&name).ok().map(|value| (name, value));
        let xattrs = node.xattr_names().into_iter().filter_map(value).collect();
        let Time { s: mtime_s, ns: mtime_ns } = meta.mtime;
        let (mode, uid, gid) = (meta.mode, meta.uid, meta.gid);
        let entry = Entry { path, mode, uid, gid, mtime_s, mtime_ns, xattrs, body };
        (self.out)(&encode(&Change::Entry(entry))?)
    }

    /// Exactly as many bytes as were announced.
    fn content(&mut self, node: &Rc<Node>) -> Result<()> {
        let data = node.data().ok_or(Errno::EIO)?;
        let mut offset = 0;
        while offset < data.size() {
            let mut piece = Collect { bytes: Vec::new(), limit: PIECE };
            let count = data.read(&node.volume, offset, &mut piece)?;
            if count == 0 {
                return Err(Errno::EIO);
            }
            (self.out)(&piece.bytes)?;
            offset += count as u64;
        }
        Ok(())
    }
}

/// The d_type of a directory.
const DT_DIR: u8 = 4;

/// What the image has under a name.
#[derive(Clone, Copy)]
struct Was {
    nid: u64,
    kind: u8,
}

fn image_entries(node: &Node, image: Option<&Inode>) -> Result<BTreeMap<Vec<u8>, Was>> {
    let (Some(fs), Some(inode)) = (node.volume.lower(), image) else { return Ok(BTreeMap::new()) };
    let entries = erofs::dir::list(fs, inode)?;
    Ok(entries.into_iter().map(|entry| (entry.name, Was { nid: entry.nid, kind: entry.kind })).collect())
}

/// The names of a directory of the image that was not changed itself, wherever it is now.
fn old_names(node: &Node) -> Vec<Rc<[u8]>> {
    let (Some(fs), Some(inode)) = (node.volume.lower(), node.lower()) else { return Vec::new() };
    let entries = erofs::dir::list(fs, inode).unwrap_or_default();
    entries.into_iter().map(|entry| entry.name.into()).collect()
}

fn has(names: &[Rc<[u8]>], name: &[u8]) -> bool {
    names.binary_search_by(|one| (**one).cmp(name)).is_ok()
}

/// Whether something is there only because the library OS put it there.
fn is_supplied(node: &Rc<Node>, path: &[u8], in_image: bool) -> bool {
    let made = || {
        let names = dir::changed_names(node).unwrap_or_default();
        names.iter().all(|name| SUPPLIED.contains(&&*join(path, name)))
    };
    SUPPLIED.contains(&path) || !in_image && MADE.contains(&path) && node.dir().is_some() && made()
}

fn mtime(inode: &Inode) -> Time {
    Time { s: inode.mtime_s.cast_signed(), ns: inode.mtime_ns }
}

fn directory_differs(node: &Node, inode: &Inode) -> bool {
    let meta = node.meta.get();
    let same = meta.mode == inode.mode && (meta.uid, meta.gid) == (inode.uid, inode.gid);
    !same || meta.mtime != mtime(inode) || node.xattrs_differ()
}

fn file_differs(node: &Node, inode: &Inode) -> bool {
    let meta = node.meta.get();
    let differs = node.data().is_some_and(super::node::data::Data::differs);
    differs || meta.nlink != inode.nlink || directory_differs(node, inode)
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn encode(change: &Change) -> Result<Vec<u8>> {
    change.encode().map_err(|_| Errno::ENOMEM)
}
