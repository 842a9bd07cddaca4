//! Bodies that are longer than any buffer, events, tunnels.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::node::{Answer, Node, shared};

crate::trials!(
    gigabytes_both_ways,
    chunked_answers,
    events_come_one_by_one,
    a_tunnel,
    slow_senders_hold_no_machine
);

/// Bytes that go each way.
const GIB: u64 = 1 << 30;
/// What the server may grow by meanwhile.
const GROWTH_MAX_KIB: u64 = 32 << 10;

fn resident_kib(node: &Node) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", node.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn gigabytes_both_ways() {
    let node = Node::start(&[]);
    node.publish("f", json!({"timeout": "5m"}));
    node.get("/default/f");
    let before = resident_kib(&node);
    let mut stream = node.connect();
    write!(stream, "POST /default/f/discard HTTP/1.1\r\nHost: h\r\nContent-Length: {GIB}\r\n\r\n").unwrap();
    let block = vec![b'u'; 1 << 20];
    for _ in 0..GIB >> 20 {
        stream.write_all(&block).unwrap();
    }
    let answer = Answer::of(&crate::node::read_answer(&mut stream));
    assert_eq!(answer.body, format!("{GIB}\n"));
    let mut stream = node.connect();
    write!(stream, "GET /default/f/bytes/{GIB} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let count = std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    assert!(count > GIB, "{count}");
    let grown = resident_kib(&node).saturating_sub(before);
    assert!(grown < GROWTH_MAX_KIB, "the server grew by {grown} KiB");
}

fn chunked_answers() {
    let answer = shared().get("/default/f/chunks/3");
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"), "{answer:?}");
    assert_eq!(answer.body.matches("chunk").count(), 3);
    assert!(answer.body.ends_with("0\r\n\r\n"));
}

fn events_come_one_by_one() {
    let mut stream = shared().connect();
    stream.write_all(b"GET /default/f/events HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    // The answer never ends: what comes has not waited for its end, nor for more.
    let text = read_until(&mut stream, "data: 0");
    if !text.contains("data: 1") {
        read_until(&mut stream, "data: 1");
    }
}

fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(wanted) {
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the stream ended: {text}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
    text
}

fn a_tunnel() {
    let mut stream = shared().connect();
    stream
        .write_all(b"GET /default/f/socket HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n")
        .unwrap();
    let head = read_until(&mut stream, "\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 101") && head.to_lowercase().contains("upgrade: websocket"), "{head}");
    for word in ["one", "two"] {
        stream.write_all(word.as_bytes()).unwrap();
        assert_eq!(read_until(&mut stream, word), word);
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(shared().get("/default/f/socket").status, 426);
}

fn slow_senders_hold_no_machine() {
    let node = Node::start(&[]);
    node.publish("f", json!({"concurrency": 1}));
    let _slow: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = node.connect();
            stream
                .write_all(b"POST /default/f/discard HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nabc")
                .unwrap();
            stream
        })
        .collect();
    assert_eq!(node.get("/default/f").status, 200);
    assert_eq!(node.entry("f").unwrap()["in_flight"], 0);
}
