//! Clients that are slow, hostile or gone: each meets its limit and nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::{Answer, Node, read_answer, shared, wait};

crate::trials!(
    slow_bodies_meet_the_floor,
    slow_readers_meet_the_deadline,
    who_does_not_read_loses_call_and_stream_at_the_deadline,
    streams_that_are_not_read_meet_the_write_limit,
    refusals_are_problem_documents,
    bare_line_feeds_are_never_forwarded,
    departures_at_every_byte_free_the_machine,
    floods_of_frames_end_their_connection,
    calls_are_logged,
    invoke_from_the_command_line,
);

/// Writes a piece at a time until the server answers or closes.
fn drip(stream: &mut TcpStream, piece: &[u8], pause: Duration) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    let begun = Instant::now();
    let mut first = [0; 1];
    while begun.elapsed() < Duration::from_secs(60) {
        match stream.read(&mut first) {
            Ok(0) => return Vec::new(),
            Ok(_) => {
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                return [first.to_vec(), read_answer(stream)].concat();
            }
            Err(_) => {}
        }
        std::thread::sleep(pause);
        if stream.write_all(piece).is_err() {
            break;
        }
    }
    Vec::new()
}

fn slow_bodies_meet_the_floor() {
    let node = Node::start(&["--body-timeout", "400ms"]);
    node.publish("f", json!({}));
    let head = "POST /default/f/discard HTTP/1.1\r\nHost: h\r\n";
    // Before a machine is taken, with a length and in chunks; and long after.
    for (framing, first) in [
        ("Content-Length: 100000", String::new()),
        ("Transfer-Encoding: chunked", "1\r\na\r\n".to_owned()),
        ("Content-Length: 10000000", "x".repeat(100_000)),
    ] {
        let mut stream = node.connect();
        write!(stream, "{head}{framing}\r\n\r\n{first}").unwrap();
        let piece: &[u8] = if framing.starts_with('T') { b"1\r\na\r\n" } else { b"a" };
        let patient = first.len() > 1000;
        // 100,000 bytes have earned 97 seconds: the deadline of the call is what ends that one, so it is left alone.
        if patient {
            wait("call", || (node.entry("f")?["in_flight"] == 1).then_some(()));
            std::thread::sleep(Duration::from_millis(700));
            assert_eq!(node.entry("f").unwrap()["in_flight"], 1, "what it sent has earned it time");
            continue;
        }
        let answer = Answer::of(&drip(&mut stream, piece, Duration::from_millis(20)));
        assert_eq!((answer.status, answer.reason().as_str()), (408, "BodyTooSlow"), "{framing}: {answer:?}");
        assert_eq!(node.entry("f").unwrap()["in_flight"], 0, "a slow body holds no machine");
    }
    wait("free machine", || (node.entry("f")?["in_flight"] == 0).then_some(()));
    assert_eq!(node.get("/default/f").status, 200);
}

fn slow_readers_meet_the_deadline() {
    let node = Node::start(&["--write-timeout", "500ms"]);
    node.publish("f", json!({"timeout": "1h"}));
    let mut stream = node.connect();
    stream.write_all(b"GET /default/f/bytes/1000000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait("call", || (node.entry("f")?["in_flight"] == 1).then_some(()));
    // It reads nothing: the connection is given up, and the machine with it.
    wait("free machine", || (node.entry("f")?["in_flight"] == 0).then_some(()));
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).ok();
    assert!(rest.len() < 1_000_000_000);
    assert_eq!(node.get("/default/f").status, 200);
}

fn refusals_are_problem_documents() {
    let large = format!("GET /default/f HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(70 << 10));
    let many: String = (0..1001).map(|number| format!("X-{number}: 1\r\n")).collect();
    for (request, status, reason) in [
        ("GET /default/f HTTP/1.1\r\nHost : h\r\n\r\n".to_owned(), 400, "Malformed"),
        ("G\0T / HTTP/1.1\r\n\r\n".to_owned(), 400, "Malformed"),
        ("GET /default/f HTTP/9.1\r\nHost: h\r\n\r\n".to_owned(), 400, "Malformed"),
        (large, 431, "HeadersTooLarge"),
        (format!("GET /default/f HTTP/1.1\r\nHost: h\r\n{many}\r\n"), 431, "HeadersTooLarge"),
    ] {
        let answer = shared().send(request.as_bytes());
        let shown = &request[..request.len().min(60)];
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{shown:?}: {answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(answer.body.contains(answer.header("x-call-id").unwrap()), "{answer:?}");
    }
    // After a good request on the same connection as well.
    let mut stream = shared().connect();
    stream.write_all(b"GET /default/f HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!(Answer::of(&read_answer(&mut stream)).status, 200);
    stream.write_all(b"nonsense\r\n\r\n").unwrap();
    assert_eq!(Answer::of(&read_answer(&mut stream)).reason(), "Malformed");
}

fn bare_line_feeds_are_never_forwarded() {
    let answer = shared().send(b"GET /default/f/head HTTP/1.1\nHost: h\nX-A: 1\nConnection: close\n\n");
    assert!(answer.status == 400 || answer.body.contains("\r\nX-A: 1\r\n"), "{answer:?}");
    assert!(!answer.body.replace("\r\n", "").contains('\n'), "{answer:?}");
}

fn departures_at_every_byte_free_the_machine() {
    let node = Node::start(&[]);
    node.publish("f", json!({"timeout": "1h"}));
    let request = b"POST /default/f/hang HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    for length in 1..=request.len() {
        let mut stream = node.connect();
        stream.write_all(&request[..length]).unwrap();
    }
    wait("free machines", || {
        let entry = node.entry("f")?;
        (entry["in_flight"] == 0 && entry["queued"] == 0).then_some(())
    });
    assert_eq!(node.get("/default/f").status, 200);
}

/// A frame of HTTP/2 (RFC 9113, 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frames of a round.
type Frames<'a> = &'a dyn Fn(u32) -> Vec<u8>;

fn floods_of_frames_end_their_connection() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    // GET http / with an authority, as static and literal fields of HPACK.
    let fields = [&[0x82, 0x86, 0x84, 0x41, 0x01][..], b"h"].concat();
    let resets = |stream: u32| [frame(1, 5, stream, &fields), frame(3, 0, stream, &[0, 0, 0, 8])].concat();
    let (continuation, data) = (frame(9, 0, 1, &[0; 1024]), frame(0, 0, 1, &[]));
    let floods: [(&str, Vec<u8>, Frames<'_>); 3] = [
        ("rapid reset", Vec::new(), &|round| resets(2 * round + 1)),
        ("continuation", frame(1, 1, 1, &fields), &|_| continuation.clone()),
        ("empty data", frame(1, 0, 1, &fields), &|_| data.clone()),
    ];
    let before = resident_kib();
    for (what, first, next) in floods {
        let mut stream = shared().connect();
        stream.write_all(&[PREFACE, &frame(4, 0, 0, &[]), &first].concat()).unwrap();
        let mut sent = 0;
        // A server that has enough closes; one that answers each of them at no cost may go on.
        for round in 0..20_000 {
            if stream.write_all(&next(round)).is_err() {
                break;
            }
            sent = round;
        }
        assert_eq!(shared().get("/default/f").status, 200, "after {sent} frames of {what}");
    }
    let grown = resident_kib().saturating_sub(before);
    assert!(grown < 32 << 10, "the server grew by {grown} KiB");
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", shared().pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn calls_are_logged() {
    let request = b"GET /default/f/status/201 HTTP/1.1\r\nHost: h\r\nX-Call-Id: seen-in-the-log\r\nConnection: close\r\n\r\n";
    assert_eq!(shared().send(request).status, 201);
    let record = wait("record", || {
        let log = shared().log();
        let line = log.lines().find(|line| line.contains("seen-in-the-log"))?;
        serde_json::from_str::<serde_json::Value>(line).ok()
    });
    let field =
        |name: &str| record.get(name).or_else(|| record["fields"].get(name)).cloned().unwrap_or_default();
    assert_eq!((field("function"), field("status")), (json!("default/f"), json!(201)), "{record}");
    assert!(field("total_us").as_u64().is_some_and(|us| us > 0), "{record}");
}

fn invoke_from_the_command_line() {
    let invoke = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kontain-faas"));
        command.args(["invoke", "--server", &shared().functions.to_string()]).args(arguments);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    assert_eq!(invoke(&["default/f"]), (Some(0), "hello\n".into(), String::new()));
    assert_eq!(invoke(&["default/f/discard", "-d", "12345"]).1, "5\n");
    let (_, head, _) = invoke(&["default/f/head/x?y=1", "-H", "X-Own: 7", "-X", "PUT"]);
    // Names of headers have no case.
    let own = head.to_ascii_lowercase().contains("\r\nx-own: 7\r\n");
    assert!(head.starts_with("PUT /head/x?y=1 HTTP/1.1\r\n") && own, "{head}");
    let (code, shown, _) = invoke(&["-i", "default/none"]);
    assert!(code == Some(1) && shown.starts_with("HTTP/1.1 404"), "{code:?} {shown}");
    assert_eq!(invoke(&["default/f", "-H", "no header"]).0, Some(2));
    let (code, _, error) = invoke(&["default/f", "--server", "127.0.0.1:1"]);
    assert!(code != Some(0) && (error.contains("no server at") || code == Some(2)), "{code:?} {error}");
}

/// The start of an HTTP/2 connection whose streams may send nothing, with a GET on stream 1.
fn deaf(path: &str) -> Vec<u8> {
    let window = [0, 4, 0, 0, 0, 0];
    let target = [&[0x04, u8::try_from(path.len()).unwrap()][..], path.as_bytes()].concat();
    let fields = [&[0x82, 0x86][..], &target, &[0x41, 0x01], b"h"].concat();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    [&preface[..], &frame(4, 0, 0, &window), &frame(1, 5, 1, &fields)].concat()
}

/// Reads frames until one resets stream 1.
fn reset_of(stream: &mut TcpStream) {
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).expect("the connection goes on");
        let mut payload = vec![0; (usize::from(head[1]) << 8) | usize::from(head[2])];
        stream.read_exact(&mut payload).expect("a whole frame");
        if (head[3], head[8]) == (3, 1) {
            return;
        }
    }
}

fn who_does_not_read_loses_call_and_stream_at_the_deadline() {
    let node = Node::start(&["--write-timeout", "1h"]);
    node.publish("f", json!({"timeout": "1500ms"}));
    let running = || wait("call", || (node.entry("f")?["in_flight"] == 1).then_some(()));
    let free = || wait("free machine", || (node.entry("f")?["in_flight"] == 0).then_some(()));
    // A window that is never opened: hyper asks the body for nothing at all.
    let mut deaf_stream = node.connect();
    deaf_stream.write_all(&deaf("/default/f/bytes/1000000")).unwrap();
    running();
    free();
    reset_of(&mut deaf_stream);
    // A trickle: the socket always makes progress.
    let mut trickle = node.connect();
    trickle.write_all(b"GET /default/f/bytes/1000000000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    running();
    let mut one = [0];
    wait("free machine", || {
        trickle.read_exact(&mut one).expect("it is still being answered");
        (node.entry("f")?["in_flight"] == 0).then_some(())
    });
    // What is on its way may still come; the rest of a gigabyte does not.
    let mut rest = Vec::new();
    trickle.read_to_end(&mut rest).ok();
    assert!(rest.len() < 100_000_000, "{}", rest.len());
    wait("end of the connections", || {
        let metrics = node.ask("/metrics").body;
        metrics.contains("\nkontain_connections 1\n").then_some(())
    });
    // The record of a call comes with the end of its machine.
    wait("record of both deadlines", || {
        let records = node.ask("/calls?function=default/f").body;
        (records.matches("\"result\":\"deadline\"").count() == 2).then_some(())
    });
    assert_eq!(node.get("/default/f").status, 200);
}

fn streams_that_are_not_read_meet_the_write_limit() {
    let node = Node::start(&["--write-timeout", "500ms"]);
    node.publish("f", json!({"timeout": "1h"}));
    for path in ["/default/f/bytes/1000000", "/default/f", "/default/none"] {
        let mut stream = node.connect();
        stream.write_all(&deaf(path)).unwrap();
        reset_of(&mut stream);
        wait("free machine", || (node.entry("f")?["in_flight"] == 0).then_some(()));
    }
    assert_eq!(node.get("/default/f").status, 200);
}
