//! A tar file as named files: read through once for the names, then any of them by position.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tar::EntryType;

use super::SourceError;
use super::files::{Files, Opened, open_regular};
use crate::layer::stream::{Skip, TarStream};
use crate::layer::{self, LayerError, entries};
use crate::limits::Limits;
use crate::tree::path::components;

/// An image has a handful of entries per layer.
const ENTRIES_MAX: usize = 16 * 1024;
/// Links of links in archives of old versions of `docker save`.
const LINKS_MAX: usize = 8;

enum Member {
    File { offset: u64, size: u64 },
    Link(String),
}

/// An open archive and where its members are.
pub(super) struct Archive {
    path: PathBuf,
    file: File,
    members: HashMap<String, Member>,
}

impl Archive {
    /// Opens an archive; a compressed one is decompressed into an unlinked file in `spool_dir`.
    pub(super) fn open(path: &Path, spool_dir: &Path, limits: &Limits) -> Result<Self, SourceError> {
        let (file, size) = open_regular(path)?;
        let malformed = |source| SourceError::Archive { path: path.to_owned(), source };
        let plain = plain(&file, size, spool_dir, limits).map_err(LayerError::from_io).map_err(malformed)?;
        let file = plain.unwrap_or(file);
        let members = members(path, &file, limits)?;
        Ok(Self { path: path.to_owned(), file, members })
    }

    fn find(&self, name: &str) -> Option<(u64, u64)> {
        let mut name = name.to_owned();
        for _ in 0..LINKS_MAX {
            match self.members.get(&name)? {
                Member::File { offset, size } => return Some((*offset, *size)),
                Member::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

impl Files for Archive {
    fn open(&self, name: &str) -> Result<Opened<'_>, SourceError> {
        let missing =
            || SourceError::MissingEntry { archive: self.path.clone(), name: crate::digest::shorten(name) };
        let (offset, size) = self.find(name).ok_or_else(missing)?;
        Ok((Box::new(MemberReader { file: &self.file, offset, left: size }), size))
    }
}

/// The decompressed content of a compressed archive.
fn plain(file: &File, size: u64, spool_dir: &Path, limits: &Limits) -> io::Result<Option<File>> {
    let max = limits.ratio_free_bytes.max(size.saturating_mul(limits.ratio)).min(limits.unpacked_bytes);
    let mut reader = BufReader::new(file);
    let Some(mut decoder) = layer::decompress(&mut reader, max)? else {
        drop(reader);
        (&*file).rewind()?;
        return Ok(None);
    };
    let mut plain = tempfile::tempfile_in(spool_dir)?;
    io::copy(&mut decoder, &mut plain)?;
    plain.rewind()?;
    Ok(Some(plain))
}

fn members(path: &Path, file: &File, limits: &Limits) -> Result<HashMap<String, Member>, SourceError> {
    let malformed = |source| SourceError::Archive { path: path.to_owned(), source };
    let mut stream =
        TarStream::new(Seeking { file, left: file.metadata().map_err(SourceError::io(path))?.len() });
    let mut members = HashMap::new();
    while let Some(item) = entries::next(&mut stream, limits.extension_bytes).map_err(malformed)? {
        if members.len() >= ENTRIES_MAX {
            return Err(SourceError::TooManyEntries(path.to_owned()));
        }
        let name = normalize(&item.path, b"").map_err(malformed)?;
        match item.header.entry_type() {
            EntryType::Regular | EntryType::Continuous => {
                let (offset, size) = (stream.position(), stream.left());
                members.insert(name, Member::File { offset, size });
            }
            EntryType::Link => {
                members.insert(name, Member::Link(normalize(&item.link, b"").map_err(malformed)?));
            }
            EntryType::Symlink => {
                // A link that leads out of the archive leads nowhere.
                if let Ok(target) = normalize(&item.link, &item.path) {
                    members.insert(name, Member::Link(target));
                }
            }
            _ => {}
        }
    }
    Ok(members)
}

/// A member's name without `./`; a link's target taken from the directory of the link.
fn normalize(name: &[u8], link: &[u8]) -> Result<String, LayerError> {
    let parent = link.iter().rposition(|&byte| byte == b'/').map_or(b"".as_slice(), |slash| &link[..slash]);
    let mut parts: Vec<&[u8]> = if parent.is_empty() { Vec::new() } else { components(parent)? };
    let mut rest = name;
    // `docker save` links layers to those of other directories: "../ID/layer.tar".
    while let (Some(after), false) = (rest.strip_prefix(b"../"), link.is_empty()) {
        parts.pop();
        rest = after;
    }
    parts.extend(components(rest)?);
    Ok(String::from_utf8_lossy(&parts.join(&b'/')).into_owned())
}

/// A file from its start, in which bodies of members are left out without being read.
struct Seeking<'a> {
    file: &'a File,
    /// Bytes to the end.
    left: u64,
}

impl Read for Seeking<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = (&*self.file).read(buffer)?;
        self.left = self.left.saturating_sub(read as u64);
        Ok(read)
    }
}

impl Skip for Seeking<'_> {
    fn skip(&mut self, bytes: u64) -> io::Result<u64> {
        let skipped = bytes.min(self.left);
        (&*self.file).seek_relative(i64::try_from(skipped).map_err(io::Error::other)?)?;
        self.left -= skipped;
        Ok(skipped)
    }
}

struct MemberReader<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for MemberReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut buffer[..want], self.offset)?;
        self.offset += got as u64;
        self.left -= got as u64;
        Ok(got)
    }
}
