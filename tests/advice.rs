//! A program whose first request costs more than its next, published without a warm-up: its owner is told what to add.
#![allow(clippy::expect_used, reason = "a test that cannot go on says why and ends")]

mod common;

use common::kvm_or_skip;
use common::node::{Node, function};
use std::process::Command;
use std::time::Duration;

/// The line to add, as it is told.
const LINE: &str = "`warmup: [{path: /}]`";

fn message(node: &Node, name: &str) -> String {
    node.settled(name)["message"].as_str().unwrap_or_default().to_owned()
}

/// Runs a command on the node's folder of documents; gives what it printed.
fn tool(node: &Node, arguments: &[&str]) -> (i32, String) {
    let images = node.folder().join("images");
    let mut command = Command::new(common::binary("kontain-faas"));
    command.current_dir(&images).args(arguments).arg("--images").arg(&images);
    command.args(["--admin", &node.admin.to_string()]);
    let ended = common::run(&mut command, b"", Duration::from_secs(60)).expect("it ends");
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status, String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn a_warm_up_is_advised_where_the_first_request_costs_much() {
    if !kvm_or_skip("what a bake advises") {
        return;
    }
    let mut node = Node::start(&["--log", "debug"]);
    node.pack("lazy", &[], &[&function("lazy").display().to_string()]);
    node.document("lazy", "  image: oci:lazy\n");
    let told = message(&node, "lazy");
    assert!(told.starts_with("calls are served; ") && told.contains(LINE), "{told}");
    assert_eq!(node.get("/default/lazy/").text(), "1\n", "what was tried has left nothing");
    let calls = node
        .wait_for("the record of a call", |node| Some(node.calls("lazy")).filter(|calls| !calls.is_empty()));
    assert_eq!(calls.len(), 1, "nobody counts it");
    node.restart("TERM", &[]);
    assert_eq!(message(&node, "lazy"), told, "it is known after a restart");
    node.wait_for("the advice in its description", |node| {
        tool(node, &["describe", "lazy"]).1.contains(LINE).then_some(())
    });
    node.document("lazy", "  image: oci:lazy\n  warmup: [{path: /}]\n");
    node.wait_for("the version with a warm-up", |node| {
        (message(node, "lazy") == "calls are served").then_some(())
    });
    assert_eq!(
        node.get("/default/lazy/").text(),
        "2\n",
        "the snapshot is that of a program with one request"
    );
}

#[test]
fn publish_adds_the_warm_up_that_is_advised() {
    if !kvm_or_skip("warm-ups that are added") {
        return;
    }
    let node = Node::start(&["--log", "debug"]);
    node.pack("lazy", &[], &[&function("lazy").display().to_string()]);
    let url = format!("http://{}", node.functions);
    let publish = ["publish", "lazy", "oci:lazy", "--wait", "--url", &url];
    let (status, said) = tool(&node, &publish);
    assert!(status == 0 && said.contains(LINE), "{said}");
    let (status, said) = tool(&node, &[&publish[..], &["--warmup", "auto"]].concat());
    assert!(status == 0 && said.contains("changed: warmup: [{path: /}]"), "{said}");
    assert_eq!(node.get("/default/lazy/").text(), "2\n");
    // A second time there is nothing to add, and a path replaces what there is.
    let (status, said) = tool(&node, &[&publish[..], &["--warmup", "auto"]].concat());
    assert!(status == 0 && said.contains("lazy unchanged") && !said.contains("changed: warmup"), "{said}");
    let (status, said) = tool(&node, &[&publish[..], &["--warmup", "/a", "--warmup", "/b"]].concat());
    assert!(status == 0, "{said}");
    assert_eq!(node.get("/default/lazy/").text(), "3\n");
    let (status, said) = tool(&node, &["publish", "lazy", "oci:lazy", "--warmup", "auto"]);
    assert!(status == 2 && said.contains("--wait"), "{said}");
}
