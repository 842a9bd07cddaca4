//! What ADD does beyond COPY: an archive of the context is unpacked.

use std::io::{self, Read};
use std::path::Path;

use bundles::tree::Tree;

use crate::archive::{self, ArchiveError};
use crate::copy::{Copier, CopyError};
use crate::layer::{Changes, show};
use crate::origin::{FoundKind, Origin};
use crate::pattern::Patterns;

/// Why something cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// A file cannot be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// An archive cannot be unpacked.
    #[error("{path}")]
    Archive {
        /// The source.
        path: String,
        /// Why not.
        #[source]
        error: ArchiveError,
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
    let unpacked = if is_file { unpacked(copier, path, scratch) } else { Ok(None) };
    let unpacked = unpacked.map_err(|error| AddError::Archive { path: show(path), error })?;
    let Some(tree) = unpacked else { return Ok(copier.copy(source, destination, changes)?) };
    add_tree(copier, &tree, "", destination, changes)
}

/// Copies what is in a directory of a tree into `destination`.
///
/// # Errors
/// See [`AddError`].
pub fn add_tree(
    copier: &Copier<'_>,
    tree: &Tree,
    folder: &str,
    destination: &str,
    changes: &mut Changes,
) -> Result<(), AddError> {
    let inner = Copier {
        origin: Origin::Tree(tree),
        called: "the archive",
        tree: copier.tree,
        owner: copier.owner,
        mode: copier.mode,
        exclude: Patterns::default(),
        parents: false,
        latest: copier.latest,
    };
    Ok(inner.copy(&format!("/{folder}"), &format!("{destination}/"), changes)?)
}

/// The tree of a file, if it is an archive: of a copy, since it is read twice.
fn unpacked(copier: &Copier<'_>, path: &[u8], scratch: &Path) -> Result<Option<Tree>, ArchiveError> {
    let mut head = Vec::new();
    copier.origin.open(path)?.take(512).read_to_end(&mut head)?;
    if !archive::is_candidate(&head)? {
        return Ok(None);
    }
    let mut file = tempfile::tempfile_in(scratch)?;
    io::copy(&mut copier.origin.open(path)?, &mut file)?;
    archive::unpack(&mut file, scratch)
}
