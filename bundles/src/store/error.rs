//! Why the store cannot do something.

use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::BundleError;
use crate::digest::Digest;

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses.
    #[error("cannot use {path} of the store")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A bundle cannot be written or read.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A bundle that is being used cannot be removed.
    #[error("{0} is in use")]
    InUse(Digest),
    /// Nothing there under this digest.
    #[error("{0} is not in the store")]
    Missing(Digest),
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { path, source }
}
