//! Files of this machine into a tree: programs with everything they load, and added files and directories.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::program::{self, Format};
use super::resolve::Search;
use super::{Addition, PackError, Warning, elf, interpreter, io_error};
use crate::tree::{Kind, Meta, Tree};

/// Interpreters of interpreters that Linux follows.
const SCRIPT_DEPTH: usize = 4;
const SYMLINKS_MAX: usize = 40;

/// The C library of most distributions.
const GLIBC: &str = "libc.so.6";
/// Libraries that no file names and programs need all the same, where this machine has them: the C library loads the first
/// when a thread is cancelled or exits (pthread_exit(3)); the others were split off it once, and plug-ins still ask for them.
const COMPANIONS: [&str; 5] =
    ["libgcc_s.so.1", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1"];

/// Puts files into a tree, each once.
pub(super) struct Importer<'a> {
    tree: &'a mut Tree,
    /// Paths of this machine that are in already.
    done: HashSet<PathBuf>,
    /// Files with several names: device and inode to the path in the tree.
    linked: HashMap<(u64, u64), PathBuf>,
    /// Symbolic links: the path in the tree, and that on this machine.
    links: Vec<(PathBuf, PathBuf)>,
    warnings: Vec<Warning>,
}

impl<'a> Importer<'a> {
    pub(super) fn new(tree: &'a mut Tree) -> Self {
        Self { tree, done: HashSet::new(), linked: HashMap::new(), links: Vec::new(), warnings: Vec::new() }
    }

    /// What the image may lack.
    pub(super) fn finish(mut self) -> Vec<Warning> {
        let broken = self.links.iter().filter_map(|(link, source)| self.broken(link, source));
        let broken: Vec<Warning> = broken.collect();
        self.warnings.extend(broken);
        self.warnings.sort();
        self.warnings.dedup();
        self.warnings
    }

    /// A warning for a link that leads nowhere in the image.
    fn broken(&self, link: &Path, source: &Path) -> Option<Warning> {
        if matches!(self.tree.lookup(link.as_os_str().as_bytes()), Ok(Some(_))) {
            return None;
        }
        let text = fs::read_link(source).ok()?;
        let from = |link: &Path| normalize(&link.parent().unwrap_or(Path::new("/")).join(&text));
        let (link, target, wanted) = (link.to_owned(), from(source), from(link));
        Some(if source.exists() {
            Warning::LinkOutside { link, target, wanted }
        } else {
            Warning::LinkNowhere { link, target }
        })
    }

    /// The links of a merged `/usr` (`/bin` → `usr/bin` …), where this machine has them: programs name either path.
    pub(super) fn merged_usr(&mut self) -> Result<(), PackError> {
        for dir in ["/bin", "/sbin", "/lib", "/lib64"].map(Path::new) {
            if dir.is_symlink() {
                self.path(dir)?;
            }
        }
        Ok(())
    }

    /// A program with its interpreter and all libraries.
    pub(super) fn program(&mut self, path: &Path) -> Result<(), PackError> {
        let mut pending = VecDeque::from([(path.to_owned(), 0)]);
        while let Some((path, depth)) = pending.pop_front() {
            if depth > SCRIPT_DEPTH {
                return Err(PackError::BadInterpreterLine(path));
            }
            self.path(&path)?;
            match program::format(&path)? {
                Format::Elf => {
                    self.libraries(&path)?;
                    self.standard_library(&path)?;
                    if depth > 0 && interpreter::is_unknown(&path) {
                        self.warnings.push(Warning::UnknownInterpreter(path));
                    }
                }
                Format::Script(programs) => {
                    for interpreter in programs {
                        if !interpreter.is_file() {
                            return Err(PackError::MissingInterpreter { program: path, interpreter });
                        }
                        pending.push_back((interpreter, depth + 1));
                    }
                }
                Format::Other => return Err(PackError::NotAProgram(path)),
            }
        }
        Ok(())
    }

    /// What an interpreter finds at run time, if the program is one that is known.
    pub(super) fn standard_library(&mut self, program: &Path) -> Result<(), PackError> {
        if !interpreter::is_known(program) {
            return Ok(());
        }
        let Some(library) = interpreter::library(program) else {
            self.warnings.push(Warning::SilentInterpreter(program.to_owned()));
            return Ok(());
        };
        if library.program != program {
            self.path(&library.program)?;
            self.libraries(&library.program)?;
        }
        // Some paths are links to others.
        let mut real = BTreeSet::new();
        for path in &library.paths {
            self.path(path)?;
            real.insert(fs::canonicalize(path).map_err(io_error(path))?);
        }
        let first_link = self.links.len();
        for path in real {
            self.walk((path.clone(), path), &|path| library.leaves_out(path))?;
        }
        // Parts of a library are configuration elsewhere.
        for (_, source) in self.links.split_off(first_link) {
            if source.exists() {
                self.path(&source)?;
            }
        }
        Ok(())
    }

    /// Everything that the loader would load for an ELF file that is in the tree already.
    fn libraries(&mut self, path: &Path) -> Result<(), PackError> {
        let facts = elf::facts(path)?;
        let search = Search::new(facts.interpreter.as_deref());
        if let Some(interpreter) = &facts.interpreter {
            if !interpreter.is_file() {
                let interpreter = interpreter.clone();
                return Err(PackError::MissingInterpreter { program: path.to_owned(), interpreter });
            }
            self.path(interpreter)?;
        }
        self.load(path, &search)
    }

    fn load(&mut self, path: &Path, search: &Search) -> Result<(), PackError> {
        let mut loaded = HashSet::new();
        let mut pending = VecDeque::from([(path.to_owned(), Vec::new())]);
        while let Some((by, inherited)) = pending.pop_front() {
            let facts = elf::facts(&by)?;
            let inherited = search.inherit(&by, &facts, &inherited);
            let companions: &[&str] =
                if facts.needed.iter().any(|library| library == GLIBC) { &COMPANIONS } else { &[] };
            let companions: Vec<String> = companions.iter().map(ToString::to_string).collect();
            for library in facts.needed.iter().chain(&companions) {
                if !loaded.insert(library.clone()) {
                    continue;
                }
                let Some(found) = search.find(library, &by, &facts, &inherited) else {
                    if !facts.needed.contains(library) {
                        continue;
                    }
                    return Err(PackError::MissingLibrary {
                        needed_by: by.clone(),
                        library: library.clone(),
                    });
                };
                self.path(&found.path)?;
                if found.by_cache {
                    self.default_name(search.default_dir(), library, &found.path)?;
                }
                pending.push_back((found.path, inherited.clone()));
            }
        }
        Ok(())
    }

    /// A link in a default directory of the loader, for a library that only the loader's cache knows here.
    fn default_name(&mut self, dir: &Path, library: &str, path: &Path) -> Result<(), PackError> {
        self.path(dir)?;
        let target = Kind::Symlink(path.as_os_str().as_bytes().into());
        self.tree.put(dir.join(library).as_os_str().as_bytes(), Meta::with_mode(0o777), target)?;
        Ok(())
    }

    /// What `--add` names: a file or a whole directory, and the libraries of programs and libraries in it.
    pub(super) fn addition(&mut self, addition: &Addition) -> Result<(), PackError> {
        let source = std::path::absolute(&addition.source).map_err(io_error(&addition.source))?;
        let same_place = source == addition.destination;
        if same_place {
            self.path(&source)?;
        }
        let source = fs::canonicalize(&source).map_err(io_error(&source))?;
        let destination = if same_place { source.clone() } else { addition.destination.clone() };
        for library in self.walk((source, destination), &|_| false)? {
            self.warnings.push(Warning::MissingLibrary(library));
        }
        Ok(())
    }

    /// A file, or a folder with all that is in it but what is left out, and the libraries of programs and libraries
    /// there; returns those that this machine lacks.
    fn walk(
        &mut self,
        whole: (PathBuf, PathBuf),
        leaves_out: &dyn Fn(&Path) -> bool,
    ) -> Result<Vec<String>, PackError> {
        let (mut pending, mut missing) = (vec![whole], Vec::new());
        while let Some((source, destination)) = pending.pop() {
            let meta = fs::symlink_metadata(&source).map_err(io_error(&source))?;
            if meta.is_dir() {
                for entry in fs::read_dir(&source).map_err(io_error(&source))? {
                    let entry = entry.map_err(io_error(&source))?;
                    if !leaves_out(&entry.path()) {
                        pending.push((entry.path(), destination.join(entry.file_name())));
                    }
                }
            }
            self.put(&source, &destination, &meta)?;
            if meta.is_file() && matches!(program::format(&source), Ok(Format::Elf)) {
                missing.extend(self.added_elf(&source)?);
            }
        }
        Ok(missing)
    }

    /// Libraries of an added ELF file, or the one that is missing; many are plugins whose libraries nobody will miss.
    fn added_elf(&mut self, path: &Path) -> Result<Option<String>, PackError> {
        match self.libraries(path) {
            Err(PackError::MissingLibrary { library, .. }) => Ok(Some(library)),
            Err(
                PackError::WrongMachine { .. }
                | PackError::BadElf { .. }
                | PackError::MissingInterpreter { .. },
            ) => Ok(None),
            other => other.map(|()| None),
        }
    }

    /// A path with every symbolic link on the way, so that it means the same in the image.
    fn path(&mut self, path: &Path) -> Result<(), PackError> {
        let mut pending: VecDeque<OsString> = names(path).collect();
        let mut here = PathBuf::from("/");
        let mut symlinks = 0;
        while let Some(name) = pending.pop_front() {
            if name == ".." {
                here.pop();
                continue;
            }
            let next = here.join(&name);
            let meta = fs::symlink_metadata(&next).map_err(io_error(&next))?;
            if self.done.insert(next.clone()) {
                self.put(&next, &next, &meta)?;
            }
            if !meta.is_symlink() {
                here = next;
                continue;
            }
            symlinks += 1;
            if symlinks > SYMLINKS_MAX {
                return Err(PackError::SymlinkLoop(path.to_owned()));
            }
            let target = fs::read_link(&next).map_err(io_error(&next))?;
            if target.is_absolute() {
                here = PathBuf::from("/");
            }
            for name in names(&target).collect::<Vec<_>>().into_iter().rev() {
                pending.push_front(name);
            }
        }
        Ok(())
    }

    /// One file, directory or link, without what is in it.
    fn put(&mut self, source: &Path, destination: &Path, meta: &Metadata) -> Result<(), PackError> {
        let name = destination.as_os_str().as_bytes();
        let attributes = attributes(meta);
        if meta.is_dir() {
            self.tree.put_directory(name, attributes)?;
        } else if meta.is_symlink() {
            let target = fs::read_link(source).map_err(io_error(source))?;
            self.links.push((destination.to_owned(), source.to_owned()));
            self.tree.put(name, attributes, Kind::Symlink(target.as_os_str().as_bytes().into()))?;
        } else if meta.is_file() {
            self.put_file(source, destination, meta, attributes)?;
        } else {
            return Err(PackError::Unsupported(source.to_owned()));
        }
        Ok(())
    }

    fn put_file(
        &mut self,
        source: &Path,
        destination: &Path,
        meta: &Metadata,
        attributes: Meta,
    ) -> Result<(), PackError> {
        let name = destination.as_os_str().as_bytes();
        if meta.nlink() > 1
            && let Some(first) = self.linked.get(&(meta.dev(), meta.ino()))
            && first != destination
        {
            self.tree.link(name, first.as_os_str().as_bytes())?;
            return Ok(());
        }
        let file = File::open(source).map_err(io_error(source))?;
        let extent = self.tree.spool_mut().append(file, meta.len())?;
        self.tree.put(name, attributes, Kind::File(extent))?;
        self.linked.insert((meta.dev(), meta.ino()), destination.to_owned());
        Ok(())
    }
}

/// A path without `..`, as if no component were a link.
fn normalize(path: &Path) -> PathBuf {
    let mut normal = PathBuf::from("/");
    for name in names(path) {
        if name == ".." {
            normal.pop();
        } else {
            normal.push(name);
        }
    }
    normal
}

fn names(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some(OsString::from("..")),
        _ => None,
    })
}

/// Root's file with the mode and time of this one.
fn attributes(meta: &Metadata) -> Meta {
    let mode = u16::try_from(meta.mode() & 0o7777).unwrap_or(0o644);
    Meta { mtime: meta.mtime(), ..Meta::with_mode(mode) }
}
