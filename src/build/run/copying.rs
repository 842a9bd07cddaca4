//! COPY and ADD: their sources told apart, what identifies them, and the changes that come of them.

use bundles::config::identity;
use bundles::digest::Digest;
use bundles::limits::Limits;
use bundles::tree::Tree;
use sha2::{Digest as _, Sha256};

use super::{Failure, StageRun};
use crate::copy::{self, Copier};
use crate::dockerfile::Heredoc;
use crate::fetch::{self, Fetched};
use crate::git::{self, Repository, WorkTree};
use crate::instruction::{Copy, Instruction, Source};
use crate::layer::Changes;
use crate::origin::Origin;
use crate::pattern::{PatternError, Patterns};
use crate::words::WordError;

/// A source whose variables are replaced.
enum Taken {
    /// A path or a pattern in the context, or in what `--from` names.
    Path(String),
    /// A text of the Dockerfile.
    Text(Heredoc),
    /// A file elsewhere.
    Remote(Remote),
    /// The files of a repository.
    Repository(WorkTree),
}

/// A file elsewhere: fetched before the step's key is known, unless the Dockerfile says what its bytes are.
struct Remote {
    url: String,
    checksum: Option<Digest>,
    fetched: Option<Fetched>,
}

impl Remote {
    /// Of its bytes, as far as they are known.
    fn digest(&self) -> Option<Digest> {
        self.fetched.as_ref().map(|fetched| fetched.digest).or(self.checksum)
    }
}

/// How everything of one instruction is copied.
struct Manner {
    mode: Option<u16>,
    exclude: Vec<String>,
    parents: bool,
    latest: i64,
}

impl Manner {
    fn copier<'a>(
        &self,
        (origin, called): (Origin<'a>, &'static str),
        tree: &'a Tree,
        owner: Option<(u32, u32)>,
    ) -> Result<Copier<'a>, PatternError> {
        let exclude = Patterns::new(self.exclude.iter().map(String::as_str))?;
        let Self { mode, parents, latest, .. } = *self;
        Ok(Copier { origin, called, tree, owner, mode, exclude, parents, latest })
    }
}

impl StageRun<'_> {
    pub(super) fn copy(&mut self, one: &Instruction, copy: &Copy) -> Result<(), Failure> {
        let builder = self.builder;
        let word = |text: &Option<String>| text.as_ref().map(|text| self.word(text)).transpose();
        let (chown, chmod) = (word(&copy.chown)?, word(&copy.chmod)?);
        let destination = self.word(&copy.destination)?;
        let destination = match self.state.config.absolute(&destination) {
            path if destination == "." || destination.ends_with("/.") => format!("{path}/"),
            path => path,
        };
        let exclude: Result<Vec<String>, WordError> =
            copy.exclude.iter().map(|text| self.word(text)).collect();
        let exclude = exclude?;
        let mut sources = self.sources(copy)?;
        let from = match &copy.from {
            None => None,
            Some(from) => Some(match builder.plan.stage_of(from, self.index)? {
                Some(stage) => builder.stage(stage)?,
                None => builder.image(from, &builder.place(one.line))?,
            }),
        };
        let empty = Tree::new(builder.cache.scratch(), &Limits::default())?;
        let mode = chmod.as_deref().map(copy::mode).transpose()?;
        let options = format!("{} {} {chown:?} {mode:?} {exclude:?}", copy.is_add, copy.parents);
        let manner = Manner { mode, exclude, parents: copy.parents, latest: builder.options.epoch };
        let context = || (Origin::Context(builder.context), "the context");
        let mut digest = Sha256::new();
        for source in &sources {
            let origin = match source {
                Taken::Repository(work) => (Origin::Tree(&work.tree), "the repository"),
                _ => context(),
            };
            let copier = manner.copier(origin, &empty, None)?;
            source.identify(&copier, from.is_some(), &mut |bytes| digest.update(bytes))?;
        }
        let content: [u8; 32] = digest.finalize().into();
        let origin_key = from.as_ref().map(|built| built.key.hex()).unwrap_or_default();
        let parts: [&[u8]; 6] = [
            b"copy",
            options.as_bytes(),
            origin_key.as_bytes(),
            destination.as_bytes(),
            &content,
            &self.epoch(),
        ];
        let key = self.key.then(&parts);
        self.layer(one, key, |run, _| {
            let tree = run.state.tree(builder.cache)?;
            let owner = chown.as_deref().map(|text| owner(text, &tree)).transpose()?;
            let other = from.as_ref().map(|built| built.state.tree(builder.cache)).transpose()?;
            let origin = match &other {
                Some(other) => (Origin::Tree(other), "what --from names"),
                None => context(),
            };
            let copier = manner.copier(origin, &tree, owner)?;
            let mut changes = run.changes()?;
            for source in &mut sources {
                run.put_source(source, copy.is_add, &copier, &destination, &mut changes)?;
            }
            Ok(changes)
        })
    }

    /// The sources with their variables replaced, and what is not here fetched.
    fn sources(&self, copy: &Copy) -> Result<Vec<Taken>, Failure> {
        let checksum = copy.checksum.as_ref().map(|text| self.word(text)).transpose()?;
        let checksum = checksum.map(|text| text.parse::<Digest>()).transpose();
        let checksum = checksum.map_err(|error| format!("--checksum: {error}"))?;
        let mut sources = Vec::new();
        for source in &copy.sources {
            sources.push(match source {
                Source::Heredoc(heredoc) => Taken::Text(self.heredoc(heredoc)?),
                Source::Path(path) => match self.word(path)? {
                    text if copy.is_add && git::is_repository(&text) => self.repository(&text, copy)?,
                    url if copy.is_add && fetch::is_url(&url) => {
                        let mut remote = Remote { url, checksum, fetched: None };
                        if checksum.is_none() {
                            self.fetch(&mut remote)?;
                        }
                        if let Some(digest) = remote.digest() {
                            self.builder.depends((remote.url.clone(), ("sha256", digest.hex())));
                        }
                        Taken::Remote(remote)
                    }
                    path => Taken::Path(path),
                },
            });
        }
        if checksum.is_some() && !matches!(&sources[..], [Taken::Remote(_)]) {
            return Err("--checksum is for one source, a URL of http or https".into());
        }
        Ok(sources)
    }

    fn repository(&self, text: &str, copy: &Copy) -> Result<Taken, Failure> {
        if copy.keep_git_dir {
            return Err("--keep-git-dir is not there yet".into());
        }
        let repository = Repository::new(text)?;
        let (builder, start) = (self.builder, std::time::Instant::now());
        let step = builder.begin(&format!("fetch {text}"));
        let work =
            repository.check_out(builder.machines, step, builder.options.epoch, builder.cache.scratch())?;
        builder.done(step, start, false);
        builder.depends((work.url.clone(), ("gitCommit", work.commit.clone())));
        Ok(Taken::Repository(work))
    }

    fn fetch(&self, remote: &mut Remote) -> Result<(), Failure> {
        let (builder, start) = (self.builder, std::time::Instant::now());
        let step = builder.begin(&format!("fetch {}", remote.url));
        let fetched = builder.machines.fetch(&remote.url, builder.cache.scratch())?;
        if let Some(expected) = remote.checksum.filter(|expected| *expected != fetched.digest) {
            return Err(format!("--checksum: {} is {}, not {expected}", remote.url, fetched.digest).into());
        }
        remote.fetched = Some(fetched);
        builder.done(step, start, false);
        Ok(())
    }

    fn put_source(
        &self,
        source: &mut Taken,
        is_add: bool,
        copier: &Copier<'_>,
        destination: &str,
        changes: &mut Changes,
    ) -> Result<(), Failure> {
        let scratch = self.builder.cache.scratch();
        match source {
            Taken::Path(path) if is_add => crate::add::add(copier, path, destination, scratch, changes)?,
            Taken::Path(path) => copier.copy(path, destination, changes)?,
            Taken::Text(text) => {
                let bytes = text.content.as_bytes();
                copier.file(&text.name, &mut &*bytes, bytes.len() as u64, 0o644, destination, changes)?;
            }
            Taken::Remote(remote) => {
                if remote.fetched.is_none() {
                    self.fetch(remote)?;
                }
                let Some(fetched) = &mut remote.fetched else { return Ok(()) };
                let name = fetch::file_name(&remote.url).unwrap_or_default();
                std::io::Seek::rewind(&mut fetched.file)?;
                copier.file(&name, &mut fetched.file, fetched.size, 0o600, destination, changes)?;
            }
            Taken::Repository(WorkTree { tree, folder, .. }) => {
                let folder = String::from_utf8_lossy(folder);
                crate::add::add_tree(copier, tree, &folder, destination, changes)?;
            }
        }
        Ok(())
    }

    /// A here-document as it goes into a file.
    fn heredoc(&self, heredoc: &Heredoc) -> Result<Heredoc, WordError> {
        let text = heredoc.text();
        let content = if heredoc.expands { self.expander(|expander| expander.text(&text))? } else { text };
        Ok(Heredoc { content, ..heredoc.clone() })
    }
}

impl Taken {
    /// Feeds what identifies it to `digest`. Paths of another stage are identified by that stage.
    fn identify(
        &self,
        copier: &Copier<'_>,
        is_of_stage: bool,
        digest: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        match self {
            Self::Path(path) => {
                digest(format!("path {path:?}\n").as_bytes());
                if !is_of_stage {
                    copier.identify(path, digest)?;
                }
            }
            Self::Text(text) => digest(format!("text {:?} {:?}\n", text.name, text.content).as_bytes()),
            Self::Remote(remote) => {
                digest(format!("URL {:?} {:?}\n", remote.url, remote.digest()).as_bytes());
            }
            Self::Repository(work) => {
                digest(b"repository\n");
                copier.identify(&format!("/{}", String::from_utf8_lossy(&work.folder)), digest)?;
            }
        }
        Ok(())
    }
}

/// The owner that `--chown` names; names are looked up in the stage.
fn owner(text: &str, tree: &Tree) -> Result<(u32, u32), Failure> {
    // A number alone is that of the group as well.
    if let Ok(number) = text.parse::<u32>() {
        return Ok((number, number));
    }
    let (user, _) = identity(text, tree)?;
    Ok((user.uid(), user.gid()))
}
