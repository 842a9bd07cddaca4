//! A downloader and a server on one volume, as the two containers of a pod, before a real API server.

use crate::common::apiserver::ApiServer;
use crate::common::binary;
use crate::common::node::Answer;
use serde_json::Value;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use wait_timeout::ChildExt;

/// Longest time that anything here waits for.
pub const LIMIT: Duration = Duration::from_secs(60);
/// The name of the replica.
pub const REPLICA: &str = "pod-a";

/// A process and its log; it ends with this value.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a file can be made");
        command.stdin(Stdio::null()).stdout(file.try_clone().expect("a descriptor is left")).stderr(file);
        Self { child: command.spawn().expect("it starts"), log }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All of its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// A field of the last record with this message.
    fn field(&self, message: &str, name: &str) -> Option<String> {
        let log = self.log();
        let records = log.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut values = records
            .filter(|record| record["message"] == message)
            .filter_map(|record| record[name].as_str().map(str::to_owned));
        values.next()
    }

    /// Most memory that it ever had, in KiB.
    pub fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// Asks it to end, and waits for it.
    pub fn stop(&mut self) {
        Command::new("kill").arg(self.pid().to_string()).status().expect("kill starts");
        if self.child.wait_timeout(LIMIT).expect("a child can be waited for").is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.stop();
        }
    }
}

/// The two containers' volume and what runs on it.
pub struct Pod<'a> {
    api: &'a ApiServer,
    replica: &'static str,
    folder: TempDir,
    /// The downloader.
    pub downloader: Option<Process>,
    /// The server.
    pub server: Option<Process>,
    agent: ureq::Agent,
}

impl<'a> Pod<'a> {
    /// A volume on which nothing runs yet.
    pub fn new(api: &'a ApiServer) -> Self {
        Self::named(api, REPLICA)
    }

    /// One of several replicas.
    pub fn named(api: &'a ApiServer, replica: &'static str) -> Self {
        let config =
            ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(LIMIT)).build();
        let folder = TempDir::with_prefix("pod-").expect("a folder can be made");
        Self { api, replica, folder, downloader: None, server: None, agent: config.into() }
    }

    /// The volume.
    pub fn volume(&self) -> PathBuf {
        self.folder.path().join("volume")
    }

    /// Starts the downloader with the rights of the chart's role, before the API server at `address`.
    pub fn download(&mut self, address: SocketAddr, options: &[&str]) {
        let mut command = Command::new(binary("kontain-faas"));
        command
            .env("KUBECONFIG", self.api.kubeconfig_at("downloader", address))
            .args(["download", "--kube", "--replica", self.replica, "--admin", "127.0.0.1:0", "--volume"])
            .arg(self.volume())
            .args(options)
            // Options, where there are some, count more.
            .env("KONTAIN_SYSTEM_NAMESPACE", "kontain-faas")
            .env("KONTAIN_RESYNC", "3s")
            .env("KONTAIN_RETRY_MAX", "2s")
            .env("KONTAIN_WATCH_TIMEOUT", "4s");
        self.downloader = Some(Process::start(&mut command, self.folder.path().join("downloader.log")));
    }

    /// Starts the server.
    pub fn serve(&mut self, options: &[&str]) {
        let mut command = Command::new(binary("kontain-faas"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--volume"]);
        command.arg(self.volume()).args(options);
        self.server = Some(Process::start(&mut command, self.folder.path().join("server.log")));
        wait_for("the server's address", || self.server.as_ref()?.field("serving", "functions"));
    }

    /// The server's port for functions.
    pub fn functions(&self) -> String {
        self.server.as_ref().and_then(|server| server.field("serving", "functions")).expect("it serves")
    }

    /// The server's admin port.
    pub fn admin(&self) -> String {
        self.server.as_ref().and_then(|server| server.field("serving", "admin")).expect("it serves")
    }

    /// The downloader's answer to a path of its admin port.
    pub fn health(&self, path: &str) -> (u16, String) {
        let address =
            wait_for("the downloader's address", || self.downloader.as_ref()?.field("downloading", "admin"));
        let answer = self.ask(&format!("http://{address}{path}"));
        (answer.status, answer.text())
    }

    /// GET of any URL.
    pub fn ask(&self, url: &str) -> Answer {
        let mut response = self.agent.get(url).call().expect("an answer");
        let body = response.body_mut().read_to_vec().unwrap_or_default();
        Answer { status: response.status().as_u16(), headers: Vec::new(), body }
    }

    /// Calls a function.
    pub fn call(&self, path: &str) -> Answer {
        self.ask(&format!("http://{}{path}", self.functions()))
    }

    /// Both logs.
    pub fn logs(&self) -> String {
        let log = |process: &Option<Process>| process.as_ref().map(Process::log).unwrap_or_default();
        format!("--- downloader\n{}--- server\n{}", log(&self.downloader), log(&self.server))
    }

    /// The object of a function.
    pub fn image(&self, name: &str) -> Option<Value> {
        let ended = self.api.try_kubectl("admin", &["get", "kimg", name, "-o", "json"], "");
        serde_json::from_slice(&ended.stdout).ok()
    }

    /// Waits until a condition of a function is about its newest generation and has this status; gives the condition.
    pub fn condition(&self, name: &str, kind: &str, status: &str) -> Value {
        let begun = Instant::now();
        loop {
            let object = self.image(name).unwrap_or_default();
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found = conditions.into_iter().find(|condition| {
                condition["type"] == kind
                    && condition["status"] == status
                    && condition["observedGeneration"] == object["metadata"]["generation"]
            });
            if let Some(found) = found {
                return found;
            }
            assert!(
                begun.elapsed() < LIMIT,
                "{name}: {kind} does not become {status}: {}\n{}",
                object["status"],
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Asks until there is something.
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(begun.elapsed() < LIMIT, "no {what} after {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Defines Images, and gives the downloader's service account the chart's rights and no others.
pub fn prepare(api: &ApiServer) {
    let root = crate::common::root();
    api.apply(&read(&root.join("deploy/crds/build.kontain.app_images.yaml")));
    api.kubectl(&["wait", "--for=condition=Established", "crd/images.build.kontain.app", "--timeout=60s"]);
    api.kubectl(&["create", "namespace", "kontain-faas"]);
    grant(api);
}

/// The same rights, once more.
pub fn grant(api: &ApiServer) {
    let chart = read(&crate::common::root().join("deploy/kontain-faas.yaml"));
    let rights: Vec<&str> = chart
        .split("\n---")
        .filter(|part| part.contains("\napiVersion: rbac.authorization.k8s.io/v1\n"))
        .collect();
    assert_eq!(rights.len(), 9, "five roles, and who has four of them");
    api.apply(&rights.join("\n---\n"));
    // As whoever owns the namespace does it, in the words of the condition that asks for it.
    api.try_kubectl("admin", &READ_SECRETS, "");
}

/// Lets the downloader read the Secrets of the namespace `default`.
pub const READ_SECRETS: [&str; 7] = [
    "-n",
    "default",
    "create",
    "rolebinding",
    "kontain-faas-secrets",
    "--clusterrole=kontain-faas-secrets",
    "--serviceaccount=kontain-faas:kontain-faas",
];

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An Image as text; `more` are further lines of the specification, indented by two.
pub fn image(name: &str, reference: &str, more: &str) -> String {
    format!(
        "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  image: {reference}\n{more}"
    )
}
