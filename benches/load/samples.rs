//! The four sample functions: the programs of `demo/`, as the Makefile builds them.

use anyhow::{Context, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Debian's Python; others (pyenv's shims, virtual environments) are no programs that could be packed.
const PYTHON: &str = "/usr/bin/python3";

/// A program that is published as a function.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Name of the function.
    pub name: &'static str,
    /// What it is, for tables.
    pub title: &'static str,
    /// Command to pack, and to start as a process for the baseline.
    pub command: Vec<String>,
    /// Files that come along, as `pack --add` takes them.
    pub add: Vec<String>,
    /// Where the program is expected inside the image, if not at its own path: the script of an interpreter.
    inside: Option<(String, String)>,
}

impl Sample {
    /// The command as it is inside the image.
    pub fn packed_command(&self) -> Vec<String> {
        let moved = |word: &String| match &self.inside {
            Some((outside, inside)) if word == outside => inside.clone(),
            _ => word.clone(),
        };
        self.command.iter().map(moved).collect()
    }
}

/// All four, from the folder with their programs.
///
/// # Errors
/// A program is not there.
pub fn all(folder: &Path) -> anyhow::Result<Vec<Sample>> {
    let folder = std::path::absolute(folder)?;
    let program = |name: &str| existing(&folder.join(name));
    let native = |name: &'static str, title: &'static str| -> anyhow::Result<Sample> {
        Ok(Sample { name, title, command: vec![program(name)?], add: Vec::new(), inside: None })
    };
    Ok(vec![
        native("c-static", "C, static")?,
        native("c-glibc", "C, glibc")?,
        native("rust-hyper", "Rust, hyper and tokio")?,
        python(&program("server.py")?)?,
    ])
}

fn existing(path: &Path) -> anyhow::Result<String> {
    if !path.exists() {
        bail!(
            "{} is not built: `make functions` builds it, `make demo` and `make bench` do so first",
            path.display()
        );
    }
    path.to_str().map(str::to_owned).with_context(|| format!("{} is not UTF-8", path.display()))
}

fn python(script: &str) -> anyhow::Result<Sample> {
    let asked = Command::new(PYTHON)
        .args(["-I", "-c", "import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_path('stdlib'))"])
        .output()
        .with_context(|| format!("{PYTHON} cannot be started: install Python 3"))?;
    let text = String::from_utf8_lossy(&asked.stdout).into_owned();
    let [interpreter, library] = text.lines().collect::<Vec<_>>()[..] else {
        bail!("{PYTHON} does not say where its library is: {}", String::from_utf8_lossy(&asked.stderr));
    };
    let inside = "/app/server.py".to_owned();
    Ok(Sample {
        name: "python",
        title: "Python, http.server",
        command: vec![interpreter.to_owned(), script.to_owned()],
        add: vec![library.to_owned(), format!("{script}:{inside}")],
        inside: Some((script.to_owned(), inside)),
    })
}

/// Folder where the Makefile puts the programs, seen from the folder of the checkout.
pub fn default_folder() -> PathBuf {
    PathBuf::from("target/demo")
}
