//! What connections outward cost in a machine beside the same natively: `cargo bench --bench egress`, by hand, as root, on a quiet
//! host.
//!
//! The peers listen on 192.0.2.1 in a network namespace of the benchmark's own. The same program runs natively and in a machine, each
//! pinned to one CPU, and they work in turns. What is printed are the medians of all pairs and the median of their ratios, as JSON on standard
//! output and as a table on standard error. `PAIRS` (300; a tenth of that for bulk) and `CPU` (the last one) may be set. PostgreSQL is left
//! out, and a line says so, where the image of tests/egress/clients/python is not built.
#![allow(clippy::expect_used, reason = "a benchmark that cannot go on says why and ends")]

#[path = "../turns.rs"]
mod turns;

use nix::sched::{CloneFlags, unshare};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use turns::{Running, binary, cpu, prepared, root, row, unpack};

const ADDRESS: &str = "192.0.2.1";
const PORT: u16 = 7000;
/// What is moved by `down` and `up`.
const BULK: &str = "104857600";
/// Turns before those that count.
const UNMEASURED: usize = 5;

fn main() {
    let has_kvm = std::fs::OpenOptions::new().read(true).write(true).open("/dev/kvm").is_ok();
    if !has_kvm || !own_network() {
        eprintln!("\n*** SKIPPED: the benchmark of connections outward: it needs /dev/kvm and root ***\n");
        return;
    }
    let folder = root().join("target/bench/egress");
    std::fs::create_dir_all(&folder).expect("a folder can be made");
    let listener = TcpListener::bind((ADDRESS, PORT)).expect("the address is the benchmark's own");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || serve(stream));
        }
    });
    let pairs: usize = std::env::var("PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    eprintln!("| | natively | in a machine | speed |\n|---|---|---|---|");
    let mut rows = Vec::new();
    if let Some(program) = client(&folder) {
        for (mode, more, pairs) in
            [("get", None, pairs), ("down", Some(BULK), pairs / 10), ("up", Some(BULK), pairs / 10)]
        {
            let mut words = vec![mode, ADDRESS, "7000"];
            words.extend(more);
            let native: Vec<String> =
                [program.as_str()].iter().chain(&words).map(|word| (*word).to_owned()).collect();
            let machine = machine(&program, &words, PORT);
            rows.push(measured(mode, &native, &machine, pairs));
        }
    }
    rows.extend(postgres(&folder, pairs));
    let result = json!({ "cpu": cpu(), "items": rows });
    println!("{}", serde_json::to_string_pretty(&result).expect("JSON can be written"));
}

fn own_network() -> bool {
    let ip = |words: &[&str]| Command::new("ip").args(words).status().is_ok_and(|status| status.success());
    unshare(CloneFlags::CLONE_NEWNET).is_ok()
        && ip(&["link", "set", "lo", "up"])
        && ip(&["addr", "add", &format!("{ADDRESS}/32"), "dev", "lo"])
}

/// The peer's side of `client.c`.
fn serve(stream: TcpStream) -> Option<()> {
    // As servers do that answer at once.
    stream.set_nodelay(true).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let (mode, bytes) = line.trim().split_once(' ')?;
    let mut left: usize = bytes.parse().ok()?;
    let mut buffer = vec![7; 256 << 10];
    while left > 0 {
        let some = left.min(buffer.len());
        left -= match mode {
            "up" => reader.read(&mut buffer[..some]).ok().filter(|count| *count > 0)?,
            _ => stream.write_all(&buffer[..some]).map(|()| some).ok()?,
        };
    }
    if mode == "up" { stream.write_all(b".").ok() } else { Some(()) }
}

/// The program, static: it is the same file natively and in the machine.
fn client(folder: &Path) -> Option<String> {
    let program = folder.join("client").display().to_string();
    let source = root().join("benches/egress/client.c").display().to_string();
    prepared(Command::new("musl-gcc").args(["-O2", "-static", "-o", &program, &source]))?;
    Some(program)
}

/// `km run` of a program or bundle that may reach the peer's port.
fn machine(program: &str, words: &[&str], port: u16) -> Vec<String> {
    let rule = format!("{ADDRESS}:{port}");
    let km = [&binary("km"), "run", "--memory", "1Gi", "--egress", &rule, program].map(str::to_owned);
    let rest = if words.is_empty() { Vec::new() } else { [&["--"], words].concat() };
    km.into_iter().chain(rest.into_iter().map(str::to_owned)).collect()
}

fn measured(name: &str, native: &[String], machine: &[String], pairs: usize) -> Value {
    let (mut native, mut machine) = (Running::start(native), Running::start(machine));
    let mut found = Vec::new();
    for turn in 0..UNMEASURED + pairs {
        let early = turn.is_multiple_of(2).then(|| native.work());
        let (_, own) = machine.work();
        let (_, ns) = early.unwrap_or_else(|| native.work());
        if turn >= UNMEASURED {
            found.push((ns, own));
        }
    }
    row(name, &found)
}

/// PostgreSQL and the other servers of the tests, ended with the benchmark.
struct Servers(Child);

impl Drop for Servers {
    fn drop(&mut self) {
        // They end when there are no more bytes.
        self.0.stdin = None;
        let _ = self.0.wait();
    }
}

/// A driver's fresh connection, with the library's files of the test's image on both sides.
fn postgres(folder: &Path, pairs: usize) -> Option<Value> {
    let layout = root().join("target/runtimes/images/egress-clients-python");
    if !layout.exists() {
        eprintln!("left out: psycopg: `tests/runtimes/build.sh egress/clients/python` builds its image");
        return None;
    }
    let [place, image, bundle, files] =
        ["servers", "python-image", "python-bundle", "python-files"].map(|name| folder.join(name));
    for old in [&place, &image, &bundle, &files] {
        // The first time there is none.
        let _ = std::fs::remove_dir_all(old);
    }
    std::fs::create_dir_all(&place).ok()?;
    let servers = root().join("tests/egress/servers.sh");
    let mut child = Command::new("sh")
        .arg(servers)
        .arg(&place)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?;
    let _servers = Servers(child);
    BufReader::new(output).lines().find(|line| line.as_ref().is_ok_and(|line| line == "ready"))?.ok()?;
    let reference = format!("oci:{}", layout.display());
    prepared(Command::new(binary("kontain-faas")).args(["bundle", &reference, "-o"]).arg(&bundle))?;
    unpack(&layout, &files)?;
    let text = std::fs::read_to_string(root().join("benches/egress/psycopg.py")).ok()?;
    let database = format!("host={ADDRESS} user=caller password=secret dbname=caller sslmode=disable");
    let words = ["/usr/bin/python3", "-c", &text, &database];
    let root = format!("--root={}", files.display());
    let native: Vec<String> = ["unshare", "--map-root-user", &root, "--wd=/"]
        .iter()
        .chain(&words)
        .map(|word| (*word).to_owned())
        .collect();
    let machine = machine(&bundle.display().to_string(), &words, 5432);
    Some(measured("psycopg", &native, &machine, pairs / 3))
}
