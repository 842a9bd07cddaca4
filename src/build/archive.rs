//! Archives: what ADD unpacks, and contexts that are not folders. Read as an attacker's, into a tree in memory.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use bundles::digest::Digest;
use bundles::layer::{self, Layer, LayerError};
use bundles::limits::Limits;
use bundles::tree::{Tree, TreeError};
use lzma_rust2::XzReader;
use sha2::{Digest as _, Sha256};

/// Bytes of a tar archive's first header.
const HEADER: u64 = 512;
/// Memory for a file of xz: `xz -9` makes files that take half of it.
const XZ_MEMORY_KIB: u32 = 128 << 10;

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// What is in it.
    #[error("the archive cannot be unpacked")]
    Content(#[from] LayerError),
    /// No room for its files.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A bomb.
    #[error("the archive decompresses to more than {0} bytes")]
    TooLong(u64),
    /// A compression that is not there.
    #[error("archives compressed with {0} are not unpacked yet: decompress it, or COPY it")]
    Compression(&'static str),
    /// The disk refuses, or the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Whether a file that begins so may be an archive, in which case [`unpack`] says more.
///
/// # Errors
/// [`ArchiveError::Compression`].
pub fn is_candidate(head: &[u8]) -> Result<bool, ArchiveError> {
    match head {
        [b'B', b'Z', b'h', ..] => Err(ArchiveError::Compression("bzip2")),
        _ if is_xz(head) => Ok(true),
        [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(true),
        _ => Ok(is_tar(head)),
    }
}

/// Unpacks an archive, compressed or not, into a tree whose files are in `scratch`. Nothing where it is none, though it may be
/// compressed.
///
/// # Errors
/// See [`ArchiveError`].
pub fn unpack(file: &mut File, scratch: &Path) -> Result<Option<Tree>, ArchiveError> {
    let limits = Limits::default();
    file.rewind()?;
    let mut head = Vec::new();
    file.by_ref().take(HEADER).read_to_end(&mut head)?;
    if !is_candidate(&head)? {
        return Ok(None);
    }
    let mut plain;
    let file = match is_xz(&head) {
        true => match plain_of_xz(file, &limits, scratch)? {
            Some(found) => {
                plain = found;
                &mut plain
            }
            None => return Ok(None),
        },
        false => file,
    };
    let size = file.metadata()?.len();
    let Some(diff_id) = diff_id(file, size, &limits)? else { return Ok(None) };
    file.rewind()?;
    let mut tree = Tree::new(scratch, &limits)?;
    let mut left = limits.unpacked_bytes;
    layer::apply(&mut tree, &*file, &Layer { digest: None, size, diff_id }, &limits, &mut left)?;
    Ok(Some(tree))
}

fn is_xz(head: &[u8]) -> bool {
    head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0])
}

/// What a file of xz decompresses to, as a file of its own, if that begins as an archive does.
fn plain_of_xz(file: &mut File, limits: &Limits, scratch: &Path) -> Result<Option<File>, ArchiveError> {
    let max = room(file.metadata()?.len(), limits);
    file.rewind()?;
    let mut reader = XzReader::new_mem_limit(BufReader::new(&*file), true, XZ_MEMORY_KIB);
    let mut first = Vec::new();
    let taken = reader.by_ref().take(HEADER).read_to_end(&mut first);
    if taken.is_err() || !is_tar(&first) {
        file.rewind()?;
        return Ok(None);
    }
    let mut plain = tempfile::tempfile_in(scratch)?;
    let count = io::copy(&mut first.chain(reader).take(max + 1), &mut plain)?;
    if count > max {
        return Err(ArchiveError::TooLong(max));
    }
    plain.rewind()?;
    Ok(Some(plain))
}

/// Bytes that so many may decompress to.
fn room(size: u64, limits: &Limits) -> u64 {
    limits.ratio_free_bytes.max(size.saturating_mul(limits.ratio)).min(limits.unpacked_bytes)
}

/// The digest of what it decompresses to, if that begins as an archive does.
fn diff_id(file: &mut File, size: u64, limits: &Limits) -> Result<Option<Digest>, ArchiveError> {
    let max = room(size, limits);
    file.rewind()?;
    let mut reader = BufReader::new(&*file);
    let Some(mut plain) = layer::decompress(&mut reader, max)? else {
        file.rewind()?;
        return digest(&mut &*file).map(Some).map_err(Into::into);
    };
    let mut first = Vec::new();
    let taken = plain.by_ref().take(HEADER).read_to_end(&mut first);
    if taken.is_err() || !is_tar(&first) {
        return Ok(None);
    }
    Ok(Some(digest(&mut first.chain(plain))?))
}

fn digest(reader: &mut dyn Read) -> io::Result<Digest> {
    let mut hasher = Sha256::new();
    let mut buffer = [0; 64 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(Digest::from_hasher(hasher)),
            count => hasher.update(buffer.get(..count).unwrap_or_default()),
        }
    }
}

/// Whether this is the first block of a tar archive: its checksum is right.
fn is_tar(block: &[u8]) -> bool {
    let Some(block) = block.get(..HEADER as usize) else { return false };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    let text: String = block.iter().skip(148).take(8).map(|byte| char::from(*byte)).collect();
    let digits = text.trim_matches(|c: char| c == ' ' || c == '\0');
    u32::from_str_radix(digits, 8).is_ok_and(|stored| stored == sum && sum > 256)
}
