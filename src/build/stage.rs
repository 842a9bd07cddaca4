//! A stage as far as it has come: configuration, layers, and, once somebody needs it, the tree that they add up to.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bundles::config::DEFAULT_PATH;
use bundles::layer::{self, Layer};
use bundles::limits::Limits;
use bundles::reference::Reference;
use bundles::source::{ImageContent, ResolvedImage, SourceError};
use bundles::tree::{Tree, TreeError};

use crate::cache::{Cache, Key};
use crate::config::{Config, History};
use crate::layer::{Blob, Changes, LayerError};

/// Why a tree cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// A layer of the base image.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A layer that an earlier step came to.
    #[error("a layer of the cache is damaged: build with --no-cache")]
    Layer(#[from] layer::LayerError),
    /// It is gone.
    #[error("a layer of the cache is gone: build again")]
    Gone(#[source] std::io::Error),
    /// No room for the tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Changes cannot be written.
    #[error(transparent)]
    Changes(#[from] LayerError),
}

/// An image that stages start from.
pub struct BaseImage {
    /// Where its layers are.
    pub source: Box<dyn ImageContent + Send>,
    /// What it is.
    pub image: ResolvedImage,
    /// How it was named.
    pub reference: Reference,
}

/// A layer of a stage.
#[derive(Clone)]
pub enum StageLayer {
    /// Of the image that the stage starts from, by its number.
    Base(Arc<Mutex<BaseImage>>, usize),
    /// Of a step.
    Step(Blob),
}

/// A stage.
#[derive(Default)]
pub struct State {
    /// What containers are like.
    pub config: Config,
    /// Its steps.
    pub history: Vec<History>,
    /// MAINTAINER.
    pub author: Option<String>,
    /// Its layers, the lowest first.
    pub layers: Vec<StageLayer>,
    /// Digest of the manifest that it started from.
    pub base_digest: Option<String>,
    /// Name of that image, where it is in a registry.
    pub base_name: Option<String>,
    pub(crate) tree: Mutex<Option<Arc<Tree>>>,
}

impl State {
    /// A stage without files. Its programs are looked for where those of other builders' are.
    pub fn scratch() -> Self {
        let config = Config { env: vec![DEFAULT_PATH.to_owned()], ..Config::default() };
        Self { config, ..Self::default() }
    }

    /// The same without the tree, for a stage that goes on from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            config: self.config.clone(),
            history: self.history.clone(),
            author: self.author.clone(),
            layers: self.layers.clone(),
            base_digest: self.base_digest.clone(),
            base_name: self.base_name.clone(),
            tree: Mutex::default(),
        }
    }

    /// All layers applied.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn tree(&self, cache: &Cache) -> Result<Arc<Tree>, StageError> {
        let mut slot = self.tree.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tree) = &*slot {
            return Ok(Arc::clone(tree));
        }
        let tree = Arc::new(self.new_tree(cache)?);
        *slot = Some(Arc::clone(&tree));
        Ok(tree)
    }

    /// The same, which nobody else has.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn new_tree(&self, cache: &Cache) -> Result<Tree, StageError> {
        let limits = Limits::default();
        let mut tree = Tree::new(cache.scratch(), &limits)?;
        let mut left = limits.unpacked_bytes;
        for one in &self.layers {
            apply(&mut tree, one, cache, &limits, &mut left)?;
        }
        Ok(tree)
    }

    /// Takes the tree that is there.
    pub(crate) fn take_tree(&self) -> Option<Arc<Tree>> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Adds the layer of a step; a tree that is there goes along.
    ///
    /// # Errors
    /// See [`StageError`].
    pub fn add(&mut self, blob: Blob, cache: &Cache) -> Result<(), StageError> {
        let layer = StageLayer::Step(blob);
        let slot = self.tree.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut shared) = slot.take()
            && let Some(tree) = Arc::get_mut(&mut shared)
        {
            let limits = Limits::default();
            let mut left = limits.unpacked_bytes;
            apply(tree, &layer, cache, &limits, &mut left)?;
            *slot = Some(shared);
        }
        self.layers.push(layer);
        Ok(())
    }

    /// The digests of the layers' archives.
    pub fn diff_ids(&self) -> Vec<String> {
        let diff_id = |layer: &StageLayer| match layer {
            StageLayer::Base(base, index) => {
                let base = base.lock().unwrap_or_else(PoisonError::into_inner);
                base.image.layers.get(*index).map(|layer| layer.diff_id.to_string())
            }
            StageLayer::Step(blob) => Some(blob.diff_id.to_string()),
        };
        self.layers.iter().filter_map(diff_id).collect()
    }
}

fn apply(
    tree: &mut Tree,
    one: &StageLayer,
    cache: &Cache,
    limits: &Limits,
    left: &mut u64,
) -> Result<(), StageError> {
    match one {
        StageLayer::Base(base, index) => {
            let BaseImage { source, image, .. } = &mut *base.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(about) = image.layers.get(*index).cloned() else { return Ok(()) };
            let reader: Box<dyn Read + '_> = source.open_layer(image, *index)?;
            let applied = layer::apply(tree, reader, &about, limits, left);
            applied.map_err(|source| SourceError::Layer { index: *index, source })?;
        }
        StageLayer::Step(blob) => {
            apply_own(tree, cache.layer(blob).map_err(StageError::Gone)?, blob, limits, left)?;
        }
    }
    Ok(())
}

/// A layer of a build may be anything that compresses well; its bytes are this program's own.
pub(crate) fn apply_own(
    tree: &mut Tree,
    file: impl Read,
    blob: &Blob,
    limits: &Limits,
    left: &mut u64,
) -> Result<(), layer::LayerError> {
    let about = Layer { digest: Some(blob.digest), size: blob.size, diff_id: blob.diff_id };
    layer::apply(tree, file, &about, &Limits { ratio: u64::MAX, ..limits.clone() }, left)
}

/// Puts changes into a tree; no time is later than `latest`, in seconds.
///
/// # Errors
/// See [`StageError`].
pub fn apply_changes(
    tree: &mut Tree,
    changes: &Changes,
    scratch: &Path,
    latest: i64,
) -> Result<(), StageError> {
    let (file, blob) = changes.write(scratch, latest)?;
    let limits = Limits::default();
    let mut left = limits.unpacked_bytes;
    Ok(apply_own(
        tree,
        std::fs::File::open(file.path()).map_err(StageError::Gone)?,
        &blob,
        &limits,
        &mut left,
    )?)
}

/// The tree of changes to nothing.
///
/// # Errors
/// See [`StageError`].
pub fn tree_of(changes: &Changes, scratch: &Path, latest: i64) -> Result<Tree, StageError> {
    let mut tree = Tree::new(scratch, &Limits::default())?;
    apply_changes(&mut tree, changes, scratch, latest)?;
    Ok(tree)
}

/// A stage that is done, and what identifies it.
pub struct Built {
    /// What it came to.
    pub state: State,
    /// Of its last step.
    pub key: Key,
}

/// The EROFS image of a tree, in a file without a name that can only be read.
///
/// # Errors
/// When the tree cannot be written.
pub fn rootfs(tree: &Tree, scratch: &Path) -> Result<std::fs::File, bundles::bundle::BundleError> {
    let io = |source| bundles::bundle::BundleError::Io { path: scratch.to_owned(), source };
    let file = tempfile::NamedTempFile::new_in(scratch).map_err(io)?;
    bundles::erofs::write(tree, [0; 16], file.as_file())?;
    std::fs::File::open(file.path()).map_err(io)
}
