//! The log: it never holds anything up, and no function has it for itself.

use serde_json::json;

use crate::node::{Node, wait};

crate::trials!(a_log_that_nobody_reads_stops_nothing, a_function_has_a_rate_of_its_own);

/// The value of a metric; 0 where there is none.
fn metric(node: &Node, name: &str) -> u64 {
    let metrics = node.ask("/metrics").body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn a_log_that_nobody_reads_stops_nothing() {
    let node = Node::start_unread(&["--log-rate", "1Gi"]);
    node.publish("f", json!({}));
    wait("dropped records", || {
        assert_eq!(node.get("/default/f/flood/64").status, 200);
        (metric(&node, "kontain_log_dropped_records_total") > 0).then_some(())
    });
    assert_eq!(node.get("/healthz").status, 200);
    assert_eq!(node.get("/default/f").status, 200);
    // The end does not wait for a reader either.
    node.stop();
}

fn a_function_has_a_rate_of_its_own() {
    let node = Node::start(&["--log-rate", "16Ki"]);
    node.publish("loud", json!({}));
    node.publish("quiet", json!({}));
    for _ in 0..4 {
        assert_eq!(node.get("/default/loud/flood/64").status, 200);
    }
    assert!(metric(&node, "kontain_log_left_out_lines_total{faas_name=\"default/loud\"}") > 0);
    node.get("/default/quiet/log");
    wait("line of the other function", || {
        node.log()
            .lines()
            .any(|line| line.contains("default/quiet") && line.contains("to stdout"))
            .then_some(())
    });
    assert_eq!(metric(&node, "kontain_log_left_out_lines_total{faas_name=\"default/quiet\"}"), 0);
    let logged = node.log().len();
    assert!(logged < 512 << 10, "{logged} bytes of a MiB");
    let kept = node.ask("/logs?function=default/loud").body;
    assert!(kept.len() > 512 << 10, "the admin port has the last of it: {}", kept.len());
}
