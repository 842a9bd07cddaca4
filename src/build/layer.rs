//! A layer in the making: what is put in and taken away, sorted by path, and the archive that comes of it.
//!
//! The same changes give the same bytes: names are sorted, times are not later than the build's one time, and nothing of this
//! machine is in it.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bundles::digest::Digest;
use bundles::tree::Meta;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Entries of one layer at most.
const ENTRIES_MAX: usize = 1_000_000;
/// Bytes of names, targets and attributes of one layer at most.
const NAMES_MAX: usize = 256 << 20;
/// Bytes of files of one layer at most.
const DATA_MAX: u64 = 16 << 30;

/// Why something cannot be part of a layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// More than a layer may have.
    #[error("the layer has more than {ENTRIES_MAX} entries, or {NAMES_MAX} bytes of names")]
    TooMany,
    /// More than a layer may have.
    #[error("the files of the layer have more than {DATA_MAX} bytes")]
    TooMuch,
    /// A name that would be read as a sign.
    #[error("{0:?} is a name that means \"removed\" in a layer")]
    Reserved(String),
    /// A further name of nothing.
    #[error("{0:?} is a link to what is not in the layer")]
    Link(String),
    /// The disk refuses.
    #[error("cannot write the layer")]
    Io(#[from] io::Error),
}

/// What kind of file something is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A directory; an opaque one has nothing of lower layers in it.
    Directory {
        /// Nothing of lower layers is in it.
        opaque: bool,
    },
    /// A regular file, by its place in the spool.
    File {
        /// First byte.
        offset: u64,
        /// How many.
        len: u64,
    },
    /// A symbolic link.
    Symlink(Vec<u8>),
    /// A character device, major and minor number.
    CharDevice(u32, u32),
    /// A block device.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

#[derive(Debug)]
struct Inode {
    meta: Meta,
    kind: Kind,
}

/// What a path becomes.
#[derive(Debug, Clone, Copy)]
enum Item {
    Removed,
    Inode(usize),
}

/// A layer that is being put together.
#[derive(Debug)]
pub struct Changes {
    items: BTreeMap<Vec<u8>, Item>,
    inodes: Vec<Inode>,
    spool: File,
    spooled: u64,
    names: usize,
}

/// What changed at one place and below it.
#[derive(Debug)]
pub struct Divided {
    /// By paths relative to the place.
    pub changes: Changes,
    /// What was there is gone: nothing of lower layers shows through.
    pub is_replaced: bool,
}

/// A layer's archive, compressed, in a file.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct Blob {
    /// Digest of the archive.
    pub diff_id: Digest,
    /// Digest of the compressed archive.
    pub digest: Digest,
    /// Bytes of the compressed archive.
    pub size: u64,
}

impl Changes {
    /// No changes; files are kept in an unlinked file in `folder`.
    ///
    /// # Errors
    /// When that cannot be made.
    pub fn new(folder: &Path) -> io::Result<Self> {
        let spool = tempfile::tempfile_in(folder)?;
        Ok(Self { items: BTreeMap::new(), inodes: Vec::new(), spool, spooled: 0, names: 0 })
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.items.keys().map(Vec::as_slice)
    }

    /// Forgets a path.
    pub fn forget(&mut self, path: &[u8]) {
        self.items.remove(path);
    }

    /// Whether a path is a directory of this layer.
    #[must_use]
    pub fn has_directory(&self, path: &[u8]) -> bool {
        match self.items.get(path) {
            Some(Item::Inode(at)) => {
                self.inodes.get(*at).is_some_and(|inode| matches!(inode.kind, Kind::Directory { .. }))
            }
            _ => false,
        }
    }

    /// Whether nothing of a directory changed but its time.
    #[must_use]
    pub fn is_touched(&self, path: &[u8], before: &Meta) -> bool {
        let Some(Item::Inode(at)) = self.items.get(path) else { return false };
        let Some(Inode { meta, kind: Kind::Directory { opaque: false } }) = self.inodes.get(*at) else {
            return false;
        };
        (meta.mode, meta.uid, meta.gid, &meta.xattrs) == (before.mode, before.uid, before.gid, &before.xattrs)
    }

    /// Takes out what changed at a place and below it. Files of it are kept in an unlinked file in `folder`.
    ///
    /// # Errors
    /// See [`LayerError`].
    pub fn divide(&mut self, place: &[u8], folder: &Path) -> Result<Divided, LayerError> {
        let mut own = Divided { changes: Self::new(folder)?, is_replaced: false };
        let from = self.items.range(place.to_vec()..).take_while(|(path, _)| path.starts_with(place));
        let taken: Vec<(Vec<u8>, Item)> = from
            .filter(|(path, _)| below(path, place).is_some())
            .map(|(path, item)| (path.clone(), *item))
            .collect();
        let mut first: HashMap<usize, Vec<u8>> = HashMap::new();
        for (path, item) in taken {
            self.items.remove(&path);
            let path = below(&path, place).unwrap_or_default();
            let Item::Inode(at) = item else {
                if path.is_empty() {
                    own.is_replaced = true;
                } else {
                    own.changes.remove(path)?;
                }
                continue;
            };
            if let Some(first) = first.get(&at) {
                own.changes.link(path, first)?;
                continue;
            }
            let Some(Inode { meta, kind }) = self.inodes.get(at) else { continue };
            let kind = match kind {
                Kind::File { offset, len } => {
                    let mut piece = Piece { file: &self.spool, offset: *offset, left: *len };
                    own.changes.spool(&mut piece, *len)?
                }
                Kind::Directory { opaque } if path.is_empty() => {
                    own.is_replaced = *opaque;
                    Kind::Directory { opaque: false }
                }
                kind => kind.clone(),
            };
            if path.is_empty() && !matches!(kind, Kind::Directory { .. }) {
                own.is_replaced = true;
                continue;
            }
            own.changes.put(path, meta.clone(), kind)?;
            first.insert(at, path.to_vec());
        }
        Ok(own)
    }

    /// Takes a path away.
    ///
    /// # Errors
    /// See [`LayerError`].
    pub fn remove(&mut self, path: &[u8]) -> Result<(), LayerError> {
        self.charge(path, 0)?;
        self.items.insert(path.to_vec(), Item::Removed);
        Ok(())
    }

    /// Puts something at a path.
    ///
    /// # Errors
    /// See [`LayerError`].
    pub fn put(&mut self, path: &[u8], meta: Meta, kind: Kind) -> Result<(), LayerError> {
        let attributes: usize = meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let target = if let Kind::Symlink(target) = &kind { target.len() } else { 0 };
        self.charge(path, attributes + target)?;
        self.items.insert(path.to_vec(), Item::Inode(self.inodes.len()));
        self.inodes.push(Inode { meta, kind });
        Ok(())
    }

    /// Makes a path a further name of what is at another one.
    ///
    /// # Errors
    /// See [`LayerError`].
    pub fn link(&mut self, path: &[u8], first: &[u8]) -> Result<(), LayerError> {
        self.charge(path, 0)?;
        let item = self.items.get(first).copied();
        let item = item.filter(|item| matches!(item, Item::Inode(_)) && !self.has_directory(first));
        let item = item.ok_or_else(|| LayerError::Link(show(path)))?;
        self.items.insert(path.to_vec(), item);
        Ok(())
    }

    /// Puts bytes into the spool: exactly `len` of them.
    ///
    /// # Errors
    /// See [`LayerError`]; UnexpectedEof where there are fewer.
    pub fn spool(&mut self, reader: &mut dyn Read, len: u64) -> Result<Kind, LayerError> {
        if len > DATA_MAX - self.spooled {
            return Err(LayerError::TooMuch);
        }
        let offset = self.spooled;
        let copied = io::copy(&mut reader.take(len), &mut &self.spool)?;
        if copied != len {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        self.spooled += len;
        Ok(Kind::File { offset, len })
    }

    fn charge(&mut self, path: &[u8], more: usize) -> Result<(), LayerError> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        if name.starts_with(b".wh.") {
            return Err(LayerError::Reserved(show(path)));
        }
        self.names += path.len() + more;
        if self.inodes.len() >= ENTRIES_MAX || self.items.len() >= ENTRIES_MAX || self.names > NAMES_MAX {
            return Err(LayerError::TooMany);
        }
        Ok(())
    }

    /// Writes the archive, compressed, into a new file of `folder`; no time in it is later than `latest`, in seconds.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, folder: &Path, latest: i64) -> Result<(NamedTempFile, Blob), LayerError> {
        let mut file = NamedTempFile::new_in(folder)?;
        let compressed = Hashing::new(BufWriter::new(file.as_file_mut()));
        let plain = Hashing::new(GzEncoder::new(compressed, Compression::fast()));
        let mut builder = tar::Builder::new(plain);
        self.append_all(&mut builder, latest)?;
        let (encoder, diff_id, _) = builder.into_inner()?.finish();
        let (mut buffer, digest, size) = encoder.finish()?.finish();
        buffer.flush()?;
        drop(buffer);
        Ok((file, Blob { diff_id, digest, size }))
    }

    fn append_all<W: Write>(&self, builder: &mut tar::Builder<W>, latest: i64) -> io::Result<()> {
        let mut first: HashMap<usize, &[u8]> = HashMap::new();
        for (path, item) in &self.items {
            let Item::Inode(at) = item else {
                let (parent, name) = split(path);
                append_sign(builder, &join(parent, &[b".wh.", name].concat()), latest)?;
                continue;
            };
            let Some(inode) = self.inodes.get(*at) else { continue };
            match first.get(at) {
                Some(target) => {
                    let mut header = header(inode, latest);
                    header.set_entry_type(tar::EntryType::Link);
                    builder.append_link(&mut header, as_path(path), as_path(target))?;
                }
                None => self.append(builder, path, inode, latest)?,
            }
            first.entry(*at).or_insert(path);
            if matches!(inode.kind, Kind::Directory { opaque: true }) {
                append_sign(builder, &join(path, b".wh..wh..opq"), latest)?;
            }
        }
        Ok(())
    }

    fn append<W: Write>(
        &self,
        builder: &mut tar::Builder<W>,
        path: &[u8],
        inode: &Inode,
        latest: i64,
    ) -> io::Result<()> {
        let attributes = inode.meta.xattrs.iter().filter_map(|(name, value)| {
            Some((format!("SCHILY.xattr.{}", std::str::from_utf8(name).ok()?), value))
        });
        let attributes: Vec<(String, &Box<[u8]>)> = attributes.collect();
        if !attributes.is_empty() {
            builder
                .append_pax_extensions(attributes.iter().map(|(name, value)| (name.as_str(), &***value)))?;
        }
        let mut header = header(inode, latest);
        let name = if path.is_empty() { Path::new("./") } else { as_path(path) };
        match &inode.kind {
            Kind::File { offset, len } => {
                header.set_size(*len);
                let piece = Piece { file: &self.spool, offset: *offset, left: *len };
                builder.append_data(&mut header, name, piece)
            }
            Kind::Symlink(target) => builder.append_link(&mut header, name, as_path(target)),
            Kind::CharDevice(major, minor) | Kind::BlockDevice(major, minor) => {
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                builder.append_data(&mut header, name, io::empty())
            }
            Kind::Directory { .. } => {
                let named = if path.is_empty() { b"./".to_vec() } else { [path, b"/"].concat() };
                builder.append_data(&mut header, as_path(&named), io::empty())
            }
            Kind::Fifo => builder.append_data(&mut header, name, io::empty()),
        }
    }
}

/// An empty file whose name says what is gone.
fn append_sign<W: Write>(builder: &mut tar::Builder<W>, path: &[u8], latest: i64) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(latest).unwrap_or(0));
    header.set_size(0);
    builder.append_data(&mut header, as_path(path), io::empty())
}

fn header(inode: &Inode, latest: i64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(match inode.kind {
        Kind::Directory { .. } => tar::EntryType::Directory,
        Kind::File { .. } => tar::EntryType::Regular,
        Kind::Symlink(_) => tar::EntryType::Symlink,
        Kind::CharDevice(..) => tar::EntryType::Char,
        Kind::BlockDevice(..) => tar::EntryType::Block,
        Kind::Fifo => tar::EntryType::Fifo,
    });
    header.set_mode(u32::from(inode.meta.mode));
    header.set_uid(u64::from(inode.meta.uid));
    header.set_gid(u64::from(inode.meta.gid));
    header.set_mtime(u64::try_from(inode.meta.mtime.min(latest)).unwrap_or(0));
    header.set_size(0);
    header
}

/// Directory part and last component.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default()),
        None => (b"", path),
    }
}

/// The rest of a path at a place or below it.
fn below<'a>(path: &'a [u8], place: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(place)?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(b"/") }
}

/// A name in a directory; the root is empty.
pub fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

fn as_path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// A name for a message.
pub fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(200).collect()
}

struct Piece<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Piece<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buffer) = buffer.get_mut(..want).filter(|buffer| !buffer.is_empty()) else { return Ok(0) };
        let got = self.file.read_at(buffer, self.offset)?;
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}

/// Counts and hashes what passes.
pub struct Hashing<W> {
    inner: W,
    hasher: Sha256,
    count: u64,
}

impl<W: Write> Hashing<W> {
    /// Nothing has passed yet.
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), count: 0 }
    }

    /// The writer, the digest, and how many bytes passed.
    pub fn finish(self) -> (W, Digest, u64) {
        (self.inner, Digest::from_hasher(self.hasher), self.count)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..written).unwrap_or_default());
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
