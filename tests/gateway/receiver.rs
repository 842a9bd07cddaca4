//! A network of the test's own, and in it a receiver of callbacks.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

/// An address of that network that is no loopback.
pub const ADDRESS: &str = "10.98.0.1";

/// Moves this thread, and the processes that it starts, to a network of their own. `false`, and loudly, where that is not allowed.
pub fn enter() -> bool {
    if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
        eprintln!("SKIPPED: callbacks need a network of the test's own, and this user may not make one");
        return false;
    }
    for arguments in [&["link", "set", "lo", "up"][..], &["addr", "add", "10.98.0.1/32", "dev", "lo"]] {
        let done = Command::new("ip").args(arguments).status().expect("ip starts");
        assert!(done.success(), "ip {arguments:?}");
    }
    true
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Came {
    /// Its target.
    pub path: String,
    headers: HashMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Came {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// The values of several.
    pub fn headers_of<const N: usize>(&self, names: [&str; N]) -> [Option<String>; N] {
        names.map(|name| self.headers.get(name).cloned())
    }
}

/// Takes callbacks: at `/fail/…` with 503 the first two times, at `/moved` with a redirect, elsewhere with 200.
#[derive(Clone)]
pub struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    /// Begins to listen.
    pub fn start() -> Self {
        let listener = TcpListener::bind((ADDRESS, 0)).expect("the address is the test's own");
        let address = listener.local_addr().expect("it listens");
        let receiver = Self { address, came: Arc::default() };
        let taking = receiver.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let taking = taking.clone();
                std::thread::spawn(move || taking.take(stream));
            }
        });
        receiver
    }

    /// A URL here.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that came.
    pub fn came(&self) -> Vec<Came> {
        self.came.lock().expect("nobody panicked").clone()
    }

    /// What came to this path.
    pub fn at(&self, path: &str) -> Vec<Came> {
        self.came().into_iter().filter(|came| came.path == path).collect()
    }

    fn take(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let before = {
            let mut came = self.came.lock().ok()?;
            came.push(Came { path: path.clone(), headers, body });
            came.iter().filter(|came| came.path == path).count()
        };
        let head = match &path[..] {
            "/moved" => format!("302 Found\r\nLocation: {}", self.url("/never")),
            path if path.starts_with("/fail/") && before <= 2 => "502 Bad Gateway".to_owned(),
            _ => "200 OK".to_owned(),
        };
        let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        (&stream).write_all(answer.as_bytes()).ok()
    }
}
