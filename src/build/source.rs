//! What a build is made from: a folder, an archive, standard input, a URL or a repository, with the Dockerfile in it.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use bundles::tree::Tree;

use crate::archive::{self, ArchiveError};
use crate::context::Context;
use crate::dockerfile::TEXT_MAX;
use crate::fetch::{self, FetchError};
use crate::git::{self, GitError, Repository, WorkTree};
use crate::layer::show;
use crate::origin::{Origin, open};
use crate::pattern::{PatternError, Patterns};
use crate::provenance::Dependency;
use crate::step::Machines;
use crate::template::Template;

/// The Dockerfile's usual name.
const DOCKERFILE: &str = "Dockerfile";
/// Bytes of a context from standard input at most.
const INPUT_MAX: u64 = 16 << 30;

/// Why there is nothing to build from.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A file or folder.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// Neither a Dockerfile nor a handler.
    #[error("{0} has no {DOCKERFILE}, and no handler of a built-in template: see `kontain-faas new`")]
    NoDockerfile(String),
    /// A file that is neither.
    #[error("{0} is neither a folder nor an archive")]
    NoContext(String),
    /// An archive.
    #[error("{path}")]
    Archive {
        /// Which.
        path: String,
        /// What is wrong with it.
        #[source]
        error: ArchiveError,
    },
    /// No text.
    #[error("{0} is no text of UTF-8, or longer than {TEXT_MAX} bytes")]
    Text(String),
    /// Standard input without an end.
    #[error("standard input has more than {INPUT_MAX} bytes")]
    TooLong,
    /// A list of what is left out.
    #[error("{path}: {error}")]
    Ignore {
        /// The list.
        path: String,
        /// What is wrong with it.
        error: PatternError,
    },
    /// A URL.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A repository.
    #[error(transparent)]
    Git(#[from] GitError),
}

/// What CONTEXT names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// A folder or an archive of this machine.
    Path(PathBuf),
    /// Standard input: an archive, or a Dockerfile for which there is no context.
    Input,
    /// An archive, or a Dockerfile for which there is no context.
    Url(String),
    /// A repository.
    Repository(String),
}

impl Given {
    /// Tells them apart as others do.
    pub fn new(text: &str) -> Self {
        match text {
            "-" => Self::Input,
            _ if git::is_repository(text) => Self::Repository(text.to_owned()),
            _ if fetch::is_url(text) => Self::Url(text.to_owned()),
            _ => Self::Path(text.into()),
        }
    }
}

/// A Dockerfile and its context.
#[derive(Debug)]
pub struct Source {
    /// The Dockerfile's name, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
    /// The context.
    pub context: Context,
    /// What it was fetched from, if it was.
    pub origin: Option<Dependency>,
}

/// How sources are opened.
pub struct Opener<'a> {
    /// What fetches.
    pub machines: &'a Machines,
    /// Folder for files without a name.
    pub scratch: &'a Path,
    /// The Dockerfile: in a folder's case a file of this machine, otherwise within the context.
    pub file: Option<&'a Path>,
    /// Directory of an archive that is the context.
    pub folder: &'a str,
    /// No time is later.
    pub latest: i64,
}

impl Opener<'_> {
    /// Opens what was given.
    ///
    /// # Errors
    /// See [`SourceError`].
    pub fn open(&self, given: &Given) -> Result<Source, SourceError> {
        match given {
            Given::Path(path) if path.is_dir() => self.folder(path),
            Given::Path(path) => {
                let shown = path.display().to_string();
                let mut file = File::open(path).map_err(read(&shown))?;
                let tree = self.unpack(&shown, &mut file)?;
                self.tree(tree.ok_or(SourceError::NoContext(shown))?, self.folder.as_bytes())
            }
            Given::Input => {
                let mut file = tempfile::tempfile_in(self.scratch).map_err(read("standard input"))?;
                let count = io::copy(&mut io::stdin().lock().take(INPUT_MAX + 1), &mut file);
                if count.map_err(read("standard input"))? > INPUT_MAX {
                    return Err(SourceError::TooLong);
                }
                self.archive_or_dockerfile("standard input", file)
            }
            Given::Url(url) => self
                .archive_or_dockerfile(&show(url.as_bytes()), self.machines.fetch(url, self.scratch)?.file),
            Given::Repository(text) => {
                let repository = Repository::new(text)?;
                let WorkTree { tree, folder, url, commit } =
                    repository.check_out(self.machines, 0, self.latest, self.scratch)?;
                Ok(Source { origin: Some((url, ("gitCommit", commit))), ..self.tree(tree, &folder)? })
            }
        }
    }

    fn unpack(&self, shown: &str, file: &mut File) -> Result<Option<Tree>, SourceError> {
        let unpacked = archive::unpack(file, self.scratch);
        unpacked.map_err(|error| SourceError::Archive { path: shown.to_owned(), error })
    }

    fn archive_or_dockerfile(&self, shown: &str, mut file: File) -> Result<Source, SourceError> {
        if let Some(tree) = self.unpack(shown, &mut file)? {
            return self.tree(tree, b"");
        }
        file.rewind().map_err(read(shown))?;
        let text = text(shown, &mut file)?;
        let nothing = tempfile::tempdir_in(self.scratch).map_err(read(shown))?;
        let context = Context::of_folder(nothing.path(), &Patterns::default()).map_err(read(shown))?;
        Ok(Source { file: DOCKERFILE.to_owned(), text, context, origin: None })
    }

    /// `FILE.dockerignore` goes before `.dockerignore`.
    fn folder(&self, path: &Path) -> Result<Source, SourceError> {
        let file = self.file.map_or_else(|| path.join(DOCKERFILE), Path::to_owned);
        let is_missing = self.file.is_none() && !file.exists();
        let load = |path: &Path| {
            let shown = path.display().to_string();
            text(&shown, &mut File::open(path).map_err(read(&shown))?)
        };
        let name = file_name(&file);
        let loaded = if is_missing { None } else { Some(load(&file)?) };
        let mut own = file.into_os_string();
        own.push(".dockerignore");
        let lists = [PathBuf::from(own), path.join(".dockerignore")];
        let ignore = match lists.iter().find(|list| list.is_file()) {
            Some(list) => patterns(&list.display().to_string(), &load(list)?)?,
            None => Patterns::default(),
        };
        let shown = path.display().to_string();
        let context = Context::of_folder(path, &ignore).map_err(read(&shown))?;
        with_dockerfile(&shown, &name, loaded, context)
    }

    fn tree(&self, tree: Tree, folder: &[u8]) -> Result<Source, SourceError> {
        let file = self.file.unwrap_or(Path::new(DOCKERFILE)).to_string_lossy().into_owned();
        let load = |name: &str| -> Result<Option<String>, SourceError> {
            let path = crate::layer::join(folder, crate::pattern::clean(name).as_bytes());
            let Some(path) = Origin::Tree(&tree).resolve(&path) else { return Ok(None) };
            Ok(Some(text(name, &mut open(&tree, &path).map_err(read(name))?)?))
        };
        let loaded = load(&file)?;
        if loaded.is_none() && self.file.is_some() {
            return Err(read(&file)(io::ErrorKind::NotFound.into()));
        }
        let mut ignore = Patterns::default();
        for list in [format!("{file}.dockerignore"), ".dockerignore".to_owned()] {
            if let Some(text) = load(&list)? {
                ignore = patterns(&list, &text)?;
                break;
            }
        }
        let name = file_name(Path::new(&file));
        let context = Context::of_tree(tree, folder, &ignore).map_err(read("the context"))?;
        with_dockerfile("the context", &name, loaded, context)
    }
}

/// A context without a Dockerfile is built with the template of its handler's language.
fn with_dockerfile(
    shown: &str,
    file: &str,
    text: Option<String>,
    mut context: Context,
) -> Result<Source, SourceError> {
    if let Some(text) = text {
        return Ok(Source { file: file.to_owned(), text, context, origin: None });
    }
    let template = Template::of(|name| context.get(name.as_bytes()).is_some());
    let template = template.ok_or_else(|| SourceError::NoDockerfile(shown.to_owned()))?;
    if let Some((name, text)) = template.server() {
        context.supply(name, text);
    }
    let file = format!("{DOCKERFILE} of {}", template.language);
    Ok(Source { file, text: template.dockerfile().to_owned(), context, origin: None })
}

fn read(path: &str) -> impl FnOnce(io::Error) -> SourceError {
    let path = path.to_owned();
    move |error| SourceError::Read { path, error }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

fn patterns(path: &str, text: &str) -> Result<Patterns, SourceError> {
    Patterns::of_ignore_file(text).map_err(|error| SourceError::Ignore { path: path.to_owned(), error })
}

fn text(path: &str, reader: &mut dyn Read) -> Result<String, SourceError> {
    let mut bytes = Vec::new();
    reader.take(TEXT_MAX as u64 + 1).read_to_end(&mut bytes).map_err(read(path))?;
    let no_text = || SourceError::Text(path.to_owned());
    String::from_utf8(bytes).ok().filter(|text| text.len() <= TEXT_MAX).ok_or_else(no_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contexts_are_told_apart() {
        assert_eq!(Given::new("-"), Given::Input);
        assert_eq!(Given::new("./a.git"), Given::Path("./a.git".into()));
        assert_eq!(Given::new("https://a/b.git#c"), Given::Repository("https://a/b.git#c".into()));
        assert_eq!(Given::new("https://a/b.tar"), Given::Url("https://a/b.tar".into()));
    }
}
