//! A program natively and the same in a machine, in turns, pinned to one CPU: what benchmarks by hand share.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A program that waits for the next byte.
pub struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Running {
    pub fn start(command: &[String]) -> Self {
        let mut command = pinned(command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("taskset starts");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        Self { input: child.stdin.take(), child, output }
    }

    /// Lets it work once; its name and nanoseconds.
    pub fn work(&mut self) -> (String, f64) {
        self.input.as_mut().expect("open until the end").write_all(b"x").expect("the program reads");
        let line =
            self.output.next().expect("the program goes on").expect("the program's output can be read");
        parsed(&line).expect("a name and nanoseconds")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It ends when there are no more bytes; how is of no interest.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// What a program finds in the environment of a machine whose image says nothing of it.
pub const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("HOME", "/")];

/// A command on one CPU, with the environment that machines give to programs.
pub fn pinned(command: &[String]) -> Command {
    let mut taskset = Command::new("taskset");
    taskset.args(["-c", &cpu()]).args(command).current_dir("/").env_clear().envs(ENVIRONMENT);
    taskset
}

/// A name and nanoseconds.
pub fn parsed(line: &str) -> Option<(String, f64)> {
    let (name, ns) = line.split_once(' ')?;
    Some((name.to_owned(), ns.trim().parse().ok()?))
}

/// `speed` is how fast the machine is beside native: 1 is as fast.
pub fn row(name: &str, pairs: &[(f64, f64)]) -> Value {
    let native = median(pairs.iter().map(|pair| pair.0).collect());
    let machine = median(pairs.iter().map(|pair| pair.1).collect());
    let speed: f64 = median(pairs.iter().map(|(native, machine)| native / machine).collect());
    let rounded = |value: f64, parts: f64| (value * parts).round() / parts;
    eprintln!("| {name} | {} | {} | {speed:.2} |", readable(native), readable(machine));
    json!({
        "item": name,
        "native_ns": rounded(native, 10.0),
        "machine_ns": rounded(machine, 10.0),
        "speed": rounded(speed, 1000.0),
    })
}

pub fn readable(ns: f64) -> String {
    match ns {
        10_000_000.0.. => format!("{:.0} ms", ns / 1e6),
        1000.0.. => format!("{:.1} µs", ns / 1000.0),
        _ => format!("{ns:.0} ns"),
    }
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

pub fn cpu() -> String {
    std::env::var("CPU").unwrap_or_else(|_| {
        let last = std::thread::available_parallelism().map_or(0, |count| count.get() - 1);
        last.to_string()
    })
}

/// A binary of the workspace, which lies beside this one.
pub fn binary(name: &str) -> String {
    let own = std::env::current_exe().expect("a running program has a path");
    let profile = own.ancestors().nth(2).expect("benchmarks lie in <profile>/deps");
    let path = profile.join(name);
    assert!(path.exists(), "{} is not built: `make build` builds it", path.display());
    path.display().to_string()
}

/// Runs what prepares a program; `None`, and a line that says so, without the tool.
pub fn prepared(command: &mut Command) -> Option<()> {
    match command.output() {
        Ok(output) if output.status.success() => Some(()),
        Ok(output) => {
            eprintln!("left out: {command:?}: {}", String::from_utf8_lossy(&output.stderr));
            None
        }
        Err(error) => {
            eprintln!("left out: {command:?}: {error}");
            None
        }
    }
}

/// Unpacks the layers of an OCI layout's only image.
pub fn unpack(layout: &Path, folder: &Path) -> Option<()> {
    let blob = |descriptor: &Value| {
        let (algorithm, hex) = descriptor["digest"].as_str()?.split_once(':')?;
        Some(layout.join("blobs").join(algorithm).join(hex))
    };
    let json = |path: PathBuf| serde_json::from_slice::<Value>(&std::fs::read(path).ok()?).ok();
    let index = json(layout.join("index.json"))?;
    let manifest = json(blob(&index["manifests"][0])?)?;
    std::fs::create_dir_all(folder).ok()?;
    for layer in manifest["layers"].as_array()? {
        prepared(Command::new("tar").arg("-xf").arg(blob(layer)?).arg("-C").arg(folder))?;
    }
    Some(())
}

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
