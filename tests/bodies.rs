//! Bodies stream: a gigabyte up and a gigabyte down pass through a server whose memory does not grow by them.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::Node;
use std::io::{BufRead, BufReader, Read, Write};

const GIB: u64 = 1 << 30;
/// What the server may grow by, in KiB.
const GROWTH_MAX: u64 = 32 << 10;

/// Resident memory of a process in KiB, now and at most.
fn resident(pid: u32) -> (u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let field = |name: &str| -> u64 {
        let line = text.lines().find(|line| line.starts_with(name)).expect("the field is there");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    };
    (field("VmRSS:"), field("VmHWM:"))
}

fn head(reader: &mut impl BufRead) -> String {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        assert!(reader.read_line(&mut text).expect("readable") > 0, "the head ends early: {text}");
    }
    text
}

#[test]
fn a_gigabyte_up_and_down() {
    if !kvm_or_skip("bodies of a gigabyte") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "  timeout: 10m\n");
    assert_eq!(node.get("/default/probe/bytes/100000").body.len(), 100_000);
    let (before, _) = resident(node.pid());
    assert_eq!(upload(&node), format!("{GIB}\n"));
    assert_eq!(download(&node), GIB);
    let (_, peak) = resident(node.pid());
    assert!(peak.saturating_sub(before) < GROWTH_MAX, "from {before} KiB to {peak} KiB");
}

fn upload(node: &Node) -> String {
    let mut stream = node.connect();
    write!(stream, "POST /default/probe/discard HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Length: {GIB}\r\n\r\n").expect("writable");
    let block = vec![b'x'; 1 << 20];
    (0..GIB >> 20).for_each(|_| stream.write_all(&block).expect("the whole body is taken"));
    let mut reader = BufReader::new(stream);
    assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
    let mut answer = String::new();
    reader.read_to_string(&mut answer).expect("readable");
    answer
}

fn download(node: &Node) -> u64 {
    let mut stream = node.connect();
    write!(stream, "GET /default/probe/bytes/{GIB} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n")
        .expect("writable");
    let mut reader = BufReader::new(stream);
    assert!(head(&mut reader).starts_with("HTTP/1.1 200"));
    std::io::copy(&mut reader, &mut std::io::sink()).expect("readable")
}

#[test]
fn bodies_come_back_unchanged() {
    if !kvm_or_skip("bodies that come back") {
        return;
    }
    let node = Node::start(&[]);
    node.publish("probe", "");
    for size in [0, 1, 1000, 65_535, 65_536, 65_537, 3_000_000] {
        let body: Vec<u8> = (0..size).map(|at: usize| (at * 31 % 251) as u8).collect();
        let answer = node.post("/default/probe/echo", &body);
        assert_eq!(answer.status, 200, "{size} bytes: {}", node.log());
        assert!(answer.body == body, "{size} bytes come back as {}", answer.body.len());
    }
}
