//! One Image onto the volume: its bundle into the store, then its record, then a symlink for people.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use bundles::assemble::{AssembleError, into_store};
use bundles::limits::Limits;
use bundles::reason::{self, Reason};
use bundles::reference::Reference;
use bundles::registry::{Keychain, RegistryError};
use bundles::source::{self, SourceError};
use bundles::store::{Store, StoreError};

use super::fetch::{PullSecretError, Registries};
use crate::api::{FunctionName, Image, Published};
use crate::volume::{self, Volume};

/// Why an Image is not published. What was published of it before stays.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The bundle cannot be made.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The volume refuses.
    #[error("cannot write the function's record")]
    Record(#[from] io::Error),
    /// A pull secret cannot be used.
    #[error(transparent)]
    PullSecret(#[from] PullSecretError),
    /// The name cannot be a path.
    #[error("`{0}` is not a name")]
    Name(String),
}

impl From<SourceError> for PublishError {
    fn from(error: SourceError) -> Self {
        Self::Assemble(error.into())
    }
}

impl From<RegistryError> for PublishError {
    fn from(error: RegistryError) -> Self {
        SourceError::from(error).into()
    }
}

impl PublishError {
    /// Its kind.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Assemble(error) => error.reason(),
            Self::Store(error) => error.reason(),
            Self::Record(error) => reason::of_disk(error),
            Self::PullSecret(PullSecretError::Content(error)) => error.reason(),
            Self::PullSecret(PullSecretError::Read { .. }) => Reason::CredentialsInvalid,
            Self::Name(_) => Reason::ImageInvalid,
        }
    }

    /// What went wrong, why, and what to do about it, in one line.
    pub fn explain(&self) -> String {
        format!("{}; {}", reason::chain(self), self.reason().fix())
    }
}

/// What publishing did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of the image's manifest.
    pub digest: String,
    /// The record was written: something is different now.
    pub changed: bool,
    /// The bundle was not in the store.
    pub pulled: bool,
}

/// What tells one version of a local image from the next, without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp(Option<(u64, i64, i64, u64)>);

impl Stamp {
    /// The stamp of what a reference names: of the file, or of the list of contents of a folder.
    pub fn of(reference: &Reference) -> Self {
        let Some(path) = reference.local_path() else { return Self::default() };
        let lists = [path.join("index.json"), path.join("manifest.json"), path.to_owned()];
        let data = lists.iter().find_map(|path| fs::metadata(path).ok());
        Self(data.map(|data| (data.ino(), data.mtime(), data.mtime_nsec(), data.size())))
    }
}

/// Writes to one volume.
#[derive(Debug)]
pub struct Publisher {
    volume: Volume,
    store: Store,
    limits: Limits,
    registries: Registries,
}

impl Publisher {
    /// Opens the volume's store.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(volume: Volume, registries: Registries) -> Result<Self, PublishError> {
        let store = Store::open(&volume.store())?;
        Ok(Self { volume, store, limits: Limits::default(), registries })
    }

    /// The credentials of this machine; pull secrets of an Image come before them.
    pub fn keychain(&self) -> &Keychain {
        self.registries.keychain()
    }

    /// Publishes an Image; says what that changed. Blocks.
    ///
    /// # Errors
    /// See [`PublishError`]; nothing is left behind then.
    pub fn publish(
        &self,
        image: &Image,
        reference: &Reference,
        keychain: &Keychain,
    ) -> Result<Outcome, PublishError> {
        let (namespace, function) = (&image.metadata.namespace, &image.metadata.name);
        let name = FunctionName::new(namespace, function)
            .ok_or_else(|| PublishError::Name(format!("{namespace}/{function}")))?;
        let mut source = self.registries.source(&name, reference, keychain, &self.store, &self.limits)?;
        let progress = |event: source::Event<'_>| {
            if let source::Event::Layer { index, count, .. } = event {
                tracing::info!(function = %name, "unpacking layer {} of {count}", index + 1);
            }
        };
        // The lock is held until the record names the bundle: no collection comes in between.
        let assembled = into_store(&mut *source, &self.store, &self.limits, &progress)?;
        let bundle = &assembled.bundle.bundle;
        let digest = bundle.record.manifest_digest.to_string();
        let changed = self.record_bundle(&name, image, &digest, bundle.dir())?;
        Ok(Outcome { digest, changed, pulled: assembled.fresh })
    }

    /// Writes the function's record if it says anything new.
    fn record_bundle(
        &self,
        name: &FunctionName,
        image: &Image,
        digest: &str,
        bundle: &Path,
    ) -> Result<bool, PublishError> {
        let old = self.record(name);
        let generation = match &old {
            Some(old) if old.digest == digest && old.spec == image.spec => {
                // Whoever wrote the record may have been killed before the link.
                self.link(name, bundle)?;
                return Ok(false);
            }
            Some(old) => old.generation + 1,
            None => 1,
        };
        let generation = generation.max(image.metadata.generation);
        let published =
            Published { name: name.clone(), generation, digest: digest.to_owned(), spec: image.spec.clone() };
        let bytes = serde_json::to_vec_pretty(&published).map_err(io::Error::from)?;
        volume::replace(&self.volume.function(name), &bytes)?;
        self.link(name, bundle)?;
        tracing::info!(function = %name, digest = published.digest, "published");
        Ok(true)
    }

    /// The names that are published.
    pub fn published(&self) -> Vec<FunctionName> {
        let Ok(namespaces) = fs::read_dir(self.volume.functions()) else { return Vec::new() };
        let files = namespaces.flatten().flat_map(|namespace| {
            let files = fs::read_dir(namespace.path()).into_iter().flatten().flatten();
            let folder = namespace.file_name().to_string_lossy().into_owned();
            files.map(move |file| (folder.clone(), file.file_name().to_string_lossy().into_owned()))
        });
        files.filter_map(|(folder, file)| FunctionName::new(&folder, file.strip_suffix(".json")?)).collect()
    }

    /// Takes a function back. Its bundle stays until a collection finds that nobody needs it.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, name: &FunctionName) -> io::Result<()> {
        volume::remove(&self.volume.function(name))?;
        volume::remove(&self.volume.bundle_link(name))?;
        tracing::info!(function = %name, "withdrawn");
        Ok(())
    }

    fn record(&self, name: &FunctionName) -> Option<Published> {
        let bytes = fs::read(self.volume.function(name)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The symlink for people, replaced in one step.
    fn link(&self, name: &FunctionName, bundle: &Path) -> io::Result<()> {
        let link = self.volume.bundle_link(name);
        let folder = link.parent().ok_or(io::ErrorKind::InvalidInput)?;
        // One name for each function: what a killed process left there is removed by the next one.
        let temporary = folder.join(format!(".{}.tmp", name.function()));
        let target = bundle
            .strip_prefix(self.volume.root())
            .map_or_else(|_| bundle.to_owned(), |inside| Path::new("../..").join(inside));
        volume::remove(&temporary)?;
        if fs::read_link(&link).is_ok_and(|found| found == target) {
            return Ok(());
        }
        fs::create_dir_all(folder)?;
        std::os::unix::fs::symlink(target, &temporary)?;
        fs::rename(&temporary, &link).inspect_err(|_| drop(fs::remove_file(&temporary)))
    }
}
