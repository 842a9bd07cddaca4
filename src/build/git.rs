//! Repositories of git as contexts, and as sources of ADD.
//!
//! A stranger's server is read by a stranger's rules: git runs in a machine, as steps do. It is this host's program with the
//! libraries that it needs, it reaches what steps reach, and it has none of this host's settings and credentials.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use bundles::pack::{self, Addition, PackError, Program};
use bundles::tree::Tree;
use km_vmm::protocol::ProcessSpec;

use crate::layer::{Changes, LayerError, show};
use crate::origin::{self, node_at, place_in};
use crate::stage::{StageError, rootfs, tree_of};
use crate::step::{Machines, Step, StepError};
use crate::told::{self, ToldError};

/// Where the work tree is in the machine.
const FOLDER: &str = "context";
/// Authorities in the machine.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Variables of this host that may name its authorities, before that file.
const AUTHORITIES_OF_HOST: [&str; 2] = ["GIT_SSL_CAINFO", "SSL_CERT_FILE"];
/// Digits of a commit and the end of the line.
const COMMIT_MAX: u64 = 65;
/// One commit, without its history. `$1` is the repository, `$2` the reference.
const SCRIPT: &str = "git init -q --template= /context && cd /context && git fetch -q --depth 1 -- \"$1\" \"$2\" && git checkout -q FETCH_HEAD";

/// Why a repository cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// Another way to speak to it.
    #[error("{0}: repositories are had by https or http alone: git and ssh are not there yet")]
    Transport(String),
    /// A reference that git would take for an option, or that is none.
    #[error("{0:?} is no branch, tag or commit")]
    Reference(String),
    /// Nothing is reached.
    #[error("{0}: this build reaches nothing (--egress none)")]
    Offline(String),
    /// This host's git.
    #[error("git of this host cannot be used")]
    Pack(#[from] PackError),
    /// Its tree cannot be written.
    #[error(transparent)]
    Bundle(#[from] bundles::bundle::BundleError),
    /// The machine, or git in it.
    #[error("{url}: {error}")]
    Step {
        /// The repository.
        url: String,
        /// Why not.
        error: StepError,
    },
    /// What the machine tells.
    #[error(transparent)]
    Told(#[from] ToldError),
    /// More than a context may have.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// No room for its files.
    #[error(transparent)]
    Stage(#[from] StageError),
    /// A folder that is not there.
    #[error("{url} has no folder {folder:?}")]
    Folder {
        /// The repository.
        url: String,
        /// The folder.
        folder: String,
    },
    /// Repositories within.
    #[error("{0} has submodules, which are not fetched yet")]
    Submodules(String),
    /// The disk refuses.
    #[error("cannot keep the repository")]
    Io(#[from] std::io::Error),
}

/// A repository with what is wanted of it: `URL[#[REFERENCE][:FOLDER]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    url: String,
    reference: String,
    folder: String,
}

/// The files of a repository.
#[derive(Debug)]
pub struct WorkTree {
    /// Them, and git's own beside them.
    pub tree: Tree,
    /// Where those are that are wanted.
    pub folder: Vec<u8>,
    /// The repository's URL.
    pub url: String,
    /// The commit.
    pub commit: String,
}

/// Whether a context or a source of ADD means a repository.
pub fn is_repository(text: &str) -> bool {
    let other = ["git://", "git@", "ssh://"].iter().any(|prefix| text.starts_with(prefix));
    let url = text.split('#').next().unwrap_or_default();
    other || crate::fetch::is_url(text) && url.trim_end_matches('/').ends_with(".git")
}

impl Repository {
    /// Reads what names one.
    ///
    /// # Errors
    /// See [`GitError`].
    pub fn new(text: &str) -> Result<Self, GitError> {
        let (url, fragment) = text.split_once('#').unwrap_or((text, ""));
        if !crate::fetch::is_url(url) {
            return Err(GitError::Transport(show(url.as_bytes())));
        }
        let (reference, folder) = fragment.split_once(':').unwrap_or((fragment, ""));
        let reference = if reference.is_empty() { "HEAD" } else { reference };
        if reference.starts_with('-') || reference.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(GitError::Reference(show(reference.as_bytes())));
        }
        let folder = crate::pattern::clean(folder);
        Ok(Self { url: url.to_owned(), reference: reference.to_owned(), folder })
    }

    /// Fetches it into a tree whose files are in `scratch`; `number` is that of the step whose output is git's.
    ///
    /// # Errors
    /// See [`GitError`].
    pub fn check_out(
        &self,
        machines: &Machines,
        number: usize,
        latest: i64,
        scratch: &Path,
    ) -> Result<WorkTree, GitError> {
        let url = show(self.url.as_bytes());
        if machines.reach().is_none() {
            return Err(GitError::Offline(url));
        }
        let tools = tools(scratch)?;
        let args = ["sh", "-e", "-c", SCRIPT, "git", &self.url, &self.reference].map(str::to_owned).to_vec();
        let env = [
            "PATH=/usr/local/bin:/usr/bin:/bin",
            "HOME=/tmp",
            "GIT_CONFIG_NOSYSTEM=1",
            "GIT_TERMINAL_PROMPT=0",
            "GIT_ALLOW_PROTOCOL=http:https",
            &format!("GIT_SSL_CAINFO={AUTHORITIES}"),
        ];
        let env = env.map(str::to_owned).to_vec();
        let process = ProcessSpec {
            args,
            env,
            cwd: "/".to_owned(),
            hostname: "build".to_owned(),
            ..Default::default()
        };
        let step = Step { process, ..Step::default() };
        let told = machines.run(number, step, &rootfs(&tools, scratch)?, scratch);
        let told = told.map_err(|error| GitError::Step { url: url.clone(), error })?;
        let mut changes = Changes::new(scratch)?;
        told::read(&mut std::io::BufReader::new(told), &mut changes)?;
        let tree = tree_of(&changes, scratch, latest)?;
        if node_at(&tree, format!("{FOLDER}/.gitmodules").as_bytes()).is_some() {
            return Err(GitError::Submodules(url));
        }
        let missing = || GitError::Folder { url: url.clone(), folder: self.folder.clone() };
        let folder = format!("{FOLDER}/{}", self.folder);
        let folder = place_in(&tree, folder.as_bytes()).ok_or_else(missing)?;
        let is_within = folder == FOLDER.as_bytes() || folder.starts_with(format!("{FOLDER}/").as_bytes());
        if !is_within || node_at(&tree, &folder).is_none() {
            return Err(missing());
        }
        let mut commit = String::new();
        let head = origin::open(&tree, format!("{FOLDER}/.git/HEAD").as_bytes())?;
        head.take(COMMIT_MAX).read_to_string(&mut commit)?;
        let commit = commit.trim().to_owned();
        if !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(GitError::Reference(show(commit.as_bytes())));
        }
        Ok(WorkTree { tree, folder, url: self.url.clone(), commit })
    }
}

/// git, a shell, and what git needs to speak HTTP.
fn tools(scratch: &Path) -> Result<Tree, GitError> {
    let at = |source: PathBuf, destination: &str| Addition { source, destination: destination.into() };
    let mut add = Vec::new();
    let exec = Command::new("git").arg("--exec-path").output()?;
    let exec = String::from_utf8_lossy(&exec.stdout).trim().to_owned();
    for program in ["git-remote-http", "git-remote-https"] {
        let path = format!("{exec}/{program}");
        add.push(at(PathBuf::from(&path), &path));
    }
    let named = AUTHORITIES_OF_HOST.iter().filter_map(std::env::var_os).map(PathBuf::from);
    let authorities = named.chain([PathBuf::from(AUTHORITIES)]).find(|path| path.is_file());
    add.extend(authorities.map(|path| at(path, AUTHORITIES)));
    add.push(at("/bin/sh".into(), "/bin/sh"));
    let git = Program { command: vec!["git".to_owned()], add, ..Program::default() };
    Ok(pack::pack(&git, scratch)?.tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_told_from_files() {
        for text in ["https://a/b.git", "https://a/b.git#main:sub", "git@a:b/c", "ssh://a/b", "git://a/b"] {
            assert!(is_repository(text), "{text}");
        }
        for text in ["https://a/b.tar.gz", "https://a/b#x.git", "a.git", "./git@a"] {
            assert!(!is_repository(text), "{text}");
        }
    }

    #[test]
    fn references_and_folders_are_behind_the_sign() {
        let of = |text: &str| Repository::new(text).map(|one| [one.url, one.reference, one.folder].join("|"));
        assert_eq!(of("https://a/b.git").unwrap(), "https://a/b.git|HEAD|");
        assert_eq!(of("https://a/b.git#v1:x/../y/").unwrap(), "https://a/b.git|v1|y");
        assert_eq!(of("https://a/b.git#:sub").unwrap(), "https://a/b.git|HEAD|sub");
        assert!(matches!(of("git@a:b"), Err(GitError::Transport(_))));
        assert!(matches!(of("https://a/b.git#--upload-pack=x"), Err(GitError::Reference(_))));
    }
}
