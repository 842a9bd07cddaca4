//! One Image onto the volume: its bundle into the store, then its record, then a symlink for people.

use std::io;

use bundles::assemble::{AssembleError, into_store};
use bundles::digest::Digest;
use bundles::limits::Limits;
use bundles::reason::{self, Outlook, Reason};
use bundles::reference::Reference;
use bundles::registry::RegistryError;
use bundles::source::{self, SourceError};
use bundles::store::{Store, StoreError};

use super::fetch::{Keychain, PullEvent, Registries};
use super::room::{Ceiling, Room};
use super::verdicts::{Verdict, Verdicts};
use api::{FunctionName, Image, Published};
use volume::{Volume, records};

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
    /// The volume holds as much as it may.
    #[error("the volume holds {} MiB, and fetches nothing beyond {} MiB (--volume-size, --gc-high-water)", .0.used >> 20, .0.mark >> 20)]
    Full(Room),
    /// The same image was refused before, for what is in it.
    #[error("{}", .0.message)]
    Refused(Verdict),
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
            Self::Full(_) => Reason::DiskFull,
            Self::Refused(verdict) => verdict.reason,
            Self::Name(_) => Reason::ImageInvalid,
        }
    }

    /// Nothing was tried: the image was refused before.
    pub fn is_repeated(&self) -> bool {
        matches!(self, Self::Refused(_))
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

/// Writes to one volume.
#[derive(Debug)]
pub struct Publisher {
    volume: Volume,
    store: Store,
    limits: Limits,
    registries: Registries,
    verdicts: Verdicts,
    ceiling: Option<Ceiling>,
}

impl Publisher {
    /// Opens the volume's store.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn open(
        volume: Volume,
        registries: Registries,
        ceiling: Option<Ceiling>,
    ) -> Result<Self, PublishError> {
        let store = Store::open(&volume.store())?;
        let links = volume::records::clear_links(&volume);
        if links > 0 {
            tracing::info!(links, "links that a killed process left are removed");
        }
        let (limits, verdicts) = (Limits::default(), Verdicts::default());
        Ok(Self { volume, store, limits, registries, verdicts, ceiling })
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
        let (told, text) = (name.clone(), reference.to_string());
        let downloads = move |event: PullEvent<'_>| {
            if let PullEvent::Layers(layers) = event {
                let bytes: u64 = layers.iter().map(|layer| layer.size).sum();
                tracing::info!(function = %told, image = text, layers = layers.len(), bytes, "downloading");
            }
        };
        let scratch = self.store.temporary();
        let mut source =
            self.registries.source(reference, namespace, keychain, &scratch, &self.limits, downloads)?;
        let progress = |event: source::Event<'_>| {
            if let source::Event::Layer { index, count, .. } = event {
                tracing::info!(function = %name, "unpacking layer {} of {count}", index + 1);
            }
        };
        let identity = source.identify(&self.limits)?;
        if let Some(verdict) = self.verdicts.get(identity) {
            // What another's image is refused for is nobody's business who may not have it.
            source.prove(&self.limits)?;
            return Err(PublishError::Refused(verdict));
        }
        if !self.store.path(identity).exists() {
            self.check_room()?;
        }
        // The lock is held until the record names the bundle: no collection comes in between.
        let assembled = into_store(&mut *source, &self.store, &self.limits, &progress)
            .inspect_err(|error| self.judge(identity, error))?;
        let bundle = &assembled.bundle.bundle;
        let digest = bundle.record.manifest_digest.to_string();
        let generation = image.metadata.generation;
        let published =
            Published { name: name.clone(), generation, digest: digest.clone(), spec: image.spec.clone() };
        let changed = records::write(&self.volume, published, bundle.dir())?;
        if changed {
            tracing::info!(function = %name, digest, "published");
        }
        Ok(Outcome { digest, changed, pulled: assembled.fresh })
    }

    /// Whether the volume has room for another image.
    fn check_room(&self) -> Result<(), PublishError> {
        let Some(ceiling) = self.ceiling else { return Ok(()) };
        let room = Room::look(self.volume.root(), Some(ceiling.volume_bytes), ceiling.high_water_percent)?;
        if room.is_full() { Err(PublishError::Full(room)) } else { Ok(()) }
    }

    /// Remembers what cannot be otherwise the next time.
    fn judge(&self, identity: Digest, error: &AssembleError) {
        let reason = error.reason();
        if reason.outlook() == Outlook::Lasting {
            self.verdicts.insert(identity, Verdict { reason, message: reason::chain(error) });
        }
    }

    /// The names that are published.
    pub fn published(&self) -> Vec<FunctionName> {
        records::names(&self.volume)
    }

    /// Takes a function back. Its bundle stays until a collection finds that nobody needs it. Blocks.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn withdraw(&self, name: &FunctionName) -> io::Result<()> {
        records::withdraw(&self.volume, name)?;
        tracing::info!(function = %name, "withdrawn");
        Ok(())
    }
}
