//! A server under test, and sockets to talk to it byte by byte.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bundles::bundle::{CONFIG, ImageRecord, RECORD, ROOTFS};
use bundles::digest::Digest;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that should come at once.
const LIMIT: Duration = Duration::from_secs(60);

/// A running server.
pub struct Node {
    child: Child,
    pub folder: TempDir,
    pub functions: SocketAddr,
    pub admin: SocketAddr,
    /// The server's standard error, read up to its addresses and no further.
    _unread: Option<BufReader<ChildStderr>>,
}

static SHARED: OnceLock<Node> = OnceLock::new();

/// The server that most tests share: `default/f`, whose calls may take two seconds.
pub fn shared() -> &'static Node {
    SHARED.get_or_init(|| {
        let node =
            Node::start(&["--max-body", "1Mi", "--header-timeout", "2s", "--trusted-proxies", "10.0.0.0/8"]);
        // Longer than anything here waits for: no deadline ends what the server was to end by itself.
        node.publish("f", json!({"timeout": "5m"}));
        node
    })
}

/// Ends the shared server, if there is one: nothing drops it.
pub fn end_shared() {
    if let Some(node) = SHARED.get() {
        node.signal(Signal::SIGKILL);
        fs::remove_dir_all(node.folder.path()).ok();
    }
}

impl Node {
    /// Starts a server on ports of its own.
    pub fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(folder, options)
    }

    /// Starts a server on a volume that is there already.
    pub fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let errors = File::create(folder.path().join("log")).expect("a log file");
        let mut node = Self::spawn(folder, options, errors.into());
        (node.functions, node.admin) = wait("addresses", || node.log().lines().find_map(addresses));
        node
    }

    /// Starts a server whose log nobody reads once it serves.
    pub fn start_unread(options: &[&str]) -> Self {
        let mut node = Self::spawn(tempfile::tempdir().expect("a folder"), options, Stdio::piped());
        let mut errors = BufReader::new(node.child.stderr.take().expect("standard error is piped"));
        let mut line = String::new();
        while !line.contains("\"serving\"") {
            line.clear();
            errors.read_line(&mut line).expect("the server logs");
        }
        (node.functions, node.admin) = addresses(&line).expect("addresses");
        node._unread = Some(errors);
        node
    }

    fn spawn(folder: TempDir, options: &[&str], errors: Stdio) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_kontain-faas"))
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
                "--log-format",
                "json",
                "--volume",
            ])
            .arg(folder.path().join("volume"))
            .arg("--km")
            .arg(std::env::current_exe().expect("a running test has a path"))
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("the server starts");
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        Self { child, folder, functions: unknown, admin: unknown, _unread: None }
    }

    /// What the server logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Puts a bundle and a record on the volume, as a downloader would, and returns at once. The name may be one of another
    /// namespace, `namespace/name`.
    pub fn put(&self, name: &str, command: &str, mut spec: Value) {
        let volume = self.folder.path().join("volume");
        let (namespace, name) = name.split_once('/').unwrap_or(("default", name));
        let digest = format!("{:0>64}", hex(name.as_bytes()));
        let bundle = volume.join("store/sha256").join(&digest);
        fs::create_dir_all(&bundle).expect("a bundle");
        write_bundle(&bundle, command);
        spec["image"] = "oci:x".into();
        // As a downloader counts: each change of a function is another generation.
        static GENERATION: AtomicU64 = AtomicU64::new(1);
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
        let record = json!({
            "name": format!("{namespace}/{name}"), "generation": generation, "digest": format!("sha256:{digest}"), "spec": spec,
        });
        let path = volume.join("functions").join(namespace).join(format!("{name}.json"));
        replace(&path, record.to_string().as_bytes());
    }

    /// Puts a function on the volume and waits until it is ready.
    pub fn publish(&self, name: &str, spec: Value) {
        self.put(name, "/ready", spec);
        assert_eq!(self.settled(name)["phase"], "Ready", "{}", self.log());
    }

    /// Takes a function back.
    pub fn withdraw(&self, name: &str) {
        let path = self.folder.path().join("volume/functions/default").join(format!("{name}.json"));
        fs::remove_file(path).expect("the record is there");
    }

    /// The function's entry, once it is no longer baking.
    pub fn settled(&self, name: &str) -> Value {
        wait("bake", || self.entry(name).filter(|entry| entry["phase"] != "Baking"))
    }

    /// The function's entry of `/functions`.
    pub fn entry(&self, name: &str) -> Option<Value> {
        let entries: Vec<Value> = serde_json::from_str(&self.ask("/functions").body).ok()?;
        let name = if name.contains('/') { name.to_owned() } else { format!("default/{name}") };
        entries.into_iter().find(|entry| entry["name"] == name)
    }

    /// GET on the admin port.
    pub fn ask(&self, path: &str) -> Answer {
        exchange(
            self.admin,
            format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").as_bytes(),
        )
    }

    /// GET on the function port.
    pub fn get(&self, path: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").as_bytes())
    }

    /// Sends bytes to the function port and reads one answer.
    pub fn send(&self, bytes: &[u8]) -> Answer {
        exchange(self.functions, bytes)
    }

    /// A connection to the function port.
    pub fn connect(&self) -> TcpStream {
        connect(self.functions)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw).expect("a pid");
        kill(pid, signal).expect("the server is there");
    }

    /// Ends the server and gives its volume back.
    pub fn stop(self) -> TempDir {
        self.signal(Signal::SIGTERM);
        self.stop_wait()
    }

    /// Waits for the end of a server that was asked to end.
    pub fn stop_wait(mut self) -> TempDir {
        let status = wait("end", || self.child.try_wait().expect("a child"));
        assert!(status.success(), "{status}");
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The addresses that a line of the log names, if it is the one.
fn addresses(line: &str) -> Option<(SocketAddr, SocketAddr)> {
    let record: Value = serde_json::from_str(line).ok()?;
    let field = |name: &str| record[name].as_str()?.parse().ok();
    (record["message"] == "serving").then_some((field("functions")?, field("admin")?))
}

/// A response, as far as it came.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// Parses what a connection gave.
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            line.split_once(':')
                .filter(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        })
    }

    /// The reason of a problem document.
    pub fn reason(&self) -> String {
        serde_json::from_str::<Value>(&self.body)
            .ok()
            .and_then(|value| Some(value["reason"].as_str()?.to_owned()))
            .unwrap_or_default()
    }
}

/// A connection that gives up after a while.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the server listens");
    stream.set_read_timeout(Some(LIMIT)).expect("a socket");
    stream.set_write_timeout(Some(LIMIT)).expect("a socket");
    stream
}

/// Sends bytes and reads until the server closes or the body is as long as announced.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    // A server that answers early and closes is no failure of the test.
    let _ = stream.write_all(bytes);
    Answer::of(&read_answer(&mut stream))
}

/// Reads one answer: to the end of the connection, or of the announced length.
pub fn read_answer(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 65536];
    loop {
        let answer = Answer::of(&bytes);
        let announced = answer.header("content-length").and_then(|text| text.parse().ok());
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        if let (Some(head), Some(announced)) = (head, announced)
            && bytes.len() >= head + 4 + std::convert::identity::<usize>(announced)
        {
            return bytes;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return bytes,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// Waits until something is there.
pub fn wait<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "no {what} within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Writes a bundle whose file system nobody reads.
fn write_bundle(bundle: &Path, command: &str) {
    let nothing = Digest::of(b"");
    let record = ImageRecord {
        format: 1,
        manifest_digest: nothing,
        config_digest: nothing,
        layers: Vec::new(),
        exposed_ports: Vec::new(),
        entrypoint_args: 1,
        rootfs_bytes: 0,
        rootfs_digest: nothing,
        runtime_config_digest: nothing,
    };
    let process = json!({"user": {"uid": 0, "gid": 0}, "args": [command], "env": [], "cwd": "/"});
    let config = json!({"ociVersion": "1.0.2", "process": process});
    fs::write(bundle.join(CONFIG), config.to_string()).expect("a runtime configuration");
    fs::write(bundle.join(RECORD), serde_json::to_vec(&record).expect("JSON")).expect("a record");
    fs::write(bundle.join(ROOTFS), "no file system").expect("a file system");
}

fn replace(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let fresh = path.with_extension("new");
    fs::write(&fresh, bytes).expect("a record");
    fs::rename(fresh, path).expect("a record");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
