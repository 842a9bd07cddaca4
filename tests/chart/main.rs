//! The Helm chart: lint, every documented value, wrong values, and what a real API server says to the result.
//!
//! `examples.json` has an example for each value of `values.yaml`; a value without one fails the test.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says why and ends")]

#[path = "../common/mod.rs"]
mod common;
mod helm;
mod server;
mod values;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use helm::Helm;

/// Examples of values, each a document as `--values` takes it.
fn examples() -> Vec<Value> {
    serde_json::from_str(include_str!("examples.json")).unwrap()
}

#[test]
fn lint_has_no_complaint() {
    let Some(helm) = Helm::find() else { return };
    helm.run(&["lint", "--strict", helm::CHART]).unwrap();
}

#[test]
fn every_value_has_an_example() {
    let shown: BTreeSet<String> = examples().iter().flat_map(values::leaves).collect();
    let documented = values::leaves(&values::defaults());
    let missing: Vec<&String> = documented
        .iter()
        .filter(|path| !shown.iter().any(|other| other == *path || other.starts_with(&format!("{path}/"))))
        .collect();
    assert!(missing.is_empty(), "no example in tests/chart/examples.json: {missing:?}");
}

#[test]
fn every_example_renders_and_has_an_effect() {
    let Some(helm) = Helm::find() else { return };
    let plain = helm.template(&Value::Object(Map::new())).unwrap();
    for example in examples() {
        let rendered = helm.template(&example).unwrap_or_else(|error| panic!("{example}: {error}"));
        assert_ne!(rendered, plain, "{example} changes nothing");
    }
}

#[test]
fn a_wrong_value_is_refused_with_its_name() {
    let Some(helm) = Helm::find() else { return };
    let defaults = values::defaults();
    let error = helm.template(&values::all_wrong(&defaults)).unwrap_err();
    for path in values::leaves(&defaults) {
        assert!(error.contains(&format!("at '{path}'")), "{path} is not named in:\n{error}");
    }
    let error = helm.template(&serde_json::json!({"server": {"maxCals": 1}})).unwrap_err();
    assert!(error.contains("maxCals"), "{error}");
    for (example, named) in [
        (serde_json::json!({"volume": {"type": "pvc"}}), "volume.pvc.claimName"),
        (serde_json::json!({"gateway": {"enabled": true}}), "gateway.parentRefs"),
        (serde_json::json!({"serviceAccount": {"create": false}}), "serviceAccount.name"),
        (serde_json::json!({"pod": {"seccompProfile": "Localhost"}}), "pod.seccompLocalhostProfile"),
        (serde_json::json!({"drain": {"callsSeconds": 3601}}), "/drain/callsSeconds"),
        (serde_json::json!({"volume": {"emptyDir": {"sizeLimit": "20 GB"}}}), "/volume/emptyDir/sizeLimit"),
    ] {
        let error = helm.template(&example).unwrap_err();
        assert!(error.contains(named), "{example}: {error}");
    }
}

#[test]
fn the_token_is_in_the_downloader_alone_and_nobody_is_privileged() {
    let Some(helm) = Helm::find() else { return };
    let pod = helm.pod(&Value::Object(Map::new()));
    assert_eq!(pod["automountServiceAccountToken"], false);
    for container in pod["containers"].as_array().unwrap() {
        let security = &container["securityContext"];
        assert_eq!(security["privileged"], false);
        assert_eq!(security["capabilities"]["drop"][0], "ALL");
        assert_eq!(security["readOnlyRootFilesystem"], true);
        let mounts = container["volumeMounts"].as_array().unwrap();
        let has_token = mounts.iter().any(|mount| mount["name"] == "token");
        assert_eq!(has_token, container["name"] == "downloader");
        assert!(mounts.iter().all(|mount| mount["mountPath"] != "/dev/kvm"));
    }
    assert_eq!(pod["containers"][0]["resources"]["limits"]["devices.kubevirt.io/kvm"], 1);
}

#[test]
fn the_nodes_own_device_takes_a_privileged_server_and_nothing_else() {
    let Some(helm) = Helm::find() else { return };
    let pod = helm.pod(&serde_json::json!({"device": {"mode": "hostPath"}}));
    assert_eq!(pod["containers"][0]["securityContext"]["privileged"], true);
    assert_eq!(pod["containers"][0]["resources"]["limits"]["devices.kubevirt.io/kvm"], Value::Null);
    assert_eq!(pod["containers"][1]["securityContext"]["privileged"], false);
    assert_eq!(pod["securityContext"]["runAsUser"], 0);
}

/// Where the rendered objects let the downloader read Secrets; "" is everywhere.
fn secret_namespaces(helm: &Helm, downloader: Value) -> Vec<String> {
    let documents = helm.documents(&serde_json::json!({"downloader": downloader}));
    let gives = |role: &Value| {
        role["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|rule| rule["resources"].to_string().contains("secrets"))
    };
    let roles: Vec<&Value> = documents.iter().filter(|document| gives(document)).collect();
    let binds = |binding: &&Value| {
        let role = &binding["roleRef"];
        roles.iter().any(|one| one["kind"] == role["kind"] && one["metadata"]["name"] == role["name"])
    };
    let place = |binding: &Value| binding["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    documents.iter().filter(binds).map(place).collect()
}

#[test]
fn secrets_are_readable_where_it_was_said_and_nowhere_else() {
    let Some(helm) = Helm::find() else { return };
    assert_eq!(secret_namespaces(&helm, serde_json::json!({})), Vec::<String>::new());
    assert_eq!(secret_namespaces(&helm, serde_json::json!({"secretNamespaces": ["a", "b"]})), ["a", "b"]);
    assert_eq!(secret_namespaces(&helm, serde_json::json!({"secretNamespaces": ["*"]})), [""]);
    assert_eq!(secret_namespaces(&helm, serde_json::json!({"watchNamespace": "team"})), ["team"]);
    let values = serde_json::json!({"downloader": {"secretNamespaces": ["../a"]}});
    assert!(helm.template(&values).unwrap_err().contains("/downloader/secretNamespaces"));
}

#[test]
fn the_builder_is_apart_and_says_what_it_does_not_have() {
    let Some(helm) = Helm::find() else { return };
    let plain = helm.template(&Value::Object(Map::new())).unwrap();
    assert!(!plain.contains("-builder"), "it is there only when it is asked for");
    let documents = helm.documents(&serde_json::json!({"builder": {"enabled": true, "replicas": 2}}));
    let of = |kind: &str, name: &str| {
        let is = |one: &&Value| one["kind"] == kind && one["metadata"]["name"] == name;
        documents.iter().find(is).unwrap_or_else(|| panic!("{kind} {name}")).clone()
    };
    let deployment = of("Deployment", "kontain-faas-builder");
    let template = &deployment["spec"]["template"];
    let functions = &of("Service", "kontain-faas")["spec"]["selector"];
    assert_ne!(functions["app.kubernetes.io/name"], template["metadata"]["labels"]["app.kubernetes.io/name"]);
    let pod = &template["spec"];
    assert_eq!(pod["serviceAccountName"], of("ServiceAccount", "kontain-faas-builder")["metadata"]["name"]);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let container = &pod["containers"][0];
    assert_eq!(container["resources"]["limits"]["devices.kubevirt.io/kvm"], 1);
    assert_eq!(container["securityContext"]["capabilities"]["drop"][0], "ALL");
    let secrets =
        pod["volumes"].as_array().unwrap().iter().filter(|volume| volume["secret"].is_object()).count();
    assert_eq!(secrets, 1, "its payload secret alone");
    of("NetworkPolicy", "kontain-faas-builder");
    for (value, named) in [
        (serde_json::json!({"buildkit": {"enabled": true}}), "builder.buildkit"),
        (serde_json::json!({"buildkit": {"image": "x"}}), "builder.buildkit"),
        (serde_json::json!({"enableLchown": true}), "builder.enableLchown"),
        (serde_json::json!({"proBuilder": {"maxInflight": 1}}), "builder.maxInflight"),
        (serde_json::json!({"enabled": true, "payloadSecret": ""}), "builder.payloadSecret"),
        (serde_json::json!({"maxInflight": 0}), "/builder/maxInflight"),
        (
            serde_json::json!({"enabled": true, "serviceAccount": {"create": false}}),
            "builder.serviceAccount.name",
        ),
    ] {
        let error = helm.template(&serde_json::json!({"builder": value})).unwrap_err();
        assert!(error.contains(named), "{value}: {error}");
    }
}

#[test]
fn sizes_add_up() {
    let Some(helm) = Helm::find() else { return };
    let args = |values: &Value| helm.pod(values)["containers"][1]["args"].to_string();
    let plain = args(&Value::Object(Map::new()));
    for expected in ["--volume-size=20Gi", "--keep-layers=4Gi"] {
        assert!(plain.contains(expected), "{plain}");
    }
    // The file system of these says itself what it has.
    for values in [
        serde_json::json!({"volume": {"type": "hostPath"}}),
        serde_json::json!({"volume": {"type": "pvc", "pvc": {"claimName": "kontain"}}}),
        serde_json::json!({"volume": {"emptyDir": {"sizeLimit": ""}}, "server": {"snapshotBudget": "1Ti"}}),
    ] {
        assert!(!args(&values).contains("--volume-size"), "{values}");
    }
    let sizes = |limit: &str, snapshots: &str, layers: &str| {
        serde_json::json!({"volume": {"emptyDir": {"sizeLimit": limit}},
            "server": {"snapshotBudget": snapshots}, "downloader": {"keepLayers": layers}})
    };
    for (limit, snapshots, layers) in [("10Gi", "6Gi", "1.5Gi"), ("1T", "500G", "200Gi"), ("40Gi", "", "")] {
        helm.template(&sizes(limit, snapshots, layers)).unwrap();
    }
    for (limit, snapshots, layers) in [("10Gi", "6Gi", "2Gi"), ("8Gi", "8Gi", "0"), ("20Gi", "", "")] {
        let error = helm.template(&sizes(limit, snapshots, layers)).unwrap_err();
        assert!(error.contains("volume.emptyDir.sizeLimit"), "{limit} {snapshots} {layers}: {error}");
    }
}

#[test]
fn the_pod_lives_longer_than_its_drain() {
    let Some(helm) = Helm::find() else { return };
    let pod = helm.pod(&serde_json::json!({"drain": {"delaySeconds": 7, "callsSeconds": 100}}));
    assert_eq!(pod["terminationGracePeriodSeconds"], 132);
    let args = pod["containers"][0]["args"].as_array().unwrap();
    assert!(args.iter().any(|arg| arg == "--drain-delay=7s"), "{args:?}");
}
