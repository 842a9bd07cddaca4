//! OCI layouts, in a directory or in a tar file.

use std::io::Read;

use oci_spec::image::{ANNOTATION_REF_NAME, Descriptor, ImageIndex};

use super::documents::{self, Document, DocumentError};
use super::files::Files;
use super::{ImageContent, ResolvedImage, SourceError};
use crate::digest::{Digest, shorten};
use crate::limits::Limits;
use crate::reference::Selector;

/// The layout's files and which of its images is meant.
pub(super) struct OciLayout<F> {
    files: F,
    select: Selector,
}

impl<F: Files> OciLayout<F> {
    pub(super) const fn new(files: F, select: Selector) -> Self {
        Self { files, select }
    }
}

impl<F: Files> ImageContent for OciLayout<F> {
    fn resolve(&mut self, limits: &Limits) -> Result<ResolvedImage, SourceError> {
        let index = self.files.read("index.json", limits.document_bytes)?;
        let Document::Index(index) = documents::parse(&index, None)? else {
            return Err(DocumentError::Confused.into());
        };
        let root = select(&index, &self.select)?.clone();
        let mut fetch = |descriptor: &Descriptor| {
            let digest = documents::digest_of(descriptor)?;
            let size = Some(descriptor.size());
            Ok((self.files.read_verified(&blob_name(digest), digest, size, limits.document_bytes)?, digest))
        };
        resolve(root, &mut fetch, limits)
    }

    fn open_layer(&mut self, image: &ResolvedImage, index: usize) -> Result<Box<dyn Read + '_>, SourceError> {
        let layer = &image.layers[index];
        Ok(self.files.open(&blob_name(layer.digest.unwrap_or(layer.diff_id)))?.0)
    }
}

fn blob_name(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// A document's verified bytes and its digest, by its descriptor.
pub(crate) type Fetch<'a> = dyn FnMut(&Descriptor) -> Result<(Vec<u8>, Digest), SourceError> + 'a;

/// From a manifest or an index to the image for this platform.
pub(crate) fn resolve(
    root: Descriptor,
    fetch: &mut Fetch<'_>,
    limits: &Limits,
) -> Result<ResolvedImage, SourceError> {
    let mut descriptor = root;
    for _ in 0..=limits.index_depth {
        let (bytes, manifest_digest) = fetch(&descriptor)?;
        match documents::parse(&bytes, Some(descriptor.media_type().as_ref()))? {
            Document::Index(index) => descriptor = documents::choose(&index)?.clone(),
            Document::Manifest(manifest) => {
                documents::check_manifest(&manifest, limits.layers)?;
                let (config_json, config_digest) = fetch(manifest.config())?;
                let config = documents::parse_config(&config_json)?;
                let layers = documents::layers(&manifest, &config)?;
                return Ok(ResolvedImage { manifest_digest, config_digest, config, config_json, layers });
            }
        }
    }
    Err(DocumentError::IndexDepth(limits.index_depth).into())
}

/// The entry of the top index that the reference means.
fn select<'a>(index: &'a ImageIndex, wanted: &Selector) -> Result<&'a Descriptor, SourceError> {
    let manifests = index.manifests();
    let name = |descriptor: &'a Descriptor| descriptor.annotations().as_ref()?.get(ANNOTATION_REF_NAME);
    let has_name = |descriptor: &&'a Descriptor| match (&wanted.name, name(descriptor)) {
        (None, _) => true,
        // Some tools write the whole reference and not only the tag.
        (Some(wanted), Some(name)) => {
            name == wanted || name.strip_suffix(wanted.as_str()).is_some_and(|start| start.ends_with(':'))
        }
        (Some(_), None) => false,
    };
    let has_digest = |descriptor: &&'a Descriptor| match wanted.digest {
        None => true,
        Some(digest) => documents::digest_of(descriptor) == Ok(digest),
    };
    let offered = || {
        let names: Vec<String> =
            manifests.iter().filter_map(name).take(20).map(|name| shorten(name)).collect();
        if names.is_empty() { "images without a name".to_owned() } else { names.join(", ") }
    };
    let mut found = manifests.iter().filter(has_name).filter(has_digest);
    match (found.next(), found.next()) {
        (Some(descriptor), None) => Ok(descriptor),
        // Several without a name: as in any index, one per platform.
        (Some(first), Some(_)) if manifests.iter().all(|manifest| name(manifest) == name(first)) => {
            Ok(documents::choose(index)?)
        }
        (Some(_), Some(_)) => Err(SourceError::Ambiguous(offered())),
        (None, _) => Err(SourceError::NoSuchImage { wanted: wanted.to_string(), offered: offered() }),
    }
}
