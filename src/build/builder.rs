//! A build: the target's stage and those that it needs, instruction by instruction.
//!
//! ```text
//! FROM   ── an image (images), or an earlier stage's state
//! COPY   ── origin ──► Changes ─┐
//! RUN    ── machine ─► Changes ─┼──► layer in the cache ──► applied to the tree, where somebody needs one
//! others ── configuration      ─┘
//! ```
//! A step that was carried out before is found by its key, and no tree is made for it. Steps run one after the other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use bundles::reference::{Reference, ReferenceError};
use bundles::source::{ImageContent, SourceError};

use crate::cache::{Cache, Key};
use crate::config::{Inherited, document, rfc3339};
use crate::image::{ImageError, Output, Writer};
use crate::origin::Context;
use crate::plan::{Base, Fault, Plan, Wrong};
use crate::progress::{Event, Progress};
use crate::run::StageRun;
use crate::stage::{BaseImage, Built, StageError, StageLayer, State};
use crate::step::{MachineOptions, Machines, MachinesError};

/// Part of every key: another builder may make other layers of the same.
const VERSION: &[u8] = b"kontain-faas build 1";

/// Opens images.
pub trait Images {
    /// What a reference names.
    ///
    /// # Errors
    /// When a local image is not there. A registry is asked later.
    fn open(&self, reference: &Reference) -> Result<Box<dyn ImageContent>, SourceError>;
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
        /// The instruction as it stands.
        instruction: String,
        /// Why.
        #[source]
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Machines for steps.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// The image cannot be written.
    #[error(transparent)]
    Output(#[from] ImageError),
    /// A tree or a layer.
    #[error(transparent)]
    Stage(#[from] StageError),
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
    images: &'a dyn Images,
    progress: Arc<dyn Progress>,
    machine_options: MachineOptions,
    machines: RefCell<Option<Rc<Machines>>>,
    built: RefCell<BTreeMap<usize, Rc<Built>>>,
    opened: RefCell<BTreeMap<String, Rc<Built>>>,
    steps: RefCell<usize>,
}

impl<'a> Builder<'a> {
    /// Nothing is built yet.
    pub fn new(
        plan: Plan,
        options: Options,
        context: &'a Context,
        cache: &'a Cache,
        images: &'a dyn Images,
        machine_options: MachineOptions,
        progress: Arc<dyn Progress>,
    ) -> Self {
        Self {
            plan,
            options,
            context,
            cache,
            images,
            progress,
            machine_options,
            machines: RefCell::default(),
            built: RefCell::default(),
            opened: RefCell::default(),
            steps: RefCell::new(0),
        }
    }

    /// Builds the target and writes it; gives the manifest's digest.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn build(&self, output: &Output, names: &[String]) -> Result<bundles::digest::Digest, BuildError> {
        let built = self.stage(self.plan.target)?;
        let step = self.begin("exporting to image");
        let start = Instant::now();
        let mut writer = Writer::new(output)?;
        for layer in &built.state.layers {
            self.write_layer(&mut writer, layer)?;
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
        let digest = writer.finish(&image, &annotations.into(), names, self.options.epoch)?;
        self.progress.event(&Event::Done { step, took: start.elapsed(), cached: false });
        Ok(digest)
    }

    fn write_layer(&self, writer: &mut Writer, layer: &StageLayer) -> Result<(), BuildError> {
        match layer {
            StageLayer::Base(base, index) => {
                let BaseImage { source, image } = &mut *base.borrow_mut();
                let expected = image.layers.get(*index).and_then(|layer| layer.digest);
                let mut reader = source.open_layer(image, *index).map_err(StageError::from)?;
                writer.layer(&mut reader, expected)?;
            }
            StageLayer::Step(blob) => {
                let mut file = self.cache.layer(blob).map_err(StageError::Gone)?;
                writer.layer(&mut file, Some(blob.digest))?;
            }
        }
        Ok(())
    }

    /// A stage, built when it is needed for the first time.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn stage(&self, index: usize) -> Result<Rc<Built>, BuildError> {
        if let Some(built) = self.built.borrow().get(&index) {
            return Ok(Rc::clone(built));
        }
        let Some(stage) = self.plan.stages.get(index) else {
            return Err(self.fault(1, Wrong::Target(index.to_string())).into());
        };
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
        let built = Rc::new(StageRun::new(self, index, stage, state, key, has_triggers).run()?);
        self.built.borrow_mut().insert(index, Rc::clone(&built));
        Ok(built)
    }

    /// An image as a stage on which nothing has happened.
    ///
    /// # Errors
    /// See [`BuildError`].
    pub fn image(&self, name: &str, place: &str) -> Result<Rc<Built>, BuildError> {
        if let Some(opened) = self.opened.borrow().get(name) {
            return Ok(Rc::clone(opened));
        }
        let reference = match self.options.contexts.get(name) {
            Some(reference) => reference.clone(),
            None => {
                let reference = familiar(name).parse();
                reference.map_err(|error| BuildError::Reference { place: place.to_owned(), error })?
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
        let count = image.layers.len();
        let base = Rc::new(RefCell::new(BaseImage { source, image }));
        let state = State {
            config: inherited.config.unwrap_or_default(),
            history: inherited.history.unwrap_or_default(),
            author: inherited.author,
            layers: (0..count).map(|index| StageLayer::Base(Rc::clone(&base), index)).collect(),
            base_digest: Some(digest.clone()),
            ..State::default()
        };
        self.progress.event(&Event::Done { step, took: start.elapsed(), cached: false });
        let key = Key::of(&[VERSION, digest.as_bytes()]);
        let built = Rc::new(Built { state, key });
        self.opened.borrow_mut().insert(name.to_owned(), Rc::clone(&built));
        Ok(built)
    }

    /// Machines for steps, made when the first one is needed.
    ///
    /// # Errors
    /// When this host has none.
    pub fn machines(&self) -> Result<Rc<Machines>, MachinesError> {
        if let Some(machines) = &*self.machines.borrow() {
            return Ok(Rc::clone(machines));
        }
        let machines = Rc::new(Machines::new(self.machine_options.clone(), Arc::clone(&self.progress))?);
        *self.machines.borrow_mut() = Some(Rc::clone(&machines));
        Ok(machines)
    }

    /// A step begins; its number.
    pub fn begin(&self, name: &str) -> usize {
        let mut steps = self.steps.borrow_mut();
        *steps += 1;
        self.progress.event(&Event::Begin { step: *steps, name });
        *steps
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

/// A name as people write it in FROM: without a host it is one of Docker's.
fn familiar(name: &str) -> String {
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
