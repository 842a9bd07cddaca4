//! The guest programs: what there is under `tests/guest`, how each is built, and what it is started with.

use crate::common::{outdated, root};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// Static, with musl.
    Musl,
    /// Dynamically linked with glibc.
    Glibc,
    /// Static, with glibc.
    GlibcStatic,
}

/// A source file and the directives in its first lines.
#[derive(Clone, Debug)]
pub struct Program {
    source: PathBuf,
    family: String,
    name: String,
    flags: Vec<String>,
    /// Arguments it is started with (`// args: one | two`).
    pub args: Vec<String>,
    /// Its environment (`// env: NAME=value`).
    pub env: Vec<(String, String)>,
    /// Its standard input (`// stdin: text`, `\n` for line ends).
    pub stdin: Vec<u8>,
    /// The one library that it is built with (`// libc: musl`), where a second build would show nothing new.
    libc: Option<Build>,
}

/// All programs, in the order of their names.
pub fn programs() -> Vec<Program> {
    let folder = root().join("tests/guest");
    let mut found: Vec<Program> = entries(&folder)
        .into_iter()
        .filter(|path| path.is_dir())
        .flat_map(|family| entries(&family))
        .filter(|path| matches!(extension(path), "c" | "cpp" | "rs"))
        .map(|path| Program::read(&path))
        .collect();
    found.sort_by_key(|program| program.source.clone());
    found
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let listing = std::fs::read_dir(folder).expect("tests/guest can be read");
    listing.map(|entry| entry.expect("tests/guest can be read").path()).collect()
}

fn extension(path: &Path) -> &str {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or("")
}

impl Program {
    fn read(source: &Path) -> Self {
        let text = std::fs::read_to_string(source).expect("programs are text");
        let part = |path: Option<&std::ffi::OsStr>| {
            path.expect("a path below tests/guest").to_string_lossy().into_owned()
        };
        let values = |directive: &str| -> Vec<String> {
            let start = format!("// {directive}:");
            text.lines()
                .filter_map(|line| line.strip_prefix(&start))
                .map(|value| value.trim().to_owned())
                .collect()
        };
        let split = |value: &String| value.split('|').map(|word| word.trim().to_owned()).collect::<Vec<_>>();
        let pair =
            |value: &String| value.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            source: source.to_owned(),
            family: part(source.parent().and_then(Path::file_name)),
            name: part(source.file_stem()),
            flags: values("build")
                .iter()
                .flat_map(|value| value.split_whitespace())
                .map(str::to_owned)
                .collect(),
            args: values("args").first().map(split).unwrap_or_default(),
            env: values("env").iter().filter_map(pair).collect(),
            stdin: values("stdin").join("").replace("\\n", "\n").into_bytes(),
            libc: values("libc").first().map(|name| if name == "musl" { Build::Musl } else { Build::Glibc }),
        }
    }

    /// The ways in which this program is built.
    pub fn builds(&self) -> Vec<Build> {
        match extension(&self.source) {
            "cpp" => vec![Build::GlibcStatic, Build::Glibc],
            _ if self.libc.is_some() => self.libc.into_iter().collect(),
            _ => vec![Build::Musl, Build::Glibc],
        }
    }

    /// `family/name/build`.
    pub fn test_name(&self, build: Build) -> String {
        let build = match build {
            Build::Musl => "musl",
            Build::Glibc => "glibc",
            Build::GlibcStatic => "glibc-static",
        };
        format!("{}/{}/{build}", self.family, self.name)
    }

    /// Builds the program unless it is built already, and returns where it is.
    pub fn compile(&self, build: Build) -> Result<PathBuf, String> {
        let folder = root().join("target/guest").join(format!("{build:?}").to_lowercase()).join(&self.family);
        let output = folder.join(&self.name);
        // A header that changes builds all programs again that may include it.
        let tests = root().join("tests/guest");
        let mut headers = entries(&tests);
        headers.extend(entries(&tests.join(&self.family)));
        headers.retain(|path| extension(path) == "h");
        let sources: Vec<&Path> =
            std::iter::once(&self.source).chain(&headers).map(PathBuf::as_path).collect();
        if !outdated(&output, &sources) {
            return Ok(output);
        }
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        // Another process may be building the same program: each builds its own and the last one stays.
        let fresh = folder.join(format!("{}.{}", self.name, std::process::id()));
        let mut command = self.compiler(build);
        command.arg("-o").arg(&fresh).arg(&self.source).args(&self.flags);
        let result = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        if !result.status.success() {
            return Err(format!("{command:?}\n{}", String::from_utf8_lossy(&result.stderr)));
        }
        std::fs::rename(&fresh, &output).map_err(|error| format!("{}: {error}", output.display()))?;
        Ok(output)
    }

    fn compiler(&self, build: Build) -> Command {
        let language = extension(&self.source);
        let mut command = Command::new(match (language, build) {
            ("rs", _) => "rustc",
            ("cpp", _) => "g++",
            (_, Build::Musl) => "musl-gcc",
            _ => "gcc",
        });
        if language == "rs" {
            let target =
                if build == Build::Musl { "x86_64-unknown-linux-musl" } else { "x86_64-unknown-linux-gnu" };
            command.args(["--edition", "2024", "-O", "--target", target]);
            return command;
        }
        command.args(["-O1", "-g", "-w", "-pthread", "-I"]).arg(root().join("tests/guest"));
        if build != Build::Glibc {
            command.arg("-static");
        }
        command
    }
}
