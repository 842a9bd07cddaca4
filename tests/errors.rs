//! A program that behaves badly gets its row of the error table, and the next call works.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::{Answer, Node};
use std::io::{Read, Write};
use std::time::Duration;

/// The call's answer is a problem document with this status, and the function serves the next call.
fn refused(node: &Node, path: &str, status: u16) -> Answer {
    let answer = node.get(&format!("/default/probe{path}"));
    assert_eq!(answer.status, status, "{path}: {}\n{}", answer.text(), node.log());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{path}");
    let document: serde_json::Value =
        serde_json::from_slice(&answer.body).expect("a problem document is JSON");
    for field in ["title", "component", "reason"] {
        assert!(document[field].is_string(), "{path}: {field} is missing in {document}");
    }
    assert!(answer.header("x-call-id").is_some(), "{path}");
    works(node, path);
    answer
}

fn works(node: &Node, after: &str) {
    let next = node.get("/default/probe/count");
    assert_eq!((next.status, next.text().as_str()), (200, "1\n"), "the call after {after}\n{}", node.log());
}

#[test]
fn programs_that_behave_badly() {
    if !kvm_or_skip("programs that behave badly") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "  timeout: 1s\n  resources: {limits: {memory: 64Mi}}\n");
    for path in ["/exit/0", "/exit/7", "/crash", "/quiet", "/garbage"] {
        refused(&node, path, 502);
    }
    // Words of the library OS in a program's mouth change nothing.
    let words = refused(&node, "/words", 502);
    assert!(words.text().contains("\"Crashed\""), "{}", words.text());
    refused(&node, "/spin", 504);
    refused(&node, "/sleep/5000", 504);
    for path in ["/memory", "/threads"] {
        let answer = node.get(&format!("/default/probe{path}"));
        assert!([200, 502, 504].contains(&answer.status), "{path}: {}", answer.status);
        works(&node, path);
    }
}

#[test]
fn half_a_response_is_not_a_whole_one() {
    if !kvm_or_skip("half a response") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    let mut stream = node.connect();
    stream
        .write_all(b"GET /default/probe/half HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .expect("writable");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // The head was there and went out; what cannot be is a client that believes it has all of the body.
    let whole = text.starts_with("HTTP/1.1 200") && text.to_lowercase().contains("content-length: 4\r\n");
    assert!(!whole && !text.ends_with("0\r\n\r\n"), "{text}");
    works(&node, "/half");
}

#[test]
fn a_flood_of_log_lines_is_bounded() {
    if !kvm_or_skip("a flood of log lines") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    assert_eq!(node.get("/default/probe/log/200000").status, 200);
    works(&node, "/log");
    let kept = node.ask(&format!("http://{}/logs?function=default/probe", node.admin));
    assert!(kept.body.len() < 4 << 20, "{} bytes of log are kept", kept.body.len());
    assert!(kept.text().contains("talks too much"));
}

#[test]
fn names_that_are_not_published() {
    if !kvm_or_skip("names that are not published") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    for path in [
        "/",
        "/default",
        "/default/none/",
        "/none/probe/",
        "/default/probe%2f..%2fprobe/",
        "/%2e%2e/probe/",
        "/default//probe/",
        "/default/pro%00be/",
    ] {
        let answer = node.get(path);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(node.get("/default/probe").status, 200);
}

#[test]
fn the_death_of_a_worker_costs_its_calls_only() {
    if !kvm_or_skip("the death of a worker") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    works(&node, "the start");
    let call = {
        let address = node.functions;
        std::thread::spawn(move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            agent
                .get(format!("http://{address}/default/probe/sleep/20000"))
                .call()
                .map(|answer| answer.status().as_u16())
        })
    };
    node.wait_for("the call", |node| (node.state("probe")?["in_flight"] == 1).then_some(()));
    // Its bytes have reached the worker as well a moment later.
    std::thread::sleep(Duration::from_millis(500));
    for worker in node.workers() {
        std::process::Command::new("kill").args(["-9", &worker.to_string()]).status().expect("kill starts");
    }
    assert_eq!(call.join().expect("no panic").expect("an answer"), 502);
    node.wait_for("answer after the death of the workers", |node| {
        let answer = node.get("/default/probe/count");
        (answer.status == 200 && answer.text() == "1\n").then_some(())
    });
}

#[test]
fn programs_that_cannot_be_baked() {
    if !kvm_or_skip("programs that cannot be baked") {
        return;
    }
    let node = Node::start(&[]);
    for (name, reason) in [("exits", "Exited"), ("never_listens", "NotListening")] {
        let program = common::node::function(name);
        let published = name.replace('_', "-");
        node.pack(&published, &[], &[&program.display().to_string()]);
        node.document(&published, &format!("  image: oci:{published}\n"));
        let entry = node.settled(&published);
        assert_eq!((&entry["phase"], &entry["reason"]), (&"Failed".into(), &reason.into()), "{entry}");
        let answer = node.get(&format!("/default/{published}/"));
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(
            !answer.text().contains("cannot read"),
            "its last words are for its owner: {}",
            answer.text()
        );
    }
    // The program's last words are in the message, once: that is what its author needs.
    let message = node.settled("exits")["message"].to_string();
    assert_eq!(message.matches("cannot read the configuration").count(), 1, "{message}");
}

#[test]
fn programs_that_do_not_come_to_rest() {
    if !kvm_or_skip("programs that do not come to rest") {
        return;
    }
    let node = Node::start(&["--ready-limit", "5s"]);
    for name in ["daemon", "spins", "restless"] {
        let program = common::node::function(name);
        node.pack(name, &[], &[&program.display().to_string()]);
        node.document(name, &format!("  image: oci:{name}\n"));
    }
    let daemon = node.settled("daemon");
    assert_eq!(daemon["reason"], "Exited", "{daemon}");
    assert!(daemon["message"].to_string().contains("keep that in the foreground"), "{daemon}");
    let spins = node.settled("spins");
    assert_eq!(spins["reason"], "NeverIdle", "{spins}");
    assert!(spins["message"].to_string().contains("spins (process 1)"), "{spins}");
    // What counts is how much of the CPU a program takes, not how often it does something.
    let restless = node.settled("restless");
    assert_eq!(restless["phase"], "Ready", "{restless}");
    assert_eq!(node.get("/default/restless/").text(), "ok\n");
}

#[test]
fn what_is_not_http_is_shown_by_its_byte() {
    if !kvm_or_skip("what is not HTTP") {
        return;
    }
    let node = Node::start(&["--verbose-errors"]);
    node.publish("probe", "");
    let answer = refused(&node, "/garbage", 502).text();
    assert!(answer.contains("NotHttp") && answer.contains("byte 0x74 ('t') at offset 0"), "{answer}");
}
