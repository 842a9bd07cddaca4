//! Hosts that refuse a part of a worker's jail: without system-call filters nothing runs, without the other walls everybody
//! who looks is told.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::node::Node;
use common::{binary, kvm_or_skip, root};
use tempfile::TempDir;

/// `tests/jail/without.c`, built.
fn without(folder: &Path) -> PathBuf {
    let program = folder.join("without");
    let source = root().join("tests/jail/without.c");
    let result = Command::new("cc").args(["-O1", "-o"]).arg(&program).arg(source).output();
    let result = result.expect("a C compiler is there");
    assert!(result.status.success(), "{}", String::from_utf8_lossy(&result.stderr));
    program
}

/// A server whose workers are refused `what`.
fn node(folder: &Path, what: &str) -> Node {
    let km = folder.join(format!("km-{what}"));
    let script =
        format!("#!/bin/sh\nexec {} {what} {} \"$@\"\n", without(folder).display(), binary("km").display());
    std::fs::write(&km, script).expect("a file can be written");
    std::fs::set_permissions(&km, std::fs::Permissions::from_mode(0o755)).expect("a mode can be set");
    Node::start(&["--km", km.to_str().expect("a path is text")])
}

fn admin(node: &Node, path: &str) -> (u16, String) {
    let answer = node.ask(&format!("http://{}{path}", node.admin));
    (answer.status, answer.text())
}

#[test]
fn nothing_runs_without_filters() {
    if !kvm_or_skip("workers without filters") {
        return;
    }
    let folder = TempDir::new().expect("a folder can be made");
    for (what, measure) in [("seccomp", "seccomp"), ("pretended", "seccomp"), ("privileges", "no-new-privs")]
    {
        let node = node(folder.path(), what);
        let why = format!("{measure} is refused");
        node.wait_for("the reason", |node| {
            let (status, text) = admin(node, "/readyz");
            (status == 503 && text.contains(&why)).then_some(())
        });
        // Neither is a snapshot made: the bake's worker would run the program as well.
        let function = common::node::function("probe");
        node.pack("probe", &[], &[function.to_str().expect("a path is text")]);
        node.document("probe", "  image: oci:probe\n");
        let failed = node.wait_for("the end of the bake", |node| {
            node.state("probe").filter(|state| state["phase"] == "Failed")
        });
        assert!(failed.to_string().contains(&why), "{what}: {failed}");
        assert_eq!(node.get("/default/probe/count").status, 503, "{what}");
        assert_eq!(admin(&node, "/readyz").0, 503, "{what}");
    }
}

#[test]
fn what_else_is_missing_is_told() {
    if !kvm_or_skip("workers without walls") {
        return;
    }
    let folder = TempDir::new().expect("a folder can be made");
    let node = node(folder.path(), "walls");
    node.publish("probe", "");
    assert_eq!(node.get("/default/probe/count").status, 200, "{}", node.log());
    let ready =
        node.wait_for("readiness", |node| Some(admin(node, "/readyz")).filter(|(status, _)| *status == 200));
    assert!(ready.1.starts_with("ready\n"), "{ready:?}");
    let metrics = admin(&node, "/metrics").1;
    for (measure, missing) in [("landlock", 1), ("namespaces", 1), ("seccomp", 0), ("no-new-privs", 0)] {
        let told = ready.1.lines().any(|line| line.contains("jail lacks") && line.contains(measure));
        assert_eq!(told, missing == 1, "{measure}: {ready:?}");
        let line = format!("kontain_jail_missing{{measure=\"{measure}\"}} {missing}\n");
        assert!(metrics.contains(&line), "{line} in\n{metrics}");
    }
}

#[test]
fn doctor_tells_of_the_jail() {
    if !kvm_or_skip("doctor and the jail") {
        return;
    }
    let folder = TempDir::new().expect("a folder can be made");
    for (what, verdict, word) in [("seccomp", "FAIL", "seccomp is refused"), ("walls", "warn", "landlock")] {
        let mut doctor = Command::new(without(folder.path()));
        let output =
            doctor.arg(what).arg(binary("kontain-faas")).arg("doctor").output().expect("doctor starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.contains("  jail  ")).unwrap_or_default();
        assert!(line.starts_with(verdict) && line.contains(word), "{what}:\n{text}");
        assert_eq!(output.status.success(), verdict == "warn", "{what}:\n{text}");
    }
}
