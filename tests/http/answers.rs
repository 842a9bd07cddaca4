//! The error table: what a client gets for each way in which a call can go.

use serde_json::json;

use crate::node::{Answer, Node, shared, wait};

crate::trials!(
    a_plain_call,
    rows_of_the_error_table,
    callers_see_no_insides,
    half_an_answer_is_cut_off,
    the_deadline,
    names_that_are_no_names,
    output_is_logged,
    records_and_metrics,
);

fn a_plain_call() {
    let answer = shared().get("/default/f");
    assert_eq!((answer.status, answer.body.as_str()), (200, "hello\n"));
    assert!(answer.header("x-call-id").is_some_and(|id| id.len() == 32));
    let timing = answer.header("server-timing").unwrap();
    assert!(
        ["queue;dur=", "boot;dur=0.042", "run;dur="].iter().all(|part| timing.contains(part)),
        "{timing}"
    );
}

fn problem(path: &str, status: u16, reason: &str) -> Answer {
    let answer = shared().get(path);
    assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{path}: {answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.body.contains(answer.header("x-call-id").unwrap()), "{answer:?}");
    assert_eq!(shared().get("/default/f").status, 200, "the call after {path}");
    answer
}

fn rows_of_the_error_table() {
    for (path, reason) in [
        ("exit", "Exited"),
        ("segv", "Crashed"),
        ("memory", "OutOfMemory"),
        ("fault", "MachineFault"),
        ("garbage", "NotHttp"),
        ("double", "NotHttp"),
        ("nothing", "NoResponse"),
    ] {
        problem(&format!("/default/f/{path}"), 502, reason);
    }
    let old = shared().get("/default/f/old");
    assert_eq!((old.status, old.body.contains("until the end")), (200, true), "{old:?}");
}

/// What no caller may learn of a function: its output, its exit, its machine's addresses, this host's paths.
const INSIDES: [&str; 6] = ["no such module", "status 1", "status 3", "signal 11", "0x7f001234", "/volume"];

fn callers_see_no_insides() {
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    for name in ["crash", "silent"] {
        node.put(name, &format!("/{name}"), json!({}));
        node.settled(name);
    }
    let paths = ["crash", "silent", "f/exit", "f/segv", "f/fault", "f/garbage", "f/abort", "f/stray", "none"];
    for path in paths {
        let answer = node.get(&format!("/default/{path}"));
        assert!(answer.status >= 400 && !answer.reason().is_empty(), "{path}: {answer:?}");
        let shown = INSIDES.iter().find(|inside| answer.body.contains(**inside));
        assert_eq!(shown, None, "{path}: {answer:?}");
    }
    // Its owner learns it all: on the admin port, in the log, and once.
    let message = node.entry("crash").unwrap()["message"].to_string();
    assert_eq!(message.matches("no such module").count(), 1, "{message}");
    let calls = wait("record", || {
        Some(node.ask("/calls?function=default/f").body).filter(|calls| calls.contains("0x7f001234"))
    });
    assert!(calls.contains("status 3") && calls.contains("signal 11"), "{calls}");
    assert!(node.log().contains("0x7f001234") && node.log().contains("no such module"));
    let node = Node::start(&["--verbose-errors"]);
    node.publish("f", json!({}));
    let answer = node.get("/default/f/fault");
    assert!(answer.status == 502 && answer.body.contains("0x7f001234"), "{answer:?}");
}

fn half_an_answer_is_cut_off() {
    for path in ["half", "half-exit"] {
        let answer = shared().get(&format!("/default/f/{path}"));
        let whole = answer.header("content-length") == Some("4") || answer.body.ends_with("0\r\n\r\n");
        assert!(!whole, "{path}: {answer:?}");
    }
}

fn the_deadline() {
    let node = Node::start(&[]);
    node.publish("f", json!({"timeout": "1s"}));
    let answer = node.get("/default/f/hang");
    assert_eq!((answer.status, answer.reason().as_str()), (504, "Deadline"), "{answer:?}");
    assert!(answer.body.contains("timeout"));
}

fn names_that_are_no_names() {
    for path in [
        "/",
        "/default",
        "/default/none",
        "/default/%66",
        "//default/f",
        "/default//f",
        "/default/f%00",
        "/default/../default/f",
        "/Default/f",
    ] {
        assert_eq!(shared().get(path).status, 404, "{path}");
    }
    assert_eq!(shared().get("/healthz").status, 200);
}

fn output_is_logged() {
    let id = "log-test-1";
    let request =
        format!("GET /default/f/log HTTP/1.1\r\nHost: h\r\nX-Call-Id: {id}\r\nConnection: close\r\n\r\n");
    assert_eq!(shared().send(request.as_bytes()).header("x-call-id"), Some(id));
    let lines = wait("log lines", || {
        let lines = shared().ask(&format!("/logs?function=default/f&call={id}")).body;
        lines.contains("partial").then_some(lines)
    });
    assert!(lines.contains("to stdout") && lines.contains(r"\\u{1b}[31mred"), "{lines}");
    shared().get("/default/f/flood/1000");
    let all = shared().ask("/logs?function=default/f").body;
    assert!(all.len() < 3 << 20, "{} bytes", all.len());
    assert_eq!(shared().ask("/logs?function=default/none").status, 404);
    assert_eq!(shared().ask("/logs").status, 400);
}

fn records_and_metrics() {
    shared().get("/default/f");
    let calls = shared().ask("/calls?function=default/f&last=3").body;
    assert!(calls.contains("\"boot_us\":42") && calls.contains("\"dirty_pages\":20"), "{calls}");
    let metrics = shared().ask("/metrics").body;
    for name in [
        "faas_invocations_total",
        "faas_invoke_duration_seconds_bucket",
        "faas_init_duration_seconds",
        "kontain_machines",
        "kontain_connections",
    ] {
        assert!(metrics.contains(name), "{name}");
    }
    assert_eq!(shared().ask("/nothing").status, 404);
}
