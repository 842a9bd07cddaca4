//! The commands for publishing, on a cluster and on a folder alike.

use crate::common::apiserver::ApiServer;
use crate::common::node::Node;
use crate::common::registry::{Registry, layout_of};
use crate::common::{Ended, binary, kvm_or_skip, run};
use crate::kit::{LIMIT, Pod, prepare};
use std::path::Path;
use std::process::Command;

/// Where the commands work.
struct Source {
    options: Vec<String>,
    admin: String,
}

/// Runs a command on a source; the source's options follow the command's own arguments.
fn tool(source: &Source, arguments: &[&str]) -> Ended {
    let mut command = Command::new(binary("kontain-faas"));
    // The admin port of a cluster's server is found by forwarding, which takes a node.
    command.env("KONTAIN_ADMIN", &source.admin).args(arguments).args(&source.options);
    run(&mut command, b"", LIMIT).expect("it ends")
}

fn good(source: &Source, arguments: &[&str]) -> String {
    let ended = tool(source, arguments);
    let error = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status, 0, "{arguments:?}: {error}");
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

/// The same steps on both: published, listed, described, called, logged, removed.
fn walk(source: &Source, first: &str, second: &str, url: &str) {
    let ended = tool(source, &["publish", "hello", first, "--wait", "--url", url, "--env", "A=1"]);
    let (out, told) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert_eq!(ended.status, 0, "{told}");
    assert!(out.contains("default/hello published") && out.contains("/default/hello/"), "{out}");
    assert!(out.contains("first call: 200") && out.contains(" ms"), "{out}");
    assert!(told.contains("Ready: calls are served"), "{told}");

    let table = good(source, &["list"]);
    let row = table.lines().find(|line| line.contains("hello")).unwrap_or_default();
    assert!(table.starts_with("NAMESPACE") && row.contains("True"), "{table}");
    let list: serde_json::Value =
        serde_json::from_str(&good(source, &["list", "--output", "json"])).expect("JSON");
    assert_eq!(list["items"][0]["metadata"]["name"], "hello");
    assert_eq!(list["items"][0]["spec"]["env"][0]["name"], "A");
    let yaml = good(source, &["describe", "hello", "--output", "yaml"]);
    assert!(yaml.contains("kind: Image") && yaml.contains("type: Ready"), "{yaml}");
    let text = good(source, &["describe", "default/hello"]);
    assert!(text.contains("Conditions:") && text.contains("Pulled"), "{text}");

    let logs = good(source, &["logs", "hello"]);
    assert!(logs.contains("asked for version one"), "{logs}");
    let call = logs.split_whitespace().nth(1).expect("the id of a call").to_owned();
    let one = good(source, &["logs", "hello", "--call", &call, "--output", "json"]);
    assert!(one.contains(&call), "{one}");
    assert_eq!(good(source, &["logs", "hello", "--call", "nobody-s"]), "");

    // What is not named stays as it is.
    good(source, &["publish", "hello", second, "--wait", "--url", url]);
    let list: serde_json::Value =
        serde_json::from_str(&good(source, &["list", "--output", "json"])).expect("JSON");
    assert_eq!(list["items"][0]["spec"]["env"][0]["name"], "A");

    let bad = tool(source, &["publish", "hello", second, "--timeout", "2h"]);
    assert_eq!(bad.status, 1);
    assert!(
        String::from_utf8_lossy(&bad.stderr).contains("timeout"),
        "{}",
        String::from_utf8_lossy(&bad.stderr)
    );
    assert_eq!(tool(source, &["describe", "nothing"]).status, 1);
    assert_eq!(tool(source, &["publish", "UPPER", first]).status, 2);
    assert_eq!(good(source, &["remove", "hello"]), "default/hello removed\n");
    assert_eq!(tool(source, &["remove", "hello"]).status, 1);
}

#[test]
fn on_a_folder() {
    if !kvm_or_skip("publishing into a folder") {
        return;
    }
    let node = Node::start(&[]);
    let image = |version: &str| {
        let folder = node.folder().join(version);
        layout_of(&folder, version, "amd64");
        format!("oci:{}", folder.display())
    };
    let options = vec!["--images".to_owned(), node.folder().join("images").display().to_string()];
    let source = Source { options, admin: node.admin.to_string() };
    walk(&source, &image("one"), &image("two"), &format!("http://{}", node.functions));
}

#[test]
fn on_a_cluster() {
    if !kvm_or_skip("publishing into a cluster") {
        return;
    }
    let Some(api) = ApiServer::start_or_skip("publishing into a cluster") else { return };
    prepare(&api);
    let registry = Registry::open();
    for version in ["one", "two"] {
        registry.push(&format!("hello:{version}"), version, "amd64");
    }
    let mut pod = Pod::new(&api);
    pod.download(api.address, &["--insecure-registry", &registry.host]);
    pod.serve(&[]);
    let options = vec!["--kubeconfig".to_owned(), api.kubeconfig("admin").display().to_string()];
    let source = Source { options, admin: pod.admin() };
    let url = format!("http://{}", pod.functions());
    walk(&source, &registry.reference("hello:one"), &registry.reference("hello:two"), &url);
    // A local image is of no use to a cluster, and a missing one ends the wait with the cause.
    let local = tool(&source, &["publish", "hello", "oci:/tmp/x"]);
    assert_eq!(local.status, 2);
    let waited =
        tool(&source, &["publish", "none", &registry.reference("none:1"), "--wait", "--wait-timeout", "3s"]);
    let told = String::from_utf8_lossy(&waited.stderr).into_owned();
    assert!(waited.status == 1 && told.contains("none"), "{told}");
    plugin(&source);
}

/// Under the name of a plugin it is one.
fn plugin(source: &Source) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let link = folder.path().join("kubectl-kontain");
    std::os::unix::fs::symlink(binary("kontain-faas"), &link).expect("a link can be made");
    let path = std::env::join_paths(
        [folder.path().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let mut kubectl = Command::new("kubectl");
    kubectl.env("PATH", path.expect("a path")).args(["kontain", "list"]).args(&source.options);
    let ended = run(&mut kubectl, b"", LIMIT).expect("it ends");
    assert_eq!(ended.status, 0, "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(String::from_utf8_lossy(&ended.stdout).contains("NAMESPACE"));
    let help = run(Command::new(&link).arg("--help"), b"", LIMIT).expect("it ends");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(
        help.contains("kubectl kontain") && help.contains("publish") && !help.contains("bench"),
        "{help}"
    );
    assert!(Path::new(&link).exists());
}
