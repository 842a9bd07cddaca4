//! A build: the target's stage and those that it needs, instruction by instruction.
//!
//! ```text
//! FROM   ── an image (images), or an earlier stage's state
//! COPY   ── origin ──► Changes ─┐
//! RUN    ── machine ─► Changes ─┼──► layer in the cache ──► applied to the tree, where somebody needs one
//! others ── configuration      ─┘
//! ```
//! A step that was carried out before is found by its key, and no tree is made for it. Each stage that the target needs has a
//! thread of its own, which waits for another stage where it comes to an instruction that needs it; what runs at once is bounded by
//! [`Machines`]. The first that fails ends the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use bundles::digest::Digest;
use bundles::reference::{Reference, ReferenceError, RegistryReference};
use bundles::source::{ImageContent, SourceError};

use crate::cache::{Cache, Key};
use crate::config::{Inherited, document, rfc3339};
use crate::context::Context;
use crate::image::{ImageError, Output, Writer};
use crate::plan::{Base, Fault, Plan, Stage, Wrong};
use crate::progress::{Event, Progress};
use crate::provenance::Dependency;
use crate::run::StageRun;
use crate::stage::{BaseImage, Built, StageError, StageLayer, State};
use crate::step::Machines;

/// Part of every key: another builder may make other layers of the same.
const VERSION: &[u8] = b"kontain-faas build 1";

/// Opens images.
pub trait Images: Sync {
    /// What a reference names.
    ///
    /// # Errors
    /// When a local image is not there. A registry is asked later.
    fn open(&self, reference: &Reference) -> Result<Box<dyn ImageContent + Send>, SourceError>;
}

/// What to build and how.
#[derive(Debug)]
pub struct Options {
    /// Values of ARGs.
    pub args: BTreeMap<String, String>,
    /// Secrets, by their ids.
    pub secrets: BTreeMap<String, Vec<u8>>,
    /// Images under names of the command's own.
    pub contexts: BTreeMap<String, Reference>,
    /// Labels of the image, besides the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// No step is taken from the cache.
    pub no_cache: bool,
    /// No time in the image is later, in seconds since 1970.
    pub epoch: i64,
}

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The Dockerfile.
    #[error(transparent)]
    Dockerfile(#[from] Fault),
    /// An image that cannot be named.
    #[error("{place}: {error}")]
    Reference {
        /// File and line.
        place: String,
        /// Why not.
        error: ReferenceError,
    },
    /// An image of this machine, which a Dockerfile cannot name: it may be a stranger's.
    #[error("{place}: {image} is no image of a registry: give it a name with --build-context NAME={image}")]
    Local {
        /// File and line.
        place: String,
        /// Its name.
        image: String,
    },
    /// An image that cannot be had.
    #[error("{place}: cannot have {image}")]
    Image {
        /// File and line.
        place: String,
        /// Its name.
        image: String,
        /// Why not.
        #[source]
        error: Box<SourceError>,
    },
    /// A base image's configuration.
    #[error("{place}: the configuration of {image} cannot be read")]
    Config {
        /// File and line.
        place: String,
        /// Its name.
        image: String,
        /// Why not.
        #[source]
        error: serde_json::Error,
    },
    /// An instruction failed.
    #[error("{place}: {instruction}")]
    Step {
        /// File and line.
        place: String,
        /// Its first and its last line.
        lines: (usize, usize),
        /// Number of the step, if it had begun.
        step: Option<usize>,
        /// The instruction as it stands.
        instruction: String,
        /// Why.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A stage that this one needs has failed, and says why.
    #[error("stage {0} failed")]
    Stage(usize),
    /// The image cannot be written.
    #[error(transparent)]
    Output(#[from] ImageError),
    /// A tree or a layer.
    #[error(transparent)]
    Tree(#[from] StageError),
}

/// What was built.
#[derive(Debug)]
pub struct Image {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Layers that came from registries, with the images that they are of.
    pub origins: BTreeMap<Digest, RegistryReference>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What went into it from elsewhere.
    pub dependencies: Vec<Dependency>,
}

/// A build.
pub struct Builder<'a> {
    /// The Dockerfile.
    pub plan: Plan,
    /// What to build and how.
    pub options: Options,
    /// The context.
    pub context: &'a Context,
    /// Steps of earlier builds.
    pub cache: &'a Cache,
    /// What carries out steps.
    pub machines: &'a Machines,
    images: &'a dyn Images,
    progress: Arc<dyn Progress>,
    /// By their numbers. A lock is held while its stage is being built.
    built: Vec<Mutex<Option<Arc<Built>>>>,
    opened: Mutex<BTreeMap<String, Arc<Built>>>,
    failed: Mutex<Option<BuildError>>,
    dependencies: Mutex<BTreeSet<Dependency>>,
    steps: AtomicUsize,
}

impl<'a> Builder<'a> {
    /// Nothing is built yet.
    pub fn new(
        plan: Plan,
        options: Options,
        context: &'a Context,
        cache: &'a Cache,
        images: &'a dyn Images,
        machines: &'a Machines,
        progress: Arc<dyn Progress>,
    ) -> Self {
        let built = plan.stages.iter().map(|_| Mutex::default()).collect();
        Self {
            plan,
            options,
            context,
            cache,
            machines,
            images,
            progress,
            built,
            opened: Mutex::default(),
            failed: Mutex::default(),
            dependencies: Mutex::default(),
            steps: AtomicUsize::new(0),
        }
    }

    /// Builds the target and writes it.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(&self, output: &Output, names: &[String]) -> Result<Image, BuildError> {
        let built = self.stages()?;
        let step = self.begin("exporting to image");
        let start = Instant::now();
        let mut writer = Writer::new(output)?;
        let mut origins = BTreeMap::new();
        for layer in &built.state.layers {
            let digest = self.write_layer(&mut writer, layer)?;
            if let StageLayer::Base(base, _) = layer
                && let Reference::Registry(reference) = &lock(base).reference
            {
                origins.insert(digest, reference.clone());
            }
        }
        let mut config = built.state.config.clone();
        config.labels.extend(self.options.labels.clone());
        let (created, diff_ids) = (rfc3339(self.options.epoch), built.state.diff_ids());
        let author = built.state.author.as_deref();
        let image = document(&config, author, &created, &diff_ids, &built.state.history);
        let mut annotations = serde_json::Map::new();
        if let Some(base) = &built.state.base_digest {
            annotations.insert("org.opencontainers.image.base.digest".to_owned(), base.clone().into());
        }
        if let Some(base) = &built.state.base_name {
            annotations.insert("org.opencontainers.image.base.name".to_owned(), base.clone().into());
        }
        annotations.insert("org.opencontainers.image.created".to_owned(), created.clone().into());
        let digest = writer.finish(&image, &annotations.into(), names, self.options.epoch)?;
        self.progress.event(&Event::Done { step, took: start.elapsed(), cached: false });
        let dependencies = lock(&self.dependencies).iter().cloned().collect();
        Ok(Image { digest, origins, labels: config.labels, dependencies })
    }

    fn write_layer(&self, writer: &mut Writer, layer: &StageLayer) -> Result<Digest, BuildError> {
        Ok(match layer {
            StageLayer::Base(base, index) => {
                let BaseImage { source, image, .. } = &mut *lock(base);
                let expected = image.layers.get(*index).and_then(|layer| layer.digest);
                let mut reader = source.open_layer(image, *index).map_err(StageError::from)?;
                writer.layer(&mut reader, expected)?
            }
            StageLayer::Step(blob) => {
                let mut file = self.cache.layer(blob).map_err(StageError::Gone)?;
                writer.layer(&mut file, Some(blob.digest))?
            }
        })
    }

    /// The target, once all stages that it needs are there.
    fn stages(&self) -> Result<Arc<Built>, BuildError> {
        let target = self.plan.target;
        std::thread::scope(|scope| {
            for index in self.plan.needed().into_iter().filter(|index| *index != target) {
                // Where there is no thread, whoever needs the stage builds it.
                let _ = std::thread::Builder::new().spawn_scoped(scope, move || self.stage(index).map(drop));
            }
            self.stage(target)
        })
        .map_err(|error| lock(&self.failed).take().unwrap_or(error))
    }

    /// A stage, built when it is needed for the first time; whoever needs it meanwhile waits. Stages need earlier ones alone, so
    /// that nobody waits for ever.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn stage(&self, index: usize) -> Result<Arc<Built>, BuildError> {
        let (Some(slot), Some(stage)) = (self.built.get(index), self.plan.stages.get(index)) else {
            return Err(self.fault(1, Wrong::Target(index.to_string())).into());
        };
        let mut slot = lock(slot);
        if let Some(built) = &*slot {
            return Ok(Arc::clone(built));
        }
        if lock(&self.failed).is_some() {
            return Err(BuildError::Stage(index));
        }
        match self.build_stage(index, stage) {
            Ok(built) => Ok(Arc::clone(slot.insert(Arc::new(built)))),
            Err(error @ BuildError::Stage(_)) => Err(error),
            Err(error) => {
                lock(&self.failed).get_or_insert(error);
                self.machines.stop();
                Err(BuildError::Stage(index))
            }
        }
    }

    fn build_stage(&self, index: usize, stage: &Stage) -> Result<Built, BuildError> {
        let place = self.place(stage.from.line);
        let (state, key, has_triggers) = match &stage.base {
            Base::Scratch => (State::scratch(), Key::of(&[VERSION, b"scratch"]), false),
            Base::Stage(base) => {
                let built = self.stage(*base)?;
                (built.state.fork(), built.key, false)
            }
            Base::Image(name) => {
                let built = self.image(name, &place)?;
                (built.state.fork(), built.key, true)
            }
        };
        StageRun::new(self, index, stage, state, key, has_triggers).run()
    }

    /// An image as a stage on which nothing has happened.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn image(&self, name: &str, place: &str) -> Result<Arc<Built>, BuildError> {
        let mut opened = lock(&self.opened);
        if let Some(built) = opened.get(name) {
            return Ok(Arc::clone(built));
        }
        let reference = match self.options.contexts.get(name) {
            Some(reference) => reference.clone(),
            None => {
                let reference: Reference = familiar(name)
                    .parse()
                    .map_err(|error| BuildError::Reference { place: place.to_owned(), error })?;
                if !matches!(reference, Reference::Registry(_)) {
                    return Err(BuildError::Local { place: place.to_owned(), image: name.to_owned() });
                }
                reference
            }
        };
        let step = self.begin(&format!("load metadata for {name}"));
        let start = Instant::now();
        let failed = |error| {
            let error = Box::new(error);
            BuildError::Image { place: place.to_owned(), image: name.to_owned(), error }
        };
        let mut source = self.images.open(&reference).map_err(failed)?;
        let image = source.resolve(&bundles::limits::Limits::default()).map_err(failed)?;
        let inherited: Inherited = serde_json::from_slice(&image.config_json)
            .map_err(|error| BuildError::Config { place: place.to_owned(), image: name.to_owned(), error })?;
        let digest = image.manifest_digest.to_string();
        let uri = if self.options.contexts.contains_key(name) { name.to_owned() } else { familiar(name) };
        self.depends((uri, ("sha256", image.manifest_digest.hex())));
        let count = image.layers.len();
        let base_name = match &reference {
            Reference::Registry(reference) => Some(reference.to_string()),
            _ => None,
        };
        let base = Arc::new(Mutex::new(BaseImage { source, image, reference }));
        let state = State {
            config: inherited.config.unwrap_or_default(),
            history: inherited.history.unwrap_or_default(),
            author: inherited.author,
            layers: (0..count).map(|index| StageLayer::Base(Arc::clone(&base), index)).collect(),
            base_digest: Some(digest.clone()),
            base_name,
            ..State::default()
        };
        self.progress.event(&Event::Done { step, took: start.elapsed(), cached: false });
        let key = Key::of(&[VERSION, digest.as_bytes()]);
        let built = Arc::new(Built { state, key });
        opened.insert(name.to_owned(), Arc::clone(&built));
        Ok(built)
    }

    /// Notes what goes into the image from elsewhere.
    pub fn depends(&self, dependency: Dependency) {
        lock(&self.dependencies).insert(dependency);
    }

    /// A step begins; its number.
    pub fn begin(&self, name: &str) -> usize {
        let step = self.steps.fetch_add(1, Ordering::Relaxed) + 1;
        self.progress.event(&Event::Begin { step, name });
        step
    }

    /// A step is done.
    pub fn done(&self, step: usize, start: Instant, cached: bool) {
        self.progress.event(&Event::Done { step, took: start.elapsed(), cached });
    }

    /// File and line, for messages.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.plan.file)
    }

    /// What is wrong with a line.
    pub fn fault(&self, line: usize, what: Wrong) -> Fault {
        Fault { file: self.plan.file.clone(), line, what }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A name as people write it in FROM: without a host it is one of Docker's.
pub fn familiar(name: &str) -> String {
    if name.contains("://") {
        return name.to_owned();
    }
    let first = name.split('/').next().unwrap_or_default();
    let has_host = name.contains('/') && (first.contains(['.', ':']) || first == "localhost");
    match (has_host, name.contains('/')) {
        (true, _) => format!("docker://{name}"),
        (false, true) => format!("docker://docker.io/{name}"),
        (false, false) => format!("docker://docker.io/library/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_a_host_are_dockers() {
        assert_eq!(familiar("python:3"), "docker://docker.io/library/python:3");
        assert_eq!(familiar("a/b"), "docker://docker.io/a/b");
        assert_eq!(familiar("r.example:5000/a"), "docker://r.example:5000/a");
        assert_eq!(familiar("localhost/a"), "docker://localhost/a");
        assert_eq!(familiar("docker://h.example/a"), "docker://h.example/a");
    }
}
