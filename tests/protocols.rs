//! Functions that speak no HTTP: `protocol: stdio` and `protocol: kontain`, from their samples in `tests/functions`.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::{Answer, Node};
use std::collections::HashSet;
use std::io::{Read, Write};

/// A body with all bytes in it.
fn body(size: usize) -> Vec<u8> {
    (0..size).map(|at| (at * 7 + at / 256) as u8).collect()
}

fn reason(answer: &Answer) -> String {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{}", answer.text());
    let document: serde_json::Value =
        serde_json::from_slice(&answer.body).expect("a problem document is JSON");
    document["reason"].as_str().expect("a reason").to_owned()
}

fn expect(node: &Node, path: &str, status: u16, text: &str) {
    let answer = node.get(path);
    assert_eq!((answer.status, answer.text().as_str()), (status, text), "{path}\n{}", node.log());
    assert!(answer.header("x-call-id").is_some(), "{path}");
}

fn fails(node: &Node, path: &str, status: u16, why: &str) {
    let answer = node.get(path);
    assert_eq!((answer.status, reason(&answer).as_str()), (status, why), "{path}\n{}", node.log());
}

#[test]
fn stdio_from_a_snapshot_taken_at_start() {
    if !kvm_or_skip("stdio") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("stdio", "  protocol: stdio\n  timeout: 2s\n  env: [{name: OWN, value: mine}]\n");
    for size in [0, 1, 70_000, 3 << 20] {
        let answer = node.post("/default/stdio/echo", &body(size));
        assert_eq!((answer.status, answer.body == body(size)), (200, true), "{size} bytes\n{}", node.log());
    }
    assert!(node.get("/default/stdio/count").header("server-timing").expect("timing").contains("boot;dur="));
    for _ in 0..20 {
        expect(&node, "/default/stdio/count", 200, "1\n");
    }
    random_values_differ(&node);
    let environment = node.get("/default/stdio/env?a=b%20c").text();
    for line in [
        "REQUEST_METHOD=GET",
        "SCRIPT_NAME=/default/stdio",
        "PATH_INFO=/env",
        "QUERY_STRING=a=b%20c",
        "REQUEST_URI=/default/stdio/env?a=b%20c",
        "GATEWAY_INTERFACE=CGI/1.1",
        "OWN=mine",
        "K_SERVICE=stdio",
    ] {
        assert!(environment.lines().any(|found| found == line), "{line} is not in\n{environment}");
    }
    assert_eq!(node.post("/default/stdio/unread", &body(200_000)).text(), "ok\n");
    assert_eq!(node.get("/default/stdio/log").text(), "ok\n");
    node.wait_for("the line on standard error", |node| {
        let log = node.ask(&format!("http://{}/logs?function=default/stdio", node.admin)).text();
        log.contains("a line for the log").then_some(())
    });
    how_stdio_ends(&node);
}

fn random_values_differ(node: &Node) {
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let answer = node.get("/default/stdio/random").text();
        for line in answer.lines() {
            assert!(seen.insert(line.to_owned()), "{line} was there before");
        }
    }
    assert_eq!(seen.len(), 100);
}

fn how_stdio_ends(node: &Node) {
    expect(node, "/default/stdio/exit/0", 200, "text\n");
    expect(node, "/default/stdio/exit/3", 500, "text\n");
    expect(node, "/default/stdio/quiet/0", 200, "");
    fails(node, "/default/stdio/quiet/3", 500, "ExitStatus");
    fails(node, "/default/stdio/crash", 502, "Crashed");
    fails(node, "/default/stdio/spin", 504, "Deadline");
    fails(node, "/default/stdio/a%0ab", 400, "PathInvalid");
    // Up to 8 MiB wait for the exit code.
    let held = node.get("/default/stdio/bytes/8000000/9");
    assert_eq!((held.status, held.body.len()), (500, 8_000_000));
    let long = node.get("/default/stdio/bytes/20000000/0");
    assert_eq!((long.status, long.body.len()), (200, 20_000_000));
    let mut stream = node.connect();
    stream
        .write_all(b"GET /default/stdio/bytes/20000000/9 HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .expect("writable");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok();
    assert!(bytes.starts_with(b"HTTP/1.1 200") && bytes.len() > 8 << 20, "{} bytes", bytes.len());
    assert!(!bytes.ends_with(b"\r\n0\r\n\r\n"), "a bad end must not look like a good one");
    expect(node, "/default/stdio/count", 200, "1\n");
}

#[test]
fn stdio_from_a_snapshot_taken_at_its_first_read_and_without_one() {
    if !kvm_or_skip("stdio that waits for its input") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("stdio", "  protocol: stdio\n  snapshot: ready\n");
    for round in 0..5 {
        let answer = node.post(&format!("/default/stdio/late?round={round}"), b"12345");
        let text = answer.text();
        assert_eq!(answer.status, 200, "{text}\n{}", node.log());
        assert!(text.starts_with("1 5\n"), "{text}");
        for line in [&format!("QUERY_STRING=round={round}"), "CONTENT_LENGTH=5", "REQUEST_METHOD=POST"] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
    node.document("stdio", "  image: oci:stdio\n  protocol: stdio\n  snapshot: none\n");
    node.wait_for("answer of a machine that boots", |node| {
        (node.post("/default/stdio/echo", &body(70_000)).body == body(70_000)).then_some(())
    });
    expect(&node, "/default/stdio/count", 200, "1\n");
}

#[test]
fn kontain_replies_in_both_forms() {
    if !kvm_or_skip("kontain") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("kontain", "  protocol: kontain\n  timeout: 2s\n");
    for path in ["json", "lines", "pieces"] {
        for size in [0, 1, 2, 3, 20_000] {
            let answer = node.post(&format!("/default/kontain/{path}"), &body(size));
            assert_eq!(
                (answer.status, answer.body == body(size)),
                (201, true),
                "{path} {size}: {}",
                node.log()
            );
        }
    }
    // Longer than what is read ahead: the document is made while it is sent.
    let answer = node.post("/default/kontain/json", &body(2_500_001));
    assert_eq!((answer.status, answer.body == body(2_500_001)), (201, true), "{}", node.log());
    let document = node.get("/default/kontain/document?q=1").text();
    let begin = r#"{"Method":"GET","Url":"/default/kontain/document?q=1","Headers":{"Accept":["*/*"]"#;
    assert!(document.starts_with(begin), "{document}");
    let mut seen = HashSet::new();
    for _ in 0..20 {
        expect(&node, "/default/kontain/count", 200, "1");
        assert!(seen.insert(node.get("/default/kontain/random").body), "random bytes were repeated");
    }
    expect(&node, "/default/kontain/twice", 200, "1");
    fails(&node, "/default/kontain/bad", 502, "ReplyMalformed");
    fails(&node, "/default/kontain/none", 502, "Exited");
    fails(&node, "/default/kontain/crash", 502, "Crashed");
    fails(&node, "/default/kontain/spin", 504, "Deadline");
    expect(&node, "/default/kontain/count", 200, "1");
}

#[test]
fn kontain_from_start_and_without_a_snapshot() {
    if !kvm_or_skip("kontain from its start") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("kontain", "  protocol: kontain\n  snapshot: start\n");
    expect(&node, "/default/kontain/count", 200, "1");
    assert_eq!(node.post("/default/kontain/json", &body(5000)).body, body(5000));
    node.document("kontain", "  image: oci:kontain\n  protocol: kontain\n  snapshot: none\n");
    node.wait_for("the mode without a snapshot", |node| {
        let entry = node.state("kontain")?;
        (entry["spec"]["snapshot"] == "none" && entry["phase"] == "Ready").then_some(())
    });
    expect(&node, "/default/kontain/count", 200, "1");
    assert_eq!(node.post("/default/kontain/lines", &body(5000)).body, body(5000));
}
