//! The library search of the dynamic loader, as `ld.so(8)` describes it (and musl's where that is the interpreter).

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::elf::{self, Facts};
use super::ldcache;

const GLIBC_DIRS: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
const MUSL_DIRS: [&str; 3] = ["/lib", "/usr/local/lib", "/usr/lib"];

/// Where a library was found.
pub(super) struct FoundLibrary {
    /// Its path on this machine.
    pub(super) path: PathBuf,
    /// Only the cache knew it: in the image, which has no cache, it needs a name in a default directory.
    pub(super) by_cache: bool,
}

/// Searches for the libraries of one program.
pub(super) struct Search {
    cache: HashMap<String, PathBuf>,
    dirs: Vec<PathBuf>,
    is_musl: bool,
}

impl Search {
    /// For programs with this interpreter.
    pub(super) fn new(interpreter: Option<&Path>) -> Self {
        let name =
            interpreter.and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.starts_with("ld-musl-")) {
            return Self { cache: HashMap::new(), dirs: musl_dirs(), is_musl: true };
        }
        let cache = std::fs::read("/etc/ld.so.cache").unwrap_or_default();
        Self { cache: ldcache::parse(&cache), dirs: GLIBC_DIRS.map(PathBuf::from).to_vec(), is_musl: false }
    }

    /// The library `name` as needed by the file `by`; `inherited` are the RPATHs of those that needed it, expanded.
    pub(super) fn find(
        &self,
        name: &str,
        by: &Path,
        facts: &Facts,
        inherited: &[PathBuf],
    ) -> Option<FoundLibrary> {
        let found =
            |path: PathBuf, by_cache| elf::is_library(&path).then_some(FoundLibrary { path, by_cache });
        if name.contains('/') {
            return found(std::path::absolute(name).ok()?, false);
        }
        let own: Vec<PathBuf> = facts.runpath.iter().flat_map(|paths| expand(paths, by)).collect();
        let searched =
            if own.is_empty() || self.is_musl { [own.as_slice(), inherited] } else { [own.as_slice(), &[]] };
        let cached = || self.cache.get(name).and_then(|path| found(path.clone(), true));
        let by_path = searched.into_iter().flatten().find_map(|dir| found(dir.join(name), false));
        let by_default = || self.dirs.iter().find_map(|dir| found(dir.join(name), false));
        // A default directory before the cache: the same file nearly always, and in the image there is no cache.
        by_path.or_else(by_default).or_else(cached)
    }

    /// Directories that the loader searches without being told.
    pub(super) fn default_dir(&self) -> &Path {
        let known = self.dirs.iter().find(|dir| dir.is_dir());
        known.map_or(Path::new("/lib"), PathBuf::as_path)
    }

    /// The directories that needed libraries inherit from `by`: its RPATH, unless it has a RUNPATH.
    pub(super) fn inherit(&self, by: &Path, facts: &Facts, inherited: &[PathBuf]) -> Vec<PathBuf> {
        let own = match (&facts.rpath, &facts.runpath, self.is_musl) {
            (Some(paths), None, _) | (_, Some(paths), true) => expand(paths, by),
            _ => Vec::new(),
        };
        own.into_iter().chain(inherited.iter().cloned()).collect()
    }
}

fn musl_dirs() -> Vec<PathBuf> {
    let configured = std::fs::read_to_string("/etc/ld-musl-x86_64.path").unwrap_or_default();
    let dirs: Vec<PathBuf> =
        configured.split([':', '\n']).filter(|dir| !dir.is_empty()).map(PathBuf::from).collect();
    if dirs.is_empty() { MUSL_DIRS.map(PathBuf::from).to_vec() } else { dirs }
}

/// A list of directories with `$ORIGIN`, `$LIB` and `$PLATFORM` replaced, relative ones left out.
fn expand(paths: &str, by: &Path) -> Vec<PathBuf> {
    let origin = by.parent().unwrap_or(Path::new("/")).to_string_lossy();
    paths
        .split(':')
        .map(|path| {
            let path = path.replace("${ORIGIN}", &origin).replace("$ORIGIN", &origin);
            let path = path.replace("${LIB}", "lib/x86_64-linux-gnu").replace("$LIB", "lib/x86_64-linux-gnu");
            PathBuf::from(path.replace("${PLATFORM}", "x86_64").replace("$PLATFORM", "x86_64"))
        })
        .filter(|path| path.is_absolute())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin() {
        let dirs = expand("$ORIGIN/../lib:${ORIGIN}:relative:/opt/$LIB", Path::new("/opt/app/bin/x"));
        assert_eq!(
            dirs,
            ["/opt/app/bin/../lib", "/opt/app/bin", "/opt/lib/x86_64-linux-gnu"].map(PathBuf::from)
        );
    }
}
