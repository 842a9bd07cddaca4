//! Bytes that no decent client sends: each ends in a clear refusal, and the server goes on.

use std::io::{Read, Write};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::node::{connect, shared, wait};

crate::trials!(
    malformed_framing,
    heads_up_to_their_limits_pass,
    heads_of_http2_up_to_their_limits_pass,
    hosts,
    slow_heads_are_closed,
    first_bytes_that_never_come_do_not_block_others,
    many_idle_connections,
    a_client_that_leaves_frees_its_machine,
    h2_by_prior_knowledge,
);

fn status(request: &str) -> u16 {
    shared().send(request.as_bytes()).status
}

fn malformed_framing() {
    let get = "/default/f/head HTTP/1.1\r\nHost: h\r\n";
    for rest in [
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "Content-Length: +1\r\n\r\na",
        "Content-Length: 0x1\r\n\r\na",
        "Content-Length: 99999999999999999999999\r\n\r\na",
        "Transfer-Encoding: chunked, gzip\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "X: a\r\n b\r\n\r\n",
        "X : a\r\n\r\n",
        "X: a\0b\r\n\r\n",
        "X: a\rb\r\n\r\n",
    ] {
        let answer = shared().send(format!("POST {get}Connection: close\r\n{rest}").as_bytes());
        assert!(answer.status == 400, "{rest:?}: {answer:?}");
    }
    // A length beside chunks is dropped, never forwarded.
    let both =
        format!("POST {get}Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n");
    let answer = shared().send(both.as_bytes());
    assert!(answer.status == 400 || answer.body.contains("Content-Length: 1\r\n"), "{answer:?}");
    assert_eq!(status("CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n"), 405);
    assert_eq!(shared().get("/default/f").status, 200);
}

fn heads_up_to_their_limits_pass() {
    let start = "GET /default/f/head HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
    let of_fields = |count| {
        let more: String = (2..count).map(|number| format!("X-{number}: v\r\n")).collect();
        shared().send(format!("{start}{more}\r\n").as_bytes())
    };
    for count in [101, 500, 1000] {
        let answer = of_fields(count);
        let passed = answer.body.lines().filter(|line| line.ends_with(": v")).count();
        assert_eq!((answer.status, passed), (200, count - 2), "{count} fields");
    }
    let of_bytes = |count: usize| {
        let value = "x".repeat(count - start.len() - "X: \r\n\r\n".len());
        shared().send(format!("{start}X: {value}\r\n\r\n").as_bytes())
    };
    let answer = of_bytes(64 << 10);
    assert!(answer.status == 200 && answer.body.len() > 64 << 10, "{} bytes", answer.body.len());
    for answer in [of_fields(1001), of_fields(5000), of_bytes(70 << 10)] {
        assert_eq!((answer.status, answer.reason().as_str()), (431, "HeadersTooLarge"), "{answer:?}");
    }
    assert_eq!(status("GET /default/f HTTP/1.0\r\n\r\n"), 200);
}

fn heads_of_http2_up_to_their_limits_pass() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sender = h2_sender().await;
        let uri = format!("http://{}/default/f/head", shared().functions);
        // 64 KiB as RFC 9113, 6.5.2 counts: 32 bytes for each field beside its name and value.
        for (count, length, expected) in
            [(1000, 1, 200), (1001, 1, 431), (1, 60_000, 200), (1, 66_000, 431), (1000, 60, 431)]
        {
            let mut request = http::Request::get(&uri);
            for number in 0..count {
                request = request.header(format!("x-{number}"), "v".repeat(length));
            }
            let response = sender.send_request(request.body(String::new()).unwrap()).await.unwrap();
            assert_eq!(response.status(), expected, "{count} fields of {length} bytes");
        }
    });
}

/// A connection of HTTP/2 to the shared server.
async fn h2_sender() -> hyper::client::conn::http2::SendRequest<String> {
    let stream = tokio::net::TcpStream::connect(shared().functions).await.unwrap();
    let executor = hyper_util::rt::TokioExecutor::new();
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) = hyper::client::conn::http2::handshake(executor, io).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn hosts() {
    for (hosts, expected) in [
        ("", 400),
        ("Host: a\r\nHost: a\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a@b\r\n", 400),
        ("Host: a:1\r\n", 200),
    ] {
        assert_eq!(
            status(&format!("GET /default/f HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n")),
            expected,
            "{hosts:?}"
        );
    }
    assert_eq!(status("GET /default/f HTTP/1.0\r\n\r\n"), 200);
}

fn slow_heads_are_closed() {
    let mut stream = shared().connect();
    stream.write_all(b"GET /default/f HTTP/1.1\r\nHost: hhhhhhhhhh\r\nX-Slow: ").unwrap();
    let mut rest = Vec::new();
    // --header-timeout is 2 s here.
    let end = stream.read_to_end(&mut rest).map_err(|error| error.kind());
    assert!(matches!(end, Ok(_) | Err(std::io::ErrorKind::ConnectionReset)), "the server closes: {end:?}");
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

fn first_bytes_that_never_come_do_not_block_others() {
    let _silent: Vec<_> = (0..50).map(|_| shared().connect()).collect();
    let mut half = shared().connect();
    half.write_all(b"PRI * HTT").unwrap();
    assert_eq!(shared().get("/default/f").status, 200);
    assert!(matches!(half.read(&mut [0; 64]), Ok(0)), "a half preface is closed");
}

fn many_idle_connections() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).ok();
    let count = most.min(10_100).saturating_sub(100);
    let idle: Vec<_> = (0..count).map(|_| connect(shared().functions)).collect();
    assert_eq!(shared().get("/healthz").status, 200);
    assert_eq!(shared().get("/default/f").status, 200);
    drop(idle);
}

fn a_client_that_leaves_frees_its_machine() {
    let request = b"GET /default/f/hang HTTP/1.1\r\nHost: h\r\n\r\n";
    for length in [1, 20, request.len() - 1, request.len()] {
        let mut stream = shared().connect();
        stream.write_all(&request[..length]).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    // Long before the deadline of five minutes would free it.
    wait("free machine", || (shared().entry("f")?["in_flight"] == 0).then_some(()));
}

fn h2_by_prior_knowledge() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut sender = h2_sender().await;
        let uri = format!("http://{}/default/f/head", shared().functions);
        for _ in 0..3 {
            let request = http::Request::get(&uri).header("x-small-name", "1").body(String::new()).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200);
            let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
            let head = String::from_utf8_lossy(&body).into_owned();
            assert!(
                head.contains("\r\nX-Small-Name: 1\r\n") && head.contains("\r\nHost: 127.0.0.1:"),
                "{head}"
            );
        }
        // Streams that are reset at once: refused by the limit on resets or served, the server stays up either way.
        for _ in 0..200 {
            let request = http::Request::get(&uri).body(String::new()).unwrap();
            drop(sender.send_request(request));
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(shared().get("/default/f").status, 200);
}
