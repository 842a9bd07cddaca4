//! Asynchronous calls: what is accepted, made, told, tried again, given up, taken out and counted.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use crate::common::kvm_or_skip;
use crate::common::node::{Answer, Node};
use crate::receiver::{self, ADDRESS, Receiver};

/// `admin:pass`.
pub const LOGIN: &str = "Basic YWRtaW46cGFzcw==";

/// Writes the files of the user and the password.
pub fn credentials(folder: &Path) -> String {
    for (name, text) in [("basic-auth-user", "admin"), ("basic-auth-password", "pass")] {
        std::fs::write(folder.join(name), text).expect("a file can be written");
    }
    folder.display().to_string()
}

/// A node with a gateway, and calls to it.
struct Bench {
    node: Node,
    receiver: Receiver,
}

impl Bench {
    /// Starts a node whose attempts follow each other at once.
    fn start(options: &[&str]) -> Option<Self> {
        if !kvm_or_skip("asynchronous calls") || !receiver::enter() {
            return None;
        }
        let folder = TempDir::with_prefix("gateway-").expect("a folder can be made");
        let mount = credentials(folder.path());
        let allow = format!("{ADDRESS}/32");
        let own = ["--gateway", "--secret-mount-path", &mount, "--async-callback-allow", &allow];
        let waits = ["--async-min-wait", "20ms", "--async-max-wait", "50ms"];
        let node = Node::start_in(folder, &[&own[..], &waits, options].concat());
        Some(Self { node, receiver: Receiver::start() })
    }

    fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.node.request(method, path, headers, body)
    }

    /// Queues a call whose answer goes to `callback`.
    fn call(&self, path: &str, callback: &str, body: &[u8]) -> String {
        let url = self.receiver.url(callback);
        let answer =
            self.request("POST", &format!("/async-function/{path}"), &[("X-Callback-Url", &url)], body);
        assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{path}");
        assert_eq!(answer.header("x-call-id"), answer.header("x-queue-id"));
        answer.header("x-queue-id").expect("an id").to_owned()
    }

    /// What is queued, as the API tells it.
    fn list(&self, query: &str) -> Vec<Value> {
        let path = format!("/system/async-calls{query}");
        let answer = self.request("GET", &path, &[("Authorization", LOGIN)], b"");
        assert_eq!(answer.status, 200, "{}", answer.text());
        serde_json::from_slice(&answer.body).expect("a list")
    }

    fn change(&self, method: &str, path: &str) -> u16 {
        self.request(method, path, &[("Authorization", LOGIN)], b"").status
    }

    /// The callback that comes to a path.
    fn told(&self, path: &str) -> receiver::Came {
        self.told_times(path, 1)
    }

    /// The last of so many callbacks that come to a path.
    fn told_times(&self, path: &str, times: usize) -> receiver::Came {
        let what = format!("{times} callbacks at {path}");
        self.node.wait_for(&what, |_| self.receiver.at(path).get(times - 1).cloned())
    }

    fn metric(&self, line: &str) -> bool {
        self.node.ask(&format!("http://{}/metrics", self.node.admin)).text().lines().any(|one| one == line)
    }
}

#[test]
fn asynchronous_calls_are_made_and_told() {
    let Some(bench) = Bench::start(&["--async-retries", "2", "--async-max-body", "1Mi"]) else { return };
    bench.node.publish("probe", "");
    let url = bench.receiver.url("/echo");
    let answer = bench.request(
        "POST",
        "/async-function/probe.openfaas-fn/echo",
        &[("X-Callback-Url", &url), ("X-Call-Id", "my-own"), ("Content-Type", "text/x-own")],
        b"hello",
    );
    assert_eq!((answer.status, answer.header("x-call-id")), (202, Some("my-own")));
    assert!(answer.header("x-start-time").is_some_and(|time| time.len() == 19), "{answer:?}");
    let came = bench.told("/echo");
    let said = ["x-call-id", "x-function-status", "x-function-name"].map(|name| came.header(name));
    assert_eq!(said, [Some("my-own"), Some("200"), Some("probe.openfaas-fn")]);
    assert_eq!(came.body, b"hello");
    // The head that the function got.
    bench.call("probe/headers", "/headers", b"");
    let came = bench.told("/headers");
    let head = String::from_utf8_lossy(&came.body).into_owned();
    assert!(head.starts_with("POST /headers HTTP/1.1\r\n"), "{head}");
    let host = format!("Host: {}\r\n", bench.node.functions);
    for line in
        [&format!("X-Callback-Url: {}", bench.receiver.url("/headers")), "X-Forwarded-For: 127.0.0.1", &host]
    {
        assert!(head.contains(line), "{line} is not in {head}");
    }
    assert!(!head.contains("X-Retry"), "{head}");
    assert!(came.header("x-duration-seconds").is_some_and(|text| text.parse::<f64>().is_ok()), "{came:?}");
    assert_eq!((came.header("x-retry"), came.header("x-callback-retry")), (None, None));
    failures_are_tried_again(&bench);
    refused_at_the_door(&bench);
    callbacks_go_where_they_may(&bench);
    calls_are_cancelled(&bench);
    assert!(bench.list("").is_empty(), "{:?}", bench.list(""));
}

/// What fails is made again, then told, then a dead letter, which can be tried again or taken out.
fn failures_are_tried_again(bench: &Bench) {
    let id = bench.call("probe/exit/1", "/exit", b"body");
    let came = bench.told("/exit");
    assert_eq!((came.header("x-function-status"), came.header("x-retry")), (Some("502"), Some("2")));
    assert_eq!(came.header("x-openfaas-internal"), Some("proxy"));
    let dead = || bench.list("?state=dead&function=probe").into_iter().find(|one| one["id"] == id);
    let letter = bench.node.wait_for("a dead letter", |_| dead());
    assert_eq!(
        (&letter["runs"], &letter["stage"], &letter["name"]),
        (&3.into(), &"call".into(), &"probe".into())
    );
    assert!(letter["reason"].as_str().is_some_and(|why| why.contains("502")), "{letter}");
    assert!(bench.metric("kontain_async_calls{faas_name=\"default/probe\",state=\"dead\"} 1"));
    assert_eq!(bench.change("POST", &format!("/system/async-calls/{id}/redrive")), 202);
    let came = bench.told_times("/exit", 2);
    assert_eq!(came.header("x-retry"), Some("5"), "it says how often it was made before");
    bench.node.wait_for("a dead letter", |_| dead());
    assert_eq!(bench.change("DELETE", &format!("/system/async-calls/{id}")), 202);
    assert_eq!((dead(), bench.change("DELETE", &format!("/system/async-calls/{id}"))), (None, 404));
    // A receiver that fails is asked again, and sees that.
    bench.call("probe/", "/fail/1", b"");
    let came = bench.told_times("/fail/1", 3);
    assert_eq!((came.header("x-callback-retry"), came.header("x-retry")), (Some("2"), None));
    bench.node.wait_for("the end of the call", |_| bench.list("").is_empty().then_some(()));
}

fn refused_at_the_door(bench: &Bench) {
    let post = |path: &str, headers: &[(&str, &str)], body: &[u8]| {
        bench.request("POST", &format!("/async-function/{path}"), headers, body).status
    };
    assert_eq!((post("none", &[], b""), post("", &[], b""), post("a_b", &[], b"")), (404, 404, 404));
    assert_eq!(post("probe", &[("X-Callback-Url", "ftp://a")], b""), 400);
    assert_eq!(post("probe", &[], &vec![0; (1 << 20) + 1]), 413);
    assert_eq!(bench.request("GET", "/async-function/probe", &[], b"").status, 405);
    for (method, path) in [
        ("DELETE", "/async-function/00000000000000000000000000000000"),
        ("GET", "/system/async-calls"),
        ("DELETE", "/system/async-calls/00000000000000000000000000000000"),
    ] {
        assert_eq!(bench.request(method, path, &[], b"").status, 401, "{path}");
    }
    assert_eq!(bench.change("DELETE", "/async-function/my-own"), 404, "labels name no call");
    assert_eq!(bench.change("POST", "/system/async-calls/x/redrive"), 404);
    assert_eq!(bench.change("GET", "/system/async-calls?state=odd"), 400);
}

/// Only public addresses and those that the operator allows are told, and no redirect leads elsewhere.
fn callbacks_go_where_they_may(bench: &Bench) {
    bench.call("probe/", "/moved", b"");
    bench.told("/moved");
    let port = bench.node.admin.port();
    for url in
        [format!("http://127.0.0.1:{port}/"), "http://10.98.0.2/".to_owned(), "http://[::1]/".to_owned()]
    {
        let answer = bench.request("POST", "/async-function/probe/", &[("X-Callback-Url", &url)], b"");
        assert_eq!(answer.status, 202);
        let letter = bench.node.wait_for("a dead letter", |_| bench.list("?state=dead").pop());
        assert_eq!(
            (&letter["stage"], &letter["runs"], &letter["sends"]),
            (&"callback".into(), &1.into(), &1.into())
        );
        assert!(letter["reason"].as_str().is_some_and(|why| why.contains("egress to")), "{letter}");
        let id = letter["id"].as_str().expect("an id");
        assert_eq!(bench.change("DELETE", &format!("/async-function/{id}")), 202);
    }
    bench.node.wait_for("the end of the calls", |_| bench.list("").is_empty().then_some(()));
    assert!(bench.receiver.at("/never").is_empty());
}

/// A call that is taken out ends, whether it waits or runs.
fn calls_are_cancelled(bench: &Bench) {
    let id = bench.call("probe/sleep/20000", "/slept", b"");
    bench.node.wait_for("the call", |_| bench.list("?state=running").pop());
    let in_flight = || bench.node.state("probe").map(|state| state["in_flight"].clone());
    bench.node.wait_for("the call at the node", |_| (in_flight() == Some(1.into())).then_some(()));
    assert_eq!(bench.change("DELETE", &format!("/async-function/{id}")), 202);
    bench.node.wait_for("its end", |_| (in_flight() == Some(0.into())).then_some(()));
    assert!(bench.list("").is_empty() && bench.receiver.at("/slept").is_empty());
}

#[test]
fn functions_keep_to_their_share_of_the_queue() {
    let Some(bench) = Bench::start(&["--async-quota", "64Ki"]) else { return };
    bench.node.publish("probe", "  env: [{name: max_inflight, value: \"1\"}]\n");
    bench.node.pack("other", &[], &[&crate::common::node::function("probe").display().to_string()]);
    bench.node.document("other", "  image: oci:other\n");
    bench.node.settled("other");
    let post =
        |name: &str| bench.request("POST", &format!("/async-function/{name}/sleep/300"), &[], &[1; 8192]);
    let answers: Vec<Answer> = (0..8).map(|_| post("probe")).collect();
    let accepted = answers.iter().filter(|answer| answer.status == 202).count();
    let last = answers.last().expect("an answer");
    assert!((4..=6).contains(&accepted) && last.status == 429, "{accepted} of 8: {last:?}");
    assert!(last.header("retry-after").is_some() && last.header("x-openfaas-internal").is_some(), "{last:?}");
    assert_eq!(post("other").status, 202, "another function has its own share");
    bench.node.wait_for("the end of all calls", |_| bench.list("").is_empty().then_some(()));
    assert_eq!(post("probe").status, 202, "there is room again");
    bench.node.wait_for("the end of the call", |_| bench.list("").is_empty().then_some(()));
    let calls = bench.node.wait_for("the calls' records", |node| {
        let calls = node.calls("probe");
        (calls.len() == accepted + 1).then_some(calls)
    });
    let mut times: Vec<(f64, f64)> = calls
        .iter()
        .map(|call| {
            let begun = call["time"].as_f64().expect("a time");
            (begun, begun + call["total_us"].as_f64().expect("a duration") / 1e6)
        })
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let overlap = times.windows(2).find(|pair| pair[1].0 < pair[0].1 - 0.05);
    assert_eq!(overlap, None, "max_inflight is 1");
}
