//! Bodies that are longer than any buffer, events, tunnels.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::node::{Answer, Node, read_answer, shared, wait};

crate::trials!(
    gigabytes_both_ways,
    chunked_answers,
    events_come_one_by_one,
    a_tunnel,
    slow_senders_hold_no_machine,
    bytes_ahead_are_bounded_and_come_back,
    small_chunks_cost_what_they_hold,
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

/// Bodies of which 60,000 bytes come and no more, until one is refused: how many were held, and its answer.
fn held(node: &Node) -> (Vec<TcpStream>, Answer) {
    let mut held = Vec::new();
    loop {
        let mut stream = node.connect();
        write!(stream, "POST /default/f/discard HTTP/1.1\r\nHost: h\r\nContent-Length: 64000\r\n\r\n")
            .unwrap();
        stream.write_all(&[b'a'; 60_000]).unwrap();
        let charged = (held.len() as u64 + 1) * (64 << 10);
        let mut refused = false;
        wait("bytes or a refusal", || {
            stream.set_nonblocking(true).unwrap();
            refused = stream.peek(&mut [0]).is_ok();
            stream.set_nonblocking(false).unwrap();
            (refused || ahead(node) == charged).then_some(())
        });
        if refused {
            return (held, Answer::of(&read_answer(&mut stream)));
        }
        held.push(stream);
    }
}

fn ahead(node: &Node) -> u64 {
    let metrics = node.ask("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix("kontain_ahead_bytes "));
    line.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn bytes_ahead_are_bounded_and_come_back() {
    let limits = ["--max-ahead", "1Mi", "--max-ahead-per-peer", "512Ki"];
    let untrusted = [&limits[..], &["--trusted-proxies", "10.0.0.0/8"]].concat();
    for (options, most, refusal) in [(&limits[..], 16, (503, "NodeBusy")), (&untrusted, 8, (429, "PeerBusy"))]
    {
        let node = Node::start(options);
        node.publish("f", json!({}));
        let (streams, answer) = held(&node);
        assert_eq!((streams.len(), (answer.status, answer.reason().as_str())), (most, refusal), "{answer:?}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(node.get("/default/f").status, 200, "a call without a body holds nothing");
        drop(streams);
        wait("memory back", || (ahead(&node) == 0).then_some(()));
        let whole = "POST /default/f/discard HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n".to_owned();
        assert_eq!(node.send((whole + &"b".repeat(5000)).as_bytes()).body, "5000\n");
        wait("memory back", || (ahead(&node) == 0).then_some(()));
    }
}

fn small_chunks_cost_what_they_hold() {
    const CONNECTIONS: u64 = 100;
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    node.get("/default/f");
    let before = resident_kib(&node);
    let chunks = "1\r\na\r\n".repeat(60_000);
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = node.connect();
        write!(stream, "POST /default/f/discard HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        stream.write_all(chunks.as_bytes()).unwrap();
        streams.push(stream);
    }
    wait("all that was sent", || (ahead(&node) == CONNECTIONS * (64 << 10)).then_some(()));
    let grown = resident_kib(&node).saturating_sub(before);
    assert!(grown < 64 << 10, "6 MiB of bodies cost {grown} KiB");
}
