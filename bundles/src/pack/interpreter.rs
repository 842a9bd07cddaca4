//! Interpreters and the standard libraries that they find at run time: no ELF file names those.
//!
//! An interpreter that is known is asked where its library is; only the library comes along, not what was installed
//! besides. Virtual environments are the exception: whoever starts one's interpreter means its packages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs that need nothing besides themselves and their libraries to run a script.
const SELF_SUFFICIENT: [&str; 8] = ["sh", "bash", "dash", "ash", "busybox", "env", "gawk", "mawk"];

/// How an interpreter is asked for its paths, each ended by a NUL byte.
struct Known {
    name: &'static str,
    arguments: &'static [&'static str],
    /// Names of files and folders in these paths that are no part of the library.
    without: &'static [&'static str],
}

const KNOWN: [Known; 5] = [
    Known {
        name: "python",
        arguments: &["-I", "-c", PYTHON],
        // Packages of the machine, the tests of the library, and what only embedding Python needs.
        without: &["site-packages", "dist-packages", "test", "config-*"],
    },
    Known { name: "ruby", arguments: &["-e", RUBY], without: &[] },
    Known { name: "perl", arguments: &["-MConfig", "-e", PERL], without: &[] },
    Known { name: "node", arguments: &["-e", NODE], without: &[] },
    Known { name: "php", arguments: &["-r", PHP], without: &[] },
];

/// The program itself first: what is in PATH may be a script that looks for it.
const PYTHON: &str = r#"
import os, sys, sysconfig
base = {"base": sys.base_prefix, "platbase": sys.base_exec_prefix}
paths = [sys.executable] + [sysconfig.get_path(name, vars=dict(base, installed_base=sys.base_prefix, installed_platbase=sys.base_exec_prefix)) for name in ("stdlib", "platstdlib")]
if sys.prefix != sys.base_prefix:
    paths += [os.path.join(sys.prefix, "pyvenv.cfg"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
sys.stdout.write("".join(path + "\0" for path in paths))
"#;
const RUBY: &str = r##"
paths = [RbConfig.ruby] + $LOAD_PATH - [RbConfig::CONFIG["sitedir"]]
paths << Gem.default_specifications_dir if defined?(Gem) && Gem.respond_to?(:default_specifications_dir)
print paths.map { |path| "#{path}\0" }.join
"##;
const PERL: &str = r#"
my @others = grep { $_ } @Config{qw(sitelibexp sitearchexp vendorlibexp vendorarchexp)};
my @library = grep { my $path = $_; !grep { $_ eq $path } @others } grep { !ref && m{^/} && !m{^/usr/local|/site_perl|^/etc} } @INC;
print map { "$_\0" } $^X, @library;
"#;
const NODE: &str = r#"
const shared = process.config.variables.node_builtin_shareable_builtins || [];
const paths = shared.map(path => path.startsWith("/") ? path : "/usr/share/nodejs/" + path.replace(/^deps\//, ""));
process.stdout.write([process.execPath, ...paths].map(path => path + "\0").join(""));
"#;
const PHP: &str = r#"
$paths = [PHP_BINARY, PHP_EXTENSION_DIR, php_ini_loaded_file()];
foreach (explode(",", (string) php_ini_scanned_files()) as $file) { $paths[] = trim($file); }
foreach ($paths as $path) { if ($path) { echo $path, "\0"; } }
"#;

/// What an interpreter runs with.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Library {
    /// The interpreter's own file.
    pub(super) program: PathBuf,
    /// Files and folders of its standard library.
    pub(super) paths: Vec<PathBuf>,
    without: &'static [&'static str],
}

impl Library {
    /// Whether a file or folder of these paths stays out; the paths themselves never do.
    pub(super) fn leaves_out(&self, path: &Path) -> bool {
        let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == pattern,
        };
        self.without.iter().any(|pattern| matches(pattern)) && !self.paths.iter().any(|own| own == path)
    }
}

/// Whether a script's interpreter is none of those that are known, nor one that needs no library.
pub(super) fn is_unknown(program: &Path) -> bool {
    let name = program.file_name().and_then(OsStr::to_str).unwrap_or_default();
    known(name).is_none() && !SELF_SUFFICIENT.contains(&name)
}

/// Whether a program is an interpreter whose standard library can be asked for.
pub(super) fn is_known(program: &Path) -> bool {
    program.file_name().and_then(OsStr::to_str).is_some_and(|name| known(name).is_some())
}

/// The standard library of a program that is a known interpreter and says where it is.
pub(super) fn library(program: &Path) -> Option<Library> {
    let known = known(program.file_name()?.to_str()?)?;
    let output =
        Command::new(program).args(known.arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success())?;
    let mut paths = output
        .stdout
        .split(|&byte| byte == 0)
        .map(|path| PathBuf::from(OsStr::from_bytes(path)))
        .filter(|path| path.is_absolute() && path.exists());
    let program = paths.next()?;
    let mut paths: Vec<PathBuf> = paths.collect();
    paths.sort();
    paths.dedup();
    Some(Library { program, paths, without: known.without })
}

/// The interpreter with this name, with or without its version: `python3.11`, `ruby3.1`, `nodejs`.
fn known(name: &str) -> Option<&'static Known> {
    let bare = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
    let bare = if bare == "nodejs" { "node" } else { bare };
    KNOWN.iter().find(|known| known.name == bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_versions() {
        let name = |program| known(program).map(|known| known.name);
        assert_eq!(name("python3.11"), Some("python"));
        assert_eq!((name("ruby"), name("nodejs"), name("php8.2")), (Some("ruby"), Some("node"), Some("php")));
        assert_eq!((name("pythonic"), name("3"), name("sh")), (None, None, None));
        assert!(is_unknown(Path::new("/usr/bin/lua5.4")) && !is_unknown(Path::new("/bin/dash")));
    }

    #[test]
    fn only_what_is_below_a_path_is_left_out() {
        let paths = vec![PathBuf::from("/v/site-packages")];
        let library = Library { program: PathBuf::new(), paths, without: &["site-packages", "config-*"] };
        assert!(library.leaves_out(Path::new("/usr/lib/python3/site-packages")));
        assert!(library.leaves_out(Path::new("/usr/lib/python3/config-3.11-x86_64-linux-gnu")));
        assert!(!library.leaves_out(Path::new("/v/site-packages")));
        assert!(!library.leaves_out(Path::new("/usr/lib/python3/configparser.py")));
    }
}
