//! From a private registry to an answered call, to the next version, and back to nothing.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::common::node::Node;
use super::common::{kvm_or_skip, run};
use super::parts::registry::{Guard, Registry};
use super::parts::skip;
use super::{LIMIT, PROGRAMS, credentials, faas, text};

#[test]
fn a_private_image_is_published_called_and_collected() {
    if !kvm_or_skip("calls of an image from a registry") {
        return;
    }
    let Some(registry) = Registry::start(Guard { tls: true, password: true }) else {
        return skip("calls of an image from a registry", PROGRAMS);
    };
    let authority = registry.authority().display().to_string();
    // Collections come often and leave nothing that is not in use.
    let node = Node::start(&["--registry-ca", &authority, "--gc-grace", "0s", "--gc-interval", "100ms"]);
    let push = |version: &str| {
        let program = super::common::node::function("probe").display().to_string();
        let name = format!("probe-{version}");
        // Another environment makes another image.
        let layout = node.folder().join("images").join(&name);
        let mut pack = faas();
        pack.args(["pack", "--env", &format!("VERSION={version}"), "-o"]);
        pack.arg(format!("oci:{}", layout.display())).args(["--", &program]);
        assert!(pack.status().expect("pack starts").success());
        registry.copy(&format!("oci:{}:latest", layout.display()), &format!("team/probe:{version}"), &[]);
    };
    push("v1");
    let document = |version: &str, secrets: &str| {
        let image = format!("  image: docker://{}/team/probe:{version}\n", registry.host);
        node.document("probe", &format!("{image}{secrets}"));
    };
    let told = |reason: &str| {
        node.wait_for(&format!("the reason {reason}"), |node| {
            node.records().into_iter().find(|record| record["reason"] == reason)
        })
    };
    document("v1", "");
    let record = told("Unauthorized");
    let message = record["message"].as_str().expect("a message");
    assert!(message.contains("wants credentials") && message.contains("name a pull secret"), "{message}");
    document("v1", "  imagePullSecrets: [{name: regcred}]\n");
    told("CredentialsInvalid");
    let secret = node.folder().join("images/secrets/default/regcred");
    std::fs::create_dir_all(&secret).expect("a folder can be made");
    let content = credentials(&registry.host, "secret");
    std::fs::write(secret.join(".dockerconfigjson"), content).expect("a file can be written");
    // The next attempt comes by itself.
    node.wait_for("the first version", |node| node.state("probe").filter(|entry| entry["phase"] == "Ready"));
    assert_eq!(node.get("/default/probe/count").text(), "1\n");
    let first = node.state("probe").expect("it is published")["digest"].clone();

    push("v2");
    document("v2", "  imagePullSecrets: [{name: regcred}]\n");
    node.wait_for("the second version", |node| {
        assert_eq!(node.get("/default/probe/count").status, 200, "{}", node.log());
        node.state("probe").filter(|entry| entry["digest"] != first && entry["phase"] == "Ready")
    });
    let volume = node.folder().join("volume");
    node.wait_for("the end of the first version", |_| {
        let listed = listed(&volume);
        (listed.len() == 1 && listed[0]["inUse"] == true && listed[0]["digest"] != first).then_some(())
    });
    assert_eq!(node.get("/default/probe/count").status, 200);

    node.remove_document("probe");
    node.wait_for("404", |node| (node.get("/default/probe/count").status == 404).then_some(()));
    node.wait_for("an empty store", |_| listed(&volume).is_empty().then_some(()));
    // Layers are collected after the bundles.
    node.wait_for("no layers", |_| {
        let layers = std::fs::read_dir(volume.join("layers/sha256")).expect("a folder").count();
        (layers == 0).then_some(())
    });
}

/// `store ls` of a volume.
fn listed(volume: &Path) -> Vec<Value> {
    let mut list = faas();
    list.args(["store", "ls", "--output", "json", "--volume"]).arg(volume);
    let ended = run(&mut list, b"", LIMIT).expect("it ends");
    std::thread::sleep(Duration::from_millis(50));
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended.stderr)))
}
