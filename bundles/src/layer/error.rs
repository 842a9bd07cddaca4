//! Why a layer is refused.

use std::io;

use crate::digest::Digest;
use crate::tree::TreeError;

/// Why a layer is refused.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The blob is larger than [`Limits::layer_bytes`](crate::limits::Limits::layer_bytes).
    #[error("the layer is {size} bytes long; at most {max} are allowed")]
    TooLarge {
        /// Size in the manifest, in bytes.
        size: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// Ends before its declared size.
    #[error("the layer is truncated: {found} of {declared} bytes are there")]
    Truncated {
        /// Size in the manifest, in bytes.
        declared: u64,
        /// Bytes that there are.
        found: u64,
    },
    /// Goes on behind its declared size.
    #[error("the layer is longer than the {declared} bytes that its manifest declares")]
    Longer {
        /// Size in the manifest, in bytes.
        declared: u64,
    },
    /// Other bytes than declared.
    #[error("the layer's digest is {found}, its manifest says {declared}")]
    Digest {
        /// Digest in the manifest or the configuration.
        declared: Digest,
        /// Digest of what there is.
        found: Digest,
    },
    /// Another content than declared.
    #[error("the layer's content has the digest {found}, the image's configuration says {declared}")]
    DiffId {
        /// Digest in the manifest or the configuration.
        declared: Digest,
        /// Digest of what there is.
        found: Digest,
    },
    /// Decompresses to far too much.
    #[error("the layer decompresses to more than the {max} bytes allowed for its size")]
    Bomb {
        /// The bound in bytes.
        max: u64,
    },
    /// The bytes cannot be read.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// What was compressed cannot be decompressed.
    #[error("the layer is no valid {format} file: {what}")]
    Compression {
        /// "gzip" or "zstd".
        format: &'static str,
        /// What the decoder stumbled over.
        what: String,
    },
    /// The tar stream is malformed.
    #[error("the layer is not a valid tar archive: {0}")]
    Tar(String),
    /// An entry's extension header is malformed.
    #[error(transparent)]
    Pax(#[from] super::pax::PaxError),
    /// An extension header is longer than allowed.
    #[error("an extension header of {size} bytes; at most {max} are allowed")]
    ExtensionTooLarge {
        /// Size of its body in bytes.
        size: u64,
        /// The bound in bytes.
        max: u64,
    },
    /// Holes of sparse files that a layer of this size may not have.
    #[error("\"{path}\" has more holes than a layer of this size may have")]
    Holes {
        /// Path of the entry.
        path: String,
    },
    /// A kind of entry that no image has.
    #[error("\"{path}\" is of the unsupported kind {kind}")]
    Unsupported {
        /// Path of the entry.
        path: String,
        /// Its kind in words, or its type flag.
        kind: String,
    },
    /// More or larger attributes than allowed.
    #[error("\"{path}\" has more than {max} bytes of extended attributes")]
    XattrsTooLarge {
        /// Path of the entry.
        path: String,
        /// The bound in bytes.
        max: usize,
    },
    /// The tree refuses an entry.
    #[error(transparent)]
    Tree(TreeError),
}

impl LayerError {
    /// An error that a reader below carried up, unpacked again.
    pub(crate) fn from_io(error: io::Error) -> Self {
        error.downcast::<Self>().unwrap_or_else(Self::Read)
    }

    /// A field of a header that is not what it should be.
    pub(super) fn from_field(error: io::Error) -> Self {
        Self::Tar(error.to_string())
    }

    /// Whether the blob itself is not what was declared, whatever is in it.
    pub(crate) const fn is_of_blob(&self) -> bool {
        matches!(self, Self::Truncated { .. } | Self::Longer { .. } | Self::Digest { .. })
    }

    /// Whether a bound was passed: then there is no point in reading the rest.
    pub(crate) const fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::TooLarge { .. }
                | Self::Bomb { .. }
                | Self::Holes { .. }
                | Self::ExtensionTooLarge { .. }
                | Self::XattrsTooLarge { .. }
                | Self::Tree(
                    TreeError::TooManyInodes(_)
                        | TreeError::TooMuchMetadata(_)
                        | TreeError::TooMuchData(_)
                        | TreeError::Spool(_)
                )
        )
    }
}

impl From<TreeError> for LayerError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Read(error) => Self::from_io(error),
            error => Self::Tree(error),
        }
    }
}
