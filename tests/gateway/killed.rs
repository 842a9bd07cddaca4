//! Asynchronous calls while processes are killed at any moment: each that was accepted is made and told, and what is told twice says so.
//!
//! `ASYNC_CALLS=10000` makes more of it than `make test` has time for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::common::node::{Node, descendants};
use crate::common::{binary, kvm_or_skip};
use crate::queue::credentials;
use crate::receiver::{self, ADDRESS, Receiver};

const CALLS: usize = 300;
/// Kills at least, some of them while only answers are still to be told.
const KILLS: usize = 12;
/// Callers at once.
const CALLERS: usize = 4;
/// Longest time without anything new.
const PATIENCE: Duration = Duration::from_secs(60);
/// The queue's file has this at rest.
const FLOOR: u64 = 4 << 20;

/// A process that is killed and started again.
struct Part {
    arguments: Vec<String>,
    log: PathBuf,
    child: Child,
}

impl Part {
    fn start(log: PathBuf, arguments: Vec<String>) -> Self {
        let child = Self::spawn(&log, &arguments);
        Self { arguments, log, child }
    }

    fn spawn(log: &Path, arguments: &[String]) -> Child {
        let log = std::fs::File::options().create(true).append(true).open(log).expect("a file can be made");
        Command::new(binary("kontain-faas"))
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a descriptor is left"))
            .stderr(log)
            .spawn()
            .expect("it starts")
    }

    fn kill(&mut self) {
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
    }

    fn kill_and_start(&mut self) {
        self.kill();
        self.child = Self::spawn(&self.log, &self.arguments);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let below = descendants(self.child.id());
        self.child.kill().ok();
        self.child.wait().ok();
        for pid in below {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), nix::sys::signal::SIGKILL).ok();
        }
    }
}

#[test]
fn calls_survive_the_death_of_a_server_with_its_gateway() {
    drive(false);
}

#[test]
fn calls_survive_the_death_of_gateways_servers_and_workers() {
    drive(true);
}

/// The processes: of one, or the server and, `apart`, its gateway. They have a network of their own, so that their ports stay.
fn parts(folder: &Path, apart: bool) -> Vec<Part> {
    let text = |path: PathBuf| path.display().to_string();
    let (images, mount) = (text(folder.join("images")), credentials(folder));
    let allow = format!("{ADDRESS}/32");
    let queue = text(folder.join("volume/async/queue.redb"));
    let waits = ["--async-retries", "1000", "--async-min-wait", "20ms", "--async-max-wait", "300ms"];
    let gateway = ["--secret-mount-path", &mount, "--async-callback-allow", &allow, "--async-queue", &queue];
    let gateway = [&gateway[..], &waits].concat();
    let volume = text(folder.join("volume"));
    let serve = ["serve", "--listen", "127.0.0.1:8080", "--admin", "127.0.0.1:9090"];
    let serve = [&serve[..], &["--images", &images, "--volume", &volume]].concat();
    let start = |name: &str, arguments: &[&str]| {
        Part::start(folder.join(name), arguments.iter().map(|one| (*one).to_owned()).collect())
    };
    if apart {
        let front = ["gateway", "--listen", "127.0.0.1:8081", "--images", &images];
        vec![start("server", &serve), start("gateway", &[&front[..], &gateway].concat())]
    } else {
        vec![start("server", &[&serve[..], &["--gateway"], &gateway].concat())]
    }
}

/// What callers do: `POST` until it was accepted, each time under an id of its own.
struct Callers {
    url: String,
    callback: String,
    next: AtomicU64,
    left: AtomicUsize,
    accepted: Mutex<Vec<u64>>,
}

impl Callers {
    fn run(&self) {
        let config = ureq::Agent::config_builder();
        let config = config.http_status_as_error(false).timeout_global(Some(Duration::from_secs(10)));
        let agent: ureq::Agent = config.build().into();
        let take = |left: usize| left.checked_sub(1);
        while self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take).is_ok() {
            loop {
                let id = self.next.fetch_add(1, Ordering::SeqCst);
                let request = agent.post(&self.url).header("X-Call-Id", id.to_string());
                let request = request.header("X-Callback-Url", &self.callback);
                match request.send(format!("body {id}").as_bytes()) {
                    Ok(answer) if answer.status() == 202 => {
                        self.accepted.lock().expect("nobody panicked").push(id);
                        break;
                    }
                    // Nobody is there, or not yet with its functions.
                    _ => std::thread::sleep(Duration::from_millis(20)),
                }
            }
            std::thread::sleep(Duration::from_millis(fastrand::u64(..60)));
        }
    }
}

fn drive(apart: bool) {
    if !kvm_or_skip("asynchronous calls") || !receiver::enter() {
        return;
    }
    let calls = std::env::var("ASYNC_CALLS").ok().and_then(|text| text.parse().ok()).unwrap_or(CALLS) / 2;
    let mut node = Node::start_in(TempDir::with_prefix("gateway-").expect("a folder can be made"), &[]);
    node.publish("probe", "");
    node.stop("TERM");
    let receiver = Receiver::start();
    let mut parts = parts(node.folder(), apart);
    let port = if apart { 8081 } else { 8080 };
    let callers = Arc::new(Callers {
        url: format!("http://127.0.0.1:{port}/async-function/probe/echo"),
        callback: receiver.url("/"),
        next: AtomicU64::new(0),
        left: AtomicUsize::new(calls),
        accepted: Mutex::default(),
    });
    let threads: Vec<_> = (0..CALLERS)
        .map(|_| {
            let callers = callers.clone();
            std::thread::spawn(move || callers.run())
        })
        .collect();
    let mut killed = 0;
    while killed < KILLS || threads.iter().any(|thread| !thread.is_finished()) {
        std::thread::sleep(Duration::from_millis(fastrand::u64(50..500)));
        killed += 1;
        // Sometimes it is a worker instead.
        let victim = fastrand::usize(..=parts.len());
        match parts.get_mut(victim) {
            Some(part) => part.kill_and_start(),
            None => {
                let workers = descendants(parts[0].child.id());
                if let Some(pid) = fastrand::choice(workers) {
                    let pid = nix::unistd::Pid::from_raw(pid as i32);
                    nix::sys::signal::kill(pid, nix::sys::signal::SIGKILL).ok();
                }
            }
        }
    }
    for thread in threads {
        thread.join().expect("callers end");
    }
    eprintln!("{calls} calls, {killed} kills");
    let accepted = callers.accepted.lock().expect("nobody panicked").clone();
    let logs = || {
        let log = |part: &Part| std::fs::read_to_string(&part.log).unwrap_or_default();
        parts.iter().map(log).collect::<String>().lines().rev().take(40).collect::<Vec<_>>().join("\n")
    };
    let told = wait(&receiver, &accepted, &logs);
    for id in &accepted {
        let came = &told[id];
        for one in came {
            assert_eq!(one.body, format!("body {id}").as_bytes());
            assert_eq!(one.header("x-function-status"), Some("200"), "{one:?}");
        }
        let is_marked =
            |one: &receiver::Came| one.headers_of(["x-retry", "x-callback-retry"]) != [None, None];
        let unmarked = came.iter().filter(|one| !is_marked(one)).count();
        assert!(unmarked <= 1, "call {id} came {unmarked} times as if it were the first: {came:?}");
    }
    let queue = node.folder().join("volume/async/queue.redb");
    let begun = Instant::now();
    loop {
        let length = std::fs::metadata(&queue).expect("the queue is there").len();
        if length <= FLOOR {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the queue has {length} bytes\n{}", logs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until each of them was told.
fn wait(
    receiver: &Receiver,
    accepted: &[u64],
    logs: &dyn Fn() -> String,
) -> HashMap<u64, Vec<receiver::Came>> {
    let (mut last, mut seen) = (Instant::now(), 0);
    loop {
        let mut told: HashMap<u64, Vec<receiver::Came>> = HashMap::new();
        for came in receiver.came() {
            if let Some(id) = came.header("x-call-id").and_then(|id| id.parse().ok()) {
                told.entry(id).or_default().push(came);
            }
        }
        let missing = accepted.iter().filter(|id| !told.contains_key(id)).count();
        if missing == 0 {
            return told;
        }
        if told.len() > seen {
            (last, seen) = (Instant::now(), told.len());
        }
        assert!(last.elapsed() < PATIENCE, "{missing} of {} calls were lost\n{}", accepted.len(), logs());
        std::thread::sleep(Duration::from_millis(50));
    }
}
