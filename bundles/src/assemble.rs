//! The whole way at once: a source's image into the store, or into a directory of its own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::bundle::{self, Bundle, BundleError};
use crate::limits::Limits;
use crate::source::{self, Event, ImageContent, ResolvedImage, SourceError};
use crate::store::{InUse, Store, StoreError};
use crate::tree::{Meta, NodeId, Tree, TreeError};
use crate::unpack::{self, UnpackError};

/// Why an image did not become a bundle. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError {
    /// The image cannot be had or is refused.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The plain directory cannot be written.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// The output directory is there already, or cannot be made.
    #[error("cannot use the output directory {path}")]
    Output {
        /// The directory that `--output` names.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Whether to write a plain directory besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainDirectory {
    /// Only the EROFS image.
    No,
    /// Also `rootfs/`, for other OCI runtimes.
    Rootfs,
}

/// A bundle in the store.
#[derive(Debug)]
pub struct Assembled {
    /// The bundle, which stays as long as this lives.
    pub bundle: InUse,
    /// Whether it was made now and not there before.
    pub fresh: bool,
}

/// The bundle of a source's image in the store, unpacked only if it is not there yet.
///
/// # Errors
/// See [`AssembleError`].
pub fn into_store(
    source: &mut dyn ImageContent,
    store: &Store,
    limits: &Limits,
    progress: &dyn Fn(Event<'_>),
) -> Result<Assembled, AssembleError> {
    let flight = store.flight(source.identify(limits)?, source.queue());
    // Whoever comes second waits for the first one's bundle.
    let _turn = flight.turn();
    if let Some(bundle) = store.get(flight.digest)? {
        source.prove(limits)?;
        return Ok(Assembled { bundle, fresh: false });
    }
    let image = source.resolve(limits)?;
    let tree = unpack(source, &image, &store.temporary(), limits, progress)?;
    let bundle = store.publish(image.manifest_digest, |dir| {
        bundle::write(&tree, &image.config, &image.origin(), dir).map(|_| ()).map_err(AssembleError::from)
    })?;
    Ok(Assembled { bundle, fresh: true })
}

/// Unpacks; where a copy of a layer turns out to be damaged, once more with fresh ones.
fn unpack(
    source: &mut dyn ImageContent,
    image: &ResolvedImage,
    spool_dir: &Path,
    limits: &Limits,
    progress: &dyn Fn(Event<'_>),
) -> Result<Tree, SourceError> {
    let mut tree = match source::unpack(source, image, spool_dir, limits, progress) {
        Err(SourceError::Layer { source: error, .. }) if error.is_of_blob() && source.forget(image) => {
            source::unpack(source, image, spool_dir, limits, progress)?
        }
        result => result?,
    };
    let last = image.layers.len().saturating_sub(1);
    add_tmp(&mut tree).map_err(|error| SourceError::Layer { index: last, source: error.into() })?;
    Ok(tree)
}

/// Programs count on `/tmp`, and the root file system is read-only: an image from scratch gets an empty one.
fn add_tmp(tree: &mut Tree) -> Result<(), TreeError> {
    const ANYBODY_BUT_STICKY: u16 = 0o1777;
    if tree.entries(NodeId::ROOT).all(|(name, _)| name != b"tmp") {
        tree.put_directory(b"tmp", Meta::with_mode(ANYBODY_BUT_STICKY))?;
    }
    Ok(())
}

/// The bundle of a source's image as the directory `out`, which must be empty or not there yet.
///
/// # Errors
/// See [`AssembleError`].
pub fn into_directory(
    source: &mut dyn ImageContent,
    out: &Path,
    plain: PlainDirectory,
    limits: &Limits,
    progress: &dyn Fn(Event<'_>),
) -> Result<Bundle, AssembleError> {
    let output = |source| AssembleError::Output { path: out.to_owned(), source };
    let out = std::path::absolute(out).map_err(output)?;
    let parent = out.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(output)?;
    if fs::read_dir(&out).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(output(io::ErrorKind::DirectoryNotEmpty.into()));
    }
    let image = source.resolve(limits)?;
    let tree = unpack(source, &image, parent, limits, progress)?;
    let draft = tempfile::Builder::new().prefix(".bundle-").tempdir_in(parent).map_err(output)?;
    bundle::write(&tree, &image.config, &image.origin(), draft.path())?;
    if plain == PlainDirectory::Rootfs {
        unpack::to_directory(&tree, &draft.path().join("rootfs"))?;
    }
    publish(draft, &out).map_err(output)?;
    Ok(Bundle::open(&out)?)
}

/// Gives the finished directory its name; an empty directory of that name is replaced.
fn publish(draft: tempfile::TempDir, out: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(draft.path(), fs::Permissions::from_mode(0o755))?;
    fs::File::open(draft.path())?.sync_all()?;
    fs::rename(draft.path(), out)?;
    // Nothing is left under the temporary name.
    let _ = draft.keep();
    out.parent().map_or(Ok(()), |parent| fs::File::open(parent)?.sync_all())
}
