//! Bakes: their deadline, and whose turn it is.

use serde_json::{Value, json};

use crate::node::{Node, wait};

crate::trials!(
    a_bake_has_a_deadline,
    namespaces_bake_in_turns,
    what_is_baked_again_holds_up_no_first_bake,
    a_snapshot_of_no_use_is_made_again_less_and_less,
);

/// More bakes than a node has turns for, several times over.
fn many() -> usize {
    4 * std::thread::available_parallelism().map_or(1, usize::from)
}

fn a_bake_has_a_deadline() {
    let node = Node::start(&[]);
    node.put("endless", "/endless", json!({"bakeTimeout": "1s"}));
    let entry = node.settled("endless");
    assert_eq!((&entry["phase"], &entry["reason"]), (&json!("Failed"), &json!("Timeout")), "{entry}");
    let message = entry["message"].as_str().unwrap();
    for part in ["within 1s", "still starting", "spec.bakeTimeout", "booting"] {
        assert!(message.contains(part), "{message}");
    }
    let answer = node.get("/default/endless");
    assert_eq!((answer.status, answer.reason().as_str()), (502, "Timeout"));
    // A request of the warm-up is named.
    node.put(
        "warms",
        "/ready",
        json!({"bakeTimeout": "1s", "warmup": [{"path": "/"}, {"path": "/slow/60000"}]}),
    );
    let entry = node.settled("warms");
    assert_eq!(entry["reason"], "Timeout", "{entry}");
    assert!(entry["message"].as_str().unwrap().contains("warm-up GET /slow/60000"), "{entry}");
    // Its turn is free again, and the same version is made ready once it may take as long as it takes.
    node.put("slow", "/slow-boot", json!({}));
    assert_eq!(node.settled("slow")["phase"], "Ready");
}

fn namespaces_bake_in_turns() {
    let node = Node::start(&[]);
    let names: Vec<String> = (0..many()).map(|number| format!("a{number}")).collect();
    names.iter().for_each(|name| node.put(name, "/slow-boot", json!({})));
    wait("bakes of the first namespace", || {
        names.iter().all(|name| node.entry(name).is_some()).then_some(())
    });
    node.put("other/b", "/slow-boot", json!({}));
    assert_eq!(node.settled("other/b")["phase"], "Ready");
    let waiting = names.iter().filter(|name| phase(&node, name) == "Baking").count();
    assert!(waiting > 0, "the other namespace came last\n{}", node.log());
    names.iter().for_each(|name| assert_eq!(node.settled(name)["phase"], "Ready"));
}

fn what_is_baked_again_holds_up_no_first_bake() {
    let node = Node::start(&[]);
    let names: Vec<String> = (0..many()).map(|number| format!("a{number}")).collect();
    names.iter().for_each(|name| node.put(name, "/ready", json!({})));
    names.iter().for_each(|name| assert_eq!(node.settled(name)["phase"], "Ready"));
    let folder = node.stop();
    // Another command is another snapshot: each has to be baked again, and boots slowly from now on.
    for entry in std::fs::read_dir(folder.path().join("volume/store/sha256")).unwrap() {
        let config = entry.unwrap().path().join(bundles::bundle::CONFIG);
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, text.replace("/ready", "/slow-boot")).unwrap();
    }
    let node = Node::start_in(folder, &[]);
    let begun = || node.log().matches("bake begins").count();
    wait("bakes", || (begun() == names.len()).then_some(()));
    node.put("fresh", "/slow-boot", json!({}));
    assert_eq!(node.settled("fresh")["phase"], "Ready");
    let baked = node.log().matches("\"baked\"").count();
    assert!(baked < names.len() + 1, "the first bake came last\n{}", node.log());
}

fn a_snapshot_of_no_use_is_made_again_less_and_less() {
    let node = Node::start(&[]);
    node.put("f", "/unrestorable", json!({}));
    node.settled("f");
    // Each time it is baked, and no machine comes of it. Calls are answered all the while.
    let message = wait("the fourth pause", || {
        let answer = node.get("/default/f");
        assert_eq!(answer.status, 200, "{answer:?}\n{}", node.log());
        let entry = node.entry("f")?;
        assert_eq!(entry["phase"], "Ready");
        let message = entry["message"].as_str()?.to_owned();
        (entry["reason"] == "ColdBoot" && message.contains("again in 8s")).then_some(message)
    });
    assert!(message.contains("pages are missing"), "{message}");
    let log = node.log();
    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let pauses: Vec<_> = records.filter_map(|record| Some(record["pause"].as_str()?.to_owned())).collect();
    assert_eq!(pauses, ["0s", "2s", "4s", "8s"]);
    assert_eq!(node.log().matches("bake begins").count(), 4);
    let metrics = node.ask("/metrics").body;
    assert!(
        metrics.contains("kontain_snapshots_lost_total{faas_name=\"default/f\",error_type=\"Unusable\"} 4"),
        "{metrics}"
    );
}

fn phase(node: &Node, name: &str) -> Value {
    node.entry(name).unwrap_or_default()["phase"].clone()
}
