//! Documents come, change and go while the server runs; what is wrong with one is told and leaves the others alone.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

#[test]
fn added_changed_and_removed() {
    if !kvm_or_skip("documents that come and go") {
        return;
    }
    let node = Node::start(&[]);
    assert_eq!(node.get("/default/probe/").status, 404);
    node.publish("probe", "");
    assert_eq!(node.get("/default/probe/headers").status, 200);

    // Another specification: the running one serves until the new one is ready.
    let before = node.state("probe").expect("it is published");
    node.document("probe", "  image: oci:probe\n  timeout: 1s\n");
    node.wait_for("the new time-out", |node| {
        let answer = node.get("/default/probe/count");
        assert_eq!(answer.status, 200, "the old one serves until the new one does: {}", answer.text());
        let entry = node.state("probe")?;
        (entry["spec"] != before["spec"] && entry["phase"] == "Ready").then_some(())
    });
    assert_eq!(node.get("/default/probe/sleep/3000").status, 504);

    node.remove_document("probe");
    node.wait_for("404 after the removal", |node| (node.get("/default/probe/").status == 404).then_some(()));
}

#[test]
fn a_bad_document_leaves_the_others_alone() {
    if !kvm_or_skip("a bad document") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    let bad = [
        (
            "typo",
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: typo}\nspec:\n  imge: oci:probe\n",
            "imge",
        ),
        ("yaml", "apiVersion: [build\n", "yaml.yaml"),
        (
            "span",
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: span}\nspec:\n  image: oci:probe\n  timeout: soon\n",
            "timeout",
        ),
        (
            "mode",
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: mode}\nspec:\n  image: oci:probe\n  isolation: reset\n",
            "isolation",
        ),
    ];
    for (name, text, told) in bad {
        node.raw_document(name, text);
        node.wait_for(&format!("word about {name}.yaml"), |node| {
            let mut lines = node.records().into_iter().map(|record| record.to_string());
            lines.find(|line| {
                line.contains(&format!("{name}.yaml")) && line.contains(told) && !line.contains("\"INFO\"")
            })
        });
        assert_eq!(node.get("/default/probe/count").text(), "1\n");
        assert_ne!(node.get(&format!("/default/{name}/")).status, 200);
    }
    node.raw_document(
        "typo",
        "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {name: typo}\nspec:\n  image: oci:probe\n",
    );
    node.wait_for("the repaired document", |node| {
        (node.get("/default/typo/count").status == 200).then_some(())
    });
}

#[test]
fn without_a_snapshot_and_from_the_start() {
    if !kvm_or_skip("the other snapshot modes") {
        return;
    }
    for mode in ["none", "start", "ready"] {
        let node = Node::start(&[]);
        node.publish("probe", &format!("  snapshot: {mode}\n"));
        for _ in 0..10 {
            let answer = node.get("/default/probe/count");
            assert_eq!((answer.status, answer.text().as_str()), (200, "1\n"), "{mode}: {}", node.log());
        }
    }
}

#[test]
fn sigterm_lets_calls_finish() {
    if !kvm_or_skip("draining") {
        return;
    }
    let mut node = Node::start(&[]);
    node.publish("probe", "");
    let mut stream = node.connect();
    stream
        .write_all(b"GET /default/probe/sleep/3000 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .expect("writable");
    node.wait_for("the call", |node| (node.state("probe")?["in_flight"] == 1).then_some(()));
    let workers = node.workers();
    assert!(!workers.is_empty());
    let status = node.terminate().expect("it ends");
    assert!(status.success(), "{status}\n{}", node.log());
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("readable");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("slept\n"), "{answer}");
    // They end when the server's end of their socket is closed: a moment after the server itself.
    let gone = |pid: &u32| !std::path::Path::new(&format!("/proc/{pid}")).exists();
    let ended = Instant::now();
    while !workers.iter().all(gone) {
        assert!(ended.elapsed() < Duration::from_secs(60), "some of the workers {workers:?} are left");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_head_that_a_function_gets() {
    if !kvm_or_skip("headers") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    let mut stream = node.connect();
    let request = "GET /default/probe/headers?a=b%20c HTTP/1.1\r\nHost: example.test\r\nX-Odd-Case: kept\r\nX-Call-Id: mine-1\r\nX-Forwarded-For: 10.0.0.1\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("writable");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("readable");
    // The probe takes a path with its query as another page; the head comes back by the echo of an unknown one too.
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let plain = node.get("/default/probe/headers");
    let head = plain.text().to_lowercase();
    assert!(head.starts_with("get /headers http/1.1\r\n"), "{head}");
    for field in [
        "x-call-id:",
        "x-forwarded-for:",
        "x-forwarded-host:",
        "x-forwarded-proto:",
        "x-forwarded-prefix:",
        "forwarded:",
    ] {
        assert!(head.contains(field), "{field} is missing in {head}");
    }
    assert!(plain.header("server-timing").is_some_and(|timing| timing.contains("boot;dur=")));
    assert!(answer.to_lowercase().contains("x-call-id: mine-1"), "{answer}");
}

#[test]
fn what_is_passed_over_is_told() {
    if !kvm_or_skip("documents that do not count") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    let images = node.folder().join("images");
    let text = |name: &str| {
        format!(
            "{{\"apiVersion\": \"build.kontain.app/v1\", \"kind\": \"Image\",\n\t\"metadata\": {{\"name\": \"{name}\"}}, \"spec\": {{\"image\": \"oci:probe\"}}}}\n"
        )
    };
    std::fs::create_dir(images.join("team")).expect("a folder can be made");
    std::fs::write(images.join("team/lost.yaml"), text("lost")).expect("a file can be written");
    std::fs::write(images.join("second.yaml"), text("probe")).expect("a file can be written");
    std::fs::write(images.join("other.json"), text("other")).expect("a file can be written");
    std::fs::write(images.join("package.json"), "{}").expect("a file can be written");
    for words in [
        &["team/lost.yaml", "subfolders are not read"][..],
        &["second.yaml", "default/probe is in", "remove one of them"],
        &["package.json", "not an Image document"],
    ] {
        node.wait_for(&format!("{words:?} in the log"), |node| {
            let mut lines = node.records().into_iter().map(|record| record.to_string());
            lines.find(|line| words.iter().all(|word| line.contains(word)))
        });
    }
    assert_eq!(node.settled("other")["phase"], "Ready");
    assert_eq!(node.get("/default/other/count").text(), "1\n");
    // Said once, though the folder is looked at all the time.
    let told = node.log().matches("second.yaml").count();
    assert_eq!(told, 1, "{}", node.log());
    let mut list = std::process::Command::new(common::binary("kontain-faas"));
    list.args(["list", "--images"]).arg(&images).args(["--admin", &node.admin.to_string()]);
    let ended = common::run(&mut list, b"", Duration::from_secs(60)).expect("it ends");
    let (table, remarks) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(table.contains("default/probe is in") && table.contains("other"), "{table}");
    assert!(remarks.contains("lost.yaml"), "{remarks}");
}

/// Nobody answers at the admin address, or somebody who says nothing.
#[test]
fn commands_say_when_no_server_answers() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let (nobody, mute) = (closed.local_addr().expect("an address"), silent.local_addr().expect("an address"));
    drop(closed);
    for admin in [nobody, mute] {
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(common::binary("kontain-faas"));
            command.args(arguments).arg("--images").arg(folder.path()).args(["--admin", &admin.to_string()]);
            let ended = common::run(&mut command, b"", Duration::from_secs(60)).expect("it does not wait");
            let said = [ended.stdout, ended.stderr].concat();
            (ended.status, String::from_utf8_lossy(&said).into_owned())
        };
        let told = format!("no server answers at {admin}: start one with `kontain-faas serve`");
        let (status, said) = run(&["publish", "hello", "oci:/image", "--wait"]);
        assert!(status == 1 && said.contains(&told) && said.contains("its document is written"), "{said}");
        assert!(folder.path().join("default.hello.yaml").is_file());
        for arguments in [&["list"][..], &["describe", "hello"]] {
            let (_, said) = run(arguments);
            assert!(said.contains(&told), "{arguments:?}: {said}");
        }
    }
}
