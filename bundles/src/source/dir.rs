//! `dir:` — a manifest and its blobs side by side in one directory, the blobs named by their digest's digits.

use std::io::Read;

use oci_spec::image::{Descriptor, DescriptorBuilder, MediaType};

use super::documents::{self, Document, INDEX_TYPES, MANIFEST_TYPES};
use super::files::{Directory, Files};
use super::oci::resolve;
use super::{ImageContent, ResolvedImage, SourceError};
use crate::digest::Digest;
use crate::limits::Limits;

/// A directory as skopeo writes it for `dir:`.
pub(super) struct BlobDirectory {
    files: Directory,
}

impl BlobDirectory {
    pub(super) const fn new(files: Directory) -> Self {
        Self { files }
    }

    /// A blob, or for the manifests of an index the file that tools write beside it.
    fn document(&self, digest: Digest, size: u64, max: u64) -> Result<Vec<u8>, SourceError> {
        let hex = digest.hex();
        match self.files.read_verified(&hex, digest, Some(size), max) {
            Err(SourceError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                self.files.read_verified(&format!("{hex}.manifest.json"), digest, Some(size), max)
            }
            other => other,
        }
    }
}

impl ImageContent for BlobDirectory {
    fn resolve(&mut self, limits: &Limits) -> Result<ResolvedImage, SourceError> {
        let top = self.files.read("manifest.json", limits.document_bytes)?;
        let top_digest = Digest::of(&top);
        let root = describe(&top, top_digest)?;
        let mut fetch = |descriptor: &Descriptor| {
            let digest = documents::digest_of(descriptor)?;
            if digest == top_digest {
                return Ok((top.clone(), digest));
            }
            Ok((self.document(digest, descriptor.size(), limits.document_bytes)?, digest))
        };
        resolve(root, &mut fetch, limits)
    }

    fn open_layer(&mut self, image: &ResolvedImage, index: usize) -> Result<Box<dyn Read + '_>, SourceError> {
        let layer = &image.layers[index];
        Ok(self.files.open(&layer.digest.unwrap_or(layer.diff_id).hex())?.0)
    }
}

/// A descriptor for a document that came without one.
fn describe(bytes: &[u8], digest: Digest) -> Result<Descriptor, SourceError> {
    let (media_type, default) = match documents::parse(bytes, None)? {
        Document::Index(index) => (index.media_type().clone(), INDEX_TYPES[0]),
        Document::Manifest(manifest) => (manifest.media_type().clone(), MANIFEST_TYPES[0]),
    };
    let invalid = || SourceError::BadDigest(crate::digest::DigestError::Malformed(digest.to_string()));
    DescriptorBuilder::default()
        .media_type(media_type.unwrap_or_else(|| MediaType::from(default)))
        .digest(digest.to_string().parse::<oci_spec::image::Digest>().map_err(|_| invalid())?)
        .size(bytes.len() as u64)
        .build()
        .map_err(|_| invalid())
}
