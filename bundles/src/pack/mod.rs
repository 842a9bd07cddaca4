//! A program of this machine as an image: the program, the libraries that the loader would find, and what is added.
//!
//! ```text
//! Program ── program.rs   PATH lookup, `#!` interpreters
//!    │
//!    ├── elf.rs           what an ELF file asks for: interpreter, needed libraries, search paths
//!    ├── resolve.rs       the library search of ld.so (ldcache.rs reads its cache)
//!    ├── interpreter.rs   where known interpreters have their standard libraries
//!    ├── import.rs        files of this machine into a tree, every symbolic link on the way included
//!    ├── warning.rs       what the image may lack
//!    └── layout.rs        the tree as a layer, the image as an OCI layout
//! ```
//!
//! Everything keeps its path unless told otherwise, so the program runs as it does here. Owners become root: the machine's numbers mean
//! nothing in the image.

mod elf;
mod import;
mod interpreter;
mod layout;
mod ldcache;
mod program;
mod resolve;
mod warning;

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use oci_spec::OciSpecError;
use oci_spec::image::{
    Arch, ConfigBuilder, ImageConfiguration, ImageConfigurationBuilder, Os, RootFsBuilder,
};

use crate::bundle::{self, Bundle, BundleError, Origin};
use crate::digest::Digest;
use crate::limits::Limits;
use crate::tree::{Kind, Meta, Tree, TreeError};
use import::Importer;

pub use layout::to_layout;
pub use warning::Warning;

/// A program of this machine and what its image should say: the options of `pack`.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The program (a path, or a name to be found in PATH) and its arguments.
    pub command: Vec<String>,
    /// Environment of the image, `NAME=value`.
    pub env: Vec<String>,
    /// Files and directories to put in besides.
    pub add: Vec<Addition>,
    /// The TCP port that the program listens on.
    pub port: Option<u16>,
    /// `user[:group]`, as in an image configuration.
    pub user: Option<String>,
    /// Working directory in the image.
    pub cwd: Option<String>,
    /// Where the program goes in the image, instead of to the same path.
    pub at: Option<PathBuf>,
}

/// A file or directory to put into the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Where it is on this machine.
    pub source: PathBuf,
    /// Where it goes in the image.
    pub destination: PathBuf,
}

impl std::str::FromStr for Addition {
    type Err = PackError;

    /// `PATH` (the same path in the image) or `SRC:DST` (DST absolute).
    fn from_str(text: &str) -> Result<Self, PackError> {
        let malformed = || PackError::MalformedAddition(text.to_owned());
        let (source, destination) = match text.rsplit_once(':') {
            None => (text, std::path::absolute(text).map_err(|_| malformed())?),
            Some((source, destination)) => (source, PathBuf::from(destination)),
        };
        if source.is_empty() || !destination.is_absolute() {
            return Err(malformed());
        }
        Ok(Self { source: source.into(), destination })
    }
}

/// Why a program cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The command is empty.
    #[error("no program was named")]
    NoProgram,
    /// Neither such a file nor such a name in PATH.
    #[error("program \"{0}\" was not found")]
    NotFound(String),
    /// Neither ELF nor `#!`.
    #[error("{0} is neither an ELF program nor a script that starts with \"#!\"")]
    NotAProgram(PathBuf),
    /// A `#!` line that starts nothing, or interpreters that are scripts again and again.
    #[error("{0} has an unusable \"#!\" line")]
    BadInterpreterLine(PathBuf),
    /// A program for another machine.
    #[error("{path} is a program for {found}; only 64-bit x86-64 programs can run")]
    WrongMachine {
        /// The file in question.
        path: PathBuf,
        /// What it is for.
        found: String,
    },
    /// A damaged ELF file.
    #[error("{path} is not a valid ELF file: {reason}")]
    BadElf {
        /// The file in question.
        path: PathBuf,
        /// What the parser stumbled over.
        reason: String,
    },
    /// The program's interpreter is missing.
    #[error("{program} needs the interpreter {interpreter}, which is not on this machine")]
    MissingInterpreter {
        /// The program that names it.
        program: PathBuf,
        /// The path that it names (PT_INTERP, or its `#!` line).
        interpreter: PathBuf,
    },
    /// A library is missing.
    #[error("{needed_by} needs the library {library}, which is not on this machine")]
    MissingLibrary {
        /// The file whose DT_NEEDED names it.
        needed_by: PathBuf,
        /// Its name there.
        library: String,
    },
    /// `--add` with something else than PATH or SRC:DST.
    #[error("\"{0}\" is neither PATH nor SRC:DST with an absolute DST")]
    MalformedAddition(String),
    /// A socket or a device in an added tree.
    #[error("{0} is a device or socket and cannot be packed")]
    Unsupported(PathBuf),
    /// Too many symbolic links.
    #[error("{0} runs through a loop of symbolic links")]
    SymlinkLoop(PathBuf),
    /// A file cannot be read or written.
    #[error("cannot use {path}")]
    Io {
        /// The file in question.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file cannot be put into the image.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The bundle cannot be written.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The image's documents cannot be expressed.
    #[error("cannot express the image")]
    Spec(#[from] OciSpecError),
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |source| PackError::Io { path, source }
}

/// A program with everything that it needs, not written anywhere yet.
#[derive(Debug)]
pub struct Packed {
    /// The root file system.
    pub tree: Tree,
    /// The image configuration, without layers.
    pub image: ImageConfiguration,
    /// What it may miss when it runs, sorted.
    pub warnings: Vec<Warning>,
}

/// Collects everything that the program needs.
///
/// # Errors
/// See [`PackError`].
pub fn pack(program: &Program, spool_dir: &Path) -> Result<Packed, PackError> {
    let name = program.command.first().ok_or(PackError::NoProgram)?;
    let path = behind_shim(program::find(name)?);
    let mut tree = Tree::new(spool_dir, &Limits::default())?;
    skeleton(&mut tree)?;
    let mut importer = Importer::new(&mut tree);
    importer.merged_usr()?;
    let place = program.at.as_ref().unwrap_or(&path);
    if *place == path {
        importer.program(&path)?;
    } else {
        importer.addition(&Addition { source: path.clone(), destination: place.clone() })?;
        importer.standard_library(&path)?;
    }
    for addition in &program.add {
        importer.addition(addition)?;
    }
    let mut warnings = importer.finish();
    warnings.extend(program.command[1..].iter().filter_map(|argument| outside(&tree, program, argument)));
    Ok(Packed { tree, image: image(program, place)?, warnings })
}

/// The interpreter itself where PATH has a script of its name, as version managers put there.
fn behind_shim(path: PathBuf) -> PathBuf {
    if !matches!(program::format(&path), Ok(program::Format::Script(_))) {
        return path;
    }
    interpreter::library(&path).map_or(path, |library| library.program)
}

/// A warning if an argument is a file here and would be none in the image.
fn outside(tree: &Tree, program: &Program, argument: &str) -> Option<Warning> {
    let path = std::path::absolute(argument).ok().filter(|path| path.is_file())?;
    let is_there = |path: &Path| matches!(tree.lookup(path.as_os_str().as_bytes()), Ok(Some(_)));
    let cwd = Path::new(program.cwd.as_deref().unwrap_or("/"));
    if is_there(&cwd.join(argument)) {
        None
    } else if is_there(&path) {
        Some(Warning::ArgumentElsewhere { argument: argument.to_owned(), path })
    } else {
        Some(Warning::ArgumentOutside(path))
    }
}

/// Packs a program into the bundle `dir` (an existing directory without one), quickly and without syncing.
///
/// # Errors
/// See [`PackError`].
pub fn pack_to_bundle(program: &Program, dir: &Path) -> Result<Bundle, PackError> {
    let packed = pack(program, dir)?;
    let config = packed.image.to_string()?;
    let config_digest = Digest::of(config.as_bytes());
    let origin = Origin { manifest_digest: config_digest, config_digest, layers: Vec::new() };
    Ok(bundle::write_fleeting(&packed.tree, &packed.image, &origin, dir)?)
}

/// What programs expect of any root: mount points, a temporary directory, and names for the two usual accounts.
fn skeleton(tree: &mut Tree) -> Result<(), TreeError> {
    for name in ["dev", "proc", "sys"] {
        tree.put_directory(name.as_bytes(), Meta::with_mode(0o755))?;
    }
    tree.put_directory(b"tmp", Meta::with_mode(0o1777))?;
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n"),
        ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
        ("etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ] {
        let extent = tree.spool_mut().append(text.as_bytes(), text.len() as u64)?;
        tree.put(path.as_bytes(), Meta::with_mode(0o644), Kind::File(extent))?;
    }
    Ok(())
}

fn image(program: &Program, path: &Path) -> Result<ImageConfiguration, OciSpecError> {
    let mut command = program.command.clone();
    command[0] = path.to_string_lossy().into_owned();
    let mut env = program.env.clone();
    if !env.iter().any(|entry| entry.starts_with("PATH=")) {
        env.insert(0, crate::config::DEFAULT_PATH.to_owned());
    }
    let mut config = ConfigBuilder::default().entrypoint(command).env(env);
    if let Some(port) = program.port {
        config = config.exposed_ports(vec![format!("{port}/tcp")]);
    }
    if let Some(user) = &program.user {
        config = config.user(user.clone());
    }
    if let Some(cwd) = &program.cwd {
        config = config.working_dir(cwd.clone());
    }
    ImageConfigurationBuilder::default()
        .architecture(Arch::Amd64)
        .os(Os::Linux)
        .config(config.build()?)
        .rootfs(RootFsBuilder::default().typ("layers").diff_ids(Vec::<String>::new()).build()?)
        .build()
}
