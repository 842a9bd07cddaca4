//! What ADD does beyond COPY: an archive of the context is unpacked.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use bundles::digest::Digest;
use bundles::layer::{self, Layer};
use bundles::limits::Limits;
use bundles::tree::Tree;
use flate2::read::MultiGzDecoder;
use sha2::{Digest as _, Sha256};

use crate::copy::{Copier, CopyError};
use crate::layer::{Changes, show};
use crate::origin::{FoundKind, Origin};

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// A file cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// What is in the archive.
    #[error("{path}: the archive cannot be unpacked")]
    Archive {
        /// The source.
        path: String,
        /// Why not.
        #[source]
        error: bundles::layer::LayerError,
    },
    /// A compression that is not there.
    #[error("{path}: archives compressed with {kind} are not unpacked yet: decompress it, or COPY it")]
    Compression {
        /// The source.
        path: String,
        /// Which one.
        kind: &'static str,
    },
    /// The disk refuses, or the file.
    #[error("{path}")]
    Io {
        /// The source.
        path: String,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Copies what a source names; archives among it are unpacked into `destination`.
///
/// # Errors
/// See [`AddError`].
pub fn add(
    copier: &Copier<'_>,
    source: &str,
    destination: &str,
    scratch: &Path,
    changes: &mut Changes,
) -> Result<(), AddError> {
    let paths = copier.sources(source)?;
    let [path] = &paths[..] else { return Ok(copier.copy(source, destination, changes)?) };
    let is_file = copier.origin.get(path).is_some_and(|found| matches!(found.kind, FoundKind::File(_)));
    let io = |error| AddError::Io { path: show(path), error };
    let Some(archive) = is_file.then(|| archive(copier, path, scratch)).transpose()?.flatten() else {
        return Ok(copier.copy(source, destination, changes)?);
    };
    let limits = Limits::default();
    let mut tree = Tree::new(scratch, &limits).map_err(|error| io(io::Error::other(error)))?;
    let mut left = limits.unpacked_bytes;
    let mut file = archive.file;
    file.rewind().map_err(io)?;
    let applied = layer::apply(&mut tree, &file, &archive.about, &limits, &mut left);
    applied.map_err(|error| AddError::Archive { path: show(path), error })?;
    let inner = Copier {
        origin: Origin::Tree(&tree),
        called: "the archive",
        tree: copier.tree,
        owner: copier.owner,
        mode: copier.mode,
        exclude: crate::pattern::Patterns::default(),
        parents: false,
        latest: copier.latest,
    };
    Ok(inner.copy("/", &format!("{destination}/"), changes)?)
}

struct Archive {
    file: File,
    about: Layer,
}

/// The file, if it is an archive: a copy, since it is read twice.
fn archive(copier: &Copier<'_>, path: &[u8], scratch: &Path) -> Result<Option<Archive>, AddError> {
    let io = |error| AddError::Io { path: show(path), error };
    let mut head = Vec::new();
    copier.origin.open(path).map_err(io)?.take(512).read_to_end(&mut head).map_err(io)?;
    let kind = match head[..] {
        [0x1f, 0x8b, ..] => "gzip",
        [b'B', b'Z', b'h', ..] => return Err(AddError::Compression { path: show(path), kind: "bzip2" }),
        [0xfd, b'7', b'z', b'X', b'Z', ..] => {
            return Err(AddError::Compression { path: show(path), kind: "xz" });
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(AddError::Compression { path: show(path), kind: "zstd" }),
        _ if is_tar(&head) => "tar",
        _ => return Ok(None),
    };
    let mut file = tempfile::tempfile_in(scratch).map_err(io)?;
    let size = io::copy(&mut copier.origin.open(path).map_err(io)?, &mut file).map_err(io)?;
    file.rewind().map_err(io)?;
    let limits = Limits::default();
    let max = limits.ratio_free_bytes.max(size.saturating_mul(limits.ratio)).min(limits.unpacked_bytes);
    let reader = BufReader::new(&file);
    let mut plain: Box<dyn Read + '_> = match kind {
        "gzip" => Box::new(MultiGzDecoder::new(reader)),
        _ => Box::new(reader),
    };
    let mut first = Vec::new();
    let taken = plain.by_ref().take(512).read_to_end(&mut first);
    // Something compressed that is no archive is copied as it is.
    if taken.is_err() || !is_tar(&first) {
        return Ok(None);
    }
    let mut hasher = Sha256::new();
    hasher.update(&first);
    let mut left = max;
    let mut buffer = [0; 64 << 10];
    loop {
        let count = plain.read(&mut buffer).map_err(io)?;
        if count == 0 {
            break;
        }
        left =
            left.checked_sub(count as u64).ok_or_else(|| io(io::Error::other("it unpacks to too much")))?;
        hasher.update(buffer.get(..count).unwrap_or_default());
    }
    drop(plain);
    let about = Layer { digest: None, size, diff_id: Digest::from_hasher(hasher) };
    Ok(Some(Archive { file, about }))
}

/// Whether this is the first block of a tar archive: its checksum is right.
fn is_tar(block: &[u8]) -> bool {
    let Some(block) = block.get(..512) else { return false };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    let text: String = block.iter().skip(148).take(8).map(|byte| char::from(*byte)).collect();
    let digits = text.trim_matches(|c: char| c == ' ' || c == '\0');
    u32::from_str_radix(digits, 8).is_ok_and(|stored| stored == sum && sum > 256)
}
