//! Why something cannot be put into a tree.

use std::io;

/// Why an entry was refused. The names quoted are escaped and shortened.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// The path has a `..` component.
    #[error("path \"{0}\" has a \"..\" component")]
    ParentComponent(String),
    /// The path is longer than Linux's PATH_MAX, or so deep through links that no program could name it.
    #[error("path \"{0}\" is longer than 4096 bytes")]
    PathTooLong(String),
    /// A component is longer than Linux's NAME_MAX.
    #[error("path \"{0}\" has a component longer than 255 bytes")]
    ComponentTooLong(String),
    /// A NUL byte in a name or link target.
    #[error("path \"{0}\" has a NUL byte")]
    Nul(String),
    /// An empty path or link target.
    #[error("an entry has an empty path or link target")]
    Empty,
    /// More than 40 symbolic links on the way.
    #[error("path \"{0}\" runs through a loop of symbolic links")]
    SymlinkLoop(String),
    /// The root can only be a directory.
    #[error("the root directory cannot be replaced by something else")]
    RootReplaced,
    /// A hard link's target is not in the image.
    #[error("hard link \"{link}\" points to \"{target}\", which is not in the image")]
    LinkTargetMissing {
        /// Name of the link.
        link: String,
        /// What it should be linked to.
        target: String,
    },
    /// A hard link to a directory.
    #[error("hard link \"{link}\" points to the directory \"{target}\"")]
    LinkToDirectory {
        /// Name of the link.
        link: String,
        /// What it should be linked to.
        target: String,
    },
    /// A whiteout that names nothing.
    #[error("empty whiteout in \"{0}\"")]
    EmptyWhiteout(String),
    /// More files than allowed.
    #[error("the image has more than {0} files, directories and links")]
    TooManyInodes(u32),
    /// More names, targets and attributes than allowed.
    #[error("names, link targets and attributes of the image need more than {0} bytes")]
    TooMuchMetadata(u64),
    /// More data than allowed.
    #[error("the files of the image need more than {0} bytes")]
    TooMuchData(u64),
    /// The spool file cannot be made, written or read.
    #[error("cannot use the spool file for unpacking")]
    Spool(#[source] io::Error),
    /// The layer's bytes cannot be read.
    #[error("cannot read the layer")]
    Read(#[source] io::Error),
    /// The layer ended inside a file.
    #[error("the layer is truncated: \"{0}\" ends early")]
    Truncated(String),
}

/// Shows a name from an image in a message: escaped, at most 80 characters.
pub(crate) fn show(name: &[u8]) -> String {
    crate::digest::shorten(&String::from_utf8_lossy(name))
}
