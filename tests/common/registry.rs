//! A real registry for tests: Debian's docker-registry, with or without TLS and passwords, filled by skopeo.

use super::apiserver::free_port;
use super::layout::{self, File};
use super::{node::function, run};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
/// The user and the password of private registries.
pub const USER: (&str, &str) = ("user", "pass-of-the-test");

/// A running registry; it ends with this value.
pub struct Registry {
    process: Child,
    folder: TempDir,
    /// `127.0.0.1:PORT`.
    pub host: String,
    private: bool,
}

impl Registry {
    /// One that speaks plain HTTP with everybody.
    pub fn open() -> Self {
        Self::start(false)
    }

    /// One with a certificate of an authority of its own, for [`USER`] only.
    pub fn private() -> Self {
        Self::start(true)
    }

    fn start(private: bool) -> Self {
        let folder = TempDir::with_prefix("registry-").expect("a folder can be made");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let host = format!("127.0.0.1:{}", free_port());
        let mut config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {host}\n",
            path("data")
        );
        if private {
            certificate(folder.path(), "own");
            certificate(folder.path(), "other");
            config += &format!("  tls: {{certificate: {}, key: {}}}\n", path("own.pem"), path("own.key"));
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd"));
            let mut htpasswd = Command::new("htpasswd");
            let made = run(htpasswd.args(["-Bbn", USER.0, USER.1]), b"", LIMIT).expect("htpasswd ends");
            std::fs::write(path("htpasswd"), made.stdout).expect("a file can be written");
        }
        std::fs::write(path("config.yml"), config).expect("a file can be written");
        let log = || {
            std::fs::File::options().create(true).append(true).open(path("log")).expect("a file can be made")
        };
        let process = Command::new("docker-registry")
            .args(["serve", &path("config.yml")])
            .stdin(Stdio::null())
            .stdout(log())
            .stderr(log())
            .spawn()
            .expect("docker-registry starts");
        let begun = Instant::now();
        while TcpStream::connect(&host).is_err() {
            assert!(begun.elapsed() < LIMIT, "docker-registry does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { process, folder, host, private }
    }

    /// Its authority's certificate; that of another one for `false`.
    pub fn authority(&self, own: bool) -> PathBuf {
        self.folder.path().join(if own { "own.ca" } else { "other.ca" })
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// How often layers and configurations were asked for; the log of requests tells.
    pub fn blob_requests(&self, repository: &str) -> usize {
        let log = self.log();
        let wanted = format!("/v2/{repository}/blobs/");
        // Each request is logged with its answer once.
        log.lines()
            .filter(|line| {
                line.contains("GET") && line.contains(&wanted) && line.contains("response completed")
            })
            .count()
    }

    /// Pushes the test function `version`, as the version that the text says, for an architecture; gives its digest.
    pub fn push(&self, name: &str, version: &str, architecture: &str) -> String {
        self.push_layout(name, |folder| layout_of(folder, version, architecture))
    }

    /// Pushes another program, with further files beside it.
    pub fn push_program(&self, name: &str, program: &Path, files: &[File<'_>]) -> String {
        let program = std::fs::read(program).expect("readable");
        let mut all = vec![File("program", &program)];
        all.extend(files.iter().map(|File(path, bytes)| File(path, bytes)));
        self.push_layout(name, |folder| layout::write(folder, &layout::layer(&all), "/program", "amd64"))
    }

    fn push_layout(&self, name: &str, write: impl FnOnce(&Path) -> String) -> String {
        let folder = self.folder.path().join("push");
        std::fs::remove_dir_all(&folder).ok();
        let digest = write(&folder);
        let mut skopeo = Command::new("skopeo");
        skopeo.args([
            "--insecure-policy",
            "copy",
            "--quiet",
            "--dest-tls-verify=false",
            "--preserve-digests",
        ]);
        if self.private {
            skopeo.arg("--dest-creds").arg(format!("{}:{}", USER.0, USER.1));
        }
        skopeo.arg(format!("oci:{}", folder.display())).arg(format!("docker://{}/{name}", self.host));
        let pushed = run(&mut skopeo, b"", LIMIT).expect("skopeo ends");
        assert_eq!(pushed.status, 0, "{}", String::from_utf8_lossy(&pushed.stderr));
        digest
    }

    /// A reference to an image here.
    pub fn reference(&self, name: &str) -> String {
        format!("docker://{}/{name}", self.host)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// An OCI layout of the test function `version`: the program, and the file that it answers with. Gives the manifest's digest.
pub fn layout_of(folder: &Path, version: &str, architecture: &str) -> String {
    let program = std::fs::read(function("version")).expect("readable");
    let layer = layout::layer(&[File("program", &program), File("version", version.as_bytes())]);
    layout::write(folder, &layer, "/program", architecture)
}

/// An authority and a certificate of it for this machine: `NAME.ca`, and `NAME.pem` with `NAME.key`.
fn certificate(folder: &Path, name: &str) {
    let path = |end: &str| folder.join(format!("{name}.{end}")).display().to_string();
    let openssl = |arguments: &str| {
        let mut command = Command::new("openssl");
        let ended = run(command.args(arguments.split(' ')), b"", LIMIT).expect("openssl ends");
        assert_eq!(ended.status, 0, "{}", String::from_utf8_lossy(&ended.stderr));
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    let authority = "-subj /CN=authority -addext basicConstraints=critical,CA:TRUE";
    openssl(&format!("{new} {authority} -keyout {} -out {}", path("cakey"), path("ca")));
    let leaf =
        "-subj /CN=registry -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    let signed = format!("-CA {} -CAkey {}", path("ca"), path("cakey"));
    openssl(&format!("{new} {leaf} {signed} -keyout {} -out {}", path("key"), path("pem")));
}
