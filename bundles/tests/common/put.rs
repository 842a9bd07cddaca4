//! A small image in a store.

use std::path::Path;

use bundles::assemble::{AssembleError, into_store};
use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::source;
use bundles::store::{InUse, Store};

use super::image::{Layout, Packing};
use super::tarball::Tarball;

/// Publishes an image that has this name in it.
///
/// # Errors
/// When the store refuses.
pub fn put(store: &Store, dir: &Path, name: &str) -> Result<InUse, AssembleError> {
    let layer = Tarball::new().file("name", name.as_bytes()).file("data", &vec![7; 200_000]);
    let reference: Reference =
        Layout::new(&dir.join(name), &[(layer, Packing::Gzip)]).write().parse().unwrap();
    let limits = Limits::default();
    let mut source = source::open(&reference, &store.temporary(), &limits)?;
    Ok(into_store(&mut *source, store, &limits, &|_| {})?.bundle)
}
