//! Why an image cannot be written.

use std::io;

/// Why an image cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ErofsError {
    /// More than the format can express.
    #[error("the file system is too large for an EROFS image")]
    TooLarge,
    /// The disk refused, or the spool could not be read.
    #[error("cannot write the EROFS image")]
    Io(#[from] io::Error),
}
