//! Where images come from, behind one trait: find the manifest, then hand out the layers.
//!
//! ```text
//! ImageContent ─┬─ oci.rs      OCI layout, over Files: a directory (files.rs) or a tar file (archive.rs)
//!              ├─ docker.rs   tar file of `docker save`
//!              └─ dir.rs      manifest and blobs side by side
//! documents.rs                indexes, manifests and configurations: bytes in, checked values out
//! ```

mod archive;
mod dir;
mod docker;
pub mod documents;
mod error;
mod files;
mod oci;

use std::io::Read;
use std::path::Path;

use oci_spec::image::ImageConfiguration;

pub use error::SourceError;
#[cfg(feature = "registry")]
pub(crate) use files::verify;

use crate::bundle::Origin;
use crate::digest::Digest;
use crate::layer::{self, Layer};
use crate::limits::Limits;
use crate::reference::Reference;
use crate::tree::Tree;

/// An image whose manifest and configuration were read and checked; its layers were not yet.
#[derive(Clone, Debug)]
pub struct ResolvedImage {
    /// Digest of the manifest for this platform, never that of an index.
    pub manifest_digest: Digest,
    /// Digest of the configuration.
    pub config_digest: Digest,
    /// The image configuration: platform, command, environment, diff ids.
    pub config: ImageConfiguration,
    /// The same as it was written: fields that the specification does not have are in here alone.
    pub config_json: Vec<u8>,
    /// The layers, the lowest first.
    pub layers: Vec<Layer>,
}

impl ResolvedImage {
    /// What the record of a bundle says about this image.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            manifest_digest: self.manifest_digest,
            config_digest: self.config_digest,
            layers: self.layers.iter().map(|layer| layer.digest.unwrap_or(layer.diff_id)).collect(),
        }
    }
}

/// Something that has an image.
pub trait ImageContent {
    /// Whoever wants an image that another one of the same queue is about to make waits for that one's bundle. What can be slow
    /// for one and not for another, a registry and a tenant's share of it, is part of its name.
    fn queue(&self) -> String {
        String::new()
    }

    /// The digest of the manifest for this platform, with as little work as that takes: it tells whether the image is
    /// there already.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn identify(&mut self, limits: &Limits) -> Result<Digest, SourceError> {
        Ok(self.resolve(limits)?.manifest_digest)
    }

    /// Makes sure that whoever asks may have the image, where its bundle is there already: it may be there because
    /// someone else was allowed to have it.
    ///
    /// # Errors
    /// See [`SourceError`]; then the bundle is not for whoever asks.
    fn prove(&mut self, _limits: &Limits) -> Result<(), SourceError> {
        Ok(())
    }

    /// Reads manifest and configuration.
    ///
    /// # Errors
    /// See [`SourceError`].
    fn resolve(&mut self, limits: &Limits) -> Result<ResolvedImage, SourceError>;

    /// The blob of the layer with this number. What is read is verified by [`layer::apply`].
    ///
    /// # Errors
    /// See [`SourceError`].
    fn open_layer(&mut self, image: &ResolvedImage, index: usize) -> Result<Box<dyn Read + '_>, SourceError>;

    /// Forgets copies of the layers, when one of them turned out to be damaged; says whether there were any, so that
    /// trying again makes sense.
    fn forget(&mut self, _image: &ResolvedImage) -> bool {
        false
    }
}

/// Opens the source behind a local reference; archives that are compressed are decompressed to `spool_dir` first.
///
/// # Errors
/// When there is nothing, or it is not what the reference says. A registry is not a local source.
pub fn open(
    reference: &Reference,
    spool_dir: &Path,
    limits: &Limits,
) -> Result<Box<dyn ImageContent + Send>, SourceError> {
    Ok(match &reference.clone().located()? {
        Reference::Registry(_) => return Err(SourceError::NotLocal),
        Reference::OciLayout { path, select } => {
            Box::new(oci::OciLayout::new(files::Directory::open(path)?, select.clone()))
        }
        Reference::OciArchive { path, select } => {
            Box::new(oci::OciLayout::new(archive::Archive::open(path, spool_dir, limits)?, select.clone()))
        }
        Reference::DockerArchive { path, name } => Box::new(docker::DockerArchive::new(
            archive::Archive::open(path, spool_dir, limits)?,
            name.clone(),
        )),
        Reference::Directory { path } => Box::new(dir::BlobDirectory::new(files::Directory::open(path)?)),
    })
}

/// What happens while an image is unpacked.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// The unpacking of a layer starts.
    Layer {
        /// Its number, from 0.
        index: usize,
        /// How many there are.
        count: usize,
        /// What is known about it.
        layer: &'a Layer,
    },
    /// So many bytes of it were read.
    Read(u64),
    /// It is in the tree.
    Done,
}

/// Unpacks all layers into a tree whose spool file is in `spool_dir`.
///
/// # Errors
/// When a layer cannot be had, is not what was declared, or asks for what no image may have.
pub fn unpack(
    source: &mut dyn ImageContent,
    image: &ResolvedImage,
    spool_dir: &Path,
    limits: &Limits,
    progress: &dyn Fn(Event<'_>),
) -> Result<Tree, SourceError> {
    let mut tree = Tree::new(spool_dir, limits)
        .map_err(|error| SourceError::Layer { index: 0, source: error.into() })?;
    let mut left = limits.unpacked_bytes;
    for (index, layer) in image.layers.iter().enumerate() {
        // A registry's layers are downloaded first.
        let blob = source.open_layer(image, index)?;
        progress(Event::Layer { index, count: image.layers.len(), layer });
        let blob = Reported { inner: blob, progress };
        let applied = layer::apply(&mut tree, blob, layer, limits, &mut left);
        applied.map_err(|source| SourceError::Layer { index, source })?;
        progress(Event::Done);
    }
    Ok(tree)
}

struct Reported<'a, R> {
    inner: R,
    progress: &'a dyn Fn(Event<'_>),
}

impl<R: Read> Read for Reported<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        (self.progress)(Event::Read(read as u64));
        Ok(read)
    }
}
