//! Client libraries as people use them, in images of their languages, against real servers: each call opens a connection of
//! its own and answers 42, which came over it.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use libtest_mimic::Failed;
use tempfile::TempDir;

use crate::common::root;
use crate::peers::V4;
use crate::server;

/// An image of `clients/`, and the clients in it by the paths of their calls; the first one is called most.
struct Family {
    /// Its folder, and the name of its function.
    name: &'static str,
    clients: &'static [&'static str],
}

/// All of them.
const FAMILIES: [Family; 8] = [
    Family {
        name: "python",
        clients: &["psycopg", "asyncpg", "redis", "urllib", "requests", "smtp", "statsd", "dns"],
    },
    Family { name: "node", clients: &["pg", "redis", "fetch", "https", "dns", "datagram"] },
    Family { name: "go", clients: &["pgx", "redis", "https", "http", "dns"] },
    Family { name: "java", clients: &["jdbc", "https"] },
    Family { name: "php", clients: &["pdo", "https", "redis"] },
    Family { name: "ruby", clients: &["pg", "https", "redis", "dns"] },
    Family { name: "rust", clients: &["postgres", "https", "redis"] },
    Family { name: "tools", clients: &["curl", "curl6", "wget", "git"] },
];

/// What clients make of connections that they had when the snapshot was taken, as docs/reach.md has it: the answer, for which they
/// have connected again, or part of an error.
const KEPT: [(&str, &[(&str, &str)]); 6] = [
    (
        "python",
        &[
            ("psycopg", "OperationalError"),
            ("asyncpg", "ConnectionDoesNotExistError"),
            ("redis", "42"),
            ("requests", "42"),
        ],
    ),
    ("node", &[("pg", "42"), ("redis", "42"), ("fetch", "42")]),
    ("go", &[("pgx", "connection reset by peer"), ("redis", "42"), ("http", "42")]),
    ("java", &[("jdbc", "PSQLException"), ("http", "42")]),
    ("ruby", &[("pg", "PG::ConnectionBad"), ("http", "42")]),
    ("rust", &[("postgres", "connection closed"), ("http", "42"), ("redis", "broken pipe")]),
];

/// Calls of a family's first client.
const CALLS: usize = 200;
/// Calls of each other client; `EGRESS_CALLS` is another number.
const CALLS_OF_OTHERS: usize = 5;

/// What each of the functions may reach.
const RULES: &str = "  secrets: [{name: peers, mountPath: /run/secrets/peers}]
  egress:
  - {host: db.test, ports: [5432]}
  - {host: redis.test, ports: [6379]}
  - {host: mail.test, ports: [25]}
  - {host: web.test, ports: [80, 443]}
  - {cidr: 192.0.2.1, ports: [8125], protocol: udp}
";

/// PostgreSQL, Redis, a mail server and nginx, ended with the test.
struct Servers {
    child: Child,
    // They end when this does.
    input: Option<ChildStdin>,
    folder: TempDir,
    // There is one address for them.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Servers {
    fn start() -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = TempDir::with_prefix("peers-").expect("a folder can be made");
        let mut child = Command::new(root().join("tests/egress/servers.sh"))
            .arg(folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("servers.sh starts");
        let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let mut line = String::new();
        output.read_line(&mut line).expect("it can be read");
        assert_eq!(line, "ready\n", "the servers do not start");
        // Nobody writes into a pipe that nobody reads.
        std::thread::spawn(move || drop(output.read_to_end(&mut Vec::new())));
        Self { input: child.stdin.take(), child, folder, _turn: turn }
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

/// A sink of datagrams.
fn sink() -> Arc<AtomicUsize> {
    let socket = UdpSocket::bind((V4, 8125)).expect("the address is the test's own");
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    std::thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok(bytes) = socket.recv(&mut buffer) {
            if buffer.get(..bytes) == Some(b"calls:1|c") {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    count
}

/// The image of a family.
fn image(family: &str) -> Result<PathBuf, Failed> {
    let image = root().join("target/runtimes/images").join(format!("egress-clients-{family}"));
    image.canonicalize().map_err(|error| {
        format!("{}: {error}: tests/runtimes/build.sh egress/clients/{family}", image.display()).into()
    })
}

/// Clients that were used before the snapshot, used again in its clones.
pub fn clients_know_what_a_snapshot_did_to_their_connections() -> Result<(), Failed> {
    let _servers = Servers::start();
    let node = server(&[]);
    let mut wrong = Vec::new();
    for (family, clients) in KEPT {
        let rules = "  env: [{name: KEEP, value: yes}]
  egress:
  - {host: db.test, ports: [5432]}
  - {host: redis.test, ports: [6379]}
  - {host: web.test, ports: [80]}
";
        node.document(family, &format!("  image: oci:{}\n{rules}", image(family)?.display()));
        let entry = node.settled(family);
        assert_eq!(entry["phase"], "Ready", "{entry}");
        for (client, expected) in clients {
            for _ in 0..3 {
                let answer = node.get(&format!("/default/{family}/kept/{client}"));
                let (status, text) = (answer.status, answer.text());
                let is_right = match *expected {
                    "42" => status == 200 && text.trim() == "42",
                    error => status == 500 && text.contains(error),
                };
                if !is_right {
                    wrong.push(format!("{family} with {client}: {status} {}", text.trim()));
                }
            }
        }
        node.remove_document(family);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Each client of each family, call by call.
pub fn every_client_reaches_its_server() -> Result<(), Failed> {
    let servers = Servers::start();
    let datagrams = sink();
    let node = server(&[]);
    let secret = node.folder().join("images/secrets/default/peers");
    fs::create_dir_all(&secret)?;
    fs::copy(servers.folder.path().join("ca.crt"), secret.join("ca.crt"))?;
    let others = match std::env::var("EGRESS_CALLS") {
        Ok(text) => text.parse()?,
        Err(_) => CALLS_OF_OTHERS,
    };
    for family in &FAMILIES {
        let image = image(family.name)?;
        let protocol = if family.name == "tools" { "  protocol: stdio\n" } else { "" };
        node.document(family.name, &format!("  image: oci:{}\n{protocol}{RULES}", image.display()));
        let entry = node.settled(family.name);
        assert_eq!(entry["phase"], "Ready", "{entry}");
        for (index, client) in family.clients.iter().enumerate() {
            let calls = if index == 0 { CALLS } else { others };
            for call in 0..calls {
                let answer = node.get(&format!("/default/{}/{client}", family.name));
                let got = (answer.status, answer.text());
                assert_eq!((got.0, got.1.trim()), (200, "42"), "{} with {client}, call {call}", family.name);
            }
        }
        node.remove_document(family.name);
    }
    // One of Python's clients and one of Node's send them.
    node.wait_for("the datagrams", |_| (datagrams.load(Ordering::Relaxed) == 2 * others).then_some(()));
    assert!(!node.log().contains("egress to "), "something was refused");
    Ok(())
}
