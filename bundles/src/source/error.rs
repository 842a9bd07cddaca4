//! Why an image cannot be had from its source.

use std::io;
use std::path::PathBuf;

use super::documents::DocumentError;
use crate::digest::{Digest, DigestError};
use crate::layer::LayerError;

/// Why an image cannot be had from its source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A reference to a registry where a local one is needed.
    #[error("the reference names a registry, not something on this machine")]
    NotLocal,
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file as it was opened.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Something that is not a regular file, or a symbolic link.
    #[error("{0} is not a regular file")]
    NotAFile(PathBuf),
    /// A file is missing in an archive.
    #[error("\"{name}\" is missing in {archive}")]
    MissingEntry {
        /// Path of the archive.
        archive: PathBuf,
        /// The member that the image names.
        name: String,
    },
    /// The archive itself is malformed.
    #[error("{path} is not a usable archive")]
    Archive {
        /// Path of the archive.
        path: PathBuf,
        /// What its tar stream breaks.
        #[source]
        source: LayerError,
    },
    /// More entries than an archive of an image has.
    #[error("{0} has too many entries for an archive of an image")]
    TooManyEntries(PathBuf),
    /// An index, manifest or configuration is longer than allowed.
    #[error("{what} is {size} bytes long; at most {max} are allowed")]
    DocumentTooLarge {
        /// Name of the document or blob.
        what: String,
        /// Size of the document in bytes.
        size: u64,
        /// The largest size allowed, in bytes.
        max: u64,
    },
    /// An index, manifest or configuration is malformed or unsuitable.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// A blob of another size than declared.
    #[error("{what} is {found} bytes long, its descriptor says {declared}")]
    Size {
        /// Name of the document or blob.
        what: String,
        /// Size in the descriptor, in bytes.
        declared: u64,
        /// Size of what there is.
        found: u64,
    },
    /// A blob with another digest than declared.
    #[error("{what} has the digest {found}, its descriptor says {declared}")]
    Digest {
        /// Name of the document or blob.
        what: String,
        /// Digest in the descriptor.
        declared: Digest,
        /// Digest of what there is.
        found: Digest,
    },
    /// What is behind the path of a layout is no name.
    #[error(transparent)]
    Reference(#[from] crate::reference::ReferenceError),
    /// A digest that is none.
    #[error(transparent)]
    BadDigest(#[from] DigestError),
    /// The layout has no image with this tag or digest.
    #[error("there is no image \"{wanted}\"; there are: {offered}")]
    NoSuchImage {
        /// What was asked for.
        wanted: String,
        /// Names of the images that there are.
        offered: String,
    },
    /// Several images and no tag.
    #[error("there are several images; name one of: {0}")]
    Ambiguous(String),
    /// The registry does not give it.
    #[cfg(feature = "registry")]
    #[error(transparent)]
    Registry(Box<crate::registry::RegistryError>),
    /// A layer is refused.
    #[error("layer {}: {source}", .index + 1)]
    Layer {
        /// Its number, from 0.
        index: usize,
        /// What is wrong with it.
        source: LayerError,
    },
}

impl SourceError {
    pub(super) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
