//! Entries of a tar stream into the tree: kinds, attributes, whiteouts.

use std::io::Read;

use tar::EntryType;

use super::LayerError;
use super::entries::{self, Item, header_mtime};
use super::sparse::SparseMap;
use super::stream::{Sequential, Skip, TarStream};
use crate::erofs;
use crate::limits::Limits;
use crate::tree::{Kind, Meta, Tree, TreeError, show};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
/// Names that an old storage driver kept for itself; they mean nothing in an image.
const RESERVED: &[u8] = b".wh..wh.";

/// Applies all entries of the stream. Holes of sparse files add up to at most `holes_max` bytes.
pub(super) fn entries(
    tree: &mut Tree,
    stream: impl Read,
    limits: &Limits,
    holes_max: u64,
) -> Result<(), LayerError> {
    let mut stream = TarStream::new(Sequential(stream)).with_holes(holes_max);
    while let Some(mut item) = entries::next(&mut stream, limits.extension_bytes)? {
        apply(tree, &mut stream, &mut item, limits)?;
    }
    Ok(())
}

fn apply<R: Skip>(
    tree: &mut Tree,
    stream: &mut TarStream<R>,
    item: &mut Item,
    limits: &Limits,
) -> Result<(), LayerError> {
    let (parent, name) = split(&item.path);
    if is_reserved(parent) {
        return Ok(());
    }
    match name.strip_prefix(WHITEOUT) {
        _ if name == OPAQUE => return Ok(tree.opaque(parent)?),
        Some(_) if name.starts_with(RESERVED) => return Ok(()),
        Some(b"") => return Err(TreeError::EmptyWhiteout(show(&item.path)).into()),
        // The directory itself or the one above cannot be hidden from within.
        Some(b"." | b"..") => return Ok(()),
        Some(hidden) => return Ok(tree.whiteout(parent, hidden)?),
        None => {}
    }
    put(tree, stream, item, limits)
}

/// Directory part and last component, trailing slashes ignored.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    let end = path.iter().rposition(|&byte| byte != b'/').map_or(0, |last| last + 1);
    let path = &path[..end];
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn is_reserved(parent: &[u8]) -> bool {
    parent.split(|&byte| byte == b'/').any(|component| component.starts_with(WHITEOUT))
}

fn put<R: Skip>(
    tree: &mut Tree,
    stream: &mut TarStream<R>,
    item: &mut Item,
    limits: &Limits,
) -> Result<(), LayerError> {
    let kind = item.header.entry_type();
    let path = std::mem::take(&mut item.path);
    match kind {
        EntryType::Directory => {
            tree.put_directory(&path, meta(item, &path, limits)?)?;
        }
        EntryType::Regular | EntryType::Continuous => put_file(tree, stream, item, &path, limits)?,
        EntryType::Link => {
            tree.link(&path, &item.link)?;
        }
        EntryType::Symlink => {
            let target = Kind::Symlink(std::mem::take(&mut item.link).into());
            tree.put(&path, Meta { mode: 0o777, ..meta(item, &path, limits)? }, target)?;
        }
        EntryType::Char | EntryType::Block => {
            let (major, minor) = device(item)?;
            let is_char = kind == EntryType::Char;
            let device =
                if is_char { Kind::CharDevice(major, minor) } else { Kind::BlockDevice(major, minor) };
            tree.put(&path, meta(item, &path, limits)?, device)?;
        }
        EntryType::Fifo => {
            tree.put(&path, meta(item, &path, limits)?, Kind::Fifo)?;
        }
        EntryType::GNUSparse => {
            return Err(LayerError::Unsupported { path: show(&path), kind: "sparse file".to_owned() });
        }
        other => {
            let kind = format!("\"{}\"", char::from(other.as_byte()).escape_default());
            return Err(LayerError::Unsupported { path: show(&path), kind });
        }
    }
    Ok(())
}

fn put_file<R: Skip>(
    tree: &mut Tree,
    stream: &mut TarStream<R>,
    item: &mut Item,
    path: &[u8],
    limits: &Limits,
) -> Result<(), LayerError> {
    let size = stream.left();
    let meta = meta(item, path, limits)?;
    // Archives of the first Unix tar mark directories only so.
    if path.ends_with(b"/") && size == 0 {
        tree.put_directory(path, meta)?;
        return Ok(());
    }
    let appended = match &item.sparse {
        None => tree.spool_mut().append(stream, size),
        Some(records) => {
            let map = SparseMap::read(records, stream, limits.extension_bytes)?;
            if !stream.charge_holes(map.holes()) {
                return Err(LayerError::Holes { path: show(path) });
            }
            tree.spool_mut().append(map.expand(stream), map.real_size)
        }
    };
    let extent = appended.map_err(|error| match error {
        TreeError::Truncated(_) => TreeError::Truncated(show(path)),
        error => error,
    })?;
    tree.put(path, meta, Kind::File(extent))?;
    Ok(())
}

fn device(item: &Item) -> Result<(u32, u32), LayerError> {
    let major = item.header.device_major().map_err(LayerError::from_field)?.unwrap_or(0);
    let minor = item.header.device_minor().map_err(LayerError::from_field)?.unwrap_or(0);
    // Linux has 12 bits for the major number and 20 for the minor.
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(LayerError::Tar("a device number is out of range".to_owned()));
    }
    Ok((major, minor))
}

fn meta(item: &mut Item, path: &[u8], limits: &Limits) -> Result<Meta, LayerError> {
    let header = &item.header;
    let id = |extension: Option<u32>, field: std::io::Result<u64>| match extension {
        Some(id) => Ok(id),
        None => u32::try_from(field.map_err(LayerError::from_field)?)
            .map_err(|_| LayerError::Tar("an owner is out of range".to_owned())),
    };
    let (mtime, mtime_nsec) = match item.pax.mtime {
        Some(time) => time,
        None => (header_mtime(header)?, 0),
    };
    let mode = header.mode().map_err(LayerError::from_field)? & 0o7777;
    let mut meta = Meta {
        mode: u16::try_from(mode).unwrap_or(0),
        uid: id(item.pax.uid, header.uid())?,
        gid: id(item.pax.gid, header.gid())?,
        mtime,
        mtime_nsec,
        xattrs: std::mem::take(&mut item.pax.xattrs),
    };
    let xattr_bytes: usize = meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
    if xattr_bytes > limits.xattr_bytes {
        return Err(LayerError::XattrsTooLarge { path: show(path), max: limits.xattr_bytes });
    }
    // Name spaces of other systems mean nothing to Linux.
    meta.xattrs.retain(|name, value| erofs::representable(name, value));
    Ok(meta)
}
