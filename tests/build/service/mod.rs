//! `builder`: OpenFaaS' builder API through the binary. What is signed is built and pushed, all else is refused with the status and the
//! body that its clients act on, and nothing of a build is left when it is over.

mod bounds;
mod hostile;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac_of::signature;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::common::registry::Registry;
use super::common::root;
use super::{Ended, LIMIT, base, binary, kvm_or_skip, run, text};

const SECRET: &str = "payload secret of the test";

/// HMAC-SHA256, from what a hash alone offers.
mod hmac_of {
    use sha2::{Digest, Sha256};

    /// As `X-Build-Signature` has it.
    pub fn signature(secret: &str, body: &[u8]) -> String {
        let mut key = [0; 64];
        key[..secret.len()].copy_from_slice(secret.as_bytes());
        let inner = Sha256::new().chain_update(key.map(|byte| byte ^ 0x36)).chain_update(body).finalize();
        let outer = Sha256::new().chain_update(key.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize();
        format!("sha256={}", hex::encode(outer))
    }
}

/// A running builder with a volume of its own; it ends with this value.
struct Service {
    child: Child,
    folder: TempDir,
    /// `127.0.0.1:PORT`.
    address: String,
    metrics: String,
}

/// What was answered.
#[derive(Debug)]
struct Answer {
    status: u16,
    kind: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Of a build that was begun: how it ended, and why.
    fn end(&self) -> (String, String) {
        let last = self.body.lines().last().unwrap_or_default();
        let told: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:?}"));
        let field = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
        (field("status"), field("error"))
    }
}

impl Service {
    /// One that knows the registry, and whose steps reach nothing unless the options say something else.
    fn start(registry: &Registry, options: &[&str]) -> Self {
        let egress = if options.contains(&"--egress") { &[][..] } else { &["--egress", "none"] };
        let insecure = ["--insecure-registry", &registry.host];
        let folder = TempDir::with_prefix("builder-").expect("a folder can be made");
        fs::write(folder.path().join("secret"), format!("{SECRET}\n")).expect("a file can be written");
        Self::start_in(folder, &[&insecure[..], egress, options].concat())
    }

    fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let child = Self::spawn(folder.path(), options);
        let mut service = Self { child, folder, address: String::new(), metrics: String::new() };
        service.find_addresses();
        service
    }

    fn spawn(folder: &Path, options: &[&str]) -> Child {
        let log = fs::File::create(folder.join("log")).expect("a file can be made");
        let mut command = Command::new(binary("kontain-faas"));
        command.args(["builder", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--memory", "256Mi"]);
        command.arg("--volume").arg(folder.join("volume"));
        if !options.contains(&"--disable-hmac") {
            command.arg("--payload-secret").arg(folder.join("secret"));
        }
        // Options of its own are none of its builds'.
        command.env("KONTAIN_OUTPUT", "nonsense").env("SOURCE_DATE_EPOCH", "nonsense");
        let command = command.args(options).stdin(Stdio::null());
        let command = command.stdout(log.try_clone().expect("a descriptor is left")).stderr(log);
        command.spawn().expect("the builder starts")
    }

    fn find_addresses(&mut self) {
        let begun = Instant::now();
        (self.address, self.metrics) = loop {
            let log = self.log();
            let mut records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let found = records.find_map(|record| {
                Some((record["builder"].as_str()?.to_owned(), record["metrics"].as_str()?.to_owned()))
            });
            if let Some(found) = found {
                break found;
            }
            assert!(begun.elapsed() < LIMIT, "it does not start: {log}");
            std::thread::sleep(Duration::from_millis(20));
        };
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn get(&self, address: &str, path: &str) -> Answer {
        self.send(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), b"")
    }

    /// Posts a context, signed.
    fn build(&self, context: &[u8]) -> Answer {
        self.post(context, Some(&signature(SECRET, context)), true)
    }

    fn post(&self, context: &[u8], signature: Option<&str>, streams: bool) -> Answer {
        self.send(&self.address, &head(context.len() as u64, signature, streams), context)
    }

    fn send(&self, address: &str, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(address).expect("the builder listens");
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        stream.write_all(head.as_bytes()).expect("it reads");
        stream.write_all(body).expect("it reads");
        read(stream)
    }

    /// Posts a context and reads its answer as far as `until`.
    fn begin(&self, context: &[u8], until: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).expect("the builder listens");
        let head = head(context.len() as u64, Some(&signature(SECRET, context)), true);
        stream.set_read_timeout(Some(LIMIT)).expect("a limit can be set");
        stream.write_all(&[head.as_bytes(), context].concat()).expect("it reads");
        let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
        while !text(&seen).contains(until) {
            let count = stream.read(&mut piece).expect("it answers");
            assert!(count > 0, "{}", text(&seen));
            seen.extend(&piece[..count]);
        }
        stream
    }

    /// Waits until nothing of a build is there any more: no process that has a file of this volume, and no file.
    fn wait_for_nothing(&self) {
        let begun = Instant::now();
        loop {
            let left = self.left();
            if left.is_empty() {
                return;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "left behind: {left:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn left(&self) -> Vec<String> {
        let building = fs::read_dir(self.path("volume/building")).into_iter().flatten().flatten();
        let mut left: Vec<String> = building.map(|entry| entry.path().display().to_string()).collect();
        let scratch =
            fs::read_dir(self.path("volume/builds-of/builder/scratch")).into_iter().flatten().flatten();
        left.extend(scratch.map(|entry| entry.path().display().to_string()));
        let volume = self.folder.path().display().to_string();
        for process in fs::read_dir("/proc").expect("a folder").flatten() {
            let name = process.file_name().to_string_lossy().into_owned();
            if name == self.child.id().to_string() || !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
            for file in files.filter_map(|entry| fs::read_link(entry.path()).ok()) {
                // The log of the builder is its children's as well for a moment.
                if file.display().to_string().starts_with(&volume) {
                    left.push(format!("{name} has {}", file.display()));
                }
            }
        }
        left
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn head(length: u64, signature: Option<&str>, streams: bool) -> String {
    let accept = if streams { "Accept: application/x-ndjson\r\n" } else { "" };
    let signature = signature.map(|text| format!("X-Build-Signature: {text}\r\n")).unwrap_or_default();
    format!(
        "POST /build HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{accept}{signature}\r\n"
    )
}

/// Reads an answer to the end of its connection.
fn read(mut stream: TcpStream) -> Answer {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("it answers");
    let whole = text(&bytes);
    let (head, body) = whole.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {whole:?}"));
    let status = head.split(' ').nth(1).and_then(|text| text.parse().ok()).expect("a status");
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    let mut body = body.to_owned();
    if field("transfer-encoding").is_some() {
        let (mut whole, mut rest) = (String::new(), &*body);
        while let Some((size, more)) = rest.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).expect("a size");
            whole += &more[..size];
            rest = &more[size + 2..];
        }
        body = whole;
    }
    Answer { status, kind: field("content-type").unwrap_or_default(), body }
}

/// A builder's archive, as its client writes it.
fn archive(config: &Value, files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut put = |path: &str, kind: tar::EntryType, mode: u32, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(1000);
        header.set_gid(1000);
        header.set_mtime(1_700_000_000);
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, path, content).expect("memory is writable");
    };
    put("context", tar::EntryType::Directory, 0o700, b"");
    for (path, content) in files {
        let path = if path.starts_with("com.") { (*path).to_owned() } else { format!("context/{path}") };
        put(&path, tar::EntryType::Regular, 0o644, content);
    }
    put("com.openfaas.docker.config", tar::EntryType::Regular, 0o664, config.to_string().as_bytes());
    builder.into_inner().expect("memory is writable")
}

/// The same with a Dockerfile alone, for an image that is pushed nowhere.
fn dockerfile(text: &str) -> Vec<u8> {
    archive(&json!({"image": "shop:latest", "skipPush": true}), &[("Dockerfile", text.as_bytes())])
}

/// A registry with the base image as `base:1`.
fn registry() -> Registry {
    let registry = Registry::open();
    let mut skopeo = Command::new("skopeo");
    skopeo.args(["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"]);
    skopeo.arg(format!("oci:{}", base().display())).arg(format!("docker://{}/base:1", registry.host));
    let copied = run(&mut skopeo, b"", LIMIT).expect("skopeo ends");
    assert_eq!(copied.status, 0, "{}", text(&copied.stderr));
    registry
}

fn client(folder: &Path, arguments: &[&str]) -> Ended {
    let program = folder.join("client");
    let mut build = Command::new("go");
    build.args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(".");
    build.current_dir(root().join("tests/build/client"));
    build.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("CGO_ENABLED", "0");
    let built = run(&mut build, b"", LIMIT).expect("go ends");
    assert_eq!(built.status, 0, "{}", text(&built.stderr));
    run(Command::new(program).args(arguments), b"", LIMIT).expect("the client ends")
}

#[test]
fn openfaas_client_builds_and_pushes() {
    if !kvm_or_skip("the builder's client") {
        return;
    }
    let registry = registry();
    let service = Service::start(&registry, &[]);
    let context = service.path("handler");
    fs::create_dir_all(context.join("function")).expect("a folder can be made");
    let lines = format!(
        "FROM --platform=${{TARGETPLATFORM:-linux/amd64}} {}/base:1 AS one\nARG ADDITIONAL_PACKAGE\nARG GREETING\n\
         RUN test \"$GREETING\" != fail || exit 9\nRUN echo \"said $GREETING\"\n\
         FROM one\nCOPY function/handler.sh /\nUSER web\nCMD [\"/handler.sh\"]\n",
        registry.host
    );
    fs::write(context.join("Dockerfile"), lines).expect("a file can be written");
    fs::write(context.join("function/real.sh"), "#!/bin/sh\n").expect("a file can be written");
    std::os::unix::fs::symlink("real.sh", context.join("function/handler.sh")).expect("a link can be made");
    let image = format!("{}/team/shop:1", registry.host);
    let (url, secret) = (format!("http://{}", service.address), service.path("secret").display().to_string());
    let ended = client(service.folder.path(), &[&url, &secret, &image, &context.display().to_string()]);
    assert_eq!(ended.status, 0, "{}{}\n{}", text(&ended.stdout), text(&ended.stderr), service.log());
    service.wait_for_nothing();
    let inspect = |name: &str| {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["inspect", "--tls-verify=false", "--config"]).arg(format!("docker://{name}"));
        run(&mut skopeo, b"", LIMIT).expect("skopeo ends")
    };
    let pushed = inspect(&image);
    assert!(text(&pushed.stdout).contains("\"User\": \"web\""), "{}", text(&pushed.stdout));
    assert_ne!(inspect(&image.replace(":1", ":skipped")).status, 0, "it was not to be pushed");
    let numbers = service.get(&service.metrics, "/metrics").body;
    for line in [
        "kontain_builder_builds_total{outcome=\"success\"} 2",
        "kontain_builder_builds_total{outcome=\"failed\"} 3",
        "kontain_builder_refused_total{code=\"401\"} 2",
        "kontain_builder_inflight 0",
        "kontain_builder_build_seconds_count 5",
    ] {
        assert!(numbers.contains(line), "{line} is not in {numbers}");
    }
    // What one build has done, the next one finds, and other tenants do not.
    assert!(service.path("volume/builds-of/builder/steps").read_dir().expect("a folder").count() > 0);
    assert!(!service.path("volume/builds").exists());
    let mut store = Command::new(binary("kontain-faas"));
    store.args(["store", "verify", "--volume"]).arg(service.path("volume"));
    let verified = run(&mut store, b"", LIMIT).expect("the command ends");
    assert!(text(&verified.stdout).contains("builds-of/builder sound"), "{}", text(&verified.stdout));
}

#[test]
fn secrets_are_sealed_for_the_builder_alone() {
    if !kvm_or_skip("build secrets") {
        return;
    }
    // Made with libsodium: the key is the bytes 0 to 31.
    const PRIVATE: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const SEALED: &str = "version: v1\nalgorithm: nacl/box\nkey_id: j0DFrbaP\npublic_key: fZwkMWU5glwYluV/KBl3Rnk85gy+461H2p0HuF+lXio=\n\
         secrets:\n  pip-token: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXwJNSv5EHZo0MZOovD5feZiZ/mU3Ea5M=\n";
    let registry = registry();
    let folder = TempDir::with_prefix("builder-").expect("a folder can be made");
    fs::write(folder.path().join("secret"), SECRET).expect("a file can be written");
    fs::write(folder.path().join("key"), PRIVATE).expect("a file can be written");
    let key = folder.path().join("key").display().to_string();
    let service = Service::start_in(
        folder,
        &["--insecure-registry", &registry.host, "--egress", "none", "--build-secrets-key", &key],
    );
    let public = service.get(&service.address, "/publickey");
    let expected = json!({"key_id": "j0DFrbaP", "algorithm": "nacl/box", "public_key": "j0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8="});
    assert_eq!((public.status, public.json()), (200, expected));
    let lines = format!(
        "FROM {}/base:1\nRUN --mount=type=secret,id=pip-token case $(cat /run/secrets/pip-token) in hunter?) ;; *) exit 1; esac\nRUN test ! -e /run/secrets\n",
        registry.host
    );
    let context = |sealed: &str| {
        let config = json!({"image": "shop:latest", "skipPush": true});
        archive(&config, &[("Dockerfile", lines.as_bytes()), ("com.openfaas.secrets", sealed.as_bytes())])
    };
    let answer = service.build(&context(SEALED));
    assert_eq!(answer.end().0, "success", "{answer:?}");
    let kept = Command::new("grep")
        .args(["-r", "hunter2"])
        .arg(service.path("volume"))
        .output()
        .expect("grep starts");
    assert!(kept.stdout.is_empty() && !service.log().contains("hunter2"), "{}", text(&kept.stdout));
    let (status, error) = service.build(&context(&SEALED.replace("wJNS", "wJNT"))).end();
    assert!(status == "failed" && error.contains("cannot be opened"), "{error}");
    let other = Service::start(&registry, &[]);
    assert_eq!(other.get(&other.address, "/publickey").status, 404);
    let (status, error) = other.build(&context(SEALED)).end();
    assert!(status == "failed" && error.contains("no key for them"), "{error}");
}

#[test]
fn a_builder_says_how_contexts_are_signed() {
    let registry = Registry::open();
    let refused = |options: &[&str]| {
        let folder = TempDir::with_prefix("builder-").expect("a folder can be made");
        let mut command = Command::new(binary("kontain-faas"));
        command.args(["builder", "--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0", "--volume"]);
        let ended = run(command.arg(folder.path()).args(options), b"", LIMIT).expect("it ends");
        assert_eq!(ended.status, 2, "{options:?}: {}", text(&ended.stderr));
        text(&ended.stderr)
    };
    assert!(refused(&[]).contains("--payload-secret FILE"));
    assert!(refused(&["--payload-secret", "/nowhere/secret"]).contains("/nowhere/secret"));
    assert!(refused(&["--payload-secret", "/dev/null"]).contains("empty"));
    assert!(refused(&["--payload-secret", "/etc/hostname", "--disable-hmac"]).contains("leave one out"));
    assert!(refused(&["--disable-hmac", "--egress", "nonsense"]).contains("--egress"));
    let open = Service::start(&registry, &["--disable-hmac"]);
    assert!(open.log().contains("anybody who reaches the builder"), "{}", open.log());
    let answer = open.post(&dockerfile("FROM scratch\nCOPY Dockerfile /\n"), None, false);
    assert_eq!(
        (answer.status, &*answer.kind, answer.end().0),
        (200, "application/json", "success".to_owned()),
        "{answer:?}"
    );
    // A volume is one builder's.
    let mut second = Service::spawn(open.folder.path(), &["--disable-hmac"]);
    assert!(!second.wait().expect("it ends").success());
    assert_eq!(open.get(&open.address, "/build").status, 405);
    assert_eq!(open.get(&open.address, "/other").status, 404);
    assert_eq!(open.get(&open.address, "/healthz").status, 200);
}
