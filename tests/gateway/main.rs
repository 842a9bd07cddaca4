//! The gateway, through the binary: a client that speaks as OpenFaaS' own does, and what commands see of what it did.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

#[path = "../common/mod.rs"]
mod common;
mod killed;
mod queue;
mod receiver;

use common::node::{Node, function};
use common::registry::Registry;
use common::{binary, kvm_or_skip, root, run};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(600);

/// The client, built from `client/` with Go's standard library alone.
fn client(folder: &Path) -> std::path::PathBuf {
    let program = folder.join("client");
    let mut build = Command::new("go");
    build.args(["build", "-buildvcs=false", "-o"]).arg(&program).arg(".");
    build.current_dir(root().join("tests/gateway/client"));
    build.env("GOTOOLCHAIN", "local").env("GOPROXY", "off").env("CGO_ENABLED", "0");
    let built = run(&mut build, b"", LIMIT).expect("go ends");
    assert_eq!(built.status, 0, "{}", String::from_utf8_lossy(&built.stderr));
    program
}

/// Runs a command of the program on a node's documents.
fn kontain(node: &Node, arguments: &[&str]) -> String {
    let mut command = Command::new(binary("kontain-faas"));
    command.args(arguments).arg("--images").arg(node.folder().join("images"));
    command.arg("--admin").arg(node.admin.to_string());
    let ended = run(&mut command, b"", LIMIT).expect("it ends");
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert_eq!(ended.status, 0, "{arguments:?}: {text}{}", String::from_utf8_lossy(&ended.stderr));
    text
}

/// A gateway in a process of its own, beside a node.
struct Apart {
    child: Child,
    address: String,
}

impl Apart {
    fn start(node: &Node, upstream: &str, options: &[&str]) -> Self {
        let path = node.folder().join(format!("gateway-log-{}", options.len()));
        let log = std::fs::File::create(&path).expect("a file can be made");
        let mut command = Command::new(binary("kontain-faas"));
        command.args(["gateway", "--listen", "127.0.0.1:0", "--images"]).arg(node.folder().join("images"));
        command.args(["--upstream", upstream, "--admin", &node.admin.to_string()]);
        let command = command.args(options).stdin(Stdio::null());
        let child = command.stdout(log.try_clone().expect("a descriptor is left")).stderr(log).spawn();
        let child = child.expect("the gateway starts");
        let address = node.wait_for("the gateway", |_| {
            let text = std::fs::read_to_string(&path).ok()?;
            let mut records = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            records.find_map(|record| Some(record["gateway"].as_str()?.to_owned()))
        });
        Self { child, address }
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn openfaas_client_is_answered_as_it_expects() {
    drive(false);
}

#[test]
fn a_gateway_of_its_own_answers_the_same() {
    drive(true);
}

/// Lets the client go through its commands: `apart`, at a gateway of its own.
fn drive(apart: bool) {
    if !kvm_or_skip("the gateway") {
        return;
    }
    let registry = Registry::open();
    registry.push_program("team/probe:1", &function("probe"), &[]);
    let folder = TempDir::with_prefix("gateway-").expect("a folder can be made");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a file can be written");
        path.display().to_string()
    };
    file("basic-auth-user", "admin\n");
    file("basic-auth-password", "pass:word\n");
    let (program, mount) = (client(folder.path()), folder.path().display().to_string());
    let options = ["--insecure-registry", &registry.host, "--gateway", "--secret-mount-path", &mount];
    let node = Node::start_in(folder, if apart { &options[..2] } else { &options });
    let queue = node.folder().join("queue").display().to_string();
    let options = [&options[3..], &["--async-queue", &queue]].concat();
    let apart = apart.then(|| Apart::start(&node, &format!("http://{}", node.functions), &options));
    // A function of a document, and a secret of the operator's.
    node.pack("documented", &[], &[&function("probe").display().to_string()]);
    node.document("documented", "  image: oci:documented\n");
    let secret = node.folder().join("images/secrets/default/operators");
    std::fs::create_dir_all(&secret).expect("a folder can be made");
    std::fs::write(secret.join("operators"), "swordfish").expect("a file can be written");
    let mounted = "secrets: [{name: operators, mountPath: /var/openfaas/secrets}]";
    node.document("of-operator", &format!("  image: oci:documented\n  {mounted}\n"));

    let url = match &apart {
        Some(apart) => format!("http://{}", apart.address),
        None => format!("http://{}", node.functions),
    };
    let image = format!("{}/team/probe:1", registry.host);
    let ended = run(Command::new(program).args([&url, "admin", "pass:word", &image]), b"", LIMIT);
    let ended = ended.expect("the client ends");
    let told = [&ended.stdout[..], &ended.stderr[..]].concat();
    assert_eq!(ended.status, 0, "{}\n{}", String::from_utf8_lossy(&told), node.log());

    // What the client made is an Image like any other.
    let listed = kontain(&node, &["list"]);
    assert!(listed.contains("documented") && listed.contains("probe"), "{listed}");
    let described = kontain(&node, &["describe", "probe", "--output", "json"]);
    assert!(described.contains("\"team\": \"blue\"") && described.contains("fprocess"), "{described}");
    // A command leaves its labels, and the client's next update what only commands can say.
    kontain(&node, &["publish", "probe", &image, "--timeout", "5s"]);
    let described = kontain(&node, &["describe", "probe", "--output", "json"]);
    assert!(described.contains("\"team\": \"blue\"") && described.contains("\"5s\""), "{described}");
    let described = kontain(&node, &["describe", "of-operator", "--output", "json"]);
    assert!(described.contains("oci:documented"), "another program would read its secret: {described}");
    kontain(&node, &["remove", "probe"]);
    node.wait_for("its end", |node| (node.get("/function/probe").status == 404).then_some(()));
    assert!(!node.log().contains("swordfish"));
    if let Some(apart) = &apart {
        handed_on(&node, apart);
    }
}

/// Calls through a gateway of its own are those of its client, and say when nobody is behind it.
fn handed_on(node: &Node, apart: &Apart) {
    let path = "/function/documented/headers";
    let seen = node.ask(&format!("http://{}{path}", apart.address));
    let (text, id) = (seen.text(), seen.header("x-call-id").expect("an id").to_owned());
    assert!(text.starts_with("GET /headers HTTP/1.1") && text.contains(&id), "{text}");
    for line in ["X-Forwarded-For: 127.0.0.1, 127.0.0.1", "X-Forwarded-Prefix: /function/documented"] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    assert!(text.contains(&format!("X-Forwarded-Host: {}", apart.address)), "{text}");
    assert_eq!(node.ask(&format!("http://{}/default/documented/", apart.address)).status, 200);
    let alone = Apart::start(node, "http://127.0.0.1:1", &["--no-auth"]);
    let answer = node.ask(&format!("http://{}{path}", alone.address));
    assert!(answer.status == 502 && answer.text().contains("\"Unreachable\""), "{answer:?}");
    assert_eq!(answer.header("x-openfaas-internal"), Some("proxy"));
    assert_eq!(node.ask(&format!("http://{}/healthz", alone.address)).status, 200);
}

#[test]
fn a_gateway_wants_to_know_who_asks() {
    let folder = TempDir::with_prefix("gateway-").expect("a folder can be made");
    let refused = |options: &[&str]| {
        let mut command = Command::new(binary("kontain-faas"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--gateway", "--volume"]);
        command.arg(folder.path().join("volume")).args(options);
        let ended = run(&mut command, b"", LIMIT).expect("it ends");
        assert_eq!(ended.status, 2, "{options:?}: {}", String::from_utf8_lossy(&ended.stderr));
        String::from_utf8_lossy(&ended.stderr).into_owned()
    };
    let images = folder.path().display().to_string();
    let told = refused(&["--images", &images]);
    assert!(told.contains("--basic-auth-user") && told.contains("--no-auth"), "{told}");
    assert!(refused(&["--no-auth"]).contains("--images"));
    let missing = folder.path().join("missing").display().to_string();
    assert!(refused(&["--images", &images, "--bearer-token", &missing]).contains("missing"));
    assert!(refused(&["--images", &images, "--bearer-token", &missing, "--no-auth"]).contains("--no-auth"));

    let node = Node::start(&["--gateway", "--no-auth"]);
    assert!(node.log().contains("anybody who reaches"), "{}", node.log());
    assert_eq!(node.get("/system/functions").text(), "[]");
    assert_eq!(node.get("/system/info").status, 200);
    let mut command = Command::new(binary("kontain-faas"));
    let ended = run(command.args(["gateway", "--kube", "--no-auth"]), b"", LIMIT).expect("it ends");
    assert_eq!(ended.status, 2);
    // Nodes without one have no such path.
    assert_eq!(Node::start(&[]).get("/system/functions").status, 404);
}
