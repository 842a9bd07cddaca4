//! Dependencies between the crates point one way, as ARCHITECTURE.md draws them: the manifests are the enforcement, and this
//! test keeps the manifests.

#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate of the workspace, and the others that it may depend on.
const ALLOWED: [(&str, &[&str]); 17] = [
    (
        "kontain-faas",
        &[
            "api", "benches", "build", "builder", "bundles", "control", "egress", "gateway", "km-vmm",
            "node", "volume",
        ],
    ),
    ("build", &["bundles", "egress", "km-abi", "km-vmm", "worker"]),
    ("builder", &["build"]),
    ("control", &["api", "bundles", "volume"]),
    ("gateway", &["api", "control", "egress", "km-abi", "volume"]),
    ("node", &["api", "bundles", "egress", "km-abi", "km-vmm", "volume", "worker"]),
    ("volume", &["api"]),
    ("api", &["bundles", "km-abi"]),
    ("worker", &["km-vmm"]),
    ("egress", &["api", "km-abi", "km-vmm"]),
    ("benches", &["km-vmm"]),
    ("bundles", &[]),
    ("km", &["bundles", "egress", "km-abi", "km-guest", "km-vmm"]),
    ("km-vmm", &["km-abi"]),
    ("km-guest", &["km-abi", "km-hal"]),
    ("km-guest-image", &["km-abi", "km-guest", "km-hal"]),
    ("km-hal", &["km-abi"]),
];
/// The only crate that may speak to a cluster, and that may use the registry half of `bundles`.
const CREDENTIALS: &str = "control";
const CLUSTER_CLIENTS: [&str; 2] = ["kube", "k8s-openapi"];

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--no-deps"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// What each crate needs to be built and run; tests may need more.
fn dependencies(metadata: &Value) -> BTreeMap<String, Vec<Value>> {
    let packages = metadata["packages"].as_array().expect("packages");
    let of = |package: &Value| {
        let all = package["dependencies"].as_array().expect("dependencies");
        let needed = all.iter().filter(|one| one["kind"] != "dev").cloned().collect();
        (package["name"].as_str().expect("a name").to_owned(), needed)
    };
    packages.iter().map(of).collect()
}

#[test]
fn crates_depend_on_what_is_below_them() {
    let all = dependencies(&metadata());
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, below)| (*name, below.iter().copied().collect())).collect();
    let members: BTreeSet<&str> = all.keys().map(String::as_str).collect();
    for (name, needed) in &all {
        for one in needed {
            let below = one["name"].as_str().expect("a name");
            if !members.contains(below) {
                continue;
            }
            let may = allowed.get(name.as_str()).is_some_and(|allowed| allowed.contains(below));
            assert!(may, "{name} depends on {below}, which ARCHITECTURE.md does not draw");
        }
    }
}

#[test]
fn only_control_has_clients_with_credentials() {
    let all = dependencies(&metadata());
    assert!(all[CREDENTIALS].iter().any(|one| one["name"] == "kube"), "the check looks at nothing");
    for (name, needed) in all.iter().filter(|(name, _)| *name != CREDENTIALS) {
        for one in needed {
            let client = CLUSTER_CLIENTS.iter().any(|client| one["name"] == *client);
            assert!(!client, "{name} depends on {}", one["name"]);
            let features = one["features"].as_array().expect("features");
            let registry = one["name"] == "bundles"
                && (one["uses_default_features"] == true || features.iter().any(|one| one == "registry"));
            assert!(!registry, "{name} uses the registry client of bundles");
        }
    }
}
