//! Secrets: files in the machine of each call, in no snapshot, and new ones from the next call on.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::fs;
use std::path::{Path, PathBuf};

/// What no file of the volume but the secret's own may hold. It is put together here so that no image holds it either.
fn marker(which: &str) -> String {
    ["swordfish", which, "7f3a90c1"].join("-")
}

fn put(node: &Node, name: &str, key: &str, value: &str) {
    let folder = node.folder().join("images/secrets/default").join(name);
    fs::create_dir_all(&folder).expect("a folder can be made");
    fs::write(folder.join(format!(".{key}.new")), value).expect("a file can be written");
    fs::rename(folder.join(format!(".{key}.new")), folder.join(key)).expect("a file can be moved");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { files(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// Files below a folder that hold some bytes.
fn holders(folder: &Path, bytes: &[u8]) -> Vec<PathBuf> {
    let holds = |path: &PathBuf| {
        let content = fs::read(path).unwrap_or_default();
        memchr::memmem::find(&content, bytes).is_some()
    };
    files(folder).into_iter().filter(holds).collect()
}

#[test]
fn secrets_are_files_of_each_call_and_of_no_snapshot() {
    if !kvm_or_skip("secrets") {
        return;
    }
    let node = Node::start(&[]);
    let mount = "  secrets: [{name: db, mountPath: /var/run/secrets/db}]\n";
    let program = common::node::function("stdio");
    node.pack("stdio", &[], &[&program.display().to_string()]);
    node.document("stdio", &format!("  image: oci:stdio\n  protocol: stdio\n{mount}"));
    // Without its secret it does not run, and its status names the fix.
    let entry = node.settled("stdio");
    assert_eq!((&entry["phase"], &entry["reason"]), (&"Failed".into(), &"SecretMissing".into()), "{entry}");
    assert!(entry["message"].to_string().contains("secrets/default/db"), "{entry}");
    assert_eq!(node.get("/default/stdio/count").status, 503);

    put(&node, "db", "password", &marker("one"));
    let path = "/default/stdio/file/var/run/secrets/db/password";
    node.wait_for("the secret", |node| (node.get(path).text() == marker("one")).then_some(()));
    // The same for a server that answers HTTP, and for machines that boot.
    node.publish("probe", mount);
    assert_eq!(node.get("/default/probe/file/var/run/secrets/db/password").text(), marker("one"));
    put(&node, "db", "password", &marker("two"));
    node.wait_for("the changed secret", |node| (node.get(path).text() == marker("two")).then_some(()));
    assert_eq!(node.get("/default/probe/file/var/run/secrets/db/password").text(), marker("two"));
    node.document("probe", &format!("  image: oci:probe\n  snapshot: none\n{mount}"));
    node.wait_for("the mode without a snapshot", |node| {
        (node.state("probe")?["spec"]["snapshot"] == "none").then_some(())
    });
    assert_eq!(node.get("/default/probe/file/var/run/secrets/db/password").text(), marker("two"));

    for which in ["one", "two"] {
        let snapshots = holders(&node.folder().join("volume/snapshots"), marker(which).as_bytes());
        assert!(snapshots.is_empty(), "{snapshots:?} hold a secret");
        assert!(!node.log().contains(&marker(which)), "the log holds a secret");
    }
    let holders = holders(&node.folder().join("volume"), marker("two").as_bytes());
    assert_eq!(
        holders,
        [node
            .folder()
            .join("volume")
            .canonicalize()
            .expect("it is there")
            .join("secrets/default/db/password")]
    );

    // Nobody names it any more: it leaves the volume.
    node.remove_document("stdio");
    node.document("probe", "  image: oci:probe\n");
    node.wait_for("the end of the secret", |node| {
        files(&node.folder().join("volume/secrets")).is_empty().then_some(())
    });
}

#[test]
fn variables_come_from_secrets_with_each_call() {
    if !kvm_or_skip("variables of secrets") {
        return;
    }
    let node = Node::start(&[]);
    let of = |key: &str, more: &str| format!("valueFrom: {{secretKeyRef: {{name: db, key: {key}{more}}}}}");
    let env = format!(
        "  env: [{{name: URL, {}}}, {{name: NOTHING, {}}}, {{name: PLAIN, value: p}}]\n",
        of("url", ""),
        of("none", ", optional: true")
    );
    node.pack("probe", &[], &[&common::node::function("probe").display().to_string()]);
    node.document("probe", &format!("  image: oci:probe\n{env}"));
    let entry = node.settled("probe");
    assert_eq!((&entry["phase"], &entry["reason"]), (&"Failed".into(), &"SecretMissing".into()), "{entry}");

    put(&node, "db", "other", "x");
    node.wait_for("the reason", |node| {
        node.state("probe")?["message"].as_str()?.contains("`db` has no key `url`").then_some(())
    });
    // What no variable can hold is told as such.
    put(&node, "db", "url", "a\0b");
    node.wait_for("the reason", |node| (node.state("probe")?["reason"] == "SecretInvalid").then_some(()));

    let path = "/default/probe/file/proc/self/environ";
    let has = |node: &Node, which: &str| {
        let variables = node.get(path).text();
        let variables: Vec<&str> = variables.lines().collect();
        variables.contains(&format!("URL={}", marker(which)).as_str())
            && variables.contains(&"PLAIN=p")
            && variables.contains(&"PORT=8080")
            && !variables.iter().any(|variable| variable.starts_with("NOTHING="))
    };
    put(&node, "db", "url", &marker("one"));
    node.wait_for("the secret", |node| has(node, "one").then_some(()));
    put(&node, "db", "url", &marker("two"));
    node.wait_for("the changed secret", |node| has(node, "two").then_some(()));
    // Machines that boot get it as well.
    node.document("probe", &format!("  image: oci:probe\n  snapshot: none\n{env}"));
    node.wait_for("the mode without a snapshot", |node| {
        (node.state("probe")?["spec"]["snapshot"] == "none").then_some(())
    });
    assert!(has(&node, "two"));
    let snapshots = holders(&node.folder().join("volume/snapshots"), marker("two").as_bytes());
    assert!(snapshots.is_empty(), "{snapshots:?} hold a secret");
    assert!(!node.log().contains(&marker("two")), "the log holds a secret");

    node.document("probe", &format!("  image: oci:probe\n  snapshot: ready\n{env}"));
    node.wait_for("the refusal", |node| node.log().contains("spec.snapshot").then_some(()));
}
