//! Functions that come, change, fail and go; limits; workers that die; the end of the server.

use std::io::Write;
use std::net::TcpStream;

use nix::sys::signal::Signal;
use serde_json::json;

use crate::node::{Answer, Node, read_answer, wait};

crate::trials!(
    published_changed_removed,
    ready_is_a_latch,
    bakes_that_fail_say_why,
    concurrency_and_queue,
    restart_serves_from_the_snapshot,
    damaged_snapshots_are_baked_again,
    snapshot_none_boots,
    the_death_of_a_worker_costs_its_calls_only,
    draining_finishes_calls,
    documents_are_published,
);

fn published_changed_removed() {
    let node = Node::start(&[]);
    assert_eq!(node.get("/default/a").status, 404);
    node.put("a", "/slow-boot", json!({}));
    let baking = wait("503", || Some(node.get("/default/a")).filter(|answer| answer.status != 404));
    assert_eq!((baking.status, baking.reason().as_str()), (503, "Baking"), "{baking:?}");
    assert!(baking.header("retry-after").is_some());
    assert_eq!(node.ask("/readyz").status, 503);
    assert_eq!(node.settled("a")["phase"], "Ready");
    assert_eq!(node.ask("/readyz").status, 200);
    assert_eq!(node.get("/default/a").status, 200);
    // A new version bakes beside the old one.
    node.put("a", "/slow-boot", json!({"env": [{"name": "X", "value": "1"}]}));
    wait("the new version", || {
        assert_eq!(node.get("/default/a").status, 200);
        (node.entry("a")?["spec"]["env"][0]["name"] == "X").then_some(())
    });
    // One that fails leaves the old one serving.
    node.put("a", "/crash", json!({}));
    wait("failure", || Some(node.entry("a")?["phase"] == "Failed").filter(|failed| *failed));
    assert_eq!(node.get("/default/a").status, 200);
    node.withdraw("a");
    wait("404", || (node.get("/default/a").status == 404).then_some(()));
}

fn ready_is_a_latch() {
    let node = Node::start(&[]);
    for name in ["a", "b"] {
        node.put(name, "/ready", json!({}));
        node.settled(name);
    }
    wait("ready", || (node.ask("/readyz").status == 200).then_some(()));
    // One more, and a change: the others answer, so the node is ready.
    node.put("slow", "/slow-boot", json!({}));
    node.put("a", "/slow-boot", json!({"timeout": "1m"}));
    wait("bake", || (node.entry("slow")?["phase"] == "Baking").then_some(()));
    assert_eq!(node.ask("/readyz").status, 200);
    assert_eq!(node.entry("slow").unwrap()["phase"], "Baking", "it was asked meanwhile");
    node.settled("slow");
    // What is there at the start counts, until it was tried or is gone.
    let folder = node.stop();
    std::fs::remove_dir_all(folder.path().join("volume/status")).unwrap();
    for entry in std::fs::read_dir(folder.path().join("volume/snapshots")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let node = Node::start_in(folder, &[]);
    let early = node.ask("/readyz");
    assert_eq!(early.status, 503, "{early:?}");
    wait("ready", || (node.ask("/readyz").status == 200).then_some(()));
    assert_ne!(node.entry("slow").unwrap()["phase"], "Baking");
}

fn bakes_that_fail_say_why() {
    let node = Node::start(&[]);
    for (name, command, reason) in [("c", "/crash", "Exited"), ("s", "/silent", "NotListening")] {
        node.put(name, command, json!({}));
        let entry = node.settled(name);
        assert_eq!((&entry["phase"], &entry["reason"]), (&json!("Failed"), &json!(reason)));
        let answer = node.get(&format!("/default/{name}"));
        assert_eq!((answer.status, answer.reason().as_str()), (502, reason));
    }
    assert!(node.entry("c").unwrap()["message"].as_str().unwrap().contains("no such module"));
}

fn concurrency_and_queue() {
    let node = Node::start(&["--max-calls", "30"]);
    node.publish("one", json!({"concurrency": 1}));
    let call = |path: &str| {
        let mut stream = node.connect();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    // The machine is held by a body whose end does not come before all others have found their place.
    let mut holder = node.connect();
    let body = "x".repeat(100_000);
    let head = "POST /default/one/discard HTTP/1.1\r\nHost: h\r\nConnection: close\r\n";
    write!(holder, "{head}Content-Length: {}\r\n\r\n{}", body.len(), &body[1..]).unwrap();
    wait("call that holds the machine", || (node.entry("one")?["in_flight"] == 1).then_some(()));
    let mut calls: Vec<_> = (0..19).map(|_| call("/default/one")).collect();
    wait("refusals", || (calls.iter().filter(|stream| has_answer(stream)).count() == 3).then_some(()));
    assert_eq!(node.entry("one").unwrap()["queued"], 16);
    holder.write_all(&body.as_bytes()[..1]).unwrap();
    calls.push(holder);
    let answers: Vec<_> = calls.iter_mut().map(|stream| Answer::of(&read_answer(stream))).collect();
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!(
        (count(200), count(429)),
        (17, 3),
        "{:?}",
        answers.iter().map(|answer| answer.status).collect::<Vec<_>>()
    );
    assert!(
        answers
            .iter()
            .filter(|answer| answer.status == 429)
            .all(|answer| answer.header("retry-after").is_some())
    );
    node.publish("many", json!({}));
    let mut calls: Vec<_> = (0..40).map(|_| call("/default/many/slow/2000")).collect();
    let answers: Vec<_> = calls.iter_mut().map(|stream| Answer::of(&read_answer(stream))).collect();
    let full: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
    assert!(!full.is_empty() && full.iter().all(|answer| answer.reason() == "NodeBusy"));
    assert!(answers.iter().filter(|answer| answer.status == 200).count() >= 30);
}

/// Whether something can be read.
fn has_answer(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let found = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    found
}

fn restart_serves_from_the_snapshot() {
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    let folder = node.stop();
    let node = Node::start_in(folder, &[]);
    wait("answer", || (node.get("/default/f").status == 200).then_some(()));
    assert!(!node.log().contains("bake begins"), "{}", node.log());
}

fn damaged_snapshots_are_baked_again() {
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    let folder = node.stop();
    for entry in std::fs::read_dir(folder.path().join("volume/snapshots")).unwrap() {
        std::fs::write(entry.unwrap().path(), "damaged").unwrap();
    }
    let node = Node::start_in(folder, &[]);
    // Known to work before: every call is answered, first by cold boots.
    wait("function", || (node.get("/default/f").status == 200).then_some(()));
    wait("bake", || {
        let answer = node.get("/default/f");
        assert_eq!(answer.status, 200, "{answer:?}\n{}", node.log());
        node.log().contains("baked").then_some(())
    });
    assert_eq!(node.get("/default/f").status, 200);
}

fn snapshot_none_boots() {
    let node = Node::start(&[]);
    node.publish("f", json!({"snapshot": "none"}));
    assert_eq!(node.get("/default/f").status, 200);
    assert_eq!(std::fs::read_dir(node.folder.path().join("volume/snapshots")).unwrap().count(), 0);
    wait("record", || node.ask("/calls?function=default/f").body.contains("\"status\":200").then_some(()));
}

fn the_death_of_a_worker_costs_its_calls_only() {
    let node = Node::start(&[]);
    node.publish("f", json!({}));
    node.publish("neighbour", json!({}));
    let mut slow = node.connect();
    slow.write_all(b"GET /default/neighbour/slow/2000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait("call of the neighbour", || (node.entry("neighbour")?["in_flight"] == 1).then_some(()));
    // One dies by itself, the other is ended for a frame of a connection that its call does not have.
    for path in ["abort", "stray"] {
        let answer = node.get(&format!("/default/f/{path}"));
        assert_eq!((answer.status, answer.reason().as_str()), (502, "WorkerFailed"), "{path}: {answer:?}");
        wait("next call", || (node.get("/default/f").status == 200).then_some(()));
    }
    assert_eq!(Answer::of(&read_answer(&mut slow)).status, 200);
}

fn draining_finishes_calls() {
    let node = Node::start(&["--drain-delay", "3s"]);
    node.publish("f", json!({}));
    let mut slow = node.connect();
    slow.write_all(b"GET /default/f/slow/4000 HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    wait("call", || (node.entry("f")?["in_flight"] == 1).then_some(()));
    node.signal(Signal::SIGTERM);
    wait("not ready", || (node.ask("/readyz").status == 503).then_some(()));
    let during = node.send(b"GET /default/f HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((during.status, during.header("connection")), (200, Some("close")), "{during:?}");
    assert_eq!(Answer::of(&read_answer(&mut slow)).status, 200);
    node.stop_wait();
}

fn documents_are_published() {
    let images = tempfile::tempdir().unwrap();
    let node = Node::start(&["--images", images.path().to_str().unwrap()]);
    let document = |name: &str, line: &str| {
        format!(
            "apiVersion: build.kontain.app/v1\nkind: Image\nmetadata: {{name: {name}}}\nspec:\n  image: oci:none\n{line}"
        )
    };
    std::fs::write(
        images.path().join("a.yaml"),
        format!("{}---\n{}", document("a", ""), document("b", "  tiemout: 1s\n")),
    )
    .unwrap();
    let log = wait("complaints", || {
        Some(node.log()).filter(|log| log.contains("tiemout") && log.contains("spec.image: "))
    });
    assert!(log.contains("a.yaml:12:"), "{log}");
    assert_eq!(node.get("/default/a").status, 404);
}
