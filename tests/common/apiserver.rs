//! A real API server for tests: kube-apiserver and etcd, without any node.

use super::{Ended, root, run};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest time that anything here waits for.
const LIMIT: Duration = Duration::from_secs(90);
/// Users by their tokens: `token,user,uid,"groups"`.
const TOKENS: &str = "admin,admin,1,\"system:masters\"\n\
    downloader,system:serviceaccount:kontain-faas:kontain-faas,2,\"system:serviceaccounts,system:authenticated\"\n\
    nobody,nobody,3,\"system:authenticated\"\n";

/// A running API server; it ends with this value.
pub struct ApiServer {
    etcd: Child,
    server: Mutex<Child>,
    folder: TempDir,
    binary: PathBuf,
    store: String,
    /// Where it listens.
    pub address: SocketAddr,
}

/// A program of the cluster, if this machine has it: from `KUBEBUILDER_ASSETS`, from where `tests/cluster/apiserver.sh`
/// puts it, or from PATH.
fn program(name: &str) -> Option<PathBuf> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let folders = assets.into_iter().chain([root().join("target/cluster/bin")]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders.chain(std::env::split_paths(&path)).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// A port that nobody listens on.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}

/// Starts etcd, and gives where it listens. A port that was free may be another program's by then: it begins anew with others.
fn keep(etcd: &Path, folder: &TempDir) -> (Child, String) {
    let begun = Instant::now();
    loop {
        let (client, peer) = (free_port(), free_port());
        let [store, peers] = [client, peer].map(|port| format!("http://127.0.0.1:{port}"));
        let data = folder.path().join(format!("etcd-{client}")).display().to_string();
        let mut child = Command::new(etcd)
            .args(["--data-dir", &data, "--unsafe-no-fsync", "--log-level", "error"])
            .args(["--listen-client-urls", &store, "--advertise-client-urls", &store])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log(folder, "etcd.log"))
            .spawn()
            .expect("etcd starts");
        while child.try_wait().expect("etcd is a child").is_none() {
            if TcpStream::connect(("127.0.0.1", client)).is_ok() {
                return (child, store);
            }
            assert!(begun.elapsed() < LIMIT, "etcd does not listen after {LIMIT:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let told = std::fs::read_to_string(folder.path().join("etcd.log")).unwrap_or_default();
        assert!(begun.elapsed() < LIMIT, "etcd ends:\n{told}");
    }
}

impl ApiServer {
    /// Starts one, and waits until it is ready. Says so and gives nothing where its programs are missing.
    pub fn start_or_skip(what: &str) -> Option<Self> {
        let (Some(etcd), Some(server)) = (program("etcd"), program("kube-apiserver")) else {
            eprintln!(
                "\n*** SKIPPED: {what}: etcd or kube-apiserver is missing; `tests/setup.sh test` gets them ***\n"
            );
            return None;
        };
        Some(Self::start(&etcd, &server))
    }

    fn start(etcd: &Path, server: &Path) -> Self {
        let folder = TempDir::with_prefix("apiserver-").expect("a folder can be made");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (etcd, store) = keep(etcd, &folder);
        std::fs::write(path("tokens.csv"), TOKENS).expect("a file can be written");
        let mut openssl = Command::new("openssl");
        openssl.args(["genpkey", "-algorithm", "RSA", "-out", &path("sa.key")]);
        let made = run(&mut openssl, b"", LIMIT).expect("openssl ends");
        assert_eq!(made.status, 0, "{}", String::from_utf8_lossy(&made.stderr));
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let binary = server.to_owned();
        let server = Mutex::new(serve(&binary, &folder, &store, address));
        let server = Self { etcd, server, folder, binary, store, address };
        server.wait();
        server
    }

    fn wait(&self) {
        let begun = Instant::now();
        loop {
            if TcpStream::connect(self.address).is_ok()
                && self.try_kubectl("admin", &["get", "--raw", "/readyz"], "").status == 0
                && self.try_kubectl("admin", &["get", "namespace", "default"], "").status == 0
            {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "no API server after {LIMIT:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The last lines of the server's log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.folder.path().join("apiserver.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// A kubeconfig for a user: `admin`, `downloader` (the service account of the chart) or `nobody`.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.kubeconfig_at(user, self.address)
    }

    /// The same for a server at another address, which a proxy has.
    pub fn kubeconfig_at(&self, user: &str, address: SocketAddr) -> PathBuf {
        let path = self.folder.path().join(format!("{user}-{}.conf", address.port()));
        let authority = self.folder.path().join("certs/apiserver.crt");
        let text = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: t\n\
             clusters: [{{name: t, cluster: {{server: 'https://{address}', certificate-authority: '{}'}}}}]\n\
             users: [{{name: t, user: {{token: {user}}}}}]\n\
             contexts: [{{name: t, context: {{cluster: t, user: t}}}}]\n",
            authority.display()
        );
        std::fs::write(&path, text).expect("a file can be written");
        path
    }

    /// Runs kubectl as a user, with something to read.
    pub fn try_kubectl(&self, user: &str, arguments: &[&str], input: &str) -> Ended {
        let mut kubectl = Command::new("kubectl");
        kubectl.arg("--kubeconfig").arg(self.kubeconfig(user));
        kubectl.arg("--cache-dir").arg(self.folder.path().join("cache")).args(arguments);
        run(&mut kubectl, input.as_bytes(), LIMIT).expect("kubectl ends")
    }

    /// Runs kubectl as the administrator, and gives what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    /// The same with something to read.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        let ended = self.try_kubectl("admin", arguments, input);
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status, 0, "kubectl {arguments:?}: {error}");
        String::from_utf8_lossy(&ended.stdout).into_owned()
    }

    /// Makes the store forget all versions but the present one, and restarts the server, which remembers none then:
    /// who asks for an older version is told that it is gone (410).
    pub fn compact(&self) {
        let mut server = self.server.lock().expect("nobody panics with it");
        server.kill().ok();
        server.wait().ok();
        let ask = |path: &str, body: &str| {
            let url = format!("{}{path}", self.store);
            let mut answer = ureq::post(url).send(body).expect("etcd answers");
            answer.body_mut().read_to_string().expect("a text")
        };
        let status: serde_json::Value =
            serde_json::from_str(&ask("/v3/maintenance/status", "{}")).expect("JSON");
        ask("/v3/kv/compaction", &format!("{{\"revision\": {}}}", status["header"]["revision"]));
        *server = serve(&self.binary, &self.folder, &self.store, self.address);
        drop(server);
        self.wait();
    }

    /// Applies a text.
    pub fn apply(&self, text: &str) {
        self.kubectl_with(&["apply", "-f", "-"], text);
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let server = self.server.get_mut().unwrap_or_else(PoisonError::into_inner);
        for child in [server, &mut self.etcd] {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

fn serve(program: &Path, folder: &TempDir, store: &str, address: SocketAddr) -> Child {
    let path = |name: &str| folder.path().join(name).display().to_string();
    Command::new(program)
        .args(["--etcd-servers", store, "--bind-address", "127.0.0.1"])
        .args(["--secure-port", &address.port().to_string(), "--cert-dir", &path("certs")])
        .args(["--service-account-key-file", &path("sa.key")])
        .args(["--service-account-signing-key-file", &path("sa.key")])
        .args(["--service-account-issuer", "https://kubernetes.test"])
        .args(["--token-auth-file", &path("tokens.csv"), "--authorization-mode", "RBAC"])
        .args(["--service-cluster-ip-range", "10.96.0.0/16", "--allow-privileged=true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log(folder, "apiserver.log"))
        .spawn()
        .expect("kube-apiserver starts")
}

fn log(folder: &TempDir, name: &str) -> std::fs::File {
    std::fs::File::create(folder.path().join(name)).expect("a file can be made")
}
