//! What a function sees of a request, and a client of a response.

use serde_json::json;

use crate::node::{Answer, Node, shared};

crate::trials!(
    the_function_sees,
    spoofed_headers_are_replaced,
    identities_are_a_proxys_to_say,
    hosts_have_no_user,
    a_function_speaks_for_itself_alone,
    names_keep_their_case,
    lengths_and_chunks,
    bodies_too_large_get_no_continue,
    expect_is_ours,
);

fn seen(head: &str, body: &str) -> Answer {
    let request = format!("{head}\r\nHost: example:1\r\nConnection: close\r\n\r\n{body}");
    shared().send(request.as_bytes())
}

fn the_function_sees() {
    let answer = seen("GET /default/f/head/a%20b?x=/y HTTP/1.1\r\nAccept: */*", "");
    let head = &answer.body;
    assert!(head.starts_with("GET /head/a%20b?x=/y HTTP/1.1\r\n"), "{head}");
    for line in [
        "\r\nHost: example:1\r\n",
        "\r\nAccept: */*\r\n",
        "\r\nX-Forwarded-For: 127.0.0.1\r\n",
        "\r\nX-Forwarded-Host: example:1\r\n",
        "\r\nX-Forwarded-Proto: http\r\n",
        "\r\nX-Forwarded-Prefix: /default/f\r\n",
        "\r\nForwarded: for=127.0.0.1;host=\"example:1\";proto=http\r\n",
        "\r\nTraceparent: 00-",
        "\r\nX-Call-Id: ",
    ] {
        assert!(head.contains(line), "{line} is missing in {head}");
    }
    assert!(!head.contains("Connection"), "{head}");
}

fn spoofed_headers_are_replaced() {
    let spoofed = "GET /default/f/head HTTP/1.1\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\n\
                   X-Forwarded-Prefix: /x\r\nX-Call-Id: a b\r\nKeep-Alive: 1\r\nTE: trailers\r\nProxy-Connection: x";
    let head = seen(spoofed, "").body;
    for gone in ["1.1.1.1", "/x\r\n", "a b", "Keep-Alive", "TE:", "Proxy-Connection"] {
        assert!(!head.contains(gone), "{gone} in {head}");
    }
    let stripping =
        "GET /default/f/head HTTP/1.1\r\nConnection: x-call-id, x-mine, x-forwarded-for\r\nX-Mine: 1";
    let request = format!("{stripping}\r\nHost: h\r\n\r\n");
    let mut stream = shared().connect();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let head = Answer::of(&crate::node::read_answer(&mut stream)).body;
    assert!(
        head.contains("X-Call-Id: ")
            && head.contains("X-Forwarded-For: 127.0.0.1")
            && !head.contains("X-Mine"),
        "{head}"
    );
}

fn identities_are_a_proxys_to_say() {
    let names = [
        "X_Forwarded_For",
        "X_Call_Id",
        "Proxy",
        "X-Real-IP",
        "X.Real.Ip",
        "X_REMOTE_USER",
        "X-Forwarded-Port",
    ];
    let spoofed: String = names.iter().map(|name| format!("\r\n{name}: spoofed")).collect();
    let request = format!("GET /default/f/head HTTP/1.1\r\nAuthorization: mine{spoofed}");
    let head = seen(&request, "").body;
    assert!(head.contains("\r\nAuthorization: mine\r\n") && !head.contains("spoofed"), "{head}");
    // A proxy that is trusted knows what it says.
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    let request = format!("{request}\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_eq!(node.send(request.as_bytes()).body.matches(": spoofed").count(), names.len());
}

fn hosts_have_no_user() {
    for (target, host) in
        [("/default/f", "u@h"), ("http://u@h/default/f", "h"), ("http://u:p@h/default/f", "h")]
    {
        let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let answer = shared().send(request.as_bytes());
        assert_eq!((answer.status, answer.reason().as_str()), (400, "HostInvalid"), "{target}: {answer:?}");
    }
}

fn a_function_speaks_for_itself_alone() {
    let of_origin = [
        "Service-Worker-Allowed",
        "Clear-Site-Data",
        "Strict-Transport-Security",
        "NEL",
        "Report-To",
        "Alt-Svc",
    ];
    let lines: String = of_origin.iter().map(|name| format!("{name}: x\r\n")).collect();
    let cookies = "Set-Cookie: a=1; Path=/; Domain=h\r\nSet-Cookie: b=2; Path=/sub; Secure\r\n";
    let bytes = format!("HTTP/1.1 200 OK\r\n{lines}{cookies}X-Own: kept\r\nContent-Length: 0\r\n\r\n");
    let hex: String = bytes.bytes().map(|byte| format!("{byte:02x}")).collect();
    let answer = shared().get(&format!("/default/f/raw/{hex}"));
    assert_eq!((answer.status, answer.header("x-own")), (200, Some("kept")), "{answer:?}");
    for name in of_origin {
        assert_eq!(answer.header(name), None, "{name}");
    }
    let head = answer.head.to_ascii_lowercase();
    let cookies: Vec<_> = head.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    assert_eq!(cookies, ["a=1; path=/default/f", "b=2; secure; path=/default/f/sub"]);
}

fn names_keep_their_case() {
    let answer = seen("GET /default/f/head HTTP/1.1\r\nx-LoWeR-UPPER: 1", "");
    assert!(answer.body.contains("\r\nx-LoWeR-UPPER: 1\r\n"), "{answer:?}");
    assert!(answer.head.contains("\r\nX-mIxEd: yes"), "{answer:?}");
}

fn lengths_and_chunks() {
    let head =
        seen("POST /default/f/head HTTP/1.1\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n").body;
    assert!(head.contains("Content-Length: 3") && !head.contains("Transfer-Encoding"), "{head}");
    let large = "x".repeat(200_000);
    let head = seen("POST /default/f/head HTTP/1.1\r\nContent-Length: 200000", &large).body;
    assert!(head.contains("Content-Length: 200000"), "{head}");
    let chunked = format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let head = seen("POST /default/f/head HTTP/1.1\r\nTransfer-Encoding: chunked", &chunked).body;
    assert!(head.contains("Transfer-Encoding: chunked") && !head.contains("Content-Length"), "{head}");
    let counted = seen("POST /default/f/discard HTTP/1.1\r\nTransfer-Encoding: chunked", &chunked).body;
    assert_eq!(counted, "200000\n");
    let head = seen("GET /default/f/head HTTP/1.1", "").body;
    assert!(!head.contains("Content-Length") && !head.contains("Transfer-Encoding"), "{head}");
    let head = seen("POST /default/f/head HTTP/1.1\r\nContent-Length: 0", "").body;
    assert!(head.contains("Content-Length: 0"), "{head}");
}

fn bodies_too_large_get_no_continue() {
    let head = "POST /default/f/discard HTTP/1.1\r\nContent-Length: 99999999\r\nExpect: 100-continue";
    let answer = seen(head, "");
    assert_eq!((answer.status, answer.reason().as_str()), (413, "BodyTooLarge"), "{answer:?}");
    let body = format!("{:x}\r\n{}\r\n0\r\n\r\n", 2 << 20, "y".repeat(2 << 20));
    let answer = seen("POST /default/f/discard HTTP/1.1\r\nTransfer-Encoding: chunked", &body);
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
}

fn expect_is_ours() {
    let mut stream = shared().connect();
    let head =
        "POST /default/f/head HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n";
    std::io::Write::write_all(&mut stream, head.as_bytes()).unwrap();
    let mut first = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n");
    std::io::Write::write_all(&mut stream, b"hi").unwrap();
    let answer = Answer::of(&crate::node::read_answer(&mut stream));
    assert!(answer.status == 200 && !answer.body.contains("Expect"), "{answer:?}");
}
