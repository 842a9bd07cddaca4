//! Answers of functions, well made and not: what is repaired, what passes, what is a 502.

use std::io::Write;

use crate::node::{Answer, read_answer, shared};

crate::trials!(
    answers_by_table,
    statuses_and_heads,
    heads_up_to_their_limits_pass,
    nothing_is_sent_of_what_is_cut_short,
);

/// What a client must get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// 200 with this body.
    Whole(&'static str),
    /// 502 with one of these reasons.
    Refused(&'static [&'static str]),
}

use Expected::{Refused, Whole};

const NOT_HTTP: Expected = Refused(&["NotHttp"]);

/// Lines that say where the answer ends, with its bytes.
const FRAMINGS: [(&str, &str, Expected); 24] = [
    ("Content-Length: 5\r\n", "hello", Whole("hello")),
    ("Content-Length: 0\r\n", "", Whole("")),
    ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello", Whole("hello")),
    ("Content-Length: 5, 5\r\n", "hello", Whole("hello")),
    ("Content-Length: 5\r\n", "hello and more", Whole("hello")),
    ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello!", NOT_HTTP),
    ("Content-Length: +5\r\n", "hello", NOT_HTTP),
    ("Content-Length: -5\r\n", "hello", NOT_HTTP),
    ("Content-Length: 0x5\r\n", "hello", NOT_HTTP),
    ("Content-Length: 5 5\r\n", "hello", NOT_HTTP),
    ("Content-Length: 99999999999999999999999\r\n", "hello", NOT_HTTP),
    ("Content-Length: 9\r\n", "hello", Refused(&["NoResponse"])),
    ("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", Whole("hello")),
    ("Transfer-Encoding: CHUNKED\r\n", "2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", Whole("hello")),
    ("Transfer-Encoding: gzip, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", NOT_HTTP),
    ("Transfer-Encoding: gzip\r\n", "hello", NOT_HTTP),
    ("Transfer-Encoding: identity\r\n", "hello", NOT_HTTP),
    ("Transfer-Encoding: xchunked\r\n", "hello", NOT_HTTP),
    ("Transfer-Encoding: chunked, chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", NOT_HTTP),
    ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", NOT_HTTP),
    ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "5\r\nhello\r\n0\r\n\r\n", NOT_HTTP),
    ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "5\r\nhello\r\n0\r\n\r\n", NOT_HTTP),
    ("Transfer-Encoding: chunked\r\n", "zz\r\nhello\r\n0\r\n\r\n", Refused(&["NotHttp", "NoResponse"])),
    ("", "hello", Whole("hello")),
];

/// Another line of the head, with what becomes of it: its value, or nothing where it is no line of a head.
const LINES: [(&str, Option<&str>); 10] = [
    ("X-A: 1\r\n", Some("1")),
    ("X-A:1\r\n", Some("1")),
    ("X-A: 1 \t\r\n", Some("1")),
    ("X-A : 1\r\n", Some("1")),
    ("X-A: 1\r\n 2\r\n", Some("1 2")),
    ("X-A: 1\r\n\t2\r\n", Some("1 2")),
    ("X A: 1\r\n", None),
    ("X-A\r\n", None),
    (": 1\r\n", None),
    ("X-A: a\0b\r\n", None),
];

/// The answer to a call whose function writes these bytes and closes its connection.
fn answered(bytes: &str) -> Answer {
    let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
    shared().get(&format!("/default/f/raw/{hex}"))
}

/// The body without the framing of chunks.
fn body(answer: &Answer) -> String {
    if answer.header("transfer-encoding").is_none() {
        return answer.body.clone();
    }
    let mut lines = answer.body.split("\r\n");
    let mut body = String::new();
    while let Some(size) = lines.next().filter(|size| !matches!(*size, "0" | "")) {
        let piece = lines.next().unwrap_or_default();
        assert_eq!(usize::from_str_radix(size, 16).unwrap(), piece.len(), "{answer:?}");
        body.push_str(piece);
    }
    assert!(answer.body.ends_with("0\r\n\r\n"), "{answer:?}");
    body
}

fn holds(bytes: &str, answer: &Answer, expected: Expected) {
    match expected {
        Whole(text) => {
            assert_eq!((answer.status, body(answer).as_str()), (200, text), "{bytes:?}: {answer:?}")
        }
        Refused(reasons) => {
            assert_eq!(answer.status, 502, "{bytes:?}: {answer:?}");
            assert!(reasons.contains(&answer.reason().as_str()), "{bytes:?}: {answer:?}");
        }
    }
}

fn answers_by_table() {
    // Who refuses looks for a tenth of a second for the reason: side by side they take no longer than one after the other.
    let cells: usize = std::thread::scope(|scope| {
        let rows: Vec<_> = FRAMINGS.iter().map(|row| scope.spawn(|| answers_of(row))).collect();
        rows.into_iter().map(|row| row.join().unwrap()).sum()
    });
    println!("{cells} answers");
    assert!(cells > 200);
    assert_eq!(shared().get("/default/f").status, 200);
}

/// The answers with one framing; says how many.
fn answers_of((framing, text, expected): &(&str, &str, Expected)) -> usize {
    let mut cells = 0;
    for (line, value) in LINES {
        for head in [format!("{line}{framing}"), format!("{framing}{line}")] {
            let bytes = format!("HTTP/1.1 200 OK\r\n{head}\r\n{text}");
            let answer = answered(&bytes);
            holds(&bytes, &answer, if value.is_some() { *expected } else { NOT_HTTP });
            if answer.status == 200 {
                let words: Vec<&str> = answer.header("x-a").unwrap_or_default().split_whitespace().collect();
                assert_eq!(Some(words.join(" ").as_str()), value, "{bytes:?}: {answer:?}");
            }
            cells += 1;
        }
    }
    // HTTP/1.0 knows no transfer codings.
    let bytes = format!("HTTP/1.0 200 OK\r\n{framing}\r\n{text}");
    let expected = if framing.contains("Transfer-Encoding") { NOT_HTTP } else { *expected };
    holds(&bytes, &answered(&bytes), expected);
    cells + 1
}

fn statuses_and_heads() {
    for (bytes, expected) in [
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Whole("hi")),
        (
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            Whole("hi"),
        ),
        ("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", Whole("hi")),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", Whole("hi")),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", NOT_HTTP),
        ("HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", NOT_HTTP),
        ("ICY 200 OK\r\nContent-Length: 2\r\n\r\nhi", NOT_HTTP),
        ("200 OK\r\n\r\nhi", NOT_HTTP),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", Refused(&["NoResponse"])),
        ("", Refused(&["NoResponse"])),
    ] {
        holds(bytes, &answered(bytes), expected);
    }
    let empty = answered("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!((empty.status, empty.header("content-length"), empty.body.as_str()), (204, None, ""));
    let unchanged = answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
}

fn heads_up_to_their_limits_pass() {
    for count in [101, 500, 1000] {
        let answer = shared().get(&format!("/default/f/fields/{count}"));
        assert_eq!((answer.status, answer.body.as_str()), (200, "hi"), "{count} fields");
        let passed = answer.head.lines().filter(|line| line.ends_with(": v")).count();
        assert_eq!(passed, count - 1, "of {count} fields");
    }
    let cookies = "Set-Cookie: a=b\r\n".repeat(500);
    let answer = answered(&format!("HTTP/1.1 200 OK\r\n{cookies}Content-Length: 2\r\n\r\nhi"));
    assert_eq!((answer.status, answer.head.matches("a=b").count()), (200, 500));
    let answer = shared().get("/default/f/headed/262144");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hi"), "256 KiB");
    assert!(answer.header("x-long").is_some_and(|value| value.len() > 262_000));
    for path in ["fields/1001", "fields/5000", "headed/262145", "headed/1000000"] {
        let answer = shared().get(&format!("/default/f/{path}"));
        assert_eq!((answer.status, answer.reason().as_str()), (502, "AnswerHeadTooLarge"), "{path}");
    }
    let answer = shared().get("/default/f/trailed/1000");
    assert!(answer.status == 200 && answer.body.starts_with("2\r\nhi\r\n0\r\n"), "{answer:?}");
    let answer = shared().get("/default/f/trailed/1001");
    assert!(answer.status == 502 || !answer.body.ends_with("0\r\n\r\n"), "{answer:?}");
    assert_eq!(shared().get("/default/f").status, 200);
}

fn nothing_is_sent_of_what_is_cut_short() {
    for (path, reason) in [("half", "NoResponse"), ("half-length-exit", "Crashed")] {
        let answer = shared().get(&format!("/default/f/{path}"));
        assert_eq!((answer.status, answer.reason().as_str()), (502, reason), "{path}: {answer:?}");
    }
    // A long answer goes out as it comes, and is cut off then.
    let mut stream = shared().connect();
    write!(stream, "GET /default/f/long-exit HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
    let answer = Answer::of(&read_answer(&mut stream));
    assert!(answer.status == 200 && answer.body.len() < 1_000_000, "{} bytes", answer.body.len());
}
