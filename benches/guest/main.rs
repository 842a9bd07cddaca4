//! What programs cost in a machine beside the same natively: `cargo bench --bench guest`, by hand, on a quiet host.
//!
//! Every round starts each program natively and in a machine, pinned to one CPU. Arguments and environment are the same:
//! they decide where a program's memory lies, which changes its speed by up to a tenth. Programs that measure operations run one after the
//! other, the other way round in the next round. Those that compute run side by side and work in turns, [`PIECES`] times
//! each: what a shared host does to one piece, it mostly does to the next, and the program's heap has grown and its code
//! is compiled after the first [`UNMEASURED`].
//!
//! What is printed are the medians of all pairs and the median of their ratios, as JSON on standard output and as the
//! table of docs/guest-performance.md on standard error. `ROUNDS` (31) and `CPU` (the last one) may be set.
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on says why and ends")]

#[path = "../turns.rs"]
mod turns;

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use turns::{Running, binary, cpu, parsed, pinned, prepared, root, row, unpack};

/// How often a program that computes does its work in a round, and how often before that.
const PIECES: usize = 12;
const UNMEASURED: usize = 4;

/// A program that prints lines of names and nanoseconds.
struct Work {
    /// What runs natively.
    native: Vec<String>,
    /// What `km run` is given.
    machine: Vec<String>,
    /// It does its work once for each byte it reads, instead of all of it once.
    in_turns: bool,
}

impl Work {
    /// What it took natively and in a machine: names with pairs of nanoseconds.
    fn round(&self, native_first: bool) -> Vec<(String, (f64, f64))> {
        if self.in_turns {
            return self.turns();
        }
        let (native, mut machine) = if native_first {
            let native = measure(&self.native);
            (native, measure(&self.machine))
        } else {
            let machine = measure(&self.machine);
            (measure(&self.native), machine)
        };
        let pair = |(name, ns)| machine.remove(&name).map(|own| (name, (ns, own)));
        native.into_iter().filter_map(pair).collect()
    }

    fn turns(&self) -> Vec<(String, (f64, f64))> {
        let (mut native, mut machine) = (Running::start(&self.native), Running::start(&self.machine));
        let mut pairs = Vec::new();
        for turn in 0..UNMEASURED + PIECES {
            let native_first = turn % 2 == 0;
            let early = native_first.then(|| native.work());
            let (_, own) = machine.work();
            let (name, ns) = early.unwrap_or_else(|| native.work());
            if turn >= UNMEASURED {
                pairs.push((name, (ns, own)));
            }
        }
        pairs
    }
}

/// Nanoseconds by the names of what took them.
type Times = BTreeMap<String, f64>;

fn main() {
    if std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_err() {
        eprintln!("\n*** SKIPPED: the benchmark of guests: /dev/kvm cannot be opened here ***\n");
        return;
    }
    let folder = root().join("target/bench/guest");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let rounds: usize = std::env::var("ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(31);
    let works: Vec<Work> =
        [items(&folder), python(&folder), node(), go(&folder)].into_iter().flatten().collect();
    let mut found: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for work in &works {
            for (name, pair) in work.round(round % 2 == 0) {
                found.entry(name).or_default().push(pair);
            }
        }
    }
    eprintln!("| | natively | in a machine | speed |\n|---|---|---|---|");
    let rows: Vec<Value> = found.into_iter().map(|(name, pairs)| row(&name, &pairs)).collect();
    let result = json!({ "cpu": cpu(), "rounds": rounds, "items": rows });
    println!("{}", serde_json::to_string_pretty(&result).expect("JSON can be written"));
}

/// Runs a command to its end and reads what it prints.
fn measure(command: &[String]) -> Times {
    let output = pinned(command).output().expect("taskset starts");
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        eprintln!("{command:?} ended with {}:\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    text.lines().filter_map(parsed).collect()
}

/// `km run` with room for any of the programs.
fn machine(args: &[&str]) -> Vec<String> {
    let km = [binary("km"), "run".to_owned(), "--memory".to_owned(), "1Gi".to_owned()];
    km.into_iter().chain(args.iter().map(|arg| (*arg).to_owned())).collect()
}

fn source(name: &str) -> String {
    root().join("benches/guest").join(name).display().to_string()
}

fn items(folder: &Path) -> Option<Work> {
    let program = folder.join("items").display().to_string();
    prepared(Command::new("gcc").args(["-O2", "-pthread", "-o", &program, &source("items.c")]))?;
    Some(Work { native: vec![program.clone()], machine: machine(&[&program]), in_turns: false })
}

/// Python with its library as an image, since that is more than one program. Natively it runs in the image's files: what it
/// finds of locales and time zones moves its memory, too.
fn python(folder: &Path) -> Option<Work> {
    let [image, bundle, files] =
        ["image", "bundle", "files"].map(|what| folder.join(format!("python-{what}")));
    let script = source("work.py");
    for old in [&image, &bundle, &files] {
        // The first time there is none.
        let _ = std::fs::remove_dir_all(old);
    }
    let reference = format!("oci:{}", image.display());
    let mut pack = Command::new(binary("kontain-faas"));
    pack.args(["pack", "-o", &reference, "--add", "/usr/lib/python3.11"]);
    // Isolated, so that it does not look for what else the host's Python has installed.
    let command = ["/usr/bin/python3.11", "-I", "-S", &script].map(str::to_owned);
    prepared(pack.arg("--add").arg(&script).arg("--").args(&command))?;
    let mut make = Command::new(binary("kontain-faas"));
    prepared(make.args(["bundle", &reference, "-o"]).arg(&bundle))?;
    unpack(&image, &files)?;
    let root = format!("--root={}", files.display());
    let native = ["unshare", "--map-root-user", &root, "--wd=/"].map(str::to_owned).into_iter();
    Some(Work {
        native: native.chain(command).collect(),
        machine: machine(&[&bundle.display().to_string()]),
        in_turns: true,
    })
}

/// Node makes its young generation larger where it sees more memory, and a machine has less than its host: both are told
/// its size.
fn node() -> Option<Work> {
    const YOUNG: [&str; 2] = ["--min-semi-space-size=16", "--max-semi-space-size=16"];
    let text = std::fs::read_to_string(source("work.js")).ok()?;
    prepared(Command::new("node").arg("--version"))?;
    let path = std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|dir| dir.join("node"))
        .find(|path| path.exists())?;
    let path = path.canonicalize().ok()?.display().to_string();
    let args = [YOUNG[0], YOUNG[1], "-e", &text];
    let native = [&[path.as_str()], &args[..]].concat();
    let machine = machine(&[&[path.as_str(), "--"], &args[..]].concat());
    Some(Work { native: native.into_iter().map(str::to_owned).collect(), machine, in_turns: true })
}

fn go(folder: &Path) -> Option<Work> {
    let program = folder.join("go").display().to_string();
    let mut build = Command::new("go");
    build.args(["build", "-o", &program, "."]).current_dir(source("go")).env("CGO_ENABLED", "0");
    prepared(&mut build)?;
    Some(Work { native: vec![program.clone()], machine: machine(&[&program]), in_turns: true })
}
