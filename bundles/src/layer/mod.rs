//! One layer into a tree, every byte of it verified.
//!
//! ```text
//! blob ─► count + SHA-256 ─► gzip │ zstd │ plain ─► bounded, count + SHA-256 ─► entries ─► apply ─► Tree
//!          size, digest                              bombs        diff id        tar      whiteouts …
//! ```
//!
//! The tree has seen unverified entries by the time a digest turns out wrong; whoever gets an error from here drops it.

mod apply;
mod bounded;
pub(crate) mod entries;
mod error;
mod gzip;
pub mod pax;
mod sparse;
pub(crate) mod stream;
mod tagged;

use std::io::{self, BufRead, BufReader, Read};

pub use error::LayerError;
pub use sparse::SparseRecords;

use crate::digest::{Digest, HashingReader};
use crate::limits::Limits;
use crate::tree::Tree;
use bounded::Bounded;
use gzip::Members;
use tagged::Tagged;

/// What is known about a layer beforehand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Digest of the blob; archives of `docker save` have none.
    pub digest: Option<Digest>,
    /// Size of the blob.
    pub size: u64,
    /// Digest of the decompressed tar stream.
    pub diff_id: Digest,
}

/// How a blob is compressed, by its first bytes: media types are often wrong, and the diff id settles the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compression {
    None,
    Gzip,
    Zstd,
}

/// Largest window of a zstd frame, as a power of two: what every level but the "ultra" ones needs.
const ZSTD_WINDOW_LOG_MAX: u32 = 25;

/// Applies a layer to the tree and takes what it decompresses to from `unpacked_left`.
///
/// # Errors
/// See [`LayerError`].
pub fn apply(
    tree: &mut Tree,
    blob: impl Read,
    layer: &Layer,
    limits: &Limits,
    unpacked_left: &mut u64,
) -> Result<(), LayerError> {
    if layer.size > limits.layer_bytes {
        return Err(LayerError::TooLarge { size: layer.size, max: limits.layer_bytes });
    }
    // One byte more than declared is enough to see that there is more.
    let mut compressed = BufReader::with_capacity(
        64 * 1024,
        HashingReader::new(Tagged::new(blob.take(layer.size + 1), LayerError::Read)),
    );
    tree.begin_layer();
    let result = read_stream(tree, &mut compressed, layer, limits, unpacked_left);
    if matches!(&result, Err(error) if error.is_limit()) {
        return result.map(|_| ());
    }
    // A broken stream is most often a broken blob: say that, not what the parser stumbled over.
    io::copy(&mut compressed, &mut io::sink()).map_err(LayerError::from_io)?;
    let (digest, count) = compressed.into_inner().finish();
    check_blob(layer, digest, count)?;
    let diff_id = result?;
    if diff_id != layer.diff_id {
        return Err(LayerError::DiffId { declared: layer.diff_id, found: diff_id });
    }
    Ok(())
}

fn check_blob(layer: &Layer, digest: Digest, count: u64) -> Result<(), LayerError> {
    if count < layer.size {
        return Err(LayerError::Truncated { declared: layer.size, found: count });
    }
    if count > layer.size {
        return Err(LayerError::Longer { declared: layer.size });
    }
    match layer.digest {
        Some(declared) if declared != digest => Err(LayerError::Digest { declared, found: digest }),
        _ => Ok(()),
    }
}

/// Reads the whole stream into the tree and returns its digest.
fn read_stream(
    tree: &mut Tree,
    compressed: &mut impl BufRead,
    layer: &Layer,
    limits: &Limits,
    unpacked_left: &mut u64,
) -> Result<Digest, LayerError> {
    let decoder = decoder(compressed).map_err(LayerError::from_io)?;
    let max = limits.ratio_free_bytes.max(layer.size.saturating_mul(limits.ratio)).min(*unpacked_left);
    let mut plain = HashingReader::new(Bounded::new(decoder, max));
    apply::entries(tree, &mut plain, limits, max)?;
    // What follows the end of the archive is part of the diff id.
    io::copy(&mut plain, &mut io::sink()).map_err(LayerError::from_io)?;
    let (digest, count) = plain.finish();
    *unpacked_left -= count.min(*unpacked_left);
    Ok(digest)
}

fn decoder<'a>(compressed: &'a mut impl BufRead) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match detect(compressed.fill_buf()?) {
        Compression::None => Box::new(compressed),
        Compression::Gzip => Box::new(Tagged::new(Members::new(compressed), |error| {
            LayerError::Compression { format: "gzip", what: error.to_string() }
        })),
        Compression::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(compressed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(Tagged::new(decoder, |error| LayerError::Compression {
                format: "zstd",
                what: error.to_string(),
            }))
        }
    })
}

fn detect(head: &[u8]) -> Compression {
    match head {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        // A frame, or a skippable frame in front of one.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// A whole compressed file decompressed, for archives of images; at most `max` bytes. Nothing where it is not compressed with gzip
/// or zstd.
///
/// # Errors
/// When the file cannot be read.
pub fn decompress<'a>(file: &'a mut impl BufRead, max: u64) -> io::Result<Option<Box<dyn Read + 'a>>> {
    if detect(file.fill_buf()?) == Compression::None {
        return Ok(None);
    }
    Ok(Some(Box::new(Bounded::new(decoder(file)?, max))))
}
