//! A real registry: Debian's docker-registry, with or without TLS and passwords, filled by skopeo.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bundles::assemble::{AssembleError, into_store};
use bundles::digest::Digest;
use bundles::limits::Limits;
use bundles::reference::{Reference, RegistryReference};
use bundles::registry::{BlobCache, Client, Keychain, Options, RegistryError, RegistrySource};
use bundles::source::SourceError;
use bundles::store::{InUse, Store};

use super::has_program;
use super::image::{Layout, Packing};
use super::tarball::Tarball;

/// A running registry; it ends when dropped.
pub struct Registry {
    process: Child,
    pub host: String,
    pub dir: tempfile::TempDir,
}

/// What is special about a registry.
#[derive(Clone, Copy, Default)]
pub struct Guard {
    pub tls: bool,
    pub password: bool,
}

impl Registry {
    /// Starts one; `None` where the programs for it are missing.
    pub fn start(guard: Guard) -> Option<Self> {
        if !["docker-registry", "skopeo", "openssl", "htpasswd"].iter().all(|name| has_program(name)) {
            return None;
        }
        // Somebody may take the port between the question for a free one and its use.
        (0..5).find_map(|_| Self::start_once(guard)).or_else(|| panic!("docker-registry does not start"))
    }

    fn start_once(guard: Guard) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let host = format!("127.0.0.1:{port}");
        fs::write(dir.path().join("config.yml"), configuration(dir.path(), &host, guard)).unwrap();
        let log = fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(dir.path().join("config.yml")).stdout(Stdio::null()).stderr(log);
        let mut registry = Self { process: command.spawn().unwrap(), host, dir };
        for _ in 0..1200 {
            let listens = TcpStream::connect(&registry.host).is_ok();
            std::thread::sleep(Duration::from_millis(50));
            // Whoever took its port listens too; then it has ended by now.
            if registry.process.try_wait().unwrap().is_some() {
                eprintln!("{}", fs::read_to_string(registry.dir.path().join("log")).unwrap());
                return None;
            }
            if listens {
                return Some(registry);
            }
        }
        None
    }

    /// Pushes an image of these layers as `NAME`, repository and tag.
    pub fn push(&self, name: &str, layers: &[(Tarball, Packing)]) {
        let layout = self.dir.path().join(format!("push-{}", name.replace([':', '/'], "-")));
        self.copy(&Layout::new(&layout, layers).write(), name, &["--preserve-digests"]);
    }

    /// Copies an image to `NAME`, with more options for skopeo.
    pub fn copy(&self, reference: &str, name: &str, options: &[&str]) {
        let mut command = Command::new("skopeo");
        command.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]).args(options);
        if self.dir.path().join("htpasswd").exists() {
            command.args(["--dest-creds", "user:secret"]);
        }
        let status = command.arg(reference).arg(format!("docker://{}/{name}", self.host)).status().unwrap();
        assert!(status.success());
    }

    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("own.ca")
    }
}

/// The configuration of a registry with its data in `dir`.
fn configuration(dir: &Path, host: &str, guard: Guard) -> String {
    let path = |name: &str| dir.join(name).display().to_string();
    let mut config = format!(
        "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: {host}\n",
        path("data")
    );
    if guard.tls {
        certificate(dir, "own");
        config += &format!("  tls: {{certificate: {}, key: {}}}\n", path("own.pem"), path("own.key"));
    }
    if guard.password {
        let output = Command::new("htpasswd").args(["-Bbn", "user", "secret"]).output().unwrap();
        fs::write(dir.join("htpasswd"), output.stdout).unwrap();
        config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", path("htpasswd"));
    }
    config
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An authority and a certificate of it for this machine: `NAME.ca`, and `NAME.pem` with `NAME.key`.
pub fn certificate(dir: &Path, name: &str) {
    let path = |end: &str| dir.join(format!("{name}.{end}")).display().to_string();
    let run = |arguments: String| {
        let mut command = Command::new("openssl");
        command.args(arguments.split(' ')).stderr(Stdio::null());
        assert!(command.status().unwrap().success());
    };
    let new = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    run(format!(
        "{new} -subj /CN=authority -addext basicConstraints=critical,CA:TRUE -keyout {} -out {}",
        path("cakey"),
        path("ca")
    ));
    let signed = format!("-CA {} -CAkey {}", path("ca"), path("cakey"));
    let leaf =
        "-subj /CN=registry -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE";
    run(format!("{new} {leaf} {signed} -keyout {} -out {}", path("key"), path("pem")));
}

/// Two layers, the second with bytes that do not compress.
pub fn two_layers(seed: u64) -> Vec<(Tarball, Packing)> {
    let mut state = 2 * seed + 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    })
    .take(300_000)
    .collect();
    vec![
        (Tarball::new().file("hello", b"hello"), Packing::Gzip),
        (Tarball::new().file("noise", &noise), Packing::Gzip),
    ]
}

/// Options with short waits.
pub fn options(insecure: &[&str]) -> Options {
    Options {
        insecure: insecure.iter().map(ToString::to_string).collect(),
        attempts: 4,
        backoff: Duration::from_millis(5),
        backoff_max: Duration::from_secs(2),
        rate_window: Duration::from_secs(5),
        ..Options::default()
    }
}

/// Pulls an image into a store in `dir`, blobs in the cache beside it.
pub fn pull(
    dir: &Path,
    reference: &str,
    options: Options,
    keychain: Keychain,
) -> Result<InUse, AssembleError> {
    pull_with(&Client::new(options).map_err(SourceError::from)?, dir, reference, keychain)
}

/// As [`pull`], with a client that lives on.
pub fn pull_with(
    client: &Client,
    dir: &Path,
    reference: &str,
    keychain: Keychain,
) -> Result<InUse, AssembleError> {
    let Reference::Registry(reference) = reference.parse::<Reference>().unwrap() else {
        panic!("not a registry")
    };
    let store = Store::open(&dir.join("store")).unwrap();
    let cache = BlobCache::open(&dir.join("blobs")).unwrap();
    let mut source = RegistrySource::new(client.clone(), reference, keychain, cache, |_| {});
    Ok(into_store(&mut source, &store, &Limits::default(), &|_| {})?.bundle)
}

/// As [`pull`], for errors of the registry.
pub fn refusal(reference: &str, options: Options, keychain: Keychain) -> RegistryError {
    let dir = tempfile::tempdir().unwrap();
    let error = pull(dir.path(), reference, options, keychain).unwrap_err();
    assert!(Store::open(&dir.path().join("store")).unwrap().list().unwrap().is_empty());
    match error {
        AssembleError::Source(SourceError::Registry(error)) => *error,
        other => panic!("{other:?}"),
    }
}

/// The file in which a cache keeps what has come of a blob from a registry.
pub fn partial(cache: &Path, digest: Digest, host: &str) -> PathBuf {
    let host = Digest::of(host.as_bytes()).hex();
    cache.join("partial").join(format!("{}-{}", digest.hex(), &host[..16]))
}

/// The part of a reference behind `docker://`.
pub fn registry_reference(text: &str) -> RegistryReference {
    text.parse().unwrap()
}
